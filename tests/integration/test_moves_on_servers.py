"""What moves, rewrites in parts and new keys do on real servers, read back with boto3."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from server_jobs import STRICT, access_of, client_of, failures_of, outcomes_of, publish, put_objects, tags, watched
from test_copies_on_servers import CONTENT, MIB, body_of, put_large, uploads

from airflow_s3batch.core.errors import InfrastructureError, TooManyFailuresError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.engine import Policy, S3Access
from airflow_s3batch.engine.loop.executor import Executor
from airflow_s3batch.engine.wire.exchange import Work
from airflow_s3batch.operations import (
    Column,
    CopyObject,
    DeleteObject,
    MoveObject,
    Operation,
    RewriteObject,
    RunContext,
    UpdateObjectEncryption,
)
from airflow_s3batch.operations.declared import declared
from airflow_s3batch.operations.requests import Capabilities
from airflow_s3batch.testing import Server

if TYPE_CHECKING:
    from server_users import BucketFactory

UNCONDITIONAL = {"seaweedfs": False, "ministack": True}
"""Whether an in-place rewrite has to be allowed by name."""


@pytest.fixture(params=list(UNCONDITIONAL))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(kind: str, request: pytest.FixtureRequest) -> Server:
    running: Server = request.getfixturevalue(kind)
    return running


@pytest.fixture
def places(server: Server, bucket: BucketFactory) -> tuple[str, str]:
    """A bucket for sources and one for targets."""
    return bucket(server, "source"), bucket(server, "target")


@pytest.fixture
def versioned(server: Server, places: tuple[str, str]) -> tuple[str, str]:
    settings = {"Status": "Enabled"}
    client_of(server).put_bucket_versioning(Bucket=places[0], VersioningConfiguration=settings)
    return places


def keys(server: Server, bucket: str) -> set[str]:
    return {entry["Key"] for entry in client_of(server).list_objects_v2(Bucket=bucket).get("Contents", [])}


def run(access: S3Access, operation: Operation, obj: S3Object, context: RunContext) -> Outcome:
    """Do *operation* on one object, without a preflight."""
    found: list[Outcome] = []
    with Executor(access, Policy()) as executor:
        executor.run(operation, [Work(0, obj)], context, lambda _, outcome: found.append(outcome))
    return found[0]


def test_objects_are_moved_and_what_changed_stays(server: Server, places: tuple[str, str]) -> None:
    source, target = places
    rows = put_objects(server, source, ["a", "b +ü", "changed"], Metadata={"m": "1"}, Tagging="k=v")
    client_of(server).put_object(Bucket=source, Key="changed", Body=b"newer")
    rows.append(S3Object(source, "gone", e_tag="0" * 32))
    failed = failures_of(server, rows, MoveObject(target, "in"))
    assert failed == {"changed": "PreconditionFailed", "gone": "NoSuchKey"}
    assert (keys(server, source), keys(server, target)) == ({"changed"}, {"in/a", "in/b +ü"})
    assert body_of(server, target, "in/b +ü") == "b +ü".encode()
    assert client_of(server).head_object(Bucket=target, Key="in/a")["Metadata"] == {"m": "1"}
    assert tags(server, S3Object(target, "in/a")) == {"k": "v"}


def test_objects_are_moved_within_a_bucket_to_keys_of_columns(server: Server, places: tuple[str, str]) -> None:
    source, _ = places
    rows = [obj._replace(columns={"to": f"moved/{obj.key}"}) for obj in put_objects(server, source, ["a", "b"])]
    assert failures_of(server, rows, MoveObject(source, target_key=Column("to"))) == {}
    assert keys(server, source) == {"moved/a", "moved/b"}


def test_what_stands_at_the_target_stays_unless_it_may_be_overwritten(server: Server, places: tuple[str, str]) -> None:
    """Also if it is a row that has yet to be moved: once it was, its place is free."""
    source, _ = places
    first, second, third = (
        obj._replace(columns={"to": to})
        for obj, to in zip(put_objects(server, source, ["a", "b", "c"]), "bdd", strict=True)
    )
    move = MoveObject(source, target_key=Column("to"))
    assert failures_of(server, [first], move) == {"a": "TargetExists"}
    assert [body_of(server, source, key) for key in "ab"] == [b"a", b"b"]
    assert failures_of(server, [second], move) == {}
    assert failures_of(server, [first], move) == {}
    assert failures_of(server, [third], move) == {"c": "TargetExists"}
    assert {key: body_of(server, source, key) for key in keys(server, source)} == {"b": b"a", "c": b"c", "d": b"b"}
    assert failures_of(server, [third], MoveObject(source, target_key=Column("to"), overwrite=True)) == {}
    assert {key: body_of(server, source, key) for key in keys(server, source)} == {"b": b"a", "d": b"c"}


@pytest.mark.parametrize(
    ("body", "more", "is_ours"),
    [(b"a", {}, True), (b"b", {}, False), (b"a", {"Tagging": "k=w"}, False), (b"a", {"ContentEncoding": "x"}, False)],
)
def test_a_move_that_died_between_copy_and_delete_is_gone_on_with(
    server: Server, places: tuple[str, str], body: bytes, more: dict[str, str], *, is_ours: bool
) -> None:
    """The copy is known by its body, tags and content headers; what differs is kept, and so is the original."""
    source, target = places
    row = put_objects(server, source, ["a"], Tagging="k=v")[0]
    client_of(server).put_object(Bucket=target, Key="a", Body=body, **{"Tagging": "k=v", **more})
    context = RunContext(Capabilities(is_aws=False), is_replay=True, elapsed_s=lambda: 60.0)
    outcome = run(access_of(server), MoveObject(target), row, context)
    assert outcome.error_code == ("" if is_ours else "TargetExists")
    assert keys(server, source) == (set() if is_ours else {"a"})
    assert keys(server, target) == {"a"}


def test_large_objects_are_moved(server: Server, places: tuple[str, str]) -> None:
    source, target = places
    large, body = put_large(server, source, "l", 6 * MIB)
    assert failures_of(server, [large], MoveObject(target, multipart_threshold_bytes=5 * MIB)) == {}
    assert (keys(server, source), body_of(server, target, "l")) == (set(), body)


def test_exactly_the_named_version_is_moved(server: Server, versioned: tuple[str, str]) -> None:
    """The others stay, and no delete marker is made."""
    source, target = versioned
    client = client_of(server)
    replies = [client.put_object(Bucket=source, Key="v", Body=body) for body in (b"one", b"two", b"three")]
    row = S3Object(source, "v", replies[1]["VersionId"], 3, replies[1]["ETag"].strip('"'), is_latest=False)
    assert failures_of(server, [row], MoveObject(target)) == {}
    assert (body_of(server, target, "v"), body_of(server, source, "v")) == (b"two", b"three")
    listed = client.list_object_versions(Bucket=source, Prefix="v")
    assert {entry["VersionId"] for entry in listed["Versions"]} == {replies[0]["VersionId"], replies[2]["VersionId"]}
    assert "DeleteMarkers" not in listed


def test_moving_the_current_object_leaves_a_delete_marker(server: Server, versioned: tuple[str, str]) -> None:
    """Else an older version would come to light."""
    source, target = versioned
    client = client_of(server)
    client.put_object(Bucket=source, Key="v", Body=b"one")
    row = put_objects(server, source, ["v"])[0]
    assert failures_of(server, [row], MoveObject(target)) == {}
    assert (keys(server, source), body_of(server, target, "v")) == (set(), b"v")
    assert len(client.list_object_versions(Bucket=source, Prefix="v")["Versions"]) == 2


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_replay_knows_what_an_earlier_attempt_moved(
    server: Server, places: tuple[str, str], *, is_ours: bool
) -> None:
    """The source is gone: only a copy of it at the target is a success."""
    source, target = places
    row = put_objects(server, source, ["a"])[0]
    client = client_of(server)
    client.delete_object(Bucket=source, Key="a")
    client.put_object(Bucket=target, Key="a", Body=b"a" if is_ours else b"b")
    context = RunContext(Capabilities(is_aws=False), is_replay=True, elapsed_s=lambda: 60.0)
    outcome = run(access_of(server), MoveObject(target), row, context)
    assert outcome.error_code == ("" if is_ours else "NoSuchKey")
    assert run(access_of(server), MoveObject(target), row, RunContext()).error_code == "NoSuchKey"


def test_the_source_is_looked_at_with_its_own_connection(seaweedfs: Server, bucket: BucketFactory) -> None:
    """The target's may read objects for copies only in AWS's eyes; here a stranger can't even read the source."""
    source, target = bucket(seaweedfs, "source"), bucket(seaweedfs, "target")
    large, body = put_large(seaweedfs, source, "l", 6 * MIB, Tagging="k=v")
    deputy, stranger = (access_of(seaweedfs.as_identity(name)) for name in ("deputy", "stranger"))
    operation = CopyObject(target, multipart_threshold_bytes=5 * MIB)
    found = [
        run(
            S3Access(deputy.session, deputy.endpoint_url, deputy.region_name, source=other),
            operation,
            large,
            RunContext(),
        )
        for other in (stranger, deputy)
    ]
    assert [outcome.error_code for outcome in found] == ["AccessDenied", ""]
    assert body_of(seaweedfs, target, "l") == body


