"""
The contract: for each operation what it does to an object, and how boto3 sees that it was done.

A new operation joins with one more `Case`. How servers differ stands in `differences.py`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from differences import UNCONDITIONAL
from worlds import World

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations import (
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
    RestoreObject,
    RewriteObject,
    UpdateObjectEncryption,
)

TEAM_KEY = os.environ.get("S3BATCH_TEST_AWS_KMS_KEY") or "contract-team-key-0001"
ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"
Damage = Callable[[World, S3Object], Any]
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
Look = Callable[[World, S3Object, Outcome], Any]


@dataclass(frozen=True)
class Case:
    """
    One operation on objects of one kind of bucket.

    Attributes:
        make: returns the operation for a store.
        look: returns what the store, or the report, shows of an object.
        done: returns what `look` returns for an object once it is done.
        column: the same effect by way of a `Column` called ``value``, and the column's value.
        put: how the objects are stored beforehand.
        bucket: kind of bucket, see `worlds.KINDS`.
        keeps_body: the object is still there with its body.
        versions: ``named``: it is done to exactly the version that the manifest names; ``current``: noncurrent versions
            fail with `NOT_CURRENT`; ``gone``: the named version is deleted, and no other.
        missing: error code of an object that does not exist; empty if the operation does not look at the object.
        lost: error codes that objects may have when an attempt's outcomes were lost and they are replayed.
        needs_function: a Lambda function.
        needs_key: a KMS key; other stores than AWS make any.
        damage: spoils what was done to an object; ``None`` where nobody can tell.
        damaged: codes that a verification may find then; which of them depends on the clock's seconds.
    """

    name: str
    make: Callable[[World], Operation]
    look: Look
    done: Callable[[S3Object], Any]
    column: tuple[Callable[[World], Operation], Any] | None = None
    put: Mapping[str, Any] = field(default_factory=dict)
    bucket: str = "plain"
    keeps_body: bool = True
    versions: str = "named"
    missing: str = "NoSuchKey"
    lost: frozenset[str] = frozenset({""})
    needs_function: bool = False
    needs_key: bool = False
    damage: Damage | None = None
    damaged: frozenset[str] = frozenset()

    def operation_class(self, world: World) -> type[Operation]:
        """Return the operation's class."""
        return type(self.make(world))


def version_of(obj: S3Object) -> dict[str, str]:
    return {"VersionId": obj.version_id} if obj.version_id else {}


def tags(world: World, obj: S3Object, outcome: Outcome) -> dict[str, str]:
    shown = world.client.get_object_tagging(Bucket=obj.bucket, Key=obj.key, **version_of(obj))["TagSet"]
    return {tag["Key"]: tag["Value"] for tag in shown}


def group_grants(world: World, obj: S3Object, outcome: Outcome) -> set[tuple[str, str]]:
    shown = world.client.get_object_acl(Bucket=obj.bucket, Key=obj.key, **version_of(obj))["Grants"]
    return {(grant["Permission"], grant["Grantee"]["URI"]) for grant in shown if "URI" in grant["Grantee"]}


def copied(prefix: str) -> Look:
    def look(world: World, obj: S3Object, outcome: Outcome) -> bytes | None:
        return world.body(S3Object(world.bucket("target"), prefix + obj.key))

    return look


def encryption(world: World, obj: S3Object, outcome: Outcome) -> tuple[Any, ...]:
    head = world.client.head_object(Bucket=obj.bucket, Key=obj.key)
    return head.get("ServerSideEncryption"), head["Metadata"], tags(world, obj._replace(version_id=None), outcome)


def retention(world: World, obj: S3Object, outcome: Outcome) -> tuple[str, datetime]:
    shown = world.client.get_object_retention(Bucket=obj.bucket, Key=obj.key, **version_of(obj))["Retention"]
    return shown["Mode"], shown["RetainUntilDate"].astimezone(UTC).replace(microsecond=0)


def legal_hold(world: World, obj: S3Object, outcome: Outcome) -> str:
    shown = world.client.get_object_legal_hold(Bucket=obj.bucket, Key=obj.key, **version_of(obj))
    return str(shown["LegalHold"]["Status"])


def restore(world: World, obj: S3Object, outcome: Outcome) -> bool:
    return "ongoing-request" in world.client.head_object(Bucket=obj.bucket, Key=obj.key, **version_of(obj)).get(
        "Restore", ""
    )


def checksum(world: World, obj: S3Object, outcome: Outcome) -> str:
    return str(json.loads(outcome.message)["checksum_base64"])


def told(world: World, obj: S3Object, outcome: Outcome) -> str:
    return outcome.message


