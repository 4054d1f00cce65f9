"""The least policy, enforced by a server that checks each request's action and resource against it."""

from __future__ import annotations

import io
import json
import os
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions
import pyarrow.parquet as pq
import pytest
from server_jobs import TASK, publish
from worlds import World

from airflow_s3batch import testing
from airflow_s3batch.core.errors import S3BatchError
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine import Policy, S3Access, run_shard
from airflow_s3batch.engine.checks.preflight import capabilities_for
from airflow_s3batch.engine.files.storage import S3Storage
from airflow_s3batch.engine.loop.executor import Executor
from airflow_s3batch.engine.wire.exchange import Work
from airflow_s3batch.manifests.sources.dataset import Place
from airflow_s3batch.operations import (
    ComputeObjectChecksum,
    CopyObject,
    DeleteObject,
    DeleteObjectTagging,
    LambdaInvoke,
    MergeObjectTagging,
    MoveObject,
    Operation,
    PutObjectTagging,
    ReplicateObject,
    RewriteObject,
    RunContext,
    iam_policies,
)
from airflow_s3batch.operations.declared import declared
from airflow_s3batch.sources import CsvManifest, Listing

POLICY = Policy(tolerate=frozenset(), keep_going=True, max_concurrency=4, max_attempts=2, allowed_failures=0.99)
ONLY_VERSIONS = {"DeleteObjectVersion", "GetObjectVersion", "GetObjectVersionTagging", "PutObjectVersionTagging"}
ONLY_VERSIONS |= {"DeleteObjectVersionTagging", "PutObjectVersionAcl"}
ON_COPIES = {"Targets AbortMultipartUpload", "Targets GetObject"}
"""For copies in parts, and to look at copies on a replay."""

NOT_CHECKED = {"GetObjectTagging", "Targets PutObjectTagging"}
"""What AWS asks for where a copy has tags, and MiniStack does not."""

ONLY_PARTS = {"AbortMultipartUpload"}
ONLY_LOCKS = {"GetObjectRetention", "GetObjectLegalHold", "PutObjectRetention", "PutObjectLegalHold"}
ONLY_ACLS = {"GetObjectAcl", "PutObjectAcl"}


class OnAws(S3Access):
    """A server that is taken for AWS, so that no operation is tried on scratch objects."""

    is_aws = True


class Guarded:
    """MiniStack that enforces IAM, with one user whose policy a test sets."""

    def __init__(self, server: testing.Server) -> None:
        self.server = server
        self.root = World("ministack", server.access())
        self._iam = server.session().client("iam", endpoint_url=server.endpoint_url)
        self._iam.create_user(UserName="worker")
        key = self._iam.create_access_key(UserName="worker")["AccessKey"]
        self._session = boto3.session.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=server.region)

    def validate(self, policies: dict[str, Any]) -> None:
        """Have IAM check the documents of a managed job."""
        for who in ("role", "caller"):
            self._iam.put_user_policy(UserName="worker", PolicyName=who, PolicyDocument=json.dumps(policies[who]))
        name = f"batch-{secrets.token_hex(4)}"
        self._iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(policies["trust"]))

    def access(self, policy: dict[str, Any], *, is_aws: bool) -> S3Access:
        """Return how the user reaches the server, with *policy* and nothing else."""
        self._iam.put_user_policy(UserName="worker", PolicyName="least", PolicyDocument=json.dumps(policy))
        kind = OnAws if is_aws else S3Access
        return kind(self._session, self.server.endpoint_url, self.server.region)


@pytest.fixture(scope="module")
def guarded() -> Iterator[Guarded]:
    try:
        context = testing.ministack(checks_access=True)
        server = context.__enter__()
    except testing.ServerMissingError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    try:
        yield Guarded(server)
    finally:
        context.__exit__(None, None, None)


@pytest.fixture
def data(guarded: Guarded) -> World:
    """The root user's world with a bucket for objects, one to copy to and one for jobs."""
    return guarded.root