def test_large_objects_are_rewritten_in_parts(kind: str, server: Server, places: tuple[str, str]) -> None:
    """Everything else is kept; what changed since the manifest is not touched."""
    name, _ = places
    kept = {"Metadata": {"m": "1"}, "StorageClass": "STANDARD_IA", **CONTENT}
    large, body = put_large(server, name, "l", 6 * MIB, Tagging="k=v", **kept)
    stale, _ = put_large(server, name, "stale", 6 * MIB)
    operation = RewriteObject("SSE-S3", allow_unconditional=UNCONDITIONAL[kind], multipart_threshold_bytes=5 * MIB)
    rows = [large, stale._replace(e_tag="0" * 32)]
    assert failures_of(server, rows, operation) == {"stale": "PreconditionFailed"}
    head = client_of(server).head_object(Bucket=name, Key="l")
    assert head["ServerSideEncryption"] == "AES256"
    assert {field: head.get(field) for field in kept} == kept
    assert tags(server, large) == {"k": "v"}
    assert body_of(server, name, "l") == body
    assert uploads(server, name) == []
    assert outcomes_of(server, [large], operation)["l", None].message.startswith("Successful: it was so already")


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"storage_class": "STANDARD_IA"}, {"StorageClass": "STANDARD_IA"}),
        ({"content_type": "text/x", "cache_control": ""}, {"ContentType": "text/x", "CacheControl": None}),
        ({"metadata": {"n": "2"}}, {"Metadata": {"n": "2"}}),
        ({"metadata": {}, "expires": "2030-01-01T00:00:00Z"}, {"Metadata": {}}),
    ],
)
def test_a_rewrite_changes_what_is_named_and_keeps_the_rest(
    kind: str, server: Server, places: tuple[str, str], change: dict[str, Any], shown: dict[str, Any]
) -> None:
    """The encryption, too: a copy would get the bucket's default."""
    name, _ = places
    kept = {"Metadata": {"m": "1"}, "ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "team-key", **CONTENT}
    obj = put_objects(server, name, ["a"], Tagging="k=v", **kept)[0]
    operation = RewriteObject(allow_unconditional=UNCONDITIONAL[kind], **change)
    assert failures_of(server, [obj], operation) == {}
    head = client_of(server).head_object(Bucket=name, Key="a")
    assert {field: head.get(field) for field in {**kept, **shown}} == {**kept, **shown}
    assert tags(server, obj) == {"k": "v"}
    found = outcomes_of(server, [obj], operation)["a", None]
    assert found.message.startswith("Successful: it was so already")


def test_keys_are_updated_by_a_rewrite_where_the_store_knows_no_other_way(
    kind: str, server: Server, places: tuple[str, str]
) -> None:
    """A store may take the request for a plain write: that is seen on the scratch object."""
    name, _ = places
    plain = put_objects(server, name, ["plain"], Metadata={"m": "1"})
    under = put_objects(server, name, ["under"], ServerSideEncryption="AES256")
    key_id = "team-key" if kind == "seaweedfs" else "arn:aws:kms:us-east-1:123456789012:key/0a1b"  # no ARNs there
    operation = UpdateObjectEncryption(key_id, allow_unconditional=UNCONDITIONAL[kind])
    assert failures_of(server, [*plain, *under], operation) == {}
    for key in ("plain", "under"):
        head = client_of(server).head_object(Bucket=name, Key=key)
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key_id)
        assert body_of(server, name, key) == key.encode()
    assert client_of(server).head_object(Bucket=name, Key="plain")["Metadata"] == {"m": "1"}


