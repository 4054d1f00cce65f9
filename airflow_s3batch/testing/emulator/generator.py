"""
Generates manifests: a bucket's objects that pass CreateJob's filters, all of which have to hold.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_JobManifestGeneratorFilter.html
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import botocore.exceptions

from airflow_s3batch.core.errors import S3BatchError
from airflow_s3batch.core.keys import encode_key
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.testing.emulator.jobs import JobFailure
from airflow_s3batch.testing.emulator.manifests import inventory_tasks
from airflow_s3batch.testing.emulator.tasks import Task
from airflow_s3batch.testing.inventories import write_inventory

FORMAT = "S3InventoryReport_CSV_20211130"
NO_KEYS = "Manifest generation found no keys matching the filter criteria"
NOT_WRITTEN = "Error occurred when preparing manifest: Failed to write manifest"

Filter = Mapping[str, Any]


class Listed(NamedTuple):
    """A version of an object as a listing shows it; *version_id* is empty in buckets without versions."""

    key: str
    version_id: str
    size: int
    modified: dt.datetime
    storage_class: str


class Generated(NamedTuple):
    """A generated manifest: its *tasks*, and what DescribeJob tells of its file; ``None`` if none was asked for."""

    tasks: Iterator[Task]
    descriptor: dict[str, Any] | None


def generate(
    client: Any, generator: Mapping[str, Any], job_id: str, now: dt.datetime, *, all_versions: bool
) -> Generated:
    """
    Generate the manifest that CreateJob's *generator* asks for, of current versions or of *all_versions*.

    Raises:
        JobFailure: nothing passes the filters, or the manifest can't be written.
    """
    bucket = generator["SourceBucket"].rpartition(":")[2]
    try:
        listed = list(_listed(client, bucket, all_versions=all_versions))
        found = [each for each in listed if _passes(client, bucket, each, generator.get("Filter", {}))]
    except botocore.exceptions.ClientError as error:
        code = error.response["Error"].get("Code")
        raise JobFailure("ManifestGenerationFailed", f"Manifest generation failed: {code}") from error
    if not found:
        raise JobFailure("ManifestGenerationNoKeysFound", NO_KEYS)
    if not generator["EnableManifestOutput"]:
        return Generated((Task(bucket, encode_key(each.key), each.version_id) for each in found), None)
    return _written(client, generator["ManifestOutputLocation"], bucket, found, job_id, now)


def _listed(client: Any, bucket: str, *, all_versions: bool) -> Iterator[Listed]:
    is_versioned = client.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled"
    if not is_versioned:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for entry in page.get("Contents", ()):
                yield _from_listing(entry, "")
        return
    for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for entry in page.get("Versions", ()):
            if all_versions or entry["IsLatest"]:
                yield _from_listing(entry, entry["VersionId"])


def _from_listing(entry: Mapping[str, Any], version_id: str) -> Listed:
    storage_class = entry.get("StorageClass", "STANDARD")
    return Listed(entry["Key"], version_id, entry["Size"], entry["LastModified"], storage_class)


def _passes(client: Any, bucket: str, listed: Listed, wanted: Filter) -> bool:
    checks = (
        _passes_by_name(listed.key, wanted.get("KeyNameConstraint", {})),
        "CreatedAfter" not in wanted or listed.modified > wanted["CreatedAfter"],
        "CreatedBefore" not in wanted or listed.modified < wanted["CreatedBefore"],
        listed.size > wanted.get("ObjectSizeGreaterThanBytes", -1),
        listed.size < wanted.get("ObjectSizeLessThanBytes", listed.size + 1),
        listed.storage_class in (wanted.get("MatchAnyStorageClass") or [listed.storage_class]),
    )
    return all(checks) and _passes_by_head(client, bucket, listed, wanted)


def _passes_by_name(key: str, names: Filter) -> bool:
    return (
        any(key.startswith(text) for text in names.get("MatchAnyPrefix", [""]))
        and any(key.endswith(text) for text in names.get("MatchAnySuffix", [""]))
        and any(text in key for text in names.get("MatchAnySubstring", [""]))
    )


def _passes_by_head(client: Any, bucket: str, listed: Listed, wanted: Filter) -> bool:
    statuses, encryptions = wanted.get("ObjectReplicationStatuses"), wanted.get("MatchAnyObjectEncryption")
    if wanted.get("EligibleForReplication") and not _has_rules(client, bucket):
        return False
    if not statuses and not encryptions:
        return True
    version = {"VersionId": listed.version_id} if listed.version_id else {}
    try:
        head = client.head_object(Bucket=bucket, Key=listed.key, **version)
    except botocore.exceptions.ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 400:
            raise
        head = {"SSECustomerAlgorithm": "AES256"}  # HEAD of such objects needs their key
    is_replicated = not statuses or head.get("ReplicationStatus", "NONE") in statuses
    return is_replicated and (not encryptions or any(_is_encrypted(head, each) for each in encryptions))


def _is_encrypted(head: Mapping[str, Any], wanted: Filter) -> bool:
    ((kind, details),) = wanted.items()
    algorithm = head.get("ServerSideEncryption")
    has_customer_key = "SSECustomerAlgorithm" in head
    is_kind = {
        "SSES3": algorithm == "AES256" and not has_customer_key,
        "SSEKMS": algorithm == "aws:kms",
        "DSSEKMS": algorithm == "aws:kms:dsse",
        "SSEC": has_customer_key,
        "NOTSSE": algorithm is None and not has_customer_key,
    }[kind]
    key, bucket_key = details.get("KmsKeyArn"), details.get("BucketKeyEnabled")
    return (
        is_kind and key in (None, head.get("SSEKMSKeyId")) and bucket_key in (None, bool(head.get("BucketKeyEnabled")))
    )


def _has_rules(client: Any, bucket: str) -> bool:
    try:
        client.get_bucket_replication(Bucket=bucket)
    except botocore.exceptions.ClientError:
        return False
    return True


def _written(
    client: Any, place: Mapping[str, Any], bucket: str, found: list[Listed], job_id: str, now: dt.datetime
) -> Generated:
    """Write the manifest as an inventory of its own, and read it back: its spelling of keys is the job's."""
    versions = any(each.version_id for each in found)
    target = S3Url(place["Bucket"].rpartition(":")[2], place.get("ManifestPrefix", ""))
    rows = [{"key": each.key, **({"version_id": each.version_id} if versions else {})} for each in found]
    try:
        url = S3Url.parse(
            write_inventory(client, str(target), bucket, rows, config_id=f"job-{job_id}", created=now, files=1)
        )
        reply = client.get_object(Bucket=url.bucket, Key=url.key)
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError, S3BatchError) as error:
        raise JobFailure("ManifestNotWritten", NOT_WRITTEN) from error
    location = {"ObjectArn": f"arn:aws:s3:::{url.bucket}/{url.key}", "ETag": reply["ETag"].strip('"')}
    return Generated(inventory_tasks(client, reply["Body"].read()), {"Format": FORMAT, "Location": location})
