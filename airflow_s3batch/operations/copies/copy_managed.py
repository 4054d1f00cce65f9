"""
A copy as CreateJob's ``S3PutObjectCopy`` has it, both ways.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_S3CopyObjectOperation.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.operations.acls.managed_grants import control_grants, declared_grants
from airflow_s3batch.operations.bodies.content import CONTENT_FIELDS
from airflow_s3batch.operations.moments import iso_text
from airflow_s3batch.operations.types import MOST_COPY_BYTES

_BUCKET_ARN = "arn:aws:s3:::"
_SAME = {
    "AnnotationDirective": "annotation_directive",
    "BucketKeyEnabled": "bucket_key_enabled",
    "CannedAccessControlList": "canned_acl",
    "ChecksumAlgorithm": "checksum_algorithm",
    "ObjectLockEventHold": "object_lock_event_hold",
    "ObjectLockLegalHoldStatus": "object_lock_legal_hold_status",
    "ObjectLockMode": "object_lock_mode",
    "RedirectLocation": "website_redirect_location",
    "SSEAwsKmsKeyId": "kms_key_id",
    "StorageClass": "storage_class",
    "TargetKeyPrefix": "target_key_prefix",
}
_MOMENTS = {
    "ModifiedSinceConstraint": "copy_source_if_modified_since",
    "ObjectLockRetainUntilDate": "object_lock_retain_until_date",
    "UnModifiedSinceConstraint": "copy_source_if_unmodified_since",
}
_CONTENT = dict(
    zip(
        ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "HttpExpiresDate"),
        CONTENT_FIELDS,
        strict=True,
    )
)
_ENCRYPTIONS = {"AES256": "SSE-S3", "KMS": "SSE-KMS"}
_DURATIONS = {"Days": "object_lock_event_hold_days", "Years": "object_lock_event_hold_years"}


def problems(copy: Any) -> list[str]:
    """Return why AWS S3 Batch Operations can't make these copies, a clause each with the way out."""
    way_out = "use engine='worker'"
    by_e_tag = "AWS S3 Batch Operations takes no conditions by ETag"
    by_rule = "AWS S3 Batch Operations overwrites, and adds a prefix to keys at most"
    reasons = {
        "copy_source_if_match": by_e_tag,
        "copy_source_if_none_match": by_e_tag,
        "skip_existing": by_rule,
        "target_key": by_rule,
    }
    found = [f"{name}: {why}; {way_out}" for name, why in reasons.items() if getattr(copy, name) is not None]
    if copy.encryption == "DSSE-KMS":
        found.append(f"encryption='DSSE-KMS': AWS S3 Batch Operations copies to SSE-S3 and SSE-KMS only; {way_out}")
    if copy.multipart_threshold_bytes != MOST_COPY_BYTES:
        why = "AWS S3 Batch Operations copies up to 5 GB, in one request"
        found.append(f"multipart_threshold_bytes: {why}; leave it out, or {way_out}")
    if ":accesspoint/" in str(copy.target_bucket):
        found.append(f"target_bucket={copy.target_bucket!r}: AWS S3 Batch Operations copies to buckets; name it")
    return found


def form_of(copy: Any) -> dict[str, Any]:
    """Return the value of CreateJob's ``S3PutObjectCopy``; JSON-ready, so times are texts."""
    bucket = str(copy.target_bucket)
    form: dict[str, Any] = {"TargetResource": bucket if bucket.startswith("arn:") else _BUCKET_ARN + bucket}
    form.update((member, value) for member, name in _SAME.items() if (value := getattr(copy, name)) not in (None, ""))
    form.update((member, iso_text(value)) for member, name in _MOMENTS.items() if (value := getattr(copy, name)))
    if copy.grants:
        form["AccessControlGrants"] = control_grants(copy.grants)
    if metadata := _metadata_form(copy):
        form["NewObjectMetadata"] = metadata
    if copy.metadata is not None:
        form["MetadataDirective"] = "REPLACE"
    if copy.tags is not None:
        form["NewObjectTagging"] = [{"Key": key, "Value": value} for key, value in copy.tags.items()]
    if copy.requester_pays:
        form["RequesterPays"] = True
    duration = {unit: int(value) for unit, name in _DURATIONS.items() if (value := getattr(copy, name)) is not None}
    return {**form, **({"ObjectLockEventHoldDuration": duration} if duration else {})}


def _metadata_form(copy: Any) -> dict[str, Any]:
    found: dict[str, Any] = {member: value for member, name in _CONTENT.items() if (value := getattr(copy, name))}
    if "HttpExpiresDate" in found:
        found["HttpExpiresDate"] = iso_text(found["HttpExpiresDate"])
    if copy.metadata:
        found["UserMetadata"] = dict(copy.metadata)
    if copy.encryption is not None:
        found["SSEAlgorithm"] = next(name for name, value in _ENCRYPTIONS.items() if value == copy.encryption)
    return found


def fields_of(form: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the fields of the copy that *form*, CreateJob's ``S3PutObjectCopy``, asks for.

    Raises:
        ArgumentError: it names no target, or a directory bucket.
    """
    resource = str(form.get("TargetResource") or "")
    if ":s3express:" in resource or not resource:
        raise ArgumentError(f"CopyObject: TargetResource={resource!r} is not the ARN of a general purpose bucket")
    found: dict[str, Any] = {"target_bucket": resource.partition(":::")[2] or resource}
    for names in (_SAME, _MOMENTS):
        found.update((name, form[member]) for member, name in names.items() if form.get(member) is not None)
    metadata = form.get("NewObjectMetadata") or {}
    if algorithm := metadata.get("SSEAlgorithm"):
        found["encryption"] = _ENCRYPTIONS.get(algorithm, algorithm)
    elif found.get("kms_key_id") or "bucket_key_enabled" in found:
        found["encryption"] = "SSE-KMS"
    has_content = bool(metadata.keys() & {*_CONTENT, "UserMetadata"})
    if form.get("MetadataDirective", "REPLACE" if has_content else "COPY") == "REPLACE":
        found["metadata"] = dict(metadata.get("UserMetadata") or {})
        found.update((name, metadata[member]) for member, name in _CONTENT.items() if metadata.get(member))
    if (tags := form.get("NewObjectTagging")) is not None:
        found["tags"] = {tag["Key"]: tag["Value"] for tag in tags}
    if form.get("AccessControlGrants"):
        found["grants"] = declared_grants(form["AccessControlGrants"])
    if form.get("RequesterPays"):
        found["requester_pays"] = True
    duration = form.get("ObjectLockEventHoldDuration") or {}
    found.update((name, duration[unit]) for unit, name in _DURATIONS.items() if duration.get(unit) is not None)
    return found
