"""What copies do on real servers, read back with boto3: every field, any size, and what is skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from server_jobs import client_of, failures_of, outcomes_of, put_objects, tags

from airflow_s3batch.core.errors import CapabilityError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations import Column, CopyObject, RunContext
from airflow_s3batch.testing import Server

if TYPE_CHECKING:
    from server_users import BucketFactory

MIB = 1024**2
CONTENT = {
    "CacheControl": "no-cache",
    "ContentDisposition": 'attachment; filename="a b"',
    "ContentEncoding": "identity",
    "ContentLanguage": "de",
    "ContentType": "text/csv; charset=utf-8",
}


@pytest.fixture(params=["seaweedfs", "ministack"])
def server(request: pytest.FixtureRequest) -> Server:
    running: Server = request.getfixturevalue(request.param)
    return running


@pytest.fixture
def places(server: Server, bucket: BucketFactory) -> tuple[str, str]:
    """A bucket for sources and one for targets."""
    return bucket(server, "source"), bucket(server, "target")


def body_of(server: Server, bucket: str, key: str) -> bytes:
    body: bytes = client_of(server).get_object(Bucket=bucket, Key=key)["Body"].read()
    return body


def put_large(server: Server, bucket: str, key: str, size: int, **arguments: Any) -> tuple[S3Object, bytes]:
    """Store an object of *size* bytes, no two MiB alike, and return it with its body."""
    body = b"".join(n.to_bytes(8, "big") * (MIB // 8) for n in range(-(-size // MIB)))[:size]
    reply = client_of(server).put_object(Bucket=bucket, Key=key, Body=body, **arguments)
    return S3Object(bucket, key, size=size, e_tag=reply["ETag"].strip('"')), body


def uploads(server: Server, bucket: str) -> list[str]:
    """Return the keys of incomplete uploads."""
    return [entry["Key"] for entry in client_of(server).list_multipart_uploads(Bucket=bucket).get("Uploads", [])]


def test_keys_are_put_together_from_columns(server: Server, places: tuple[str, str]) -> None:
    """A null fails that object alone."""
    source, target = places
    rows = [
        obj._replace(columns={"team": team})
        for obj, team in zip(put_objects(server, source, ["a", "b +ü", "c"]), ["x", "y z", None], strict=True)
    ]
    operation = CopyObject(target, target_key=["by/", Column("team"), "/", Column("key")])
    assert failures_of(server, rows, operation) == {"c": "InvalidArgument"}
    assert body_of(server, target, "by/x/a") == b"a"
    assert body_of(server, target, "by/y z/b +ü") == "b +ü".encode()
    assert client_of(server).list_objects_v2(Bucket=target)["KeyCount"] == 2


def test_content_headers_and_metadata_are_replaced(server: Server, places: tuple[str, str]) -> None:
    source, target = places
    obj = put_objects(server, source, ["a"], Metadata={"old": "1"}, **CONTENT)[0]
    operation = CopyObject(
        target,
        metadata={"new": "2"},
        content_type="text/x",
        cache_control="max-age=1",
        content_language="fr",
        expires="2030-01-01T00:00:00Z",
    )
    assert failures_of(server, [obj], operation) == {}
    head = client_of(server).head_object(Bucket=target, Key="a")
    assert head["Metadata"] == {"new": "2"}
    assert (head["ContentType"], head["CacheControl"], head["ContentLanguage"]) == ("text/x", "max-age=1", "fr")
    assert "ContentDisposition" not in head
    assert head["ResponseMetadata"]["HTTPHeaders"]["expires"] == "Tue, 01 Jan 2030 00:00:00 GMT"


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ({"copy_source_if_match": Column("e_tag")}, {"changed": "PreconditionFailed", "unknown": "InvalidArgument"}),
        (
            {"copy_source_if_unmodified_since": "2020-01-01T00:00:00Z"},
            dict.fromkeys(("same", "changed", "unknown"), "PreconditionFailed"),
        ),
        ({"copy_source_if_modified_since": "2020-01-01T00:00:00Z"}, {}),
    ],
)
def test_conditions_on_the_source_hold(
    server: Server, places: tuple[str, str], condition: dict[str, Any], code: dict[str, str]
) -> None:
    source, target = places
    rows = put_objects(server, source, ["same", "changed", "unknown"])
    client_of(server).put_object(Bucket=source, Key="changed", Body=b"newer")
    rows[2] = rows[2]._replace(e_tag=None)
    assert failures_of(server, rows, CopyObject(target, **condition)) == code
    listed = client_of(server).list_objects_v2(Bucket=target).get("Contents", [])
    assert {entry["Key"] for entry in listed} == {row.key for row in rows} - code.keys()


@pytest.mark.parametrize(
    ("rule", "copied"), [("any", {"absent"}), ("same-etag", {"absent", "other"}), ("newer", {"absent"})]
)
def test_targets_that_will_do_are_left_alone(
    server: Server, places: tuple[str, str], rule: str, copied: set[str]
) -> None:
    """They count as successes, and say so."""
    source, target = places
    rows = put_objects(server, source, ["absent", "same", "other"])
    client = client_of(server)
    client.put_object(Bucket=target, Key="same", Body=b"same", Metadata={"first": "1"})
    client.put_object(Bucket=target, Key="other", Body=b"another body")
    found = outcomes_of(server, rows, CopyObject(target, skip_existing=rule))
    assert all(outcome.is_success for outcome in found.values())
    assert {key for (key, _), outcome in found.items() if "skipped" not in outcome.message} == copied
    assert client.head_object(Bucket=target, Key="same")["Metadata"] == {"first": "1"}
    assert body_of(server, target, "absent") == b"absent"
    assert body_of(server, target, "other") == (b"other" if "other" in copied else b"another body")


def test_a_source_newer_than_its_copy_is_copied_again(server: Server, places: tuple[str, str]) -> None:
    """Times are in seconds, so the target's has to be older by one: it is written first, and looked at until it is."""
    source, target = places
    client = client_of(server)
    client.put_object(Bucket=target, Key="a", Body=b"old")
    before = client.head_object(Bucket=target, Key="a")["LastModified"]
    while (obj := put_objects(server, source, ["a"])[0]) and (
        client.head_object(Bucket=source, Key="a")["LastModified"] <= before
    ):
        pass
    found = outcomes_of(server, [obj], CopyObject(target, skip_existing="newer"))
    assert found["a", None] == Outcome(200)
    assert body_of(server, target, "a") == b"a"


