"""Trouble that is not any object's own: storms, dead connections, names, TLS, clocks, credentials."""

from __future__ import annotations

import functools
import itertools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
import pytest
from botocore.credentials import RefreshableCredentials
from faulty_jobs import QUICK, attempt, codes_by_key, through, unhung
from server_jobs import TASK, ServerJob, publish, put_objects, tags, watched

from airflow_s3batch.core.errors import AccessError, InfrastructureError, TooManyFailuresError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.engine import S3Access, run_batch, run_shard
from airflow_s3batch.engine.files.storage import S3Storage
from airflow_s3batch.engine.loop import setbacks
from airflow_s3batch.engine.wire import sender
from airflow_s3batch.engine.wire.signing import Signer
from airflow_s3batch.operations import Operation, PutObjectTagging
from airflow_s3batch.testing import (
    AccessDenied,
    ConnectionFault,
    CutHandshake,
    Delay,
    ErrorAnswer,
    ExpiredToken,
    Fault,
    FaultProxy,
    HalfOpen,
    InternalError,
    NoAnswer,
    RefusedConnection,
    RequestTimeTooSkewed,
    ResetBefore,
    Server,
    SlowDown,
    is_api,
    is_below,
    is_signed_by,
)

if TYPE_CHECKING:
    from server_users import BucketFactory

TAGGING = PutObjectTagging({"by": "job"})
ROWS = 40

_EXPIRED = ExpiredToken()
_UNKNOWN_KEY = ErrorAnswer(403, "InvalidAccessKeyId")
"""What MinIO says of temporary credentials that have run out."""

_numbers = itertools.count(1)

MakeJob = Callable[..., ServerJob]


@pytest.fixture
def job(seaweedfs: Server, shared_buckets: tuple[str, str], tmp_path: Path) -> ServerJob:
    """A job of `ROWS` objects."""
    data, ops = shared_buckets
    number = next(_numbers)
    objects = put_objects(seaweedfs, data, [f"{number}/{n:03d}" for n in range(ROWS)])
    return publish(seaweedfs, f"s3://{ops}/jobs/{number}", objects, tmp_path, range_rows=7)


def tagged(job: ServerJob, server: Server) -> set[str]:
    return {obj.key for obj in job.objects if tags(server, obj) == {"by": "job"}}


def assert_all_succeeded(job: ServerJob, server: Server) -> None:
    """Check the report, each row once, against the server's own state."""
    assert Counter(codes_by_key(job).values()) == Counter({"": ROWS})
    assert tagged(job, server) == {obj.key for obj in job.objects}


def assert_true_to_the_server(job: ServerJob, server: Server, *codes: str) -> Counter[str]:
    """Check that successes in the report are those of the server, and that the others have one of *codes*."""
    found = codes_by_key(job)
    assert {key for key, code in found.items() if not code} == tagged(job, server)
    assert set(found.values()) <= {"", *codes}
    return Counter(found.values())


@pytest.mark.parametrize("fault", [SlowDown(), InternalError(), ResetBefore()], ids=lambda f: f.name)
def test_a_storm_over_a_third_of_the_requests_passes(
    seaweedfs: Server, proxy: FaultProxy, job: ServerJob, fault: Fault
) -> None:
    storm = proxy.inject(fault, share=0.3, when=is_api("PutObjectTagging"), seed=1)
    assert attempt(through(proxy, job), TAGGING, policy=replace(QUICK, max_attempts=10, give_up_s=30.0)) is None
    assert storm.happened >= 5
    assert_all_succeeded(job, seaweedfs)


