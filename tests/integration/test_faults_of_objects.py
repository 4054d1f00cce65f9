"""One fault per object, for each operation: success after a retry, or one row with the true error code."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from faulty_jobs import QUICK, attempt, codes_by_key, through
from server_jobs import ServerJob, allow_acls, client_of, publish, put_objects, tags

from airflow_s3batch.core.errors import S3BatchError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.operations import (
    CopyObject,
    DeleteObject,
    DeleteObjectTagging,
    Operation,
    PutObjectAcl,
    PutObjectTagging,
    RewriteObject,
)
from airflow_s3batch.testing import (
    AccessDenied,
    CutAnswer,
    Delay,
    ErrorIn200,
    Fault,
    FaultProxy,
    InternalError,
    NoAnswer,
    PermanentRedirect,
    ResetAfter,
    ResetBefore,
    SentTwice,
    Server,
    SlowDown,
    TooManyRequests,
    Trickle,
    every,
    is_below,
    is_try,
)
from airflow_s3batch.testing.fault_requests import When

if TYPE_CHECKING:
    from server_users import BucketFactory

EACH = 3
"""Objects that a fault happens to."""

PASSING: dict[str, Fault] = {
    "cut-body": CutAnswer(),
    "cut-head": CutAnswer(in_head=True),
    "cut-reset": CutAnswer(reset=True),
    "delay": Delay(0.0, 0.3),
    "error-200": ErrorIn200(),
    "error-200-done": ErrorIn200(executed=True),
    "error-429": TooManyRequests(),
    "error-500": InternalError(),
    "error-500-done": InternalError(executed=True),
    "error-503": SlowDown(),
    "reset-after": ResetAfter(),
    "reset-before": ResetBefore(),
    "silence": NoAnswer(),
    "silence-done": NoAnswer(executed=True),
    "trickle": Trickle(0.02),
    "twice": SentTwice(),
}
"""What passes: the object must be a success, by the first attempt."""

PATIENT = replace(QUICK, request_timeout_s=1.0, give_up_s=15.0)
"""
What is left at the end is no outage: after a delete whose answer was lost come a HEAD and a GET, each of which meets
the same fault once, and for three time limits in a row nothing succeeds.
"""

LASTING: dict[str, tuple[Fault, set[str]]] = {
    "cut": (CutAnswer(), {"PartialResponse", ""}),
    "cut-reset": (CutAnswer(reset=True), {"PartialResponse", "ReceiveFailed"}),
    "denied": (AccessDenied(), {"AccessDenied"}),
    "error-200": (ErrorIn200(), {"InternalError"}),
    "error-200-done": (ErrorIn200(code="SlowDown", executed=True), {"SlowDown"}),
    "error-429": (TooManyRequests(), {"TooManyRequests", "Http429"}),
    "error-500": (InternalError(), {"InternalError"}),
    "error-500-done": (InternalError(executed=True), {"InternalError"}),
    "error-503": (SlowDown(), {"SlowDown", "ServiceUnavailable"}),
    "redirect": (PermanentRedirect(), {"PermanentRedirect", "Http301"}),
    "reset-after": (ResetAfter(), {"ReceiveFailed", "EmptyReply", "SendFailed"}),
    "reset-before": (ResetBefore(), {"ReceiveFailed", "EmptyReply", "SendFailed"}),
    "silence": (NoAnswer(), {"OperationTimedOut"}),
    "silence-done": (NoAnswer(executed=True), {"OperationTimedOut"}),
}
"""
What lasts, and by which names the report may call it.

