"""Deletes of versions under lock and of delete markers, and several operations at once, on every store."""

from __future__ import annotations

import secrets

import pytest
from cases import TOMORROW
from second_looks import codes_of
from server_jobs import TASK
from worlds import World

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.engine import run_batch
from airflow_s3batch.operations import (
    Column,
    CopyObject,
    DeleteObject,
    InOrder,
    MergeObjectTagging,
    MoveObject,
    PutObjectTagging,
)


def _versions(world: World, kind: str, *bodies: str, **put: object) -> list[S3Object]:
    """Return versions of one key, oldest first."""
    if not world.bucket(kind):
        pytest.skip(f"no {kind} bucket is named")
    key, found = f"{secrets.token_hex(4)}/v", []
    for body in bodies:
        reply = world.client.put_object(Bucket=world.bucket(kind), Key=key, Body=body.encode(), **put)
        found.append(S3Object(world.bucket(kind), key, reply["VersionId"], len(body), reply["ETag"].strip('"')))
    return found


GOVERNED = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": TOMORROW}


def test_a_version_under_governance_is_deleted_with_bypass_only(world: World) -> None:
    """The refusal is the store's, and the version stays."""
    (version,) = _versions(world, "lock", "one", **GOVERNED)
    place = version.bucket, version.key, version.version_id
    refused = world.run([version], DeleteObject())
    assert refused[place].error_code == "AccessDenied"
    assert world.body(version) == b"one"
    assert codes_of(world, DeleteObject(), [version], refused) == {version.key: "StillThere"}
    assert world.run([version], DeleteObject(bypass_governance_retention=True))[place].is_success
    assert world.body(version) is None


def test_the_bypass_may_differ_per_object(world: World) -> None:
    kept, gone = (
        _versions(world, "lock", "one", **GOVERNED)[0]._replace(columns={"may": may}) for may in (False, True)
    )
    outcomes = world.run([kept, gone], DeleteObject(bypass_governance_retention=Column("may")))
    assert outcomes[kept.bucket, kept.key, kept.version_id].error_code == "AccessDenied"
    assert (world.body(kept), world.body(gone)) == (b"one", None)


def test_a_version_under_legal_hold_is_kept_whatever_is_bypassed(world: World) -> None:
    (version,) = _versions(world, "lock", "one", ObjectLockLegalHoldStatus="ON")
    place = version.bucket, version.key, version.version_id
    operation = DeleteObject(bypass_governance_retention=True)
    assert world.run([version], operation)[place].error_code == "AccessDenied"
    assert world.body(version) == b"one"
    world.client.put_object_legal_hold(
        Bucket=version.bucket, Key=version.key, VersionId=version.version_id, LegalHold={"Status": "OFF"}
    )


def test_deleting_a_delete_marker_brings_the_object_back(world: World) -> None:
    (version,) = _versions(world, "versioned", "one")
    current = version._replace(version_id=None)
    marker = world.client.delete_object(Bucket=version.bucket, Key=version.key)["VersionId"]
    assert world.body(current) is None
    row = current._replace(version_id=marker, e_tag=None, size=None)
    outcomes = world.run([row], DeleteObject())
    assert outcomes[row.bucket, row.key, marker].is_success
    assert world.body(current) == b"one"
    assert codes_of(world, DeleteObject(), [row], outcomes) == {}


def test_a_list_of_operations_is_done_in_order(world: World) -> None:
    """By `run_batch`, as it is written in a Dag; what fails says which step, and the steps behind it are not done."""
    if not world.bucket("target"):
        pytest.skip("no target bucket is named")
    good, stale = world.put("plain", [f"{secrets.token_hex(4)}/{name}" for name in ("good", "stale")])
    stale = stale._replace(e_tag="0" * 32)
    messages = {}
    run_batch(
        [good, stale],
        [PutObjectTagging({"k": "v"}), CopyObject(world.bucket("target")), DeleteObject()],
        session=world.access.session,
        endpoint_url=world.access.endpoint_url,
        on_outcome=lambda obj, outcome: messages.update({obj.key: (outcome.error_code, outcome.message)}),
    )
    assert messages[good.key] == ("", "Successful")
    code, message = messages[stale.key]
    assert (code, message[:28]) == ("PreconditionFailed", "step 3 of 3, delete_object: ")
    assert (world.body(good), world.body(stale)) == (None, stale.key.encode())
    assert world.body(good._replace(bucket=world.bucket("target"), version_id=None)) == good.key.encode()


@pytest.mark.parametrize("kind", ["plain", "versioned"])
def test_tags_end_on_the_version_that_is_moved(world: World, kind: str) -> None:
    """A sequence whose last step copies and deletes: the copy has the tags that the step before put."""
    if not (world.bucket(kind) and world.bucket("target")):
        pytest.skip("a bucket is missing")
    (obj,) = world.put(kind, [f"{secrets.token_hex(4)}/v"], Tagging="old=1")
    operation = InOrder([MergeObjectTagging({"moved": "yes"}), MoveObject(world.bucket("target"), TASK)])
    outcomes = world.run([obj], operation)
    assert outcomes[obj.bucket, obj.key, None].is_success
    assert codes_of(world, operation, [obj], outcomes) == {}
    shown = world.client.get_object_tagging(Bucket=world.bucket("target"), Key=f"{TASK}/{obj.key}")["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in shown} == {"old": "1", "moved": "yes"}
    assert world.body(obj) is None
