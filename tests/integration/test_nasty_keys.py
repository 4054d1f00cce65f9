"""Any key survives from the inventory through the manifest and the request to the report."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import pytest
from server_jobs import TASK, access_of, aws_report_rows, client_of, put_objects, tags

from airflow_s3batch.core.manifest import ShardRef
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine import run_shard
from airflow_s3batch.engine.files.storage import S3Storage
from airflow_s3batch.manifests.planning.publish import publish_manifest
from airflow_s3batch.manifests.planning.selection import Selection
from airflow_s3batch.manifests.sources.inventory import Inventory
from airflow_s3batch.operations import Column, CopyObject, DeleteObject, Operation, PutObjectTagging, RewriteObject
from airflow_s3batch.reports import JobSummary, build_report
from airflow_s3batch.testing import Server, write_inventory

if TYPE_CHECKING:
    from server_users import BucketFactory

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

KEYS_OF_ANY_STORE = [
    "plain/a.csv",
    "a b",
    " leading and trailing ",
    "a+b",
    "100%",
    "a%20b",
    "a%2Fb",
    'quo"te',
    "quo'te",
    "comma,comma",
    '","',
    "new\nline",
    "tab\ttab",
    "semi;colon=equals:at@",
    "ünïcödé/日本語",
    "nfc/\u00e9",
    "nfd/e\u0301",
    "emoji/\U0001f600",
    "what?versionId=1",
    "hash#tag",
    "a&b<c>",
    "~*!()",
    "{{ jinja }}",
    "/".join("k" * 200 for _ in range(5)) + "/" + "ü" * 9 + "z",
]
KEYS_OF_S3_ALONE = [
    "..",
    ".",
    "../up",
    "x/../y",
    "x/./y",
    "/leading",
    "//two",
    "a//b",
    "ends/",
    "back\\slash",
    "car\rriage",
    "control\x01",
    "k" * 1_024,
    "ü" * 512,
]
"""What SeaweedFS can't store, or stores under another name."""


class Chain:
    """Inventory, manifest, requests and report of one bucket on one server."""

    def __init__(self, server: Server, data: str, ops: str, keys: list[str]) -> None:
        self.server = server
        self.ops = ops
        self.name = data
        self.objects = put_objects(server, data, keys)
        self.storage = S3Storage(access_of(server))

    def run(self, operation: Operation, file_format: Literal["CSV", "Parquet", "ORC"] = "CSV") -> JobSummary:
        """Do all of it and return the summary."""
        rows = [
            {"key": obj.key, "size": obj.size, "e_tag": obj.e_tag, "storage_class": "STANDARD"} for obj in self.objects
        ]
        url = write_inventory(
            client_of(self.server),
            f"s3://{self.ops}/{self.name}/inventory",
            self.objects[0].bucket,
            rows,
            created=NOW,
            file_format=file_format,
        )
        selection = Selection(Inventory.of(url), "TRUE", {"digest": "md5(key)"}, objects_per_shard=20)
        manifest = publish_manifest(self.storage, S3Url(self.ops, self.name), "nasty", selection, now=NOW)
        assert manifest.rows == len(self.objects)
        for shard in manifest.shards:
            ref = ShardRef(str(manifest.job_url), shard.index, shard.rows)
            run_shard(ref, operation, access=access_of(self.server), storage=self.storage, task_id=TASK)
        return build_report(self.storage, manifest.job_url, TASK, now=NOW)

    def assert_reported(self, summary: JobSummary) -> None:
        """Check that a reader of AWS's reports gets each key back once, as it was."""
        rows = list(aws_report_rows(client_of(self.server), summary.report_url))
        assert sorted(row.key for row in rows) == sorted(obj.key for obj in self.objects)
        assert {row.status for row in rows} == {"succeeded"}
        assert summary.is_green

    def keys(self, bucket: str) -> list[str]:
        listed = client_of(self.server).list_objects_v2(Bucket=bucket).get("Contents", [])
        return sorted(entry["Key"] for entry in listed)


_ops: dict[str, str] = {}


@pytest.fixture(params=["seaweedfs", "ministack"])
def chain(request: pytest.FixtureRequest, bucket: BucketFactory) -> Chain:
    server: Server = request.getfixturevalue(request.param)
    if server.endpoint_url not in _ops:
        _ops[server.endpoint_url] = bucket(server, "ops")
    keys = KEYS_OF_ANY_STORE + (KEYS_OF_S3_ALONE if request.param == "ministack" else [])
    return Chain(server, bucket(server, "data"), _ops[server.endpoint_url], keys)


@pytest.mark.parametrize("file_format", ["CSV", "Parquet", "ORC"])
def test_nasty_keys_are_tagged_and_reported(chain: Chain, file_format: Literal["CSV", "Parquet", "ORC"]) -> None:
    """Each object gets the digest of its own raw key as a tag, so that none is taken for another."""
    summary = chain.run(PutObjectTagging({"digest": Column("digest")}), file_format)
    digests = {obj.key: hashlib.md5(obj.key.encode()).hexdigest() for obj in chain.objects}
    assert {obj.key: tags(chain.server, obj)["digest"] for obj in chain.objects} == digests
    chain.assert_reported(summary)


def test_nasty_keys_are_copied(chain: Chain, bucket: BucketFactory) -> None:
    """Key and copy source are encoded in different places; the body, which is the key, tells which one was copied."""
    target = bucket(chain.server)
    fitting = [obj for obj in chain.objects if len(obj.key.encode()) < 1_020]
    chain.objects = fitting
    summary = chain.run(CopyObject(target, "p"))
    assert chain.keys(target) == sorted(f"p/{obj.key}" for obj in fitting)
    for obj in fitting:
        body = client_of(chain.server).get_object(Bucket=target, Key=f"p/{obj.key}")["Body"].read()
        assert body == obj.key.encode()
    chain.assert_reported(summary)


def test_nasty_keys_are_rewritten_in_place(chain: Chain) -> None:
    summary = chain.run(RewriteObject("SSE-S3", allow_unconditional=True))
    for obj in chain.objects:
        shown = client_of(chain.server).get_object(Bucket=obj.bucket, Key=obj.key)
        assert (shown["Body"].read(), shown["ServerSideEncryption"]) == (obj.key.encode(), "AES256")
    chain.assert_reported(summary)


def test_nasty_keys_are_deleted_and_no_other(chain: Chain) -> None:
    """What is not in the manifest stays, though its key looks like an encoded or normalized form of one that is."""
    bystanders = ["a%20b%20c", "nfd/e", "plus+", "up"]
    put_objects(chain.server, chain.objects[0].bucket, bystanders)
    summary = chain.run(DeleteObject())
    assert chain.keys(chain.objects[0].bucket) == sorted(bystanders)
    chain.assert_reported(summary)


def test_examples_in_the_summary_are_encoded(chain: Chain) -> None:
    """Keys that vanished are named in the summary, but never raw: a newline in one can't fake a log line."""
    chain.objects = [S3Object(chain.objects[0].bucket, "gone\n<b>", size=1, e_tag="0" * 32)]
    summary = chain.run(PutObjectTagging({"k": "v"}))
    assert summary.examples == {"NoSuchKey": [f"s3://{chain.objects[0].bucket}/gone%0A%3Cb%3E"]}
