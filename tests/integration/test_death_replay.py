"""Every operation is killed after its effects and before the commit, then replayed: "already so" is a success."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from deaths import dying_at, killed_attempt
from server_jobs import STRICT, ServerJob, allow_acls, client_of, publish, put_objects, tags

from airflow_s3batch.core.errors import TooManyFailuresError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.operations import (
    CopyObject,
    DeleteObject,
    DeleteObjectTagging,
    MoveObject,
    Operation,
    PutObjectAcl,
    PutObjectTagging,
    RewriteObject,
)
from airflow_s3batch.testing import Server

ROWS = 12
_numbers = itertools.count(1)


class Versions(NamedTuple):
    """What a bucket keeps of one key."""

    bodies: int
    markers: int
    is_current: bool


@pytest.fixture(scope="module")
def buckets(seaweedfs: Server) -> dict[str, str]:
    """A plain bucket, a versioned one, one to copy to and one for jobs: a new one takes the server long."""
    names = {name: f"replay-{name}" for name in ("plain", "acl", "versioned", "target", "ops")}
    client = client_of(seaweedfs)
    for name in names.values():
        client.create_bucket(Bucket=name)
    allow_acls(client, names["acl"])
    client.put_bucket_versioning(Bucket=names["versioned"], VersioningConfiguration={"Status": "Enabled"})
    return names


@pytest.fixture
def make_job(seaweedfs: Server, buckets: dict[str, str], tmp_path: Path) -> Callable[..., ServerJob]:
    """``make_job("plain", with_versions=False, with_e_tags=True)``: one range, its objects tagged ``old=1``."""

    def make(bucket: str, *, with_versions: bool = False, with_e_tags: bool = True) -> ServerJob:
        name = f"job-{next(_numbers)}"
        objects = put_objects(seaweedfs, buckets[bucket], [f"{name}-{n:02d}" for n in range(ROWS)], Tagging="old=1")
        if with_versions:
            client = client_of(seaweedfs)
            heads = [client.head_object(Bucket=obj.bucket, Key=obj.key) for obj in objects]
            objects = [
                obj._replace(version_id=head["VersionId"], is_latest=True)
                for obj, head in zip(objects, heads, strict=True)
            ]
        if not with_e_tags:
            objects = [obj._replace(e_tag=None) for obj in objects]
        return publish(seaweedfs, f"s3://{buckets['ops']}/{name}", objects, tmp_path, range_rows=ROWS)

    return make


def versions(server: Server, objects: Sequence[S3Object]) -> list[Versions]:
    """Return what the bucket keeps of each of *objects*."""
    client = client_of(server)
    found = []
    for obj in objects:
        listed: dict[str, Any] = client.list_object_versions(Bucket=obj.bucket, Prefix=obj.key)
        bodies, markers = listed.get("Versions", []), listed.get("DeleteMarkers", [])
        found.append(Versions(len(bodies), len(markers), any(body["IsLatest"] for body in bodies)))
    return found


def is_tagged(job: ServerJob) -> bool:
    return all(tags(job.server, obj) == {"by": "job"} for obj in job.objects)


def is_untagged(job: ServerJob) -> bool:
    return all(tags(job.server, obj) == {} for obj in job.objects)


def is_public(job: ServerJob) -> bool:
    client = client_of(job.server)
    acls = [client.get_object_acl(Bucket=obj.bucket, Key=obj.key)["Grants"] for obj in job.objects]
    return all(any(grant["Permission"] == "READ" for grant in acl) for acl in acls)


def is_copied(job: ServerJob) -> bool:
    client = client_of(job.server)
    bodies = [client.get_object(Bucket="replay-target", Key=f"x/{obj.key}")["Body"].read() for obj in job.objects]
    return bodies == [obj.key.encode() for obj in job.objects]


def is_gone(job: ServerJob) -> bool:
    return all(found.bodies == found.markers == 0 for found in versions(job.server, job.objects))


def is_marked_once(job: ServerJob) -> bool:
    return all(found == (1, 1, False) for found in versions(job.server, job.objects))


def is_hidden(job: ServerJob) -> bool:
    return all((found.bodies, found.is_current) == (1, False) for found in versions(job.server, job.objects))


def is_encrypted(job: ServerJob) -> bool:
    client = client_of(job.server)
    heads = [client.head_object(Bucket=obj.bucket, Key=obj.key) for obj in job.objects]
    return all(head.get("ServerSideEncryption") == "AES256" for head in heads)


def is_rewritten_once(job: ServerJob) -> bool:
    return is_encrypted(job) and all(found.bodies == 2 for found in versions(job.server, job.objects))


TAGGING = PutObjectTagging({"by": "job"})
ENCRYPTION = RewriteObject("SSE-S3")
CASES: list[tuple[str, Operation, str, dict[str, bool], Callable[[ServerJob], bool]]] = [
    ("tagging", TAGGING, "plain", {}, is_tagged),
    ("tagging of versions", TAGGING, "versioned", {"with_versions": True}, is_tagged),
    ("tag deletion", DeleteObjectTagging(), "plain", {}, is_untagged),
    ("acl", PutObjectAcl(canned_acl="public-read"), "acl", {}, is_public),
    ("copy", CopyObject("replay-target", "x"), "plain", {}, is_copied),
    ("move", MoveObject("replay-target", "x"), "plain", {}, lambda job: is_copied(job) and is_gone(job)),
    ("delete by the manifest's ETag", DeleteObject(), "plain", {}, is_gone),
    ("delete by a HEAD's ETag", DeleteObject(), "plain", {"with_e_tags": False}, is_gone),
    ("delete whatever is current", DeleteObject(allow_unconditional=True), "plain", {"with_e_tags": False}, is_gone),
    ("delete versions", DeleteObject(), "versioned", {"with_versions": True}, is_gone),
    ("delete marker", DeleteObject(), "versioned", {}, is_marked_once),
    ("delete marker without condition", DeleteObject(allow_unconditional=True), "versioned", {}, is_hidden),
    ("rewrite", ENCRYPTION, "plain", {}, is_encrypted),
    ("rewrite in a versioned bucket", ENCRYPTION, "versioned", {}, is_rewritten_once),
    ("rewrite named versions", ENCRYPTION, "versioned", {"with_versions": True}, is_rewritten_once),
]


@pytest.mark.parametrize(
    ("operation", "bucket", "manifest", "is_done"),
    [case[1:] for case in CASES],
    ids=[case[0].replace(" ", "-") for case in CASES],
)
def test_effect_without_commit_is_a_success_of_the_next_attempt(
    make_job: Callable[..., ServerJob],
    operation: Operation,
    bucket: str,
    manifest: dict[str, bool],
    is_done: Callable[[ServerJob], bool],
) -> None:
    job = make_job(bucket, **manifest)
    killed_attempt(job, operation, dying_at("before", "succeeded part"))
    assert job.commits() == []
    assert is_done(job), "the attempt died before its effects"

    summary = job.attempt(operation, try_number=2, policy=STRICT)

    assert (summary.succeeded, summary.failed) == (ROWS, 0)
    assert is_done(job)
    assert Counter(row.key for row in job.report_rows()) == Counter(obj.key for obj in job.objects)
    assert job.report().is_green


@pytest.mark.parametrize("operation", [DeleteObject(), ENCRYPTION], ids=lambda operation: operation.name)
def test_body_written_after_the_death_survives_the_replay(
    make_job: Callable[..., ServerJob], operation: Operation
) -> None:
    """Somebody stores a new object under a key that the dead attempt had worked on: it is not the manifest's object."""
    job = make_job("plain")
    killed_attempt(job, operation, dying_at("before", "succeeded part"))
    new = job.objects[5]
    client_of(job.server).put_object(Bucket=new.bucket, Key=new.key, Body=b"somebody else's")
    with pytest.raises(TooManyFailuresError, match="PreconditionFailed 1"):
        job.attempt(operation, try_number=2, policy=STRICT)
    assert client_of(job.server).get_object(Bucket=new.bucket, Key=new.key)["Body"].read() == b"somebody else's"
    assert [(row.key, row.error_code) for row in job.report_rows() if row.status == "failed"] == [
        (new.key, "PreconditionFailed")
    ]


@pytest.mark.parametrize(
    ("operation", "code"),
    [(DeleteObject(), ""), (ENCRYPTION, "NoSuchKey"), (CopyObject("replay-target", "y"), "NoSuchKey")],
    ids=["delete", "rewrite", "copy"],
)
def test_object_that_vanished_before_the_replay_is_judged_by_what_was_wanted(
    make_job: Callable[..., ServerJob], operation: Operation, code: str
) -> None:
    """Gone is what a delete wants; a rewrite can't be shown to have happened to an object that is gone."""
    job = make_job("plain")
    killed_attempt(job, operation, dying_at("before", "succeeded part"))
    gone = job.objects[5]
    client_of(job.server).delete_object(Bucket=gone.bucket, Key=gone.key)
    job.attempt(operation, try_number=2)
    assert {row.key: row.error_code for row in job.report_rows()}[gone.key] == code
