"""`run_batch` from plain Python, against a server that misbehaves as it is told."""

from __future__ import annotations

import threading
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import boto3
import botocore.session
import pytest
from botocore.credentials import RefreshableCredentials
from scripted_server import Fault, Reply, Reset, ScriptedS3, Seen, Silence, error, scripted_s3

from airflow_s3batch.core.errors import AccessError, InfrastructureError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome, Summary
from airflow_s3batch.engine import Policy, run_batch
from airflow_s3batch.operations import CopyObject, Operation, PutObjectTagging, Replay, Request, RunContext
from airflow_s3batch.operations.probing import HEAD
from airflow_s3batch.operations.requests import Steps

TAGGING = PutObjectTagging({"k": "v"})
COPYING = CopyObject("target")
SESSION = boto3.session.Session("key", "secret", region_name="us-east-1")


@pytest.fixture
def s3() -> Iterator[ScriptedS3]:
    with scripted_s3() as server:
        yield server


def some(number: int) -> list[S3Object]:
    return [S3Object("data", f"{n:04d}", size=10) for n in range(number)]


def run(
    s3: ScriptedS3, objects: Any, operation: Operation = TAGGING, **arguments: Any
) -> tuple[Summary, dict[str, Outcome]]:
    """Run the batch; return its summary and the outcome by key, each of which must come once."""
    outcomes: dict[str, Outcome] = {}

    def keep(obj: S3Object, outcome: Outcome) -> None:
        assert obj.key not in outcomes
        outcomes[obj.key] = outcome

    summary = run_batch(objects, operation, session=SESSION, endpoint_url=s3.endpoint_url, on_outcome=keep, **arguments)
    return summary, outcomes


def test_the_summary_counts_what_happened(s3: ScriptedS3) -> None:
    s3.fault = lambda seen: error(403, "AccessDenied") if seen.key < "0003" else None
    summary, outcomes = run(s3, some(20))
    assert (summary.objects, summary.succeeded, summary.failed, summary.tally.bytes) == (20, 17, 3, 170)
    assert summary.tally.codes == {"AccessDenied": 3}
    assert sorted(summary.tally.examples["AccessDenied"]) == [f"s3://data/000{n}" for n in range(3)]
    assert (summary.retries, summary.slow_downs, summary.stopped) == (0, 0, "")
    assert sorted(outcomes) == [obj.key for obj in some(20)]
    assert {place for place in s3.tags if "scratch" not in place} == {f"data/{n:04d}" for n in range(3, 20)}
    assert max(s3.sent().values()) == 1


def test_an_empty_iterable_touches_nothing() -> None:
    """Not even a client is made: the endpoint does not exist."""
    summary = run_batch(iter(()), TAGGING, endpoint_url="http://127.0.0.1:9")
    assert (summary.objects, summary.requests) == (0, 0)


def test_the_iterable_is_read_only_as_fast_as_objects_are_done(s3: ScriptedS3) -> None:
    """An endless iterable works; never are more objects taken than are done and in flight."""
    taken = 0
    done: list[str] = []
    furthest_ahead = 0

    def endless() -> Iterator[S3Object]:
        nonlocal taken, furthest_ahead
        while True:
            taken += 1
            furthest_ahead = max(furthest_ahead, taken - len(done))
            yield S3Object("data", f"{taken:06d}")

    def keep(obj: S3Object, outcome: Outcome) -> None:
        done.append(obj.key)
        if len(done) == 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_batch(endless(), TAGGING, session=SESSION, endpoint_url=s3.endpoint_url, max_concurrency=5, on_outcome=keep)
    assert furthest_ahead <= 6


def test_what_on_outcome_raises_ends_the_run(s3: ScriptedS3) -> None:
    def refuse(obj: S3Object, outcome: Outcome) -> None:
        raise ValueError(obj.key)

    with pytest.raises(ValueError, match=r"^00"):
        run_batch(
            some(50), TAGGING, session=SESSION, endpoint_url=s3.endpoint_url, max_concurrency=2, on_outcome=refuse
        )
    assert len(s3.seen) <= 3


def test_no_more_requests_are_in_flight_than_allowed(s3: ScriptedS3) -> None:
    """The first seven wait for each other, so that seven are in flight at once; there are never eight."""
    all_there = threading.Barrier(7, timeout=20)

    def meet(seen: Seen) -> Fault:
        if seen.key < "0007":
            all_there.wait()
        return None

    s3.fault = meet
    summary, _ = run(s3, some(100), max_concurrency=7)
    assert summary.succeeded == 100
    assert s3.most_in_flight == 7


