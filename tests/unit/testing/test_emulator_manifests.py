"""Manifests as the emulator reads them, and what fails a job while it is Preparing."""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import Any

import pytest
from emulator_bench import Bench

from airflow_s3batch.testing.emulator.manifests import csv_tasks
from airflow_s3batch.testing.emulator.tasks import Task

INVALID = "InvalidManifestContent"


def results(lab: Bench) -> list[str]:
    files = [body for (_, key), body in lab.store.files.items() if "/results/" in key]
    return sorted(line for body in files for line in body.decode().splitlines())


def inventory(lab: Bench, rows: str, schema: str = "Bucket, Key, VersionId", **changes: Any) -> dict[str, Any]:
    """Store an inventory of one file and return CreateJob's ``Manifest`` of it."""
    data = gzip.compress(rows.encode(), mtime=0)
    lab.store.files["inventories", "data/1.csv.gz"] = data
    listed = {"key": "data/1.csv.gz", "size": len(data), "MD5checksum": hashlib.md5(data).hexdigest()}
    manifest = {
        "sourceBucket": "lake",
        "destinationBucket": "arn:aws:s3:::inventories",
        "fileFormat": "CSV",
        "fileSchema": schema,
        "files": [listed],
    } | changes
    return {
        "Spec": {"Format": "S3InventoryReport_CSV_20161130"},
        "Location": lab.manifest(json.dumps(manifest), "manifest.json")["Location"],
    }


def test_columns_are_read_by_the_schema_and_keys_are_decoded(lab: Bench) -> None:
    """In either spelling; what is ignored is ignored."""
    fields = ("Ignore", "Key", "Bucket")
    lab.emulator.wait(lab.create(Manifest=lab.manifest('x,a%20b,lake\n"y,z",c+d%2B,lake\n', fields=fields)))
    assert lab.done == ["a b", "c d+"]


def test_the_report_spells_keys_as_the_manifest_does(lab: Bench) -> None:
    lab.emulator.wait(lab.create(Manifest=lab.manifest("lake,a%20b\nlake,a+c%2f\n")))
    assert results(lab) == ["lake,a%20b,,succeeded,200,,Successful", "lake,a+c%2f,,succeeded,200,,Successful"]


def test_versions_are_read() -> None:
    tasks = list(csv_tasks(b"lake,a,v1\nlake,b,null\n", ["Bucket", "Key", "VersionId"]))
    assert tasks == [Task("lake", "a", "v1"), Task("lake", "b", "null")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "lists no objects"),
        ("Bucket,Key\nlake,a\n", "row 2 is in bucket 'lake', row 1 in 'Bucket'"),
        ("lake,a\nother,b\n", "row 2 is in bucket 'other'"),
        ("lake,a\n\nlake,b\n", "row 2 has 0 columns"),
        ("lake,a,b\n", "row 1 has 3 columns, the schema 2"),
        ("lake,%FF\n", "not valid UTF-8"),
        ("lake," + "k" * 1025 + "\n", "1025 characters"),
        ("lake,\n", "0 characters"),
        ('lake,"a\n', "not CSV"),
    ],
)
def test_a_manifest_that_is_not_as_it_should_be_fails_the_job(lab: Bench, text: str, words: str) -> None:
    code, reason = lab.failure(Manifest=lab.manifest(text))
    assert (code, words in reason) == (INVALID, True), reason
    assert lab.statuses_of() == ["New", "Preparing", "Failing", "Failed"]
    assert lab.done == []


def test_versions_of_some_rows_only_fail_the_job(lab: Bench) -> None:
    manifest = lab.manifest("lake,a,v1\nlake,b,\n", fields=("Bucket", "Key", "VersionId"))
    code, reason = lab.failure(Manifest=manifest)
    assert (code, "row 2" in reason) == (INVALID, True)


def test_a_manifest_that_was_written_again_fails_the_job(lab: Bench) -> None:
    manifest = lab.manifest("lake,a\n")
    lab.manifest("lake,b\n")
    assert "ETag" in lab.failure(Manifest=manifest)[1]


def test_a_manifest_that_may_not_be_read_fails_the_job_in_aws_s_words(lab: Bench) -> None:
    manifest = lab.manifest("lake,a\n")
    lab.store.refuses["get_object"] = "AccessDenied"
    assert lab.failure(Manifest=manifest)[1] == "Reading the manifest is forbidden: AccessDenied"


def test_a_manifest_that_is_not_there_fails_the_job(lab: Bench) -> None:
    manifest = lab.manifest("lake,a\n")
    lab.store.files.clear()
    assert "NoSuchKey" in lab.failure(Manifest=manifest)[1]


def test_an_inventory_is_a_manifest(lab: Bench) -> None:
    manifest = inventory(lab, '"lake","a+b","v1"\n"lake","c%2B","v2"\n')
    lab.emulator.wait(lab.create(Manifest=manifest))
    assert lab.done == ["a b", "c+"]
    assert results(lab) == ["lake,a+b,v1,succeeded,200,,Successful", "lake,c%2B,v2,succeeded,200,,Successful"]


def test_null_versions_of_an_inventory_fail_alone(lab: Bench) -> None:
    """Inventories leave them empty, S3 Batch Operations wants the word null."""
    lab.emulator.wait(lab.create(Manifest=inventory(lab, '"lake","a",""\n"lake","b","v2"\n')))
    assert results(lab) == [
        "lake,a,failed,400,InvalidRequest,Task failed due to missing VersionId",
        "lake,b,v2,succeeded,200,,Successful",
    ]


def test_an_inventory_without_versions_is_of_current_ones(lab: Bench) -> None:
    lab.emulator.wait(lab.create(Manifest=inventory(lab, '"lake","a"\n', "Bucket, Key")))
    assert results(lab) == ["lake,a,,succeeded,200,,Successful"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fileFormat": "Parquet"}, "only inventories in CSV"),
        ({"schema": "Bucket, Size"}, "Required fields are missing in the schema: Key"),
        ({"files": [{"key": "data/1.csv.gz", "MD5checksum": "0"}]}, "MD5checksum"),
        ({"files": [{"key": "data/2.csv.gz", "MD5checksum": "0"}]}, "NoSuchKey"),
        ({"files": None}, "not the manifest.json"),
        ({"schema": "Bucket, Key, VersionId, Size"}, "row 1 has 3 columns"),
    ],
)
def test_an_inventory_that_can_not_be_used_fails_the_job(lab: Bench, changes: dict[str, Any], words: str) -> None:
    assert words in lab.failure(Manifest=inventory(lab, '"lake","a","v1"\n', **changes))[1]
