"""A dry run looks at each object, and nothing that it has could send what changes anything."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import noted_calls
import pytest
from recording_server import E_TAG, POLICY, SIX_GIB, Recorder, recording_server

from airflow_s3batch.core.errors import CapabilityError, S3BatchError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import DRY_RUN, Outcome
from airflow_s3batch.engine import Policy, S3Access
from airflow_s3batch.engine.loop.executor import Executor
from airflow_s3batch.engine.wire.exchange import Work
from airflow_s3batch.engine.wire.transport import ReadTransport, UnsentError
from airflow_s3batch.operations import (
    ALL_OPERATIONS,
    Call,
    Column,
    ComputeObjectChecksum,
    CopyObject,
    DeleteObject,
    DeleteObjectTagging,
    InOrder,
    LambdaInvoke,
    MergeObjectTagging,
    MoveObject,
    Operation,
    PutObjectAcl,
    PutObjectLegalHold,
    PutObjectRetention,
    PutObjectTagging,
    PythonInvoke,
    Request,
    RestoreObject,
    RewriteObject,
    RunContext,
    UpdateObjectEncryption,
)

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"
TOMORROW = datetime.now(UTC) + timedelta(days=1)
FUNCTIONS = ("lambda_invoke", "python_invoke")

OPERATIONS: list[Operation] = [
    PutObjectTagging({"a": Column("value")}),
    DeleteObjectTagging(),
    MergeObjectTagging({"a": "b"}, remove=["c"]),
    PutObjectAcl(canned_acl="private"),
    CopyObject("target"),
    MoveObject("target", overwrite=True),
    RewriteObject("SSE-S3"),
    UpdateObjectEncryption("arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"),
    RestoreObject(3),
    PutObjectRetention("GOVERNANCE", TOMORROW),
    PutObjectLegalHold("ON"),
    ComputeObjectChecksum("SHA256"),
    DeleteObject(),
    DeleteObject(allow_unconditional=True),
    LambdaInvoke(FUNCTION),
    PythonInvoke("noted_calls:note_call"),
    InOrder((PutObjectTagging({"a": "b"}), CopyObject("target"), DeleteObject())),
]
OPERATIONS += [kind.example() for kind in ALL_OPERATIONS if kind.runs_on_workers and kind not in map(type, OPERATIONS)]


@pytest.fixture(scope="module")
def _server() -> Iterator[Recorder]:
    with recording_server() as running:
        yield running


@pytest.fixture
def server(_server: Recorder) -> Recorder:
    """The recording server, with nothing recorded."""
    _server.seen.clear()
    return _server


def obj(key: str, **fields: Any) -> S3Object:
    return S3Object("data", key, **{"size": 3, "e_tag": E_TAG, "columns": {"value": "v", "team": "v"}, **fields})


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_only_looks_are_sent_and_each_object_is_told_of(server: Recorder, operation: Operation) -> None:
    """Nothing succeeds; an object that is gone is found, unless a function is called for it all the same."""
    noted_calls.CALLS.clear()
    summary, found = server.run([obj("here"), obj("gone"), obj("large", size=SIX_GIB)], operation)
    assert server.methods <= {"GET", "HEAD"}
    assert found["here"].error_code == found["large"].error_code == DRY_RUN
    assert found["here"].message.startswith("dry run: ")
    if operation.name in FUNCTIONS:
        assert found["gone"].error_code == DRY_RUN
        assert not noted_calls.CALLS
    else:
        assert found["gone"].error_code == "NoSuchKey"
        assert any(place == "data/here" for _, place, _ in server.seen)
    assert (summary.succeeded, summary.failed) == (0, 3)


def test_the_server_does_see_what_a_real_run_sends(server: Recorder) -> None:
    """Else the tests above would show nothing."""
    with contextlib.suppress(S3BatchError):
        server.run([obj("here")], PutObjectTagging({"a": "b"}), dry_run=False)
    assert "PUT" in server.methods


@pytest.mark.parametrize(
    ("operation", "told"),
    [
        (PutObjectTagging({"a": "b"}), "dry run: PutObjectTagging would be sent"),
        (DeleteObject(), "dry run: DeleteObjects would be sent, for up to 1,000 objects at a time"),
        (MoveObject("target", overwrite=True), "dry run: CopyObject and then DeleteObject would be sent"),
        (LambdaInvoke(FUNCTION), "dry run: Invoke would be sent"),
        (PythonInvoke("noted_calls:note_call"), "dry run: the function would be called"),
        (ComputeObjectChecksum("SHA256"), "dry run: GetObject would read the object"),
        (
            InOrder((DeleteObjectTagging(), DeleteObject())),
            (
                "dry run: DeleteObjectTagging would be sent; then DeleteObjects would be sent, for up to 1,000 objects "
                "at a time"
            ),
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Operation) else "",
)
def test_the_message_says_what_would_be_sent(server: Recorder, operation: Operation, told: str) -> None:
    _, found = server.run([obj("here")], operation)
    assert found["here"].message == told


def test_a_target_that_is_taken_is_told(server: Recorder) -> None:
    """The server shows an object under any key."""
    _, found = server.run([obj("here")], MoveObject("target"))
    assert found["here"].error_code == "TargetExists"
    assert found["here"].message.startswith("the original is kept: the target is there already")


def test_a_copy_of_a_large_object_would_be_begun_in_parts(server: Recorder) -> None:
    _, found = server.run([obj("large", size=SIX_GIB)], CopyObject("target"))
    assert found["large"].message == "dry run: CreateMultipartUpload would be sent"


def test_an_object_that_changed_since_the_manifest_is_found_before_its_delete(server: Recorder) -> None:
    _, found = server.run([obj("here", e_tag="0" * 32)], DeleteObject())
    assert (found["here"].http_status, found["here"].error_code) == (412, "PreconditionFailed")


@pytest.mark.parametrize("first", [PutObjectTagging({"a": "b"}), MergeObjectTagging({"a": "b"})], ids=["put", "merge"])
def test_an_object_that_changed_is_found_by_a_later_step(server: Recorder, first: Operation) -> None:
    """A look for the step before does not stand for the condition of this one."""
    _, found = server.run([obj("here", e_tag="0" * 32), obj("here too")], InOrder((first, DeleteObject())))
    assert (found["here"].http_status, found["here"].error_code) == (412, "PreconditionFailed")
    assert found["here"].message.startswith("step 2 of 2, delete_object: ")
    assert found["here too"].error_code == DRY_RUN


def test_an_object_that_can_not_be_read_may_be_tagged_all_the_same(server: Recorder) -> None:
    """Its tags are no part of what the refused look was for; an operation that reads it itself is refused."""
    objects = [obj("forbidden")]
    assert server.run(objects, PutObjectTagging({"a": "b"}))[1]["forbidden"].error_code == DRY_RUN
    assert server.run(objects, RewriteObject("SSE-S3"))[1]["forbidden"].error_code == "AccessDenied"


def test_values_that_will_not_do_are_found(server: Recorder) -> None:
    """Also those of a later step, which the first would keep from being reached."""
    steps = DeleteObjectTagging(), PutObjectTagging({"a": Column("value")})
    wrong = obj("here", columns={"value": "x" * 300})
    _, found = server.run([wrong], InOrder(steps))
    assert found["here"].error_code not in ("", DRY_RUN)
    assert found["here"].message.startswith("step 2 of 2, put_object_tagging: ")


def test_the_sentence_says_what_would_be_done(server: Recorder) -> None:
    summary, _ = server.run([obj("here"), obj("gone")], DeleteObject(), policy=Policy())
    assert summary.tally.sentence() == "would be done to 1 objects (3 bytes); 1 could not be (NoSuchKey 1)"


@dataclass(frozen=True)
class SendAnything(Operation):
    """Ask for whatever a test wants to be sent, without a look."""

    name = "send_anything"
    replay = PutObjectTagging.replay
    request: Any = None

    def problems(self) -> list[str]:
        return []

    def steps(self, obj: S3Object, context: RunContext) -> Any:
        response = yield self.request
        return response.outcome()

    def probe(self, scratch: S3Object, sample: S3Object) -> Any:
        yield from ()
        return {}

    def iam_actions(self) -> set[str]:
        return set()


@pytest.mark.parametrize(
    "call",
    [
        Call("PutObject"),
        Call("DeleteObject"),
        Call("RestoreObject", {"RestoreRequest": {"Days": 1}}),
        Call("SelectObjectContent", {"Expression": "", "ExpressionType": "SQL", "InputSerialization": {"CSV": {}},
                                     "OutputSerialization": {"CSV": {}}}),
        Call("PutBucketPolicy", {"Policy": "{}"}),
    ],
    ids=lambda call: call.api,
)  # fmt: skip
def test_a_read_only_executor_ends_steps_that_ask_for_a_change(server: Recorder, call: Call) -> None:
    """It has no way to send one, whoever asks."""
    found: list[Outcome] = []
    request = Request(call, "data", "" if "Bucket" in call.api else "here")
    with Executor(server.access, POLICY, is_read_only=True) as executor:
        works = [Work(0, obj("here"))]
        executor.run(SendAnything(request), works, RunContext(), lambda _, outcome: found.append(outcome))
        assert executor.requests == 0
        with pytest.raises(CapabilityError, match=call.api):
            executor.call(SendAnything(request).steps(obj("here"), RunContext()))
    assert found == [Outcome(0, DRY_RUN, f"not sent: {call.api}")]
    assert not server.seen


def test_clients_of_a_read_only_access_refuse_changes(server: Recorder) -> None:
    """For what goes through boto3, such as the preflight."""
    client = server.access.read_only().client()
    client.head_object(Bucket="data", Key="here")
    with pytest.raises(CapabilityError, match="only reads"):
        client.put_object(Bucket="data", Key="here", Body=b"")
    assert server.methods == {"HEAD"}


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH", "OPTIONS", "get", ""])
def test_the_transport_knows_two_methods(method: str) -> None:
    transport = ReadTransport(S3Access(), max_connections=1, request_timeout_s=1, connect_timeout_s=1)
    with transport, pytest.raises(UnsentError):
        transport._method(method)