A success that is cut after its status line is one, where the status is all that matters.
"""


@dataclass(frozen=True)
class Case:
    """
    An operation and its effect.

    Attributes:
        is_done: whether the server shows the effect on an object; the last argument is the bucket copied to.
        suffix: of all keys; one that XML can't carry makes that each object is deleted by a request of its own.
    """

    operation: Callable[[str], Operation]
    is_done: Callable[[Server, S3Object, str], bool]
    suffix: str = ""


def is_copied(server: Server, obj: S3Object, target: str) -> bool:
    listed = client_of(server).list_objects_v2(Bucket=target, Prefix=obj.key).get("Contents", [])
    if not listed:
        return False
    body: bytes = client_of(server).get_object(Bucket=target, Key=obj.key)["Body"].read()
    assert body == obj.key.encode()
    return True


def is_encrypted(server: Server, obj: S3Object, target: str) -> bool:
    reply = client_of(server).get_object(Bucket=obj.bucket, Key=obj.key)
    assert reply["Body"].read() == obj.key.encode()
    assert reply["Metadata"] == {"kept": "yes"}
    return bool(reply.get("ServerSideEncryption") == "AES256")


def is_public(server: Server, obj: S3Object, target: str) -> bool:
    grants = client_of(server).get_object_acl(Bucket=obj.bucket, Key=obj.key)["Grants"]
    return any(grant["Permission"] == "READ" and "AllUsers" in grant["Grantee"].get("URI", "") for grant in grants)


def is_gone(server: Server, obj: S3Object, target: str) -> bool:
    return not client_of(server).list_objects_v2(Bucket=obj.bucket, Prefix=obj.key).get("Contents")


CASES = {
    "tag": Case(lambda _: PutObjectTagging({"by": "job"}), lambda server, obj, _: tags(server, obj) == {"by": "job"}),
    "untag": Case(lambda _: DeleteObjectTagging(), lambda server, obj, _: tags(server, obj) == {}),
    "acl": Case(lambda _: PutObjectAcl("public-read"), is_public),
    "copy": Case(CopyObject, is_copied),
    "delete": Case(lambda _: DeleteObject(), is_gone, suffix="\x85"),
    "rewrite": Case(lambda _: RewriteObject("SSE-S3"), is_encrypted),
}

SHAPES = ["tag", "copy", "delete", "rewrite"]
"""One of each shape: a request with a body, a copy, a condition that may be looked into, several requests."""

_numbers = itertools.count(1)


def is_possible(fault: Fault) -> When:
    """Return the condition that there can be such a fault: answers to a HEAD have no body to put an error into."""
    return lambda request: not (isinstance(fault, ErrorIn200) and request.method == "HEAD")


def made(server: Server, bucket: BucketFactory, names: list[str], folder: Path, suffix: str) -> ServerJob:
    """Publish a job with `EACH` objects for each of *names*, and as many to which nothing happens."""
    data, ops = bucket(server, "data"), bucket(server, "ops")
    allow_acls(client_of(server), data)
    keys = [f"{name}/{n}{suffix}" for name in [*names, "well"] for n in range(EACH)]
    objects = put_objects(server, data, keys, Tagging="old=yes", Metadata={"kept": "yes"})
    return publish(server, f"s3://{ops}/jobs/j{next(_numbers)}", objects, folder, range_rows=5)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_passes_is_a_success_after_a_retry(
    seaweedfs: Server, proxy: FaultProxy, bucket: BucketFactory, case: Case, tmp_path: Path
) -> None:
    """Also where the first try was executed and its answer lost: no object is reported as changed by somebody else."""
    target = bucket(seaweedfs, "copies")
    job = made(seaweedfs, bucket, list(PASSING), tmp_path, case.suffix)
    data = job.objects[0].bucket
    for (name, fault), place in itertools.product(PASSING.items(), (data, target)):
        proxy.inject(fault, when=every(is_below(place, f"{name}/"), is_try(1), is_possible(fault)))

    error = attempt(through(proxy, job), case.operation(target), policy=PATIENT)

    assert {name for name in proxy.injected if not proxy.injected[name]} == set()
    assert {key: code for key, code in codes_by_key(job).items() if code} == {}
    assert error is None
    assert [obj.key for obj in job.objects if not case.is_done(seaweedfs, obj, target)] == []


@pytest.mark.parametrize("case", [CASES[name] for name in SHAPES], ids=SHAPES)
def test_what_lasts_is_one_row_with_the_true_code(
    seaweedfs: Server, proxy: FaultProxy, bucket: BucketFactory, case: Case, tmp_path: Path
) -> None:
    """The objects beside it are not affected; once it is over, the next attempt makes everything a success."""
    target = bucket(seaweedfs, "copies")
    job = made(seaweedfs, bucket, list(LASTING), tmp_path, case.suffix)
    data = job.objects[0].bucket
    for (name, (fault, _)), place in itertools.product(LASTING.items(), (data, target)):
        proxy.inject(fault, when=every(is_below(place, f"{name}/"), is_possible(fault)))
    faulty = through(proxy, job)

    assert isinstance(attempt(faulty, case.operation(target)), S3BatchError)

    codes = codes_by_key(job)
    expected = {name: names for name, (_, names) in LASTING.items()} | {"well": {""}}
    assert {key: code for key, code in codes.items() if code not in expected[key.partition("/")[0]]} == {}
    wrong = [obj.key for obj in job.objects if not codes[obj.key] and not case.is_done(seaweedfs, obj, target)]
    assert wrong == []
    untouched = [obj for obj in job.objects if obj.key.startswith(("denied", "error-503", "reset-before", "silence/"))]
    assert [obj.key for obj in untouched if case.is_done(seaweedfs, obj, target)] == []

    proxy.calm()
    assert attempt(faulty, case.operation(target), try_number=2) is None
    assert {key: code for key, code in codes_by_key(job).items() if code} == {}
    assert [obj.key for obj in job.objects if not case.is_done(seaweedfs, obj, target)] == []
