"""What each operation does to objects on real servers, read back with boto3."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from server_jobs import allow_acls, client_of, failures_of, outcomes_of, put_many, put_objects, tags

from airflow_s3batch.core.errors import CapabilityError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.operations import (
    Column,
    CopyObject,
    DeleteObject,
    DeleteObjectTagging,
    PutObjectAcl,
    PutObjectTagging,
    RewriteObject,
)
from airflow_s3batch.testing import Server

if TYPE_CHECKING:
    from server_users import BucketFactory

ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"
AUTHENTICATED = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"


class Store(NamedTuple):
    """
    How a server differs from AWS, as far as operations notice.

    Attributes:
        checks_copy_target: honours If-Match on CopyObject; without it an in-place rewrite has to be allowed by name.
        honours_grants: keeps what x-amz-grant headers say.
    """

    server: Server
    checks_copy_target: bool
    honours_grants: bool

    def rewrite(self, encryption: str = "SSE-S3", **arguments: Any) -> RewriteObject:
        return RewriteObject(encryption, allow_unconditional=not self.checks_copy_target, **arguments)


DIFFERENCES = {
    "seaweedfs": {"checks_copy_target": True, "honours_grants": False},
    "ministack": {"checks_copy_target": False, "honours_grants": True},
}


@pytest.fixture(params=list(DIFFERENCES))
def store(request: pytest.FixtureRequest) -> Store:
    return Store(request.getfixturevalue(request.param), **DIFFERENCES[request.param])


@pytest.fixture
def name(store: Store, bucket: BucketFactory) -> str:
    """A plain bucket: no versions, no ACLs."""
    made: str = bucket(store.server)
    return made


@pytest.fixture
def acl_bucket(store: Store, bucket: BucketFactory) -> str:
    made: str = bucket(store.server)
    allow_acls(client_of(store.server), made)
    return made


@pytest.fixture
def versions(store: Store, bucket: BucketFactory) -> list[S3Object]:
    """The null version, a noncurrent and the current version of one key, oldest first; bodies null, one, two."""
    made, client = bucket(store.server), client_of(store.server)
    replies = [client.put_object(Bucket=made, Key="v", Body=b"null")]
    client.put_bucket_versioning(Bucket=made, VersioningConfiguration={"Status": "Enabled"})
    replies.extend(client.put_object(Bucket=made, Key="v", Body=body) for body in (b"one", b"two"))
    return [
        S3Object(made, "v", reply.get("VersionId", "null"), 4, reply["ETag"].strip('"'), is_latest=number == 2)
        for number, reply in enumerate(replies)
    ]


def bodies(store: Store, objects: list[S3Object]) -> list[bytes | None]:
    """Return the body of each object version, ``None`` for those that are gone."""
    client = client_of(store.server)
    found = []
    for obj in objects:
        version = {"VersionId": obj.version_id} if obj.version_id else {}
        try:
            found.append(client.get_object(Bucket=obj.bucket, Key=obj.key, **version)["Body"].read())
        except client.exceptions.ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            found.append(None)
    return found


def grants(store: Store, obj: S3Object) -> set[tuple[str, str]]:
    """Return ``(permission, group)`` of the grants to groups."""
    shown = client_of(store.server).get_object_acl(Bucket=obj.bucket, Key=obj.key)["Grants"]
    return {(grant["Permission"], grant["Grantee"]["URI"]) for grant in shown if "URI" in grant["Grantee"]}


def test_tags_are_replaced_by_constants_and_columns(store: Store, name: str) -> None:
    """The whole tag set is replaced; a null column is an empty text; a vanished object is reported and not made."""
    objects = put_objects(store.server, name, ["a", "b c", "d/ü"], Tagging="old=1")
    rows = [obj._replace(columns={"team": team}) for obj, team in zip(objects, ["x", None, "y z"], strict=True)]
    gone = S3Object(name, "gone", columns={"team": "x"})
    operation = PutObjectTagging({"q": "true", "team": Column("team"), "bytes": Column("size")})
    assert failures_of(store.server, [*rows, gone], operation) == {"gone": "NoSuchKey"}
    assert [tags(store.server, obj) for obj in objects] == [
        {"q": "true", "team": "x", "bytes": "1"},
        {"q": "true", "team": "", "bytes": "3"},
        {"q": "true", "team": "y z", "bytes": "4"},
    ]
    assert bodies(store, [gone]) == [None]


def test_a_column_value_that_is_no_tag_fails_that_object_alone(store: Store, name: str) -> None:
    objects = put_objects(store.server, name, ["good", "bad"])
    rows = [obj._replace(columns={"team": value}) for obj, value in zip(objects, ["ok", "<>"], strict=True)]
    assert failures_of(store.server, rows, PutObjectTagging({"team": Column("team")})) == {"bad": "InvalidTag"}
    assert [tags(store.server, obj) for obj in objects] == [{"team": "ok"}, {}]


def test_tags_go_to_the_version_that_is_named(store: Store, versions: list[S3Object]) -> None:
    assert failures_of(store.server, versions, PutObjectTagging({"v": Column("version_id")})) == {}
    assert [tags(store.server, obj)["v"] for obj in versions] == [obj.version_id for obj in versions]


def test_tags_are_removed_from_what_the_manifest_names_and_nothing_else(store: Store, versions: list[S3Object]) -> None:
    failures_of(store.server, versions, PutObjectTagging({"k": "v"}))
    assert failures_of(store.server, versions[:2], DeleteObjectTagging()) == {}
    assert [tags(store.server, obj) for obj in versions] == [{}, {}, {"k": "v"}]
    assert bodies(store, versions) == [b"null", b"one", b"two"]


def test_acls_are_refused_where_the_bucket_turns_them_off(store: Store, name: str) -> None:
    objects = put_objects(store.server, name, ["a"])
    with pytest.raises(CapabilityError, match="BucketOwnerEnforced, which turns ACLs off"):
        failures_of(store.server, objects, PutObjectAcl(canned_acl="public-read"))


def test_a_canned_acl_is_put(store: Store, acl_bucket: str) -> None:
    objects = put_objects(store.server, acl_bucket, ["a", "b +"])
    assert failures_of(store.server, objects, PutObjectAcl(canned_acl="public-read")) == {}
    assert [grants(store, obj) for obj in objects] == [{("READ", ALL_USERS)}] * 2


def test_grants_are_put_or_the_store_is_refused(store: Store, acl_bucket: str) -> None:
    """A store that says 200 to grants and keeps none must not get a green report."""
    objects = put_objects(store.server, acl_bucket, ["a"])
    operation = PutObjectAcl(grants={"READ": [f'uri="{AUTHENTICATED}"'], "READ_ACP": [f'uri="{ALL_USERS}"']})
    if store.honours_grants:
        assert failures_of(store.server, objects, operation) == {}
        assert grants(store, objects[0]) == {("READ", AUTHENTICATED), ("READ_ACP", ALL_USERS)}
    else:
        with pytest.raises(CapabilityError, match="accepts the ACL but does not show it"):
            failures_of(store.server, objects, operation)
        assert grants(store, objects[0]) == set()


def test_copies_keep_metadata_content_type_and_tags(store: Store, name: str, bucket: BucketFactory) -> None:
    target = bucket(store.server)
    objects = put_objects(
        store.server, name, ["a", "b c/ü+"], Metadata={"m": "1"}, ContentType="text/csv", Tagging="k=v"
    )
    assert failures_of(store.server, [*objects, S3Object(name, "gone")], CopyObject(target, "pre")) == {
        "gone": "NoSuchKey"
    }
    copies = [obj._replace(bucket=target, key=f"pre/{obj.key}") for obj in objects]
    assert bodies(store, copies) == bodies(store, objects) == [obj.key.encode() for obj in objects]
    for copy in copies:
        head = client_of(store.server).head_object(Bucket=target, Key=copy.key)
        assert (head["Metadata"], head["ContentType"], tags(store.server, copy)) == ({"m": "1"}, "text/csv", {"k": "v"})


def test_copies_are_as_the_operation_says(store: Store, name: str, bucket: BucketFactory) -> None:
    """Storage class, encryption, metadata and tags are the operation's; the source stays as it was."""
    target = bucket(store.server)
    source = put_objects(store.server, name, ["a"], Metadata={"m": "1"}, Tagging="k=v")[0]
    operation = CopyObject(
        target, "x/", storage_class="STANDARD_IA", encryption="SSE-S3", metadata={"n": "2"}, tags={"t": "u"}
    )
    assert failures_of(store.server, [source], operation) == {}
    head = client_of(store.server).head_object(Bucket=target, Key="x/a")
    assert (head["StorageClass"], head["ServerSideEncryption"], head["Metadata"]) == (
        "STANDARD_IA",
        "AES256",
        {"n": "2"},
    )
    assert tags(store.server, S3Object(target, "x/a")) == {"t": "u"}
    assert tags(store.server, source) == {"k": "v"}


