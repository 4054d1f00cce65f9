"""Lambda functions called with the objects of a real server, and a Lambda that misbehaves."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from lambda_functions import PLAIN, WITH_POWERTOOLS, deploy
from loopback import QuietHandler, serving
from server_jobs import access_of, outcomes_of, put_objects

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import SUCCESS, Outcome
from airflow_s3batch.engine import Policy, run_batch
from airflow_s3batch.operations import Column, LambdaInvoke
from airflow_s3batch.testing import Server

if TYPE_CHECKING:
    from server_users import BucketFactory

LIBRARY = ("aws-lambda-powertools", "jmespath", "typing_extensions")


@pytest.fixture(scope="module")
def plain(ministack: Server) -> str:
    return deploy(ministack, PLAIN)


@pytest.fixture(scope="module")
def with_powertools(ministack: Server) -> str:
    return deploy(ministack, WITH_POWERTOOLS, packages=LIBRARY)


def outcomes(server: Server, objects: list[S3Object], operation: LambdaInvoke, **arguments: Any) -> dict[str, Outcome]:
    return {key: outcome for (key, _), outcome in outcomes_of(server, objects, operation, **arguments).items()}


def test_a_function_is_given_aws_event_and_decides(ministack: Server, bucket: BucketFactory, plain: str) -> None:
    keys = ["a b+/ü", "raises", "babbles", "forgotten", "TemporaryFailure/later", "PermanentFailure/never"]
    objects = [S3Object(bucket(ministack), key) for key in keys]
    found = outcomes(ministack, objects, LambdaInvoke(plain, max_redrives=1, redrive_after_s=0.05))
    event = json.loads(found.pop("a b+/ü").message)
    assert event["tasks"][0]["s3Key"] == "a%20b%2B/%C3%BC"
    error = found.pop("raises")
    assert (error.http_status, error.error_code) == (200, "PermanentFailure")
    assert error.message.startswith("Lambda returned function error: {")
    assert "boom" in error.message
    assert found.pop("babbles").error_code == "PermanentFailure"
    assert found.pop("forgotten").error_code == "PermanentFailure"
    assert found == {
        "TemporaryFailure/later": Outcome(200, "TemporaryFailure", "later"),
        "PermanentFailure/never": Outcome(200, "PermanentFailure", "never"),
    }


@pytest.mark.parametrize("schema", ["1.0", "2.0"])
def test_a_function_written_with_a_public_library_runs_unchanged(
    ministack: Server, bucket: BucketFactory, with_powertools: str, schema: str
) -> None:
    """One that was written for S3 Batch Operations, and knows nothing of this package."""
    name = bucket(ministack)
    objects = put_objects(ministack, name, ["a b+ü", "late", "bad"])
    objects = [obj._replace(version_id="null", columns={"team": f"team {obj.key}"}) for obj in objects]
    arguments = {"team": Column("team")} if schema == "2.0" else {}
    operation = LambdaInvoke(with_powertools, schema, arguments, max_redrives=1, redrive_after_s=0.05)
    team = "team a b+ü" if schema == "2.0" else "nobody"
    assert outcomes(ministack, objects, operation) == {
        "a b+ü": Outcome(200, "", f"{name}/a b+ü version null for {team}"),
        "late": Outcome(200, "TemporaryFailure", "come back"),
        "bad": Outcome(200, "PermanentFailure", "no such luck"),
    }


def test_a_function_that_is_not_there_fails_each_object(ministack: Server, bucket: BucketFactory) -> None:
    """So that each has an outcome, and none is in doubt."""
    found = outcomes(ministack, [S3Object(bucket(ministack), "a")], LambdaInvoke("no-such-function"))
    assert (found["a"].http_status, found["a"].error_code) == (404, "ResourceNotFoundException")


@dataclass
class FakeLambda:
    """
    A Lambda in this process.

    Attributes:
        script: what it answers to each object, one after the other: an error's status and name, ``None`` for success.
        seen: how often it was called for each object.
    """

    url: str = ""
    script: list[tuple[int, str] | None] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    requests: list[dict[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


@pytest.fixture
def fake() -> Iterator[FakeLambda]:
    state = FakeLambda()

    class Handler(QuietHandler):
        def do_POST(self) -> None:  # noqa: N802 - the base class's name
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            task = event["tasks"][0]
            with state.lock:
                number = state.seen[task["s3Key"]]
                state.seen[task["s3Key"]] += 1
                headers = {name.lower(): value for name, value in self.headers.items()}
                state.requests.append({"path": self.path, **headers})
            fault = state.script[number] if number < len(state.script) else None
            result = {"taskId": task["taskId"], "resultCode": "Succeeded"}
            body = {"results": [result]} if fault is None else {"Type": "User", "message": "as scripted"}
            self.send_response(200 if fault is None else fault[0])
            if fault is not None:
                self.send_header("x-amzn-ErrorType", fault[1])
            payload = json.dumps(body).encode()
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

    with serving(Handler) as state.url:
        yield state


def run(fake: FakeLambda, server: Server, name: str, operation: LambdaInvoke, rows: int = 4, **policy: Any) -> Any:
    found: dict[str, Outcome] = {}
    summary = run_batch(
        [S3Object(name, f"{n}") for n in range(rows)],
        operation,
        session=access_of(server).session,
        endpoint_url=server.endpoint_url,
        endpoints={"lambda": fake.url},
        policy=Policy(max_concurrency=2, **policy),
        on_outcome=lambda obj, outcome: found.__setitem__(obj.key, outcome),
    )
    return summary, found


def test_invocations_are_signed_for_lambda(fake: FakeLambda, ministack: Server, bucket: BucketFactory) -> None:
    arn = "arn:aws:lambda:us-east-1:123456789012:function:f:live"
    _, found = run(fake, ministack, bucket(ministack), LambdaInvoke(arn), rows=1)
    assert found == {"0": SUCCESS}
    (request,) = fake.requests
    assert request["path"] == f"/2015-03-31/functions/{quote(arn, safe='')}/invocations"
    assert "/us-east-1/lambda/aws4_request" in request["authorization"]
    assert request["x-amz-invocation-type"] == "RequestResponse"
    assert "content-md5" not in request


def test_throttling_slows_the_task_down_and_nothing_is_lost(
    fake: FakeLambda, ministack: Server, bucket: BucketFactory
) -> None:
    """Nothing was executed then, so that this is no replay."""
    fake.script = [(429, "TooManyRequestsException")]
    summary, found = run(fake, ministack, bucket(ministack), LambdaInvoke("f"))
    assert set(found.values()) == {SUCCESS}
    assert summary.slow_downs > 0
    assert set(fake.seen.values()) == {2}


@pytest.mark.parametrize("is_idempotent", [False, True])
def test_an_invocation_that_may_have_happened_is_not_made_again_unless_it_is_idempotent(
    fake: FakeLambda, ministack: Server, bucket: BucketFactory, is_idempotent: bool
) -> None:
    fake.script = [(500, "ServiceException")]
    operation = LambdaInvoke("f", is_idempotent=is_idempotent)
    _, found = run(fake, ministack, bucket(ministack), operation, failure_threshold=1)
    assert {outcome.error_code for outcome in found.values()} == {"" if is_idempotent else "OutcomeUnknown"}
    assert set(fake.seen.values()) == {2 if is_idempotent else 1}


@pytest.mark.parametrize("name", ["EC2ThrottledException", "ResourceNotReadyException", "ENILimitReachedException"])
def test_a_function_that_was_not_started_yet_is_tried_again(
    fake: FakeLambda, ministack: Server, bucket: BucketFactory, name: str
) -> None:
    """Lambda says so with a 502, which in general says nothing."""
    fake.script = [(502, name)]
    _, found = run(fake, ministack, bucket(ministack), LambdaInvoke("f"))
    assert set(found.values()) == {SUCCESS}


def test_a_missing_permission_stops_the_run_and_is_named(
    fake: FakeLambda, ministack: Server, bucket: BucketFactory
) -> None:
    fake.script = [(403, "AccessDeniedException")] * 9
    summary, _ = run(fake, ministack, bucket(ministack), LambdaInvoke("f"), rows=1_000)
    assert summary.failed < 200
    assert "lambda:InvokeFunction" in summary.stopped