def test_objects_above_the_threshold_are_copied_in_parts(server: Server, places: tuple[str, str]) -> None:
    """Body, metadata, content headers and tags are the source's; no upload is left behind."""
    source, target = places
    large, body = put_large(server, source, "l +ü", 11 * MIB + 7, Metadata={"m": "1"}, Tagging="k=v+w&l=ä", **CONTENT)
    small = put_objects(server, source, ["small"])[0]
    operation = CopyObject(target, "in", multipart_threshold_bytes=5 * MIB)
    assert failures_of(server, [large, small], operation) == {}
    assert body_of(server, target, "in/l +ü") == body
    assert body_of(server, target, "in/small") == b"small"
    head = client_of(server).head_object(Bucket=target, Key="in/l +ü")
    assert head["ETag"].strip('"').endswith("-3")
    assert head["Metadata"] == {"m": "1"}
    assert {name: head.get(name) for name in CONTENT} == CONTENT
    assert tags(server, S3Object(target, "in/l +ü")) == {"k": "v w", "l": "ä"}
    assert uploads(server, target) == []


def test_copies_in_parts_are_as_the_operation_says(server: Server, places: tuple[str, str]) -> None:
    source, target = places
    large, body = put_large(server, source, "l", 6 * MIB, Metadata={"m": "1"}, Tagging="k=v", **CONTENT)
    operation = CopyObject(
        target,
        storage_class="STANDARD_IA",
        encryption="SSE-S3",
        metadata={"n": "2"},
        content_type="text/x",
        tags={"t": "u"},
        multipart_threshold_bytes=5 * MIB,
    )
    assert failures_of(server, [large], operation) == {}
    head = client_of(server).head_object(Bucket=target, Key="l")
    assert (head["StorageClass"], head["ServerSideEncryption"]) == ("STANDARD_IA", "AES256")
    assert (head["Metadata"], head["ContentType"], head.get("CacheControl")) == ({"n": "2"}, "text/x", None)
    assert tags(server, S3Object(target, "l")) == {"t": "u"}
    assert body_of(server, target, "l") == body


def test_a_copy_in_parts_is_of_the_version_that_is_named(server: Server, places: tuple[str, str]) -> None:
    source, target = places
    client = client_of(server)
    client.put_bucket_versioning(Bucket=source, VersioningConfiguration={"Status": "Enabled"})
    old, body = put_large(server, source, "l", 6 * MIB)
    version = client.head_object(Bucket=source, Key="l")["VersionId"]
    client.put_object(Bucket=source, Key="l", Body=b"newer")
    operation = CopyObject(target, multipart_threshold_bytes=5 * MIB)
    assert failures_of(server, [old._replace(version_id=version)], operation) == {}
    assert body_of(server, target, "l") == body


