"""What can't be done safely is refused with one sentence, before or without harm to any object."""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from server_jobs import TASK, access_of, client_of, outcomes_of, publish, put_objects, tags

from airflow_s3batch import testing
from airflow_s3batch.core.errors import AccessError, CapabilityError, InfrastructureError, TooManyFailuresError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine import Policy, S3Access, run_batch, run_shard
from airflow_s3batch.engine.files.storage import S3Storage
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
from airflow_s3batch.testing.servers import Identity

if TYPE_CHECKING:
    from server_users import BucketFactory

KEYS = [f"a {number}" for number in range(20)]
TAGGING = PutObjectTagging({"k": "v"})


def assert_intact(server: Server, objects: list[S3Object]) -> None:
    """Check that the bucket holds *objects* as they were put, and no scratch object."""
    client = client_of(server)
    found = client.list_objects_v2(Bucket=objects[0].bucket).get("Contents", [])
    assert sorted(entry["Key"] for entry in found) == sorted(obj.key for obj in objects)
    for obj in objects:
        assert client.get_object(Bucket=obj.bucket, Key=obj.key)["Body"].read() == obj.key.encode()


@pytest.mark.parametrize(
    ("operation", "sentence"),
    [
        (TAGGING, "put_object_tagging: .* overwrites the object's body"),
        (PutObjectAcl(canned_acl="private"), "put_object_acl: .* overwrites the object's body"),
        (DeleteObjectTagging(), "overwrites the object's body|destroys the object"),
        (DeleteObject(), r"delete_object: this store ignores If-Match on deletes.*allow_unconditional=True"),
        (RewriteObject("SSE-S3"), "rewrite_object: .* this store (loses|ignores)"),
    ],
    ids=lambda value: value.name if isinstance(value, Operation) else "",
)
@pytest.mark.parametrize("way", ["run_batch", "run_shard"])
def test_a_store_that_takes_an_operation_for_another_is_refused_before_the_first_object(
    rclone: Server, bucket: BucketFactory, tmp_path: Path, operation: Operation, sentence: str, way: str
) -> None:
    """``rclone serve s3`` overwrites what is tagged, and ignores conditions."""
    data, ops = bucket(rclone, "data"), bucket(rclone, "ops")
    objects = put_objects(rclone, data, KEYS)
    job = publish(rclone, f"s3://{ops}/jobs/one", objects, tmp_path, range_rows=10)
    with pytest.raises(CapabilityError, match=sentence) as caught:
        outcomes_of(rclone, objects, operation) if way == "run_batch" else job.attempt(operation)
    assert "No object of the manifest was touched" in str(caught.value)
    assert not caught.value.is_retryable
    assert_intact(rclone, objects)
    listed = client_of(rclone).list_objects_v2(Bucket=ops).get("Contents", [])
    assert not [entry["Key"] for entry in listed if "scratch" in entry["Key"]]


@pytest.mark.parametrize(("key", "secret"), [("nobody", "nothing"), ("s3batch-admin", "wrong")])
def test_wrong_credentials_end_the_run_at_once(seaweedfs: Server, bucket: BucketFactory, key: str, secret: str) -> None:
    """One sentence, not one failure per object; the secret is not in it."""
    objects = put_objects(seaweedfs, bucket(seaweedfs), KEYS)
    stranger = Server(seaweedfs.endpoint_url, key, secret, seaweedfs.region, 0, {})
    with pytest.raises(
        AccessError, match=r"the store refuses this connection: (InvalidAccessKeyId|Signature)"
    ) as caught:
        outcomes_of(stranger, objects, TAGGING)
    assert secret not in str(caught.value)
    assert_intact(seaweedfs, objects)
    assert tags(seaweedfs, objects[0]) == {}


def test_a_missing_bucket_is_named(seaweedfs: Server) -> None:
    with pytest.raises(AccessError, match="bucket 'no-such-bucket' does not exist"):
        outcomes_of(seaweedfs, [S3Object("no-such-bucket", "a")], TAGGING)


@pytest.fixture(scope="module")
def narrow() -> Iterator[Server]:
    """A store whose user may do everything in bucket ``ops`` and only read in bucket ``data``."""
    actions = ["Read:data", "List:data", *(f"{verb}:ops" for verb in ("Read", "Write", "List", "Tagging"))]
    try:
        context = testing.seaweedfs([Identity("narrow", "s3batch-narrow", "s3batch-narrow-secret", actions)])
        server = context.__enter__()
    except testing.ServerMissingError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    try:
        for name in ("ops", "data"):
            server.client().create_bucket(Bucket=name)
        yield server
    finally:
        context.__exit__(None, None, None)