@pytest.mark.parametrize("operation", [DeleteObject(), MoveObject("target"), RewriteObject(content_type="text/x")])
def test_the_null_version_below_outlives_suspended_versioning(
    kind: str, server: Server, places: tuple[str, str], operation: Operation
) -> None:
    """A delete, or a write, takes the place of the null version, whichever is current."""
    source, target = places
    client, settings = client_of(server), {"Bucket": source}
    if isinstance(operation, MoveObject):
        operation = replace(operation, target_bucket=target)
    if isinstance(operation, RewriteObject):
        operation = replace(operation, allow_unconditional=UNCONDITIONAL[kind])
    put_objects(server, source, ["k"])
    client.put_bucket_versioning(**settings, VersioningConfiguration={"Status": "Enabled"})
    reply = client.put_object(Bucket=source, Key="k", Body=b"newer")
    client.put_bucket_versioning(**settings, VersioningConfiguration={"Status": "Suspended"})
    row = S3Object(source, "k", size=5, e_tag=reply["ETag"].strip('"'))
    alone = put_objects(server, source, ["alone"])[0]
    assert failures_of(server, [alone, row], operation) == {"k": "InvalidRequest"}
    assert client.get_object(Bucket=source, Key="k", VersionId="null")["Body"].read() == b"k"
    assert body_of(server, source, "k") == b"newer"
    assert "k" not in keys(server, target)