def test_copies_are_of_the_version_that_is_named(store: Store, versions: list[S3Object], bucket: BucketFactory) -> None:
    client = client_of(store.server)
    for version, body in zip(versions, (b"null", b"one", b"two"), strict=True):
        target = bucket(store.server)
        assert failures_of(store.server, [version], CopyObject(target)) == {}
        assert client.get_object(Bucket=target, Key="v")["Body"].read() == body


def test_1500_objects_are_deleted_and_a_changed_one_is_kept(store: Store, name: str) -> None:
    """More than one request's worth; what changed since the manifest stays, what vanished is reported, no more goes."""
    keys = [f"d/{number:04d}" for number in range(1_500)]
    objects = put_many(store.server, name, [*keys, "d/other"])[:-1]
    stale = objects[700]._replace(e_tag="0" * 32)
    rows = [*objects[:700], stale, *objects[701:], S3Object(name, "gone", e_tag="0" * 32)]
    failed = failures_of(store.server, rows, DeleteObject())
    assert failed == {"d/0700": "PreconditionFailed", "gone": "NoSuchKey"}
    left = client_of(store.server).list_objects_v2(Bucket=name, Prefix="d/")["Contents"]
    assert [entry["Key"] for entry in left] == ["d/0700", "d/other"]


def test_objects_without_an_etag_in_the_manifest_are_deleted(store: Store, name: str) -> None:
    objects = [obj._replace(e_tag=None) for obj in put_objects(store.server, name, ["a", "b"])]
    assert failures_of(store.server, [*objects, S3Object(name, "gone")], DeleteObject()) == {"gone": "NoSuchKey"}
    assert bodies(store, objects) == [None, None]


