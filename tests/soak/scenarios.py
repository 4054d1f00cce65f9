"""
What is soaked: each operation, on which objects, and how to see on the server alone what became of them.

A new operation joins with one more `Scenario` in `SCENARIOS`.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import botocore.exceptions
import invoked
from deaths import LeaveReceipt, executions
from lambda_functions import RECEIPTS, deploy
from server_jobs import client_of, put_many

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.operations import (
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
    RestoreObject,
    RewriteObject,
    UpdateObjectEncryption,
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
        locked: the bucket has Object Lock, and so keeps versions.
        storage_class: of the objects; empty is the server's default.
        names_versions: the manifest names them; objects that do not exist are left out of it then.
        codes: which error codes rows may have in the report, by row number; others succeed.
        counts: returns how often the operation was executed on each object, where the server can tell.
        before: makes on the server, and in the environment of the attempts, what the operation needs.
    """

    name: str
    operation: Operation
    look: Callable[[Server, Sequence[S3Object]], list[bool]]
    server: str = "seaweedfs"
    has_acls: bool = False
    versioned: bool = False
    locked: bool = False
    storage_class: str = ""
    names_versions: bool = False
    codes: Mapping[int, frozenset[str]] = field(default_factory=dict)
    counts: Callable[[Server, Sequence[S3Object]], list[int]] | None = None
    before: Callable[[Server], None] = lambda _: None

    @property
    def place(self) -> str:
        """The bucket of the objects."""
        return "soak-" + self.name.replace(" ", "-")

    def prepare(self, server: Server, prefix: str) -> list[S3Object]:
        """Store the objects of one job, tagged by nobody, and return them as a manifest names them."""
        self.before(server)
        keys = [f"{prefix}-{number:04d}" for number in range(ROWS)]
        stored = {
            obj.key: obj for obj in put_many(server, self.place, [k for n, k in enumerate(keys) if n not in GONE])
        }
        client = client_of(server)
        for key in stored if self.storage_class else ():
            client.put_object(Bucket=self.place, Key=key, Body=key.encode(), StorageClass=self.storage_class)
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


def _is_moved(client: Any, obj: S3Object) -> bool:
    return _is_copied(client, obj) and _is_gone(client, obj)


def _is_under_key(client: Any, obj: S3Object) -> bool:
    head = client.head_object(Bucket=obj.bucket, Key=obj.key)
    return (head.get("ServerSideEncryption"), head.get("SSEKMSKeyId")) == ("aws:kms", "soak-key")


def _is_encrypted(client: Any, obj: S3Object) -> bool:
    head = client.head_object(Bucket=obj.bucket, Key=obj.key)
    return head.get("ServerSideEncryption") == "AES256"


def _is_gone(client: Any, obj: S3Object) -> bool:
    try:
        client.head_object(Bucket=obj.bucket, Key=obj.key, **_version(obj))
    except botocore.exceptions.ClientError as error:
        return bool(error.response["ResponseMetadata"]["HTTPStatusCode"] == 404)
    return False


def _is_restored(client: Any, obj: S3Object) -> bool:
    return "Restore" in client.head_object(Bucket=obj.bucket, Key=obj.key)


def _is_retained(client: Any, obj: S3Object) -> bool:
    shown = client.get_object_retention(Bucket=obj.bucket, Key=obj.key, **_version(obj))["Retention"]
    return bool(shown["Mode"] == "GOVERNANCE")


def _is_held(client: Any, obj: S3Object) -> bool:
    shown = client.get_object_legal_hold(Bucket=obj.bucket, Key=obj.key, **_version(obj))["LegalHold"]
    return bool(shown["Status"] == "ON")


def _is_executed(server: Server, objects: Sequence[S3Object]) -> list[bool]:
    return [count == 1 for count in executions(server, objects)]


def _is_there(client: Any, obj: S3Object) -> bool:
    client.head_object(Bucket=obj.bucket, Key=obj.key)
    return True