def test_an_object_that_was_not_moved_stays_however_often_the_task_is_cleared(
    server: Server, places: tuple[str, str], tmp_path: Path
) -> None:
    """Its target is taken by a copy of another row with the same body, which this job has made: it is not its own."""
    source, target = places
    client = client_of(server)
    replies = [client.put_object(Bucket=source, Key=key, Body=b"") for key in "ab"]
    rows = [S3Object(source, key, None, 0, reply["ETag"].strip('"')) for key, reply in zip("ab", replies, strict=True)]
    rows = [row._replace(columns={"to": "c"}) for row in rows]
    job = publish(server, f"s3://{target}/jobs/twins", rows, tmp_path, range_rows=1)
    move, policy = MoveObject(target, target_key=Column("to")), replace(STRICT, max_concurrency=1)
    for number in (1, 2):
        with pytest.raises(TooManyFailuresError, match="TargetExists 1"):
            job.attempt(move, try_number=number, policy=policy)
    (kept,) = keys(server, source)
    client.delete_object(Bucket=target, Key="c")
    job.attempt(move, try_number=3, policy=policy)
    assert (kept in "ab", keys(server, source), "c" in keys(server, target)) == (True, set(), True)
    assert job.report().is_green


@pytest.mark.parametrize("is_list", [True, False])
def test_a_key_that_the_store_spells_in_another_way_is_not_moved_onto_itself(
    seaweedfs: Server, bucket: BucketFactory, *, is_list: bool
) -> None:
    """It takes several slashes for one: the copy would be the object, and be deleted as the original."""
    name = bucket(seaweedfs, "source")
    row = put_objects(seaweedfs, name, ["a//b"])[0]._replace(columns={"to": "a/b"})
    where: Any = {"target_key": Column("to"), "storage_class": "STANDARD_IA"}
    copies = [CopyObject(name, **where), DeleteObject()]
    operation = declared(copies) if is_list else MoveObject(name, **where, overwrite=True)
    assert failures_of(seaweedfs, [row], operation) == {"a//b": "InvalidRequest"}
    assert body_of(seaweedfs, name, "a/b") == b"a//b"


def test_each_bucket_of_a_manifest_is_looked_at(seaweedfs: Server, bucket: BucketFactory, tmp_path: Path) -> None:
    """Its versioning may be suspended where that of the first row's bucket is not."""
    first, second, ops = (bucket(seaweedfs, name) for name in ("first", "second", "ops"))
    client = client_of(seaweedfs)
    rows = [*put_objects(seaweedfs, first, ["k"]), *put_objects(seaweedfs, second, ["k"])]
    for status in ("Enabled", "Suspended"):
        client.put_bucket_versioning(Bucket=second, VersioningConfiguration={"Status": status})
        if status == "Enabled":
            newer = client.put_object(Bucket=second, Key="k", Body=b"newer")["ETag"].strip('"')
    rows[1] = rows[1]._replace(e_tag=newer, size=5)
    job = publish(seaweedfs, f"s3://{ops}/jobs/two", rows, tmp_path, range_rows=10)
    with pytest.raises(TooManyFailuresError, match="InvalidRequest 1"):
        job.attempt(DeleteObject(), policy=STRICT)
    assert keys(seaweedfs, first) == set()
    assert client.get_object(Bucket=second, Key="k", VersionId="null")["Body"].read() == b"k"


def test_what_an_earlier_attempt_has_never_begun_is_not_taken_for_moved(
    server: Server, places: tuple[str, str], tmp_path: Path
) -> None:
    """Of two rows with one target and one body the first is moved by the very attempt that finds the second."""
    source, target = places
    stop, client = threading.Event(), client_of(server)
    rows = [S3Object(source, "gone", None, 0, "0" * 32, columns={"to": "x"})]
    for key in "ab":
        e_tag = client.put_object(Bucket=source, Key=key, Body=b"")["ETag"].strip('"')
        rows.append(S3Object(source, key, None, 0, e_tag, columns={"to": "c"}))
    job = publish(server, f"s3://{target}/jobs/begun", rows, tmp_path, range_rows=10)
    where: Any = {"target_bucket": target, "target_key": Column("to")}
    policy = replace(STRICT, max_concurrency=1)
    with pytest.raises(InfrastructureError, match="stopped after 1 objects"):
        job.attempt(watched(MoveObject, lambda _: stop.set())(**where), policy=policy, stop=stop)
    with pytest.raises(TooManyFailuresError, match="TargetExists 1"):
        job.attempt(MoveObject(**where), try_number=2, policy=policy)
    assert len(keys(server, source)) == 1