def test_keys_that_xml_can_not_carry_are_deleted(store: Store, name: str) -> None:
    objects = put_objects(store.server, name, ["c\x01d", "new\nline", "ta\tb", "r\rn", "plain", "<&>\"'"])
    assert failures_of(store.server, objects, DeleteObject()) == {}
    assert client_of(store.server).list_objects_v2(Bucket=name)["KeyCount"] == 0


def test_exactly_the_named_versions_are_deleted(store: Store, versions: list[S3Object]) -> None:
    """No delete marker is made, and the current version stays."""
    assert failures_of(store.server, versions[:2], DeleteObject()) == {}
    assert bodies(store, versions) == [None, None, b"two"]
    shown = client_of(store.server).list_object_versions(Bucket=versions[0].bucket, Prefix="v")
    assert "DeleteMarkers" not in shown


def test_a_null_version_that_was_written_again_is_kept(store: Store, versions: list[S3Object]) -> None:
    """Null versions are overwritten in place, so their version id alone does not say that they are the same."""
    stale = versions[0]._replace(e_tag="0" * 32)
    assert failures_of(store.server, [stale], DeleteObject()) == {"v": "PreconditionFailed"}
    assert bodies(store, versions) == [b"null", b"one", b"two"]


def test_a_delete_without_a_version_leaves_a_marker_in_a_versioned_bucket(
    store: Store, versions: list[S3Object]
) -> None:
    current = versions[2]._replace(version_id=None)
    assert failures_of(store.server, [current], DeleteObject()) == {}
    assert bodies(store, [current]) == [None]
    assert bodies(store, versions) == [b"null", b"one", b"two"]