def _tell_where(server: Server) -> None:
    os.environ[invoked.STORE_VARIABLE] = json.dumps(invoked.store_of(server))


def _deploy_receipts(server: Server) -> None:
    with contextlib.suppress(botocore.exceptions.ClientError):  # it is there already
        deploy(server, RECEIPTS, name=FUNCTION)


FUNCTION = "soak-receipts"
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
    Scenario("merge tags", MergeObjectTagging({"by": "job"}), _each(_tags_are({"by": "job"})), codes=ABSENT),
    Scenario("delete tags", DeleteObjectTagging(), _each(_tags_are({})), codes=ABSENT),
    Scenario(
        "put acl",
        PutObjectAcl(canned_acl="public-read"),
        _each(_is_public),
        has_acls=True,
        codes=ABSENT,
    ),
    Scenario("copy", CopyObject("soak-copy", "copies"), _each(_is_copied), codes=ABSENT),
    Scenario(
        "copy what is not there",
        CopyObject("soak-copy-what-is-not-there", "copies", skip_existing="any"),
        _each(_is_copied),
        codes=ABSENT,
    ),
    Scenario("move", MoveObject("soak-move", "copies"), _each(_is_moved), codes={**ABSENT, **CONDITIONAL}),
    Scenario(
        "move versions",
        MoveObject("soak-move-versions", "copies"),
        _each(_is_moved),
        versioned=True,
        names_versions=True,
    ),
    Scenario(
        "tag copy and delete",
        InOrder((PutObjectTagging({"by": "job"}), CopyObject("soak-tag-copy-and-delete", "copies"), DeleteObject())),
        _each(_is_moved),
        codes={**ABSENT, **CONDITIONAL},
    ),
    Scenario("delete", DeleteObject(), _each(_is_gone), codes=DELETED),
    Scenario("delete in bulk", DeleteObject(), _each(_is_gone), server="ministack", codes=DELETED),
    Scenario("delete versions", DeleteObject(), _each(_is_gone), versioned=True, names_versions=True),
    Scenario("put delete markers", DeleteObject(), _each(_is_gone), versioned=True, codes=DELETED),
    Scenario("rewrite", RewriteObject("SSE-S3"), _each(_is_encrypted), codes={**ABSENT, **CONDITIONAL}),
    Scenario(
        "update encryption",
        UpdateObjectEncryption("soak-key"),
        _each(_is_under_key),
        codes={**ABSENT, **CONDITIONAL},
    ),
    Scenario("rewrite with versions", RewriteObject("SSE-S3"), _each(_is_encrypted), versioned=True, codes=ABSENT),
    Scenario(
        "restore",
        RestoreObject(days=1),
        _each(_is_restored),
        server="ministack",
        storage_class="GLACIER",
        codes=ABSENT,
    ),
    Scenario("retain", PutObjectRetention("GOVERNANCE", days=1), _each(_is_retained), locked=True, names_versions=True),
    Scenario("hold", PutObjectLegalHold("ON"), _each(_is_held), locked=True, names_versions=True),
    Scenario("never twice", LeaveReceipt(), _is_executed, versioned=True, codes=UNKNOWN, counts=executions),
    Scenario("checksums", ComputeObjectChecksum("SHA256"), _each(_is_there), codes=ABSENT),
    Scenario(
        "python on threads",
        PythonInvoke(invoked.leave_receipt, workers=4),
        _is_executed,
        versioned=True,
        codes=UNKNOWN,
        counts=executions,
        before=_tell_where,
    ),
    Scenario(
        "python in processes",
        PythonInvoke(invoked.leave_receipt, workers=2, in_processes=True),
        _is_executed,
        versioned=True,
        codes=UNKNOWN,
        counts=executions,
        before=_tell_where,
    ),
    Scenario(
        "lambda",
        LambdaInvoke(FUNCTION, "2.0"),
        _is_executed,
        server="ministack",
        versioned=True,
        codes=UNKNOWN,
        counts=executions,
        before=_deploy_receipts,
    ),
]