def test_an_outage_that_ends_in_time_costs_nothing_but_time(
    seaweedfs: Server, proxy: FaultProxy, job: ServerJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it lasts longer than the tries of one object would: nobody is to blame for an overloaded store."""
    monkeypatch.setattr(setbacks, "_OUTAGE_S", 0.2)
    outage = proxy.inject(SlowDown(), when=is_below(job.objects[0].bucket), for_s=2.0)
    policy = replace(QUICK, max_attempts=3, give_up_s=30.0)
    assert attempt(through(proxy, job), TAGGING, policy=policy) is None
    assert outage.happened >= 10
    assert_all_succeeded(job, seaweedfs)


@pytest.mark.parametrize(
    ("fault", "code"),
    [(SlowDown(), "SlowDown"), (NoAnswer(), "OperationTimedOut")],
    ids=["SlowDown", "NoAnswer"],
)
def test_an_outage_that_does_not_end_is_told_in_one_sentence(
    seaweedfs: Server, proxy: FaultProxy, job: ServerJob, fault: Fault, code: str
) -> None:
    """What was done before stays, what was tried has its code, and the next attempt does the rest."""

    def begin(obj: S3Object) -> None:
        if obj.key.endswith("/020"):
            proxy.inject(fault, when=is_below(obj.bucket))

    operation = watched(PutObjectTagging, begin)(TAGGING.tags)
    policy = replace(QUICK, max_attempts=30, max_concurrency=8)
    error = attempt(through(proxy, job), operation, policy=policy)
    assert isinstance(error, InfrastructureError)
    assert f"no request has succeeded for 2 s; the last one failed with {code}" in str(error)
    found = assert_true_to_the_server(job, seaweedfs, code, "NotAttempted")
    assert found[""] >= 10
    assert 1 <= found[code] <= 8

    proxy.calm()
    assert attempt(through(proxy, job), TAGGING, try_number=2) is None
    assert_all_succeeded(job, seaweedfs)


@pytest.mark.parametrize("fault", [HalfOpen(), RefusedConnection()], ids=lambda f: f.name)
def test_connections_that_lead_nowhere_are_replaced(
    seaweedfs: Server, proxy: FaultProxy, job: ServerJob, fault: ConnectionFault
) -> None:
    injection = proxy.inject(fault, share=0.5, seed=2)
    policy = replace(QUICK, max_attempts=12, give_up_s=30.0)
    assert attempt(through(proxy, job), TAGGING, policy=policy) is None
    assert injection.happened >= 3
    assert_all_succeeded(job, seaweedfs)


@pytest.mark.parametrize("fault", [HalfOpen(), RefusedConnection()], ids=lambda f: f.name)
def test_a_store_that_can_not_be_reached_is_told_in_one_sentence(
    seaweedfs: Server, proxy: FaultProxy, job: ServerJob, fault: ConnectionFault
) -> None:
    """From the first request on: not even the preflight gets through, and that is no verdict on the store."""
    proxy.inject(fault)
    error = attempt(through(proxy, job), TAGGING, policy=replace(QUICK, connect_timeout_s=0.3, request_timeout_s=0.3))
    assert isinstance(error, InfrastructureError)
    assert set(codes_by_key(job).values()) == {"NotAttempted"}
    assert tagged(job, seaweedfs) == set()
    proxy.calm()
    assert attempt(through(proxy, job), TAGGING, try_number=2) is None
    assert_all_succeeded(job, seaweedfs)


@pytest.mark.parametrize(
    ("api", "fault", "code"),
    [
        ("PutObject", SlowDown(), "SlowDown"),
        ("PutObjectTagging", NoAnswer(), "OperationTimedOut"),
        ("GetObjectTagging", SlowDown(), "SlowDown"),
        ("GetObject", InternalError(), "InternalError"),
    ],
    ids=["put", "tag", "look", "read"],
)
def test_trouble_during_the_preflight_is_no_verdict_on_the_store(
    proxy: FaultProxy, job: ServerJob, api: str, fault: Fault, code: str
) -> None:
    """It may be tried again; a store that lacks an operation may not."""
    proxy.inject(fault, when=is_api(api))
    policy = replace(QUICK, max_attempts=2, request_timeout_s=0.3)
    with pytest.raises(InfrastructureError, match=code):
        unhung(lambda: run_some(job.objects[:1], proxy.server, policy=policy))


def test_scratch_objects_that_can_not_be_deleted_don_t_keep_a_job_from_running(
    proxy: FaultProxy, job: ServerJob
) -> None:
    proxy.inject(SlowDown(), when=is_api("DeleteObject"))
    policy = replace(QUICK, max_attempts=2)
    assert set(unhung(lambda: run_some(job.objects[:3], proxy.server, policy=policy)).values()) == {""}


def test_a_name_that_does_not_resolve_is_told_in_one_sentence(seaweedfs: Server) -> None:
    with pytest.raises(InfrastructureError, match=r"CouldNotResolveHost \(.*store\.invalid"):
        unhung(lambda: run_some([S3Object("data", "k")], seaweedfs, endpoint_url="http://store.invalid"))


def run_some(
    objects: Sequence[S3Object], server: Server, operation: Operation = TAGGING, **arguments: Any
) -> dict[str, str]:
    """Run *operation* and return the error codes by key."""
    found: dict[str, str] = {}
    arguments = {"endpoint_url": server.endpoint_url, "policy": QUICK, "session": server.session(), **arguments}
    run_batch(objects, operation, on_outcome=lambda o, outcome: found.update({o.key: outcome.error_code}), **arguments)
    return found


def test_handshakes_that_are_cut_are_tried_again(seaweedfs: Server, bucket: BucketFactory) -> None:
    with FaultProxy(seaweedfs, tls=True) as proxy:
        objects = put_objects(seaweedfs, bucket(seaweedfs, "tls"), [f"{n}" for n in range(20)])
        cut = proxy.inject(CutHandshake(), share=0.5, seed=5)
        policy = replace(QUICK, max_attempts=12, give_up_s=30.0)
        found = unhung(lambda: run_some(objects, proxy.server, verify=proxy.ca_bundle, policy=policy))
        assert found == dict.fromkeys(map(str, range(20)), "")
        assert cut.happened >= 1
        proxy.calm()
        proxy.inject(CutHandshake())
        with pytest.raises(InfrastructureError, match=r"failed .* times: TlsHandshakeFailed"):
            unhung(lambda: run_some(objects, proxy.server, verify=proxy.ca_bundle))


def test_answers_in_any_order_give_each_row_once(seaweedfs: Server, proxy: FaultProxy, job: ServerJob) -> None:
    proxy.inject(Delay(0.0, 0.4), when=is_api("PutObjectTagging"))
    assert attempt(through(proxy, job), TAGGING) is None
    assert_all_succeeded(job, seaweedfs)


def test_the_stores_time_is_adopted_from_its_refusal(ministack: Server, bucket: BucketFactory) -> None:
    """The store's clock is three hours ahead of ours."""
    with FaultProxy(ministack) as proxy:
        objects = put_objects(ministack, bucket(ministack, "data"), [f"{n}" for n in range(40)])
        skew = proxy.inject(RequestTimeTooSkewed(offset_s=3 * 3600), when=is_api("PutObjectTagging"))
        assert unhung(lambda: run_some(objects, proxy.server)) == dict.fromkeys(map(str, range(40)), "")
        assert skew.happened > 0
        assert all(tags(ministack, obj) == {"by": "job"} for obj in objects)


def test_the_stores_time_is_asked_for_where_the_refusal_does_not_tell_it(
    seaweedfs: Server, bucket: BucketFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SeaweedFS says that our clock is wrong, and not by how much. It goes wrong with the first object."""
    behind_s = [0.0]
    monkeypatch.setattr(sender, "Signer", functools.partial(Signer, clock=lambda: time.time() - behind_s[0]))

    def go_wrong(obj: S3Object) -> None:
        if obj.key.isdigit():
            behind_s[0] = 1800.0

    operation = watched(PutObjectTagging, go_wrong)(TAGGING.tags)
    objects = put_objects(seaweedfs, bucket(seaweedfs, "data"), [f"{n}" for n in range(40)])
    policy = replace(QUICK, max_concurrency=4)
    found = unhung(lambda: run_some(objects, seaweedfs, operation, policy=policy))
    assert found == dict.fromkeys(map(str, range(40)), "")


def test_a_clock_that_stays_wrong_is_each_objects_true_code(
    seaweedfs: Server, proxy: FaultProxy, job: ServerJob
) -> None:
    """The store tells a time and refuses what is signed with it."""
    proxy.inject(AccessDenied(403, "RequestTimeTooSkewed"), when=is_below(job.objects[0].bucket))
    assert isinstance(attempt(through(proxy, job), TAGGING), (TooManyFailuresError, InfrastructureError))
    assert set(assert_true_to_the_server(job, seaweedfs, "RequestTimeTooSkewed", "NotAttempted")) >= {
        "RequestTimeTooSkewed"
    }


def refreshing_session(fetch: Callable[[], dict[str, str]], *, good_for: timedelta) -> boto3.session.Session:
    """Return a session whose credentials come from *fetch*, and are said to be good for so long."""

    def metadata() -> dict[str, str]:
        return {**fetch(), "expiry_time": (datetime.now(UTC) + good_for).isoformat()}

    inner = botocore.session.Session()
    inner._credentials = RefreshableCredentials.create_from_metadata(metadata(), metadata, "test")
    return boto3.session.Session(botocore_session=inner, region_name="us-east-1")


def keys_of(server: Server) -> dict[str, Any]:
    return {"access_key": server.access_key, "secret_key": server.secret_key, "token": None}


def expiring(proxy: FaultProxy, server: Server, fault: Fault = _EXPIRED) -> Operation:
    """Return tagging during which *server*'s credentials expire: with the twentieth object."""

    def expire(obj: S3Object) -> None:
        if obj.key.endswith("/020"):
            proxy.inject(fault, when=is_signed_by(server.access_key))

    operation: Operation = watched(PutObjectTagging, expire)(TAGGING.tags)
    return operation


def run_with(job: ServerJob, proxy: FaultProxy, operation: Operation, session: boto3.session.Session) -> Any:
    access = S3Access(session, proxy.server.endpoint_url, "us-east-1")
    policy = replace(QUICK, max_concurrency=8)
    return unhung(
        lambda: run_shard(job.ref, operation, access=access, storage=job.storage, task_id=TASK, policy=policy)
    )


@pytest.mark.parametrize("fault", [_EXPIRED, _UNKNOWN_KEY], ids=["AWS", "MinIO"])
@pytest.mark.parametrize("good_for", [timedelta(hours=12), timedelta(minutes=5)], ids=["long", "short"])
def test_credentials_that_expire_are_refreshed_in_mid_shard(
    seaweedfs_of_two: Server,
    job: ServerJob,
    proxy: FaultProxy,
    seaweedfs: Server,
    good_for: timedelta,
    fault: Fault,
) -> None:
    """Whatever their own expiry says, and whether objects or the job's files notice first."""
    second = seaweedfs_of_two
    turns = itertools.chain([keys_of(seaweedfs)], itertools.repeat(keys_of(second)))
    if good_for < timedelta(minutes=10):  # botocore fetches again at the first use
        turns = itertools.chain([keys_of(seaweedfs)] * 2, itertools.repeat(keys_of(second)))
    session = refreshing_session(lambda: next(turns), good_for=good_for)
    access = S3Access(session, proxy.server.endpoint_url, "us-east-1")
    job = job._replace(storage=S3Storage(access))
    summary = run_with(job, proxy, expiring(proxy, seaweedfs, fault), session)
    assert summary.succeeded == ROWS
    assert_all_succeeded(job, seaweedfs)


def test_a_key_that_stays_unknown_ends_the_attempt_though_it_could_be_refreshed(
    job: ServerJob, proxy: FaultProxy, seaweedfs: Server
) -> None:
    session = refreshing_session(lambda: keys_of(seaweedfs), good_for=timedelta(hours=12))
    proxy.inject(_UNKNOWN_KEY, when=is_api("PutObjectTagging"))
    with pytest.raises(AccessError, match="with fresh credentials, too: InvalidAccessKeyId"):
        run_with(job, proxy, TAGGING, session)


@pytest.fixture
def seaweedfs_of_two(seaweedfs: Server) -> Server:
    """The same store, as a second user reaches it that may do as much."""
    return seaweedfs.as_identity("deputy")


def test_credentials_that_can_not_be_refreshed_end_the_attempt_with_what_is_done(
    seaweedfs: Server, proxy: FaultProxy, job: ServerJob
) -> None:
    session = proxy.server.session()
    with pytest.raises(AccessError, match="the credentials expired and can't be refreshed: ExpiredToken"):
        run_with(job, proxy, expiring(proxy, seaweedfs), session)
    found = assert_true_to_the_server(job, seaweedfs, "ExpiredToken", "NotAttempted")
    assert found[""] >= 10
    assert found["ExpiredToken"] >= 1
    proxy.calm()
    assert attempt(through(proxy, job), TAGGING, try_number=2) is None
    assert_all_succeeded(job, seaweedfs)


def test_a_refresh_that_fails_is_told_in_one_sentence(seaweedfs: Server, proxy: FaultProxy, job: ServerJob) -> None:
    turns = iter([keys_of(seaweedfs)])

    def fetch() -> dict[str, Any]:
        for found in turns:
            return found
        raise OSError("the metadata service does not answer")

    session = refreshing_session(fetch, good_for=timedelta(hours=12))
    with pytest.raises(InfrastructureError, match="credentials can't be refreshed: the metadata service does not answ"):
        run_with(job, proxy, expiring(proxy, seaweedfs), session)
    assert_true_to_the_server(job, seaweedfs, "ExpiredToken", "NotAttempted")