def test_a_store_that_ignores_conditions_on_copies_is_refused_unless_allowed(store: Store, name: str) -> None:
    objects = put_objects(store.server, name, ["a"])
    if store.checks_copy_target:
        assert failures_of(store.server, objects, RewriteObject("SSE-S3")) == {}
        return
    with pytest.raises(CapabilityError, match=r"target condition.*allow_unconditional=True"):
        failures_of(store.server, objects, RewriteObject("SSE-S3"))
    assert "ServerSideEncryption" not in client_of(store.server).head_object(Bucket=name, Key="a")


def test_a_rewrite_warns_where_a_condition_is_checked_before_the_write(
    seaweedfs: Server, bucket: BucketFactory, caplog: pytest.LogCaptureFixture
) -> None:
    """Once a job; not where versioning keeps what may be buried."""
    name = bucket(seaweedfs)
    objects = put_objects(seaweedfs, name, ["a", "b"])
    assert failures_of(seaweedfs, objects, RewriteObject("SSE-S3")) == {}
    told = [record.message for record in caplog.records if "calls itself SeaweedFS" in record.message]
    assert len(told) == 1
    assert told[0].endswith("or enable versioning, which keeps such a body as a noncurrent version")

    caplog.clear()
    client_of(seaweedfs).put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    assert failures_of(seaweedfs, put_objects(seaweedfs, name, ["c"]), RewriteObject("SSE-S3")) == {}
    assert "SeaweedFS" not in caplog.text


@pytest.mark.parametrize(
    ("encryption", "arguments", "shown"),
    [
        ("SSE-S3", {}, {"ServerSideEncryption": "AES256"}),
        ("SSE-KMS", {"kms_key_id": "team-key"}, {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "team-key"}),
    ],
)
def test_a_rewrite_encrypts_and_keeps_everything_else(
    store: Store, name: str, encryption: str, arguments: dict[str, Any], shown: dict[str, str]
) -> None:
    kept = {
        "CacheControl": "no-cache",
        "ContentDisposition": 'attachment; filename="a b"',
        "ContentEncoding": "identity",
        "ContentLanguage": "de",
        "ContentType": "text/csv; charset=utf-8",
        "Metadata": {"owner": "team a", "empty": "x"},
        "StorageClass": "STANDARD_IA",
    }
    obj = put_objects(store.server, name, ["a b+ü"], Tagging="k=v&l=m+n", **kept)[0]
    assert failures_of(store.server, [obj], store.rewrite(encryption, **arguments)) == {}
    head = client_of(store.server).head_object(Bucket=name, Key=obj.key)
    assert {field: head.get(field) for field in kept} == kept
    assert {field: head.get(field) for field in shown} == shown
    assert tags(store.server, obj) == {"k": "v", "l": "m n"}
    assert bodies(store, [obj]) == [obj.key.encode()]


def test_a_rewrite_keeps_the_acl_or_says_that_it_did_not(store: Store, acl_bucket: str) -> None:
    """A lost ACL must never be reported as a success."""
    obj = put_objects(store.server, acl_bucket, ["a"])[0]
    store.server.client().put_object_acl(Bucket=acl_bucket, Key="a", ACL="public-read")
    assert grants(store, obj) == {("READ", ALL_USERS)}
    failed = failures_of(store.server, [obj], store.rewrite())
    if store.honours_grants:
        assert failed == {}
    assert failed or grants(store, obj) == {("READ", ALL_USERS)}


def test_what_is_encrypted_already_is_left_alone(store: Store, name: str) -> None:
    """The operation sends no copy: ETag and time stay, and a body written meanwhile can't be buried."""
    obj = put_objects(store.server, name, ["a"], ServerSideEncryption="AES256")[0]
    before = client_of(store.server).head_object(Bucket=name, Key="a")
    found = outcomes_of(store.server, [obj], store.rewrite())
    assert found["a", None].message == "Successful: it was so already"
    after = client_of(store.server).head_object(Bucket=name, Key="a")
    assert (after["ETag"], after["LastModified"]) == (before["ETag"], before["LastModified"])