def test_a_large_object_that_shrank_is_copied_at_once(server: Server, places: tuple[str, str]) -> None:
    """Its size in the manifest is older than the object."""
    source, target = places
    rows = [obj._replace(size=6 * MIB, e_tag=None) for obj in put_objects(server, source, ["a"])]
    rows.append(S3Object(source, "gone", size=6 * MIB))
    assert failures_of(server, rows, CopyObject(target, multipart_threshold_bytes=5 * MIB)) == {"gone": "NoSuchKey"}
    assert body_of(server, target, "a") == b"a"
    assert uploads(server, target) == []


def test_a_copy_in_parts_that_fails_is_aborted(server: Server, places: tuple[str, str]) -> None:
    """The source is written again between two parts."""
    source, target = places
    large, _ = put_large(server, source, "l", 11 * MIB)
    seen: list[list[str]] = []

    class Disturbed(CopyObject):
        def steps(self, obj: S3Object, context: RunContext) -> Any:
            response = None
            steps = super().steps(obj, context)
            while True:
                try:
                    request = steps.send(response)
                except StopIteration as stop:
                    return stop.value
                if request.call.api == "UploadPartCopy" and dict(request.query)["partNumber"] == "2":
                    seen.append(uploads(server, target))
                    put_large(server, source, "l", 12 * MIB)
                response = yield request

    failed = failures_of(server, [large], Disturbed(target, multipart_threshold_bytes=5 * MIB))
    assert failed == {"l": "PreconditionFailed"}
    assert seen == [["l"]]
    assert uploads(server, target) == []
    assert "Contents" not in client_of(server).list_objects_v2(Bucket=target)


def test_conditions_hold_for_copies_in_parts(server: Server, places: tuple[str, str]) -> None:
    source, target = places
    large, _ = put_large(server, source, "l", 6 * MIB)
    operation = CopyObject(
        target, copy_source_if_unmodified_since="2020-01-01T00:00:00Z", multipart_threshold_bytes=5 * MIB
    )
    assert failures_of(server, [large], operation) == {"l": "PreconditionFailed"}
    assert "Contents" not in client_of(server).list_objects_v2(Bucket=target)


def test_large_targets_that_will_do_are_left_alone(server: Server, places: tuple[str, str]) -> None:
    source, target = places
    large, body = put_large(server, source, "l", 6 * MIB)
    operation = CopyObject(target, skip_existing="any", multipart_threshold_bytes=5 * MIB)
    assert outcomes_of(server, [large], operation)["l", None] == Outcome(200)
    assert "skipped" in outcomes_of(server, [large], operation)["l", None].message
    assert body_of(server, target, "l") == body


def test_a_store_that_computes_no_checksums_for_copies_is_refused(server: Server, places: tuple[str, str]) -> None:
    """SeaweedFS and MiniStack accept the algorithm; that must not give a green report."""
    source, target = places
    objects = put_objects(server, source, ["a"])
    operation = CopyObject(target, checksum_algorithm="CRC32C")
    with pytest.raises(CapabilityError, match="computes none"):
        failures_of(server, objects, operation)
    assert "Contents" not in client_of(server).list_objects_v2(Bucket=target)


def test_a_lock_that_the_store_ignores_on_copies_is_no_success(
    server: Server, places: tuple[str, str], bucket: BucketFactory
) -> None:
    """SeaweedFS and MiniStack drop it; the copy is looked at, and reported."""
    source, unlocked = places
    locked = bucket(server, "locked", ObjectLockEnabledForBucket=True)
    objects = put_objects(server, source, ["a"])
    lock = {
        "object_lock_mode": "GOVERNANCE",
        "object_lock_retain_until_date": "2031-01-01T00:00:00Z",
        "object_lock_legal_hold_status": "ON",
    }
    found = outcomes_of(server, objects, CopyObject(locked, **lock))["a", None]
    assert "does not show x-amz-object-lock-mode" in found.message
    assert failures_of(server, objects, CopyObject(unlocked, **lock)).keys() == {"a"}


def test_a_store_without_copies_in_parts_copies_what_is_small(rclone: Server, bucket: BucketFactory) -> None:
    """It answers UploadPartCopy as if it were another request, time after time."""
    source, target = bucket(rclone, "source"), bucket(rclone, "target")
    (small,) = put_objects(rclone, source, ["small"])
    large, _ = put_large(rclone, source, "large", 6 * MIB)
    operation = CopyObject(target, multipart_threshold_bytes=5 * MIB)
    assert failures_of(rclone, [small, large], operation) == {"large": "EntityTooLarge"}
    assert body_of(rclone, target, "small") == body_of(rclone, source, "small")