@pytest.mark.parametrize(
    "operation",
    [TAGGING, DeleteObjectTagging(), CopyObject("data", "copies"), DeleteObject(), RewriteObject("SSE-S3")],
    ids=lambda operation: operation.name,
)
def test_an_identity_that_may_only_read_fails_every_object_and_changes_none(
    narrow: Server, tmp_path: Path, operation: Operation
) -> None:
    """The preflight works beside the job, where the identity may write; the objects are refused one by one."""
    objects = put_objects(narrow, "data", KEYS, Tagging="old=1")
    user = narrow.as_identity("narrow")
    job = publish(user, f"s3://ops/{operation.name}", objects, tmp_path, range_rows=10)
    with pytest.raises(
        TooManyFailuresError, match=r"20 of 20 objects failed \(AccessDenied 20\)\. First: s3://data/a%20"
    ):
        job.attempt(operation)
    assert {row.error_code for row in job.report_rows()} == {"AccessDenied"}
    assert_intact(narrow, objects)
    assert {tuple(tags(narrow, obj).items()) for obj in objects} == {(("old", "1"),)}


def test_a_permission_that_no_object_has_ends_the_job_after_a_hundred(narrow: Server, tmp_path: Path) -> None:
    """The sentence names the IAM action, the rest is not attempted, and Airflow does not try again."""
    objects = put_objects(narrow, "data", [f"many {number:03d}" for number in range(300)])
    job = publish(narrow.as_identity("narrow"), "s3://ops/many", objects, tmp_path, range_rows=50)
    with pytest.raises(TooManyFailuresError) as caught:
        job.attempt(TAGGING, policy=Policy(max_concurrency=8))
    told = str(caught.value)
    assert "The credentials lack s3:PutObjectTagging on arn:aws:s3:::data/*, or a bucket policy" in told
    assert "Stopped early: the first 100 objects were all refused (AccessDenied)." in told
    codes = Counter(row.error_code for row in job.report_rows())
    assert set(codes) == {"AccessDenied", "NotAttempted"}
    assert 100 <= codes["AccessDenied"] <= 110
    with pytest.raises(TooManyFailuresError, match="AccessDenied 300"):
        job.attempt(TAGGING, policy=Policy(max_concurrency=8, keep_going=True))
    assert all(tags(narrow, obj) == {} for obj in objects[:3])


def test_a_refused_file_of_the_job_names_the_permission(seaweedfs: Server, bucket: BucketFactory) -> None:
    """Whatever is done with it: each is one sentence that no retry cures."""
    ops = bucket(seaweedfs, "ops")
    storage = S3Storage(access_of(seaweedfs.as_identity("stranger")))
    file = S3Url(ops, "jobs/one/file")
    for act, action in (
        (lambda: storage.read(file), f"s3:GetObject on arn:aws:s3:::{ops}/jobs/one/\\*"),
        (lambda: storage.write(file, b""), f"s3:PutObject on arn:aws:s3:::{ops}/jobs/one/\\*"),
        (lambda: storage.delete(file), f"s3:DeleteObject on arn:aws:s3:::{ops}/jobs/one/\\*"),
        (lambda: list(storage.list(file)), f"s3:ListBucket on arn:aws:s3:::{ops}, or"),
    ):
        with pytest.raises(AccessError, match=f"refuses with AccessDenied .*; the credentials lack {action}") as caught:
            act()
        assert not caught.value.is_retryable


def test_an_identity_without_any_right_is_refused_in_one_sentence(
    seaweedfs: Server, bucket: BucketFactory, tmp_path: Path
) -> None:
    """It can't even read the job's manifest."""
    data, ops = bucket(seaweedfs, "data"), bucket(seaweedfs, "ops")
    job = publish(seaweedfs, f"s3://{ops}/jobs/one", put_objects(seaweedfs, data, KEYS), tmp_path, range_rows=10)
    access = access_of(seaweedfs.as_identity("stranger"))
    with pytest.raises(
        AccessError, match=rf"can't read s3://{ops}/.*manifest.json: the store refuses with AccessDenied"
    ):
        run_shard(job.ref, TAGGING, access=access, storage=S3Storage(access), task_id=TASK)


def test_a_user_without_write_permission_beside_the_job_is_told_which(seaweedfs: Server, bucket: BucketFactory) -> None:
    """The operation is not used untried."""
    objects = put_objects(seaweedfs, bucket(seaweedfs), KEYS)
    with pytest.raises(AccessError, match=r"can't write a scratch object to s3://.*AccessDenied.*lack s3:PutObject on"):
        outcomes_of(seaweedfs.as_identity("reader"), objects, TAGGING)
    assert_intact(seaweedfs, objects)


@pytest.mark.parametrize("give_up_s", [0.3, 300.0])
def test_a_server_that_is_not_there_is_trouble_that_a_retry_may_cure(give_up_s: float) -> None:
    """However patient the policy is, the error is one that Airflow tries again."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"  # bound, not listening: connections are refused
        access = S3Access(access_of(Server(url, "k", "s", "us-east-1", 0, {})).session, url, "us-east-1")
        with pytest.raises(InfrastructureError, match="CouldNotConnect"):
            run_batch(
                [S3Object("data", "a")],
                TAGGING,
                session=access.session,
                endpoint_url=url,
                policy=Policy(give_up_s=give_up_s, max_attempts=3),
            )