def test_what_changed_since_the_manifest_is_not_rewritten(store: Store, name: str) -> None:
    old = put_objects(store.server, name, ["a"])[0]
    client_of(store.server).put_object(Bucket=name, Key="a", Body=b"newer")
    assert failures_of(store.server, [old, S3Object(name, "gone")], store.rewrite()) == {
        "a": "PreconditionFailed",
        "gone": "NoSuchKey",
    }
    assert bodies(store, [old]) == [b"newer"]
    assert "ServerSideEncryption" not in client_of(store.server).head_object(Bucket=name, Key="a")


@pytest.mark.parametrize("is_latest", [False, None])
def test_a_noncurrent_version_is_not_rewritten(store: Store, versions: list[S3Object], is_latest: bool | None) -> None:
    """A copy would make it the current one."""
    old = versions[1]._replace(is_latest=is_latest)
    assert failures_of(store.server, [old], store.rewrite()) == {"v": "NotCurrentVersion"}
    assert bodies(store, [versions[2]._replace(version_id=None)]) == [b"two"]


def test_a_rewrite_of_the_current_version_makes_a_new_one(store: Store, versions: list[S3Object]) -> None:
    assert failures_of(store.server, [versions[2]], store.rewrite()) == {}
    head = client_of(store.server).head_object(Bucket=versions[2].bucket, Key="v")
    assert head["ServerSideEncryption"] == "AES256"
    assert head["VersionId"] != versions[2].version_id
    assert bodies(store, versions) == [b"null", b"one", b"two"]


@pytest.fixture
def locked(store: Store, bucket: BucketFactory) -> S3Object:
    """An object under GOVERNANCE retention and a legal hold, with its version."""
    made, client = bucket(store.server, ObjectLockEnabledForBucket=True), client_of(store.server)
    until = datetime.now(UTC) + timedelta(days=1)
    reply = client.put_object(
        Bucket=made,
        Key="held",
        Body=b"evidence",
        ObjectLockMode="GOVERNANCE",
        ObjectLockRetainUntilDate=until,
        ObjectLockLegalHoldStatus="ON",
    )
    return S3Object(made, "held", reply["VersionId"], 8, reply["ETag"].strip('"'), is_latest=True)


def test_a_locked_version_is_deleted_only_with_the_bypass_and_without_a_hold(store: Store, locked: S3Object) -> None:
    """A legal hold can't be bypassed, a GOVERNANCE retention only by name."""
    bypass = DeleteObject(bypass_governance_retention=True)
    for operation in (DeleteObject(), bypass):
        assert set(failures_of(store.server, [locked], operation).values()) == {"AccessDenied"}
    client_of(store.server).put_object_legal_hold(Bucket=locked.bucket, Key="held", LegalHold={"Status": "OFF"})
    assert set(failures_of(store.server, [locked], DeleteObject()).values()) == {"AccessDenied"}
    assert bodies(store, [locked]) == [b"evidence"]
    assert failures_of(store.server, [locked], bypass) == {}
    assert bodies(store, [locked]) == [None]


def test_a_rewrite_keeps_retention_and_hold(store: Store, locked: S3Object) -> None:
    """The new version is as locked as the old one."""
    client = client_of(store.server)
    lock = ("ObjectLockMode", "ObjectLockRetainUntilDate", "ObjectLockLegalHoldStatus")
    before = client.head_object(Bucket=locked.bucket, Key="held")
    assert failures_of(store.server, [locked], store.rewrite()) == {}
    after = client.head_object(Bucket=locked.bucket, Key="held")
    assert after["VersionId"] != before["VersionId"]
    assert after["ServerSideEncryption"] == "AES256"
    assert {field: after.get(field) for field in lock} == {field: before[field] for field in lock}
