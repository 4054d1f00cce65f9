"""
What is soaked: each operation, on which objects, and how to see on the server alone what became of them.

A new operation joins with one more `Scenario` in `SCENARIOS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import botocore.exceptions
from deaths import LeaveReceipt, executions
from server_jobs import client_of, put_many

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
from airflow_s3batch.testing import Server

ROWS = 80
GONE = frozenset(range(17, ROWS, 40))
"""Rows whose objects do not exist."""

CHANGED = frozenset(range(29, ROWS, 40))
"""Rows whose objects were stored again since the manifest was made."""

SUCCESS = frozenset({""})
MISSING = frozenset({"NoSuchKey"})
EITHER = frozenset({"", "NoSuchKey"})
STALE = frozenset({"PreconditionFailed"})


@dataclass(frozen=True)
class Scenario:
    """
    One operation under fire.

    Attributes:
        look: returns for each object whether the server shows it as the operation wants it.
        has_acls: the bucket's objects have ACLs.
        versioned: the bucket keeps versions.
        names_versions: the manifest names them; objects that do not exist are left out of it then.
        codes: which error codes rows may have in the report, by row number; others succeed.
        counts: returns how often the operation was executed on each object, where the server can tell.
    """

    name: str
    operation: Operation
    look: Callable[[Server, Sequence[S3Object]], list[bool]]
    server: str = "seaweedfs"
    has_acls: bool = False
    versioned: bool = False
    names_versions: bool = False
    codes: Mapping[int, frozenset[str]] = field(default_factory=dict)
    counts: Callable[[Server, Sequence[S3Object]], list[int]] | None = None

    @property
    def place(self) -> str:
        """The bucket of the objects."""
        return "soak-" + self.name.replace(" ", "-")

    def prepare(self, server: Server, prefix: str) -> list[S3Object]:
        """Store the objects of one job, tagged by nobody, and return them as a manifest names them."""
        keys = [f"{prefix}-{number:04d}" for number in range(ROWS)]
        stored = {
            obj.key: obj for obj in put_many(server, self.place, [k for n, k in enumerate(keys) if n not in GONE])
        }
        client = client_of(server)
        for number in CHANGED & self.codes.keys():
            client.put_object(Bucket=self.place, Key=keys[number], Body=b"somebody else's")
        absent = [] if self.names_versions else [S3Object(self.place, keys[n], size=1, e_tag="0" * 32) for n in GONE]
        objects = sorted([*stored.values(), *absent], key=lambda obj: obj.key)
        if not self.names_versions:
            return objects
        listed = client.list_object_versions(Bucket=self.place, Prefix=f"{prefix}-")["Versions"]
        ids = {entry["Key"]: entry["VersionId"] for entry in listed}
        return [obj._replace(version_id=ids[obj.key], is_latest=True) for obj in objects]

    def allowed(self, obj: S3Object) -> frozenset[str]:
        """Return the error codes that the report may have for *obj*; empty is success."""
        return self.codes.get(int(obj.key[-4:]), self.codes.get(-1, SUCCESS))


def _each(look: Callable[[Any, S3Object], bool]) -> Callable[[Server, Sequence[S3Object]], list[bool]]:
    """Return what looks at all objects; one that the server says is not there is not as wanted."""

    def safely(client: Any, obj: S3Object) -> bool:
        try:
            return look(client, obj)
        except botocore.exceptions.ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            return False

    def all_of(server: Server, objects: Sequence[S3Object]) -> list[bool]:
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(partial(safely, client_of(server)), objects))

    return all_of


def _version(obj: S3Object) -> dict[str, str]:
    return {"VersionId": obj.version_id} if obj.version_id else {}


def _tags_are(tags: dict[str, str]) -> Callable[[Any, S3Object], bool]:
    def look(client: Any, obj: S3Object) -> bool:
        shown = client.get_object_tagging(Bucket=obj.bucket, Key=obj.key, **_version(obj))["TagSet"]
        return {tag["Key"]: tag["Value"] for tag in shown} == tags

    return look


def _is_public(client: Any, obj: S3Object) -> bool:
    grants = client.get_object_acl(Bucket=obj.bucket, Key=obj.key)["Grants"]
    return any(grant["Permission"] == "READ" for grant in grants)


def _is_copied(client: Any, obj: S3Object) -> bool:
    body: bytes = client.get_object(Bucket=obj.bucket, Key=f"copies/{obj.key}")["Body"].read()
    return body == obj.key.encode()


def _is_encrypted(client: Any, obj: S3Object) -> bool:
    head = client.head_object(Bucket=obj.bucket, Key=obj.key)
    return head.get("ServerSideEncryption") == "AES256"


def _is_gone(client: Any, obj: S3Object) -> bool:
    try:
        client.head_object(Bucket=obj.bucket, Key=obj.key, **_version(obj))
    except botocore.exceptions.ClientError as error:
        return bool(error.response["ResponseMetadata"]["HTTPStatusCode"] == 404)
    return False


def _is_executed(server: Server, objects: Sequence[S3Object]) -> list[bool]:
    return [count == 1 for count in executions(server, objects)]


ABSENT = dict.fromkeys(GONE, MISSING)
CONDITIONAL = dict.fromkeys(CHANGED, STALE)
DELETED = {**dict.fromkeys(GONE, EITHER), **CONDITIONAL}  # a replay can't tell who deleted it
UNKNOWN = {-1: frozenset({"", "OutcomeUnknown"})}

SCENARIOS = [
    Scenario("put tags", PutObjectTagging({"by": "job"}), _each(_tags_are({"by": "job"})), codes=ABSENT),
    Scenario(
        "put version tags",
        PutObjectTagging({"by": "job"}),
        _each(_tags_are({"by": "job"})),
        versioned=True,
        names_versions=True,
    ),
    Scenario("delete tags", DeleteObjectTagging(), _each(_tags_are({})), codes=ABSENT),
    Scenario(
        "put acl",
        PutObjectAcl(canned_acl="public-read"),
        _each(_is_public),
        has_acls=True,
        codes=ABSENT,
    ),
    Scenario("copy", CopyObject("soak-copy", "copies"), _each(_is_copied), codes=ABSENT),
    Scenario("delete", DeleteObject(), _each(_is_gone), codes=DELETED),
    Scenario("delete in bulk", DeleteObject(), _each(_is_gone), server="ministack", codes=DELETED),
    Scenario("delete versions", DeleteObject(), _each(_is_gone), versioned=True, names_versions=True),
    Scenario("put delete markers", DeleteObject(), _each(_is_gone), versioned=True, codes=DELETED),
    Scenario("rewrite", RewriteObject("SSE-S3"), _each(_is_encrypted), codes={**ABSENT, **CONDITIONAL}),
    Scenario("rewrite with versions", RewriteObject("SSE-S3"), _each(_is_encrypted), versioned=True, codes=ABSENT),
    Scenario("never twice", LeaveReceipt(), _is_executed, versioned=True, codes=UNKNOWN, counts=executions),
]