def operations(target: str) -> dict[str, Any]:
    """Return what is allowed, by name; and the actions of it that a plain job of small objects can do without."""
    return {
        "tags": (PutObjectTagging({"k": "v"}), ONLY_VERSIONS),
        "no tags": (DeleteObjectTagging(), ONLY_VERSIONS),
        "some tags": (MergeObjectTagging({"k": "v"}), ONLY_VERSIONS),
        "copies": (CopyObject(target), ONLY_VERSIONS | ON_COPIES | NOT_CHECKED),
        "tagged copies": (CopyObject(target, tags={"a": "b"}), ONLY_VERSIONS | ON_COPIES | NOT_CHECKED),
        "deletes": (DeleteObject(), ONLY_VERSIONS | {"GetObject"}),
        "moves": (MoveObject(target), ONLY_VERSIONS | ON_COPIES | NOT_CHECKED | {"Targets GetObjectTagging"}),
        "checksums": (ComputeObjectChecksum("MD5"), ONLY_VERSIONS),
        "in order": (
            [PutObjectTagging({"k": "v"}), CopyObject(target), DeleteObject()],
            ONLY_VERSIONS | ON_COPIES | NOT_CHECKED,
        ),
        "rewrites": (
            RewriteObject("SSE-S3", allow_unconditional=True),
            ONLY_LOCKS | ONLY_PARTS | ONLY_ACLS | ONLY_VERSIONS | {"GetObjectTagging", "PutObjectTagging"},
        ),
    }


NAMES = list(operations("x"))


def _objects(world: World, number: int = 3) -> tuple[str, list[S3Object]]:
    """Return a new folder and tagged objects in it."""
    folder = f"raw-{secrets.token_hex(4)}/"
    return folder, world.put("plain", [f"{folder}{n}" for n in range(number)], Tagging="old=1")


