"""What is done to the objects: the same job as an operation of ours, as a bare request, and through boto3."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar, NamedTuple

from airflow_s3batch import S3Object
from airflow_s3batch.operations import CopyObject, DeleteObject, Operation, PutObjectTagging
from airflow_s3batch.operations.bodies.sources import copy_source
from airflow_s3batch.operations.deletes.delete_xml import delete_xml
from airflow_s3batch.operations.requests import Call, Request
from benchmarks.objects import objects
from benchmarks.servers import COPIES_BUCKET, OBJECTS_BUCKET

TAGS = {"quarantine": "true", "team": "blue"}
TAG_SET = [{"Key": name, "Value": value} for name, value in TAGS.items()]
BATCH = 1_000


@dataclass(frozen=True)
class SingleDelete(DeleteObject):
    """DeleteObject that never puts several objects in a request, so that single deletes can be compared."""

    batch_size: ClassVar[int] = 1


class Job(NamedTuple):
    """
    One thing that is done to many objects.

    Attributes:
        operation: ours, given the prefix that copies are put under.
        call: what the bare loop sends, likewise.
        request: the bare loop's request for these objects (one, or `batch` of them).
        with_boto3: does it for these objects through a boto3 client.
        batch: objects in one request of the bare loop and of boto3.
        success: HTTP status of success.
        destroys: the objects have to be made again before each run.
    """

    name: str
    operation: Callable[[str], Operation]
    call: Call
    request: Callable[[Call, Sequence[S3Object], str], Request]
    with_boto3: Callable[[Any, Sequence[S3Object], str], object]
    batch: int = 1
    success: int = 200
    destroys: bool = False

    def chunks(self, count: int) -> Iterator[list[S3Object]]:
        """Yield the first *count* objects, as many at a time as go into one request."""
        source = objects(count)
        while chunk := list(islice(source, self.batch)):
            yield chunk


def _tag_request(call: Call, chunk: Sequence[S3Object], _: str) -> Request:
    return Request(call, chunk[0].bucket, chunk[0].key)


def _copy_request(call: Call, chunk: Sequence[S3Object], prefix: str) -> Request:
    headers = (("x-amz-copy-source", copy_source(chunk[0])),)
    return Request(call, COPIES_BUCKET, f"{prefix}/{chunk[0].key}", None, headers)


def _bulk_request(call: Call, chunk: Sequence[S3Object], *, is_conditional: bool) -> Request:
    return Request(call, chunk[0].bucket, "", None, (), delete_xml(chunk, is_conditional=is_conditional))


def _boto3_tag(client: Any, chunk: Sequence[S3Object], _: str) -> object:
    return client.put_object_tagging(Bucket=OBJECTS_BUCKET, Key=chunk[0].key, Tagging={"TagSet": TAG_SET})


def _boto3_delete(client: Any, chunk: Sequence[S3Object], _: str) -> object:
    return client.delete_object(Bucket=OBJECTS_BUCKET, Key=chunk[0].key)


def _boto3_copy(client: Any, chunk: Sequence[S3Object], prefix: str) -> object:
    source = {"Bucket": OBJECTS_BUCKET, "Key": chunk[0].key}
    return client.copy_object(Bucket=COPIES_BUCKET, Key=f"{prefix}/{chunk[0].key}", CopySource=source)


def _boto3_bulk(client: Any, chunk: Sequence[S3Object], _: str) -> object:
    reply = client.delete_objects(Bucket=OBJECTS_BUCKET, Delete={"Objects": [{"Key": obj.key} for obj in chunk]})
    if reply.get("Errors"):
        raise SystemExit(f"boto3: {reply['Errors'][0]}")
    return reply


_BULK_CALL = Call("DeleteObjects", {"Delete": {"Objects": [{"Key": "-"}]}})

TAG = Job(
    "tag",
    lambda _: PutObjectTagging(TAGS),
    Call("PutObjectTagging", {"Tagging": {"TagSet": TAG_SET}}),
    _tag_request,
    _boto3_tag,
)
DELETE = Job(
    "delete",
    lambda _: SingleDelete(allow_unconditional=True),
    Call("DeleteObject"),
    _tag_request,
    _boto3_delete,
    success=204,
    destroys=True,
)
COPY = Job(
    "copy",
    lambda prefix: CopyObject(COPIES_BUCKET, prefix),
    Call("CopyObject", {"CopySource": {"Bucket": OBJECTS_BUCKET, "Key": "-"}}),
    _copy_request,
    _boto3_copy,
)
BULK = Job(
    "bulk",
    lambda _: DeleteObject(),
    _BULK_CALL,
    lambda call, chunk, _: _bulk_request(call, chunk, is_conditional=True),
    _boto3_bulk,
    batch=BATCH,
    destroys=True,
)
BULK_UNCONDITIONAL = Job(
    "bulk-unconditional",
    lambda _: DeleteObject(allow_unconditional=True),
    _BULK_CALL,
    lambda call, chunk, _: _bulk_request(call, chunk, is_conditional=False),
    _boto3_bulk,
    batch=BATCH,
    destroys=True,
)
JOBS = {job.name: job for job in (TAG, DELETE, COPY, BULK, BULK_UNCONDITIONAL)}
