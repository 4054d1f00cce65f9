"""The stores that the contract is checked on, and the buckets that they have for it."""

from __future__ import annotations

import io
import os
import secrets
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import boto3
import botocore.exceptions
from contract_functions import LAMBDA_SOURCE
from server_jobs import allow_acls

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.engine import Policy, S3Access, run_batch
from airflow_s3batch.engine.files.storage import S3Storage
from airflow_s3batch.operations import Operation
from airflow_s3batch.testing import Server

KINDS = ("plain", "versioned", "acl", "lock", "target", "jobs")
Outcomes = dict[tuple[str, str, str | None], Outcome]


class World:
    """
    One store, by its name in the table of differences.

    Attributes:
        access: how the engine reaches it.
        client: boto3's, to prepare objects and to look at them.
        function: ARN of a Lambda function that answers ``hello <key>``; empty where there is none.
    """

    def __init__(self, name: str, access: S3Access, buckets: Mapping[str, str] | None = None) -> None:
        """*buckets* are those to use, by kind; without them buckets are made."""
        self.name = name
        self.access = access
        self.client = access.client()
        self.function = ""
        self._given = buckets
        self._made: dict[str, str] = {}

    def bucket(self, kind: str) -> str:
        """Return the bucket of that *kind*; an empty text where a given store has none."""
        if self._given is not None:
            return self._given.get(kind, "")
        if kind not in self._made:
            self._made[kind] = self._new(kind)
        return self._made[kind]

    def _new(self, kind: str) -> str:
        name = f"contract-{kind}-{secrets.token_hex(4)}"
        self.client.create_bucket(Bucket=name, **({"ObjectLockEnabledForBucket": True} if kind == "lock" else {}))
        if kind in ("acl", "versioned"):
            allow_acls(self.client, name)
        if kind == "versioned":
            self.client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name

    @cached_property
    def storage(self) -> S3Storage:
        """Where jobs keep their files."""
        return S3Storage(self.access)

    def put(self, kind: str, keys: Iterable[str], **arguments: Any) -> list[S3Object]:
        """Store an object under each of *keys*, its body the key, and return them as a manifest names them."""
        found = []
        for key in keys:
            body = key.encode("utf-8", "replace")
            reply = self.client.put_object(Bucket=self.bucket(kind), Key=key, Body=body, **arguments)
            found.append(S3Object(self.bucket(kind), key, size=len(body), e_tag=reply["ETag"].strip('"')))
        return found

    def run(self, objects: Iterable[S3Object], operation: Operation, **arguments: Any) -> Outcomes:
        """Run *operation* and return the outcomes."""
        found: Outcomes = {}

        def keep(obj: S3Object, outcome: Outcome) -> None:
            found[obj.bucket, obj.key, obj.version_id] = outcome

        run_batch(
            objects,
            operation,
            session=self.access.session,
            endpoint_url=self.access.endpoint_url,
            endpoints=dict(self.access.endpoints),
            policy=Policy(keep_going=True, max_concurrency=16, max_attempts=3),
            on_outcome=keep,
            **arguments,
        )
        return found

    def body(self, obj: S3Object) -> bytes | None:
        """Return the body of *obj*; ``None`` if it is gone."""
        version = {"VersionId": obj.version_id} if obj.version_id else {}
        try:
            return bytes(self.client.get_object(Bucket=obj.bucket, Key=obj.key, **version)["Body"].read())
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] == "InvalidObjectState":
                return b"archived"
            if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (404, 405):
                raise
            return None


def world_of(server: Server, name: str) -> World:
    """Return the world of a server that was just started."""
    access = server.access()
    world = World(name, replace(access, endpoints=(("lambda", server.endpoint_url),)))
    if name == "ministack":
        world.function = _lambda_function(server)
    return world


def aws_world() -> World | None:
    """
    Return real AWS with buckets of the user's, ``None`` if the environment names none.

    ``S3BATCH_TEST_AWS_BUCKET`` turns it on: a bucket for plain objects and the job's files. Others are optional, and
    what needs one that is not named is skipped: ``S3BATCH_TEST_AWS_VERSIONED_BUCKET``, ``…_ACL_BUCKET`` (Object
    Ownership ``ObjectWriter``), ``…_LOCK_BUCKET`` (Object Lock without a default retention), ``…_TARGET_BUCKET``, and
    ``S3BATCH_TEST_AWS_FUNCTION``, the ARN of a function that does as `LAMBDA_SOURCE`; ``S3BATCH_TEST_AWS_KMS_KEY``, the
    ARN of a key (name it only when nothing but AWS is tested: ``pytest tests/contract -k aws``). Credentials and region
    come from boto3's own variables. Objects lie below prefixes of their own; a lifecycle rule should expire the rest.
    """
    plain = os.environ.get("S3BATCH_TEST_AWS_BUCKET", "")
    if not plain:
        return None
    others = {kind: os.environ.get(f"S3BATCH_TEST_AWS_{kind.upper()}_BUCKET", "") for kind in KINDS}
    world = World("aws", S3Access(boto3.session.Session()), {**others, "plain": plain, "jobs": plain})
    world.function = os.environ.get("S3BATCH_TEST_AWS_FUNCTION", "")
    return world


def _lambda_function(server: Server) -> str:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("index.py", LAMBDA_SOURCE)
    client = server.session().client("lambda", endpoint_url=server.endpoint_url)
    made = client.create_function(
        FunctionName="greet",
        Runtime="python3.11",
        Role="arn:aws:iam::000000000000:role/contract",
        Handler="index.handler",
        Code={"ZipFile": archive.getvalue()},
    )
    return str(made["FunctionArn"])


Look = Callable[[World, S3Object, Outcome | None], Any]