def sha256_of(obj: S3Object) -> str:
    return base64.b64encode(hashlib.sha256(body_of(obj)).digest()).decode()


def body_of(obj: S3Object) -> bytes:
    return obj.key.encode("utf-8", "replace") if obj.columns.get("body") is None else obj.columns["body"].encode()


def acl_with_owner(world: World) -> Operation:
    owner = world.client.list_buckets()["Owner"]["ID"]
    return PutObjectAcl(grants={"FULL_CONTROL": [f'id="{owner}"'], "READ": [f'uri="{ALL_USERS}"']}, owner=owner)


def retagged(world: World, obj: S3Object) -> None:
    tag_set = [{"Key": "k", "Value": "other"}]
    world.client.put_object_tagging(Bucket=obj.bucket, Key=obj.key, Tagging={"TagSet": tag_set}, **version_of(obj))


def overwritten(world: World, obj: S3Object) -> None:
    world.client.put_object(Bucket=obj.bucket, Key=obj.key, Body=b"somebody else's")


def encrypted_otherwise(world: World, obj: S3Object) -> None:
    how = {"ServerSideEncryption": "aws:kms"} if world.name == "aws" else {}  # there, plain objects have SSE-S3
    world.client.put_object(Bucket=obj.bucket, Key=obj.key, Body=b"somebody else's", **how)


def archived_anew(world: World, obj: S3Object) -> None:
    world.client.put_object(Bucket=obj.bucket, Key=obj.key, Body=b"somebody else's", StorageClass="GLACIER")


def closed(world: World, obj: S3Object) -> None:
    world.client.put_object_acl(Bucket=obj.bucket, Key=obj.key, ACL="private")


def without_copy(prefix: str) -> Damage:
    def damage(world: World, obj: S3Object) -> None:
        world.client.delete_object(Bucket=world.bucket("target"), Key=prefix + obj.key)

    return damage


def retained_longer(world: World, obj: S3Object) -> None:
    until = TOMORROW + timedelta(days=1)
    world.client.put_object_retention(
        Bucket=obj.bucket, Key=obj.key, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until}, **version_of(obj)
    )


def released(world: World, obj: S3Object) -> None:
    world.client.put_object_legal_hold(Bucket=obj.bucket, Key=obj.key, LegalHold={"Status": "OFF"}, **version_of(obj))


def codes(*names: str) -> frozenset[str]:
    return frozenset({*names, "ChangedSince"})