@pytest.mark.parametrize(
    "fault",
    [error(500, "InternalError"), error(503, "SlowDown"), error(503, "ErrTooManyRequest"), Reply(502)],
    ids=["500", "503", "503-seaweedfs", "502-without-body"],
)
def test_passing_trouble_is_tried_again(s3: ScriptedS3, fault: Reply) -> None:
    s3.fault = lambda seen: fault if seen.number == 1 and seen.key < "0005" else None
    summary, outcomes = run(s3, some(30))
    assert (summary.succeeded, summary.retries) == (30, 5)
    assert s3.sent() == Counter({obj.key: 2 if obj.key < "0005" else 1 for obj in some(30)})
    assert set(outcomes.values()) == {Outcome(200)}


def test_a_reset_connection_is_tried_again(s3: ScriptedS3) -> None:
    """On a connection that was used before, libcurl itself sends again, and that is not counted."""
    s3.fault = lambda seen: Reset() if seen.number == 1 and seen.key < "0005" else None
    summary, _ = run(s3, some(30))
    assert summary.succeeded == 30
    assert summary.retries <= 5
    assert s3.sent() == Counter({obj.key: 2 if obj.key < "0005" else 1 for obj in some(30)})


def test_lasting_trouble_of_an_object_is_its_failure_after_max_attempts(s3: ScriptedS3) -> None:
    s3.fault = lambda seen: error(500, "InternalError") if seen.key == "0002" else None
    summary, outcomes = run(s3, some(10), policy=Policy(max_attempts=3))
    assert summary.succeeded == 9
    assert (outcomes["0002"].http_status, outcomes["0002"].error_code) == (500, "InternalError")
    assert s3.sent()["0002"] == 3


def test_final_errors_are_not_tried_again(s3: ScriptedS3) -> None:
    codes = {"0000": (403, "AccessDenied"), "0001": (404, "NoSuchKey"), "0002": (400, "InvalidTag"), "0003": (412, "X")}
    s3.fault = lambda seen: error(*codes[seen.key])
    summary, outcomes = run(s3, some(4))
    assert {key: (outcome.http_status, outcome.error_code) for key, outcome in outcomes.items()} == codes
    assert summary.retries == 0


def test_a_copy_that_answers_200_and_fails_in_the_body_is_tried_again(s3: ScriptedS3) -> None:
    """CopyObject sends its status before it has copied."""
    s3.objects.update({f"data/{obj.key}": obj.key.encode() for obj in some(10)})
    passing, lasting = error(200, "InternalError"), error(200, "AccessDenied")
    s3.fault = lambda seen: lasting if seen.key == "0001" else passing if seen.number == 1 else None
    summary, outcomes = run(s3, some(10), COPYING)
    assert (summary.succeeded, summary.retries) == (9, 9)
    assert outcomes["0001"].error_code == "AccessDenied"
    copied = {f"target/{obj.key}": obj.key.encode() for obj in some(10) if obj.key != "0001"}
    assert {place: body for place, body in s3.objects.items() if place.startswith("target/")} == copied


def test_a_storm_of_503_slows_the_run_down_and_passes(s3: ScriptedS3) -> None:
    """Two of three requests are throttled for a while; the window shrinks, and no object fails."""
    s3.fault = lambda seen: error(503, "SlowDown") if len(s3.seen) < 150 and int(seen.key) % 3 else None
    summary, _ = run(s3, some(300), max_concurrency=32, policy=Policy(max_attempts=30))
    assert summary.succeeded == 300
    assert summary.slow_downs == summary.retries > 32


def test_a_request_that_is_not_answered_in_time_is_sent_again(s3: ScriptedS3) -> None:
    s3.fault = lambda seen: Silence() if seen.key == "0003" and seen.number == 1 else None
    summary, _ = run(s3, some(10), policy=Policy(request_timeout_s=0.5))
    assert (summary.succeeded, summary.retries) == (10, 1)
    assert 0.5 <= summary.duration_s < 30


def test_an_object_for_which_nothing_is_ever_answered_fails_alone(s3: ScriptedS3) -> None:
    s3.fault = lambda seen: Silence() if seen.key == "0003" else None
    summary, outcomes = run(s3, some(10), policy=Policy(request_timeout_s=0.3, max_attempts=2))
    assert summary.succeeded == 9
    assert (outcomes["0003"].http_status, outcomes["0003"].error_code) == (0, "OperationTimedOut")