@pytest.mark.parametrize("is_aws", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_a_job_runs_with_the_least_policy(
    guarded: Guarded, data: World, tmp_path: Path, name: str, *, is_aws: bool
) -> None:
    """From its first look at the buckets to its last commit, on AWS and on stores that are tried first."""
    operation, _ = operations(data.bucket("target"))[name]
    folder, objects = _objects(data)
    url = f"s3://{data.bucket('jobs')}/batch/{secrets.token_hex(4)}"
    job = publish(None, url, objects, tmp_path, range_rows=2, storage=data.storage)  # type: ignore[arg-type]
    policy = iam_policies(operation, f"s3://{data.bucket('plain')}/{folder}", url, is_aws=is_aws)["worker"]
    access = guarded.access(policy, is_aws=is_aws)
    summary = run_shard(job.ref, operation, access=access, storage=S3Storage(access), task_id=TASK, policy=POLICY)
    assert (summary.succeeded, summary.failed) == (3, 0), summary.tally.codes


@pytest.mark.parametrize("name", NAMES)
def test_nothing_in_the_policy_is_superfluous(guarded: Guarded, data: World, name: str) -> None:
    """Without any one of the actions on objects the job fails, but for those that only versions and the like need."""
    operation, spare = operations(data.bucket("target"))[name]
    folder, _ = _objects(data)
    policy = iam_policies(operation, f"s3://{data.bucket('plain')}/{folder}", "s3://ops/x")["worker"]
    unneeded = set()
    for statement in policy["Statement"]:
        if statement["Sid"] not in ("Objects", "Targets"):
            continue
        for action in statement["Action"]:
            less = replace_statement(policy, statement, [each for each in statement["Action"] if each != action])
            if _succeeds(guarded, data, folder, operation, less):
                place = "Targets " if statement["Sid"] == "Targets" else ""
                unneeded.add(place + action.removeprefix("s3:"))
    assert unneeded <= spare


def replace_statement(policy: dict[str, Any], statement: dict[str, Any], actions: list[str]) -> dict[str, Any]:
    others = [each for each in policy["Statement"] if each is not statement]
    return {**policy, "Statement": [*others, *([{**statement, "Action": actions}] if actions else [])]}


def _succeeds(guarded: Guarded, data: World, folder: str, operation: Any, policy: dict[str, Any]) -> bool:
    """Return whether a new object in *folder* is done under *policy*."""
    (obj,) = data.put("plain", [f"{folder}{secrets.token_hex(4)}"], Tagging="old=1")
    try:
        return not any(_outcomes(guarded, obj, operation, policy))
    except S3BatchError:
        return False


def _outcomes(guarded: Guarded, obj: S3Object, operation: Any, policy: dict[str, Any]) -> list[str]:
    """Return the error codes that *operation* on *obj* ends with under *policy*; empty texts are successes."""
    access = guarded.access(policy, is_aws=True)
    chosen = declared(operation)
    found: list[Outcome] = []
    with Executor(access, POLICY) as executor:
        known = capabilities_for(executor, access, chosen, obj, S3Url("nowhere", "x"))
        executor.run(chosen, iter([Work(0, obj)]), RunContext(known), lambda _, outcome: found.append(outcome))
    return [outcome.error_code for outcome in found]


@pytest.mark.parametrize("versions", [False, True])
def test_a_listing_runs_with_the_least_policy(guarded: Guarded, data: World, *, versions: bool) -> None:
    """And with nothing less."""
    folder, objects = _objects(data)
    source = Listing(f"s3://{data.bucket('plain')}/{folder}", versions=versions)
    policy = _reading(data, source)
    assert _rows(guarded, data, source, policy) == len(objects)
    listing = next(each for each in policy["Statement"] if each["Sid"] == "Listing")
    less = {**policy, "Statement": [each for each in policy["Statement"] if each["Sid"] not in ("Listing", "Buckets")]}
    with pytest.raises(S3BatchError, match=re.escape(listing["Action"][0])):
        _rows(guarded, data, source, less)


def test_files_are_read_with_the_least_policy(guarded: Guarded, data: World) -> None:
    """CSV files, a folder of them, and the report of a job."""
    folder, objects = _objects(data)
    bucket = data.bucket("plain")
    body = "".join(f"{obj.bucket},{obj.key}\n" for obj in objects).encode()
    data.storage.write(S3Url(bucket, f"{folder}rows/a.csv"), body)
    for source in (CsvManifest(f"s3://{bucket}/{folder}rows/a.csv"), CsvManifest(f"s3://{bucket}/{folder}rows/")):
        assert _rows(guarded, data, source, _reading(data, source)) == 1


def _reading(data: World, source: Any) -> dict[str, Any]:
    """Return the policy of a job on objects elsewhere, so that only *source* opens the folder."""
    job = f"s3://{data.bucket('jobs')}/batch"
    return iam_policies(PutObjectTagging({"k": "v"}), "s3://elsewhere", job, source=source)["worker"]


def _rows(guarded: Guarded, data: World, source: Any, policy: dict[str, Any]) -> int:
    """Return how many rows a listing, and how many files another source, finds under *policy*."""
    access = guarded.access(policy, is_aws=True)
    layout = JobLayout(S3Url(data.bucket("jobs"), f"batch/{secrets.token_hex(4)}"))
    found = source.find(Place(S3Storage(access), layout, lambda: access, datetime.now(UTC), lambda _: None))
    if not isinstance(source, Listing):
        return len(found.datasets[0].files)
    (dataset,) = found.datasets
    tables = [pq.read_table(io.BytesIO(data.storage.read(dataset.file_url(file)) or b"")) for file in dataset.files]
    return sum(table.num_rows for table in tables)


def test_another_folder_stays_closed(guarded: Guarded, data: World) -> None:
    """The prefix is part of the policy."""
    folder, _ = _objects(data)
    policy = iam_policies(PutObjectTagging({"k": "v"}), f"s3://{data.bucket('plain')}/{folder}", "s3://ops/x")["worker"]
    assert _succeeds(guarded, data, folder, PutObjectTagging({"k": "v"}), policy)
    assert not _succeeds(guarded, data, "other/", PutObjectTagging({"k": "v"}), policy)


MANAGED = [
    PutObjectTagging({"k": "v"}),
    CopyObject("archive", "in/here"),
    ReplicateObject(),
    LambdaInvoke("arn:aws:lambda:us-east-1:123456789012:function:greet"),
]


@pytest.mark.parametrize("operation", MANAGED, ids=lambda operation: operation.name)
def test_policies_for_awss_own_service_are_taken_by_iam(guarded: Guarded, operation: Operation) -> None:
    """Caller, role and trust policy; a server that validates documents takes them."""
    role = "arn:aws:iam::123456789012:role/batch"
    found = iam_policies(
        operation, "s3://lake", "s3://ops/x", engine="managed", role_arn=role, account_id="123456789012"
    )
    assert list(found) == ["caller", "role", "trust"]
    guarded.validate(found)


def test_a_document_that_is_no_policy_is_not_taken(guarded: Guarded) -> None:
    """So that the test above can fail."""
    with pytest.raises(botocore.exceptions.ClientError, match="MalformedPolicyDocument"):
        guarded.validate({"caller": {}, "role": {"Version": "2012-10-17", "Statement": [{"Effect": "x"}]}, "trust": {}})