CASES = [
    Case(
        "put_object_tagging",
        lambda world: PutObjectTagging({"k": "v w"}),
        tags,
        lambda obj: {"k": "v w"},
        column=(lambda world: PutObjectTagging({"k": Column("value")}), "v w"),
        put={"Tagging": "old=1"},
        damage=retagged,
        damaged=codes("TagsDiffer"),
    ),
    Case(
        "delete_object_tagging",
        lambda world: DeleteObjectTagging(),
        tags,
        lambda obj: {},
        put={"Tagging": "old=1"},
        damage=retagged,
        damaged=codes("TagsDiffer"),
    ),
    Case(
        "merge_object_tagging",
        lambda world: MergeObjectTagging({"k": "v w", "old": "2"}, remove=["away"]),
        tags,
        lambda obj: {"k": "v w", "old": "2", "kept": "1"},
        column=(lambda world: MergeObjectTagging({"k": "v w", "old": "2"}, remove=[Column("value")]), "away"),
        put={"Tagging": "old=1&away=1&kept=1"},
        damage=retagged,
        damaged=codes("TagsDiffer"),
    ),
    Case(
        "put_object_acl, canned",
        lambda world: PutObjectAcl(canned_acl="public-read"),
        group_grants,
        lambda obj: {("READ", ALL_USERS)},
        column=(lambda world: PutObjectAcl(canned_acl=Column("value")), "public-read"),
        bucket="acl",
        damage=closed,
        damaged=codes("AclDiffers"),
    ),
    Case(
        "put_object_acl, grants",
        acl_with_owner,
        group_grants,
        lambda obj: {("READ", ALL_USERS)},
        bucket="acl",
        damage=closed,
        damaged=codes("AclDiffers"),
    ),
    Case(
        "copy_object",
        lambda world: CopyObject(world.bucket("target"), "copies"),
        copied("copies/"),
        body_of,
        column=(lambda world: CopyObject(world.bucket("target"), Column("value")), "copies"),
        damage=lambda world, obj: overwritten(world, S3Object(world.bucket("target"), f"copies/{obj.key}")),
        damaged=codes("CopyDiffers"),
    ),
    Case(
        "delete_object",
        lambda world: DeleteObject(),
        lambda world, obj, outcome: world.body(obj),
        lambda obj: None,
        column=(lambda world: DeleteObject(bypass_governance_retention=Column("value")), False),
        keeps_body=False,
        versions="gone",
        damage=overwritten,
        damaged=codes("StillThere"),
    ),
    Case(
        "rewrite_object",
        lambda world: RewriteObject("SSE-S3", allow_unconditional=world.name in UNCONDITIONAL),
        encryption,
        lambda obj: ("AES256", {"owner": "team"}, {"t": "1"}),
        column=(
            lambda world: RewriteObject(Column("value"), allow_unconditional=world.name in UNCONDITIONAL),
            "SSE-S3",
        ),
        put={"Tagging": "t=1", "Metadata": {"owner": "team"}},
        versions="current",
        damage=encrypted_otherwise,
        damaged=codes("EncryptionDiffers"),
    ),
    Case(
        "move_object",
        lambda world: MoveObject(world.bucket("target"), "moved"),
        lambda world, obj, outcome: (copied("moved/")(world, obj, outcome), world.body(obj)),
        lambda obj: (body_of(obj), None),
        column=(lambda world: MoveObject(world.bucket("target"), Column("value")), "moved"),
        keeps_body=False,
        versions="gone",
        damage=without_copy("moved/"),
        damaged=frozenset({"CopyMissing"}),
    ),
    Case(
        "update_object_encryption",
        lambda world: UpdateObjectEncryption(TEAM_KEY, allow_unconditional=world.name in UNCONDITIONAL),
        encryption,
        lambda obj: ("aws:kms", {"owner": "team"}, {"t": "1"}),
        column=(
            lambda world: UpdateObjectEncryption(Column("value"), allow_unconditional=world.name in UNCONDITIONAL),
            TEAM_KEY,
        ),
        put={"Tagging": "t=1", "Metadata": {"owner": "team"}},
        versions="current",
        needs_key=True,
        damage=overwritten,
        damaged=codes("EncryptionDiffers"),
    ),
    Case(
        "restore_object",
        lambda world: RestoreObject(3),
        restore,
        lambda obj: True,
        column=(lambda world: RestoreObject(Column("value")), "3"),
        put={"StorageClass": "GLACIER"},
        keeps_body=False,
        damage=archived_anew,
        damaged=codes("NotRestored"),
    ),
    Case(
        "put_object_retention",
        lambda world: PutObjectRetention("GOVERNANCE", TOMORROW),
        retention,
        lambda obj: ("GOVERNANCE", TOMORROW),
        column=(lambda world: PutObjectRetention("GOVERNANCE", Column("value")), TOMORROW.isoformat()),
        bucket="lock",
        damage=retained_longer,
        damaged=frozenset({"RetentionDiffers"}),
    ),
    Case(
        "put_object_legal_hold",
        lambda world: PutObjectLegalHold("ON"),
        legal_hold,
        lambda obj: "ON",
        column=(lambda world: PutObjectLegalHold(Column("value")), "ON"),
        bucket="lock",
        damage=released,
        damaged=frozenset({"LegalHoldDiffers"}),
    ),
    Case(
        "compute_object_checksum",
        lambda world: ComputeObjectChecksum("SHA256"),
        checksum,
        sha256_of,
        column=(lambda world: ComputeObjectChecksum(Column("value")), "SHA256"),
        damage=overwritten,
        damaged=codes(),
    ),
    Case(
        "lambda_invoke",
        lambda world: LambdaInvoke(world.function, "2.0", {"word": "hello"}),
        told,
        lambda obj: f"hello {quote(obj.key)}",
        column=(lambda world: LambdaInvoke(world.function, "2.0", {"word": Column("value")}), "hello"),
        missing="",
        lost=frozenset({"OutcomeUnknown"}),
        needs_function=True,
    ),
    Case(
        "python_invoke",
        lambda world: PythonInvoke("contract_functions:greet", {"word": "hello"}),
        told,
        lambda obj: f"hello {quote(obj.key)}",
        column=(lambda world: PythonInvoke("contract_functions:greet", {"word": Column("value")}), "hello"),
        missing="",
        lost=frozenset({"OutcomeUnknown"}),
    ),
    Case(
        "in order: tag, copy, delete",
        lambda world: InOrder(
            [PutObjectTagging({"k": "v"}), CopyObject(world.bucket("target"), "moved"), DeleteObject()]
        ),
        lambda world, obj, outcome: (copied("moved/")(world, obj, outcome), world.body(obj)),
        lambda obj: (body_of(obj), None),
        keeps_body=False,
        versions="gone",
        damage=without_copy("moved/"),
        damaged=frozenset({"CopyMissing"}),
    ),
]