def test_the_servers_time_is_adopted_when_ours_is_wrong(s3: ScriptedS3) -> None:
    """Once told, all later requests are signed with the server's time."""
    server_time = datetime.now(UTC) + timedelta(hours=3)

    def skewed(seen: Seen) -> Fault:
        signed = datetime.strptime(seen.amz_date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if abs(signed - server_time) < timedelta(minutes=15):
            return None
        return error(403, "RequestTimeTooSkewed", f"<ServerTime>{server_time:%Y-%m-%dT%H:%M:%SZ}</ServerTime>")

    s3.fault = skewed
    summary, _ = run(s3, some(60), max_concurrency=4)
    assert summary.succeeded == 60
    assert 1 <= summary.retries <= 8


def test_a_key_that_was_revoked_ends_the_run_instead_of_failing_each_object(s3: ScriptedS3) -> None:
    s3.fault = lambda seen: error(403, "InvalidAccessKeyId") if seen.key >= "0010" else None
    with pytest.raises(AccessError, match="the store refuses this connection: InvalidAccessKeyId"):
        run(s3, some(1_000), max_concurrency=2)
    assert len(s3.seen) < 20


def test_a_signature_that_is_refused_for_one_object_alone_fails_that_object(s3: ScriptedS3) -> None:
    """Stores that normalize keys compute another signature; where others were accepted, the key is to blame."""
    s3.fault = lambda seen: error(403, "SignatureDoesNotMatch") if seen.key == "0010" else None
    summary, outcomes = run(s3, some(20), max_concurrency=2)
    assert summary.succeeded == 19
    assert outcomes["0010"].error_code == "SignatureDoesNotMatch"


def test_a_store_that_stops_answering_is_given_up(s3: ScriptedS3) -> None:
    """Objects are not failed for it: what a broken store says is no verdict on them."""
    s3.fault = lambda seen: error(500, "InternalError") if seen.key >= "0010" else None
    with pytest.raises(InfrastructureError, match=r"no request has succeeded for 1 s.*InternalError"):
        run(s3, some(5_000), policy=Policy(give_up_s=1.0, max_attempts=100), max_concurrency=4)


def test_credentials_that_expire_are_fetched_again(s3: ScriptedS3) -> None:
    """A few requests are refused until the new ones are there."""
    s3.fault = lambda seen: error(400, "ExpiredToken") if seen.key < "0004" and seen.number == 1 else None
    summary, _ = run(s3, some(40), max_concurrency=4)
    assert (summary.succeeded, summary.retries) == (40, 4)


def test_objects_whose_last_try_failed_have_an_outcome_where_the_credentials_run_out(s3: ScriptedS3) -> None:
    """Nothing more can be sent then, neither what waits to be tried again nor new objects."""
    has_run_out = False

    def fetch() -> dict[str, str]:
        if has_run_out:
            raise OSError("no route to host")
        expiry = (datetime.now(UTC) + timedelta(seconds=30)).isoformat()
        return {"access_key": "key", "secret_key": "secret", "token": "t", "expiry_time": expiry}

    def fault(seen: Seen) -> Fault:
        nonlocal has_run_out
        has_run_out = has_run_out or seen.key == "0005"
        return error(500, "InternalError") if seen.key == "0005" else None

    inner: Any = botocore.session.get_session()
    inner._credentials = RefreshableCredentials.create_from_metadata(fetch(), fetch, "test")
    s3.fault = fault
    outcomes: dict[str, str] = {}
    with pytest.raises(InfrastructureError, match="the credentials can't be refreshed: no route to host"):
        run_batch(
            some(1_000_000),
            TAGGING,
            session=boto3.session.Session(botocore_session=inner, region_name="us-east-1"),
            endpoint_url=s3.endpoint_url,
            max_concurrency=4,
            on_outcome=lambda obj, outcome: outcomes.update({obj.key: outcome.error_code}),
        )
    assert outcomes["0005"] == "InternalError"


def test_a_failure_after_a_time_without_requests_is_no_outage(s3: ScriptedS3) -> None:
    """Objects may be long in coming: what gives up is a run whose requests keep failing."""
    s3.fault = lambda seen: error(500, "InternalError") if (seen.key, seen.number) == ("0001", 1) else None

    def slowly() -> Iterator[S3Object]:
        for obj in some(3):
            yield obj
            threading.Event().wait(0.5)

    policy = Policy(max_concurrency=1, request_timeout_s=0.2, give_up_s=0.3)
    summary, _ = run(s3, slowly(), policy=policy)
    assert (summary.succeeded, summary.retries) == (3, 1)


def test_credentials_that_stay_expired_end_the_run(s3: ScriptedS3) -> None:
    """One sentence, instead of a failure for each object."""
    s3.fault = lambda _: error(400, "ExpiredToken")
    with pytest.raises(AccessError, match="expired and can't be refreshed"):
        run(s3, some(1_000), max_concurrency=2)
    assert len(s3.seen) < 20


@dataclass(frozen=True)
class Look(Operation):
    """Looks at each object; a HEAD's refusal has no body that would name it."""

    name: ClassVar[str] = "look"
    replay: ClassVar[Replay] = Replay.SAFE

    def problems(self) -> list[str]:
        return []

    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:
        response = yield Request(HEAD, obj.bucket, obj.key)
        return response.outcome()

    def probe(self, scratch: S3Object, sample: S3Object) -> Steps[dict[str, str]]:
        yield from ()
        return {}

    def iam_actions(self) -> set[str]:
        return {"s3:GetObject"}


def test_the_reason_for_a_refused_head_is_asked_for(s3: ScriptedS3) -> None:
    """By a GET, whose answer has a body: expired credentials are not taken for a missing permission."""

    def expired(seen: Seen) -> Fault:
        if seen.number > 1:
            return Reply(200)
        return Reply(400) if seen.method == "HEAD" else error(400, "ExpiredToken")

    s3.fault = expired
    summary, _ = run(s3, some(10), Look(), max_concurrency=2)
    assert summary.succeeded == 10
    s3.fault = lambda seen: Reply(403) if seen.method == "HEAD" else error(403, "AccessDenied")
    _, outcomes = run(s3, some(10), Look())
    assert {(o.error_code, o.message) for o in outcomes.values()} == {("AccessDenied", "as scripted")}
    s3.fault = lambda seen: Reply(403) if seen.method == "HEAD" else Reply(200)
    _, outcomes = run(s3, some(10), Look())
    assert {o.error_code for o in outcomes.values()} == {"AccessDenied"}


def test_the_body_that_comes_where_a_store_ignores_the_range_is_not_kept(s3: ScriptedS3) -> None:
    """A GET of the first byte asks why a HEAD was refused; whoever sends the whole object must not fill the memory."""
    body = b"x" * 50_000_000
    s3.fault = lambda seen: Reply(403) if seen.method == "HEAD" else Reply(200, body)
    tracemalloc.start()
    try:
        _, outcomes = run(s3, some(2), Look())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert {o.error_code for o in outcomes.values()} == {"AccessDenied"}
    assert sum(seen.method == "GET" for seen in s3.seen) >= 2
    assert peak < 25_000_000


def test_an_operation_that_trips_over_an_answer_fails_that_object_alone(s3: ScriptedS3) -> None:
    """A bug must not stop a shard at the same row for ever."""

    @dataclass(frozen=True)
    class Stumbling(Look):
        def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:
            outcome = yield from super().steps(obj, context)
            if obj.key == "0007":
                raise KeyError("x-amz-something")
            return outcome

    s3.fault = lambda _: Reply(200)
    summary, outcomes = run(s3, some(20), Stumbling())
    assert (summary.succeeded, outcomes["0007"].error_code) == (19, "RequestImpossible")


def test_what_is_no_object_fails_without_a_request(s3: ScriptedS3) -> None:
    """An empty key would make it a request on the bucket."""
    summary, outcomes = run(s3, [*some(3), S3Object("data", "")])
    assert (summary.succeeded, outcomes[""].error_code) == (3, "RequestImpossible")
    assert len(s3.seen) == 3


def test_a_head_that_was_refused_while_the_clock_was_wrong_is_sent_again(s3: ScriptedS3) -> None:
    """By the time the reason is asked for, another object may have set clock or credentials right: the GET succeeds."""
    s3.fault = lambda seen: Reply(403 if seen.method == "HEAD" and seen.number == 1 else 200)
    summary, _ = run(s3, some(10), Look(), max_concurrency=10)
    assert summary.succeeded == 10


@pytest.mark.parametrize("method", ["PUT", "HEAD"])
def test_a_404_that_is_not_the_stores_says_nothing_about_the_object(s3: ScriptedS3, method: str) -> None:
    """A proxy that does not know where the store is, say while that restarts, answers it for every object."""
    s3.fault = lambda seen: Reply(404, b"404 page not found") if (seen.method, seen.number) == (method, 1) else None
    operation = Look() if method == "HEAD" else PutObjectTagging({"a": "b"})
    for obj in some(10):
        s3.objects[f"{obj.bucket}/{obj.key}"] = b"here"
    summary, _ = run(s3, some(10), operation)
    assert summary.succeeded == 10
