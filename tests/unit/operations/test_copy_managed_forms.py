"""Copies and new keys as CreateJob takes them, checked with botocore's own model, and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.operations import Column, CopyObject, Operation, UpdateObjectEncryption

KEY = "arn:aws:kms:eu-central-1:123456789012:key/0a1b"
EVERYTHING = CopyObject(
    "t-bucket",
    "in/here",
    storage_class="GLACIER_IR",
    encryption="SSE-KMS",
    kms_key_id=KEY,
    bucket_key_enabled=True,
    metadata={"a": "1"},
    tags={"k": "v"},
    grants={"READ": ['id="abc"', 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'], "WRITE_ACP": ['id="d"']},
    cache_control="no-store",
    content_disposition="inline",
    content_encoding="gzip",
    content_language="de",
    content_type="text/x",
    expires="2030-01-01T00:00:00Z",
    annotation_directive="EXCLUDE",
    copy_source_if_modified_since="2026-01-01T00:00:00Z",
    copy_source_if_unmodified_since="2026-11-01T00:00:00Z",
    website_redirect_location="/x",
    requester_pays=True,
    object_lock_mode="GOVERNANCE",
    object_lock_retain_until_date="2031-01-01T00:00:00Z",
    object_lock_legal_hold_status="ON",
    object_lock_event_hold="ON",
    object_lock_event_hold_days=30,
    checksum_algorithm="SHA512",
)
EXAMPLES: list[Operation] = [
    EVERYTHING,
    CopyObject("t-bucket"),
    CopyObject("t-bucket", canned_acl="private", tags={}, metadata={}),
    CopyObject("t-bucket", encryption="SSE-S3"),
    CopyObject("t-bucket", encryption="SSE-KMS", object_lock_event_hold="ON", object_lock_event_hold_years=2),
    UpdateObjectEncryption(KEY),
    UpdateObjectEncryption(KEY, bucket_key_enabled=True),
]


def model_problems(operation: dict[str, Any]) -> str:
    """Return what botocore's model finds wrong with CreateJob's ``Operation``."""
    shape = botocore.session.get_session().get_service_model("s3control").shape_for("JobOperation")
    report: str = ParamValidator().validate(operation, shape).generate_report()
    return report


MODEL = botocore.session.get_session().get_service_model("s3control")
IS_RECENT = "ObjectLockEventHold" in MODEL.shape_for("S3CopyObjectOperation").members


@pytest.mark.skipif(not IS_RECENT, reason="this botocore is older than fields of these forms")
@pytest.mark.parametrize("operation", EXAMPLES)
def test_forms_are_valid_and_lead_back_to_the_operation(operation: Operation) -> None:
    """As JSON, for the request is kept in a file."""
    assert operation.managed_problems() == []
    form = operation.create_job_operation()
    assert json.loads(json.dumps(form)) == form
    assert model_problems(form) == ""
    assert type(operation).from_managed_form(operation.managed_form()) == operation


def test_every_member_of_the_model_is_used() -> None:
    """But for those that AWS ignores, and the one that grants stand for."""
    session = botocore.session.get_session()
    shape: Any = session.get_service_model("s3control").shape_for("S3CopyObjectOperation")
    members = shape.members
    assert members.keys() - EVERYTHING.managed_form().keys() == {"CannedAccessControlList"}
    used = EVERYTHING.managed_form()["NewObjectMetadata"].keys()
    assert (
        members["NewObjectMetadata"].members.keys() - used
        == {
            "ContentLength",
            "ContentMD5",
            "RequesterCharged",
            "SSEAlgorithm",
        }
        - used
    )


def test_times_of_every_kind_become_texts() -> None:
    operation = CopyObject("t", copy_source_if_modified_since=datetime(2026, 1, 2, 3, tzinfo=UTC))
    assert operation.managed_form()["ModifiedSinceConstraint"] == "2026-01-02T03:00:00Z"


@pytest.mark.parametrize(
    ("operation", "part"),
    [
        (CopyObject("t", skip_existing="any"), "skip_existing"),
        (CopyObject("t", target_key=Column("key")), "Column('key')"),
        (CopyObject("t", copy_source_if_match="e"), "by ETag"),
        (CopyObject("t", copy_source_if_none_match="e"), "by ETag"),
        (CopyObject("t", encryption="DSSE-KMS"), "DSSE-KMS"),
        (CopyObject("t", multipart_threshold_bytes=2**30), "up to 5 GB"),
        (CopyObject("arn:aws:s3:eu-central-1:123456789012:accesspoint/ap", "p"), "copies to buckets"),
        (UpdateObjectEncryption(encryption="SSE-S3"), "to SSE-KMS only"),
        (UpdateObjectEncryption("team-key"), "ARN of a key"),
        (UpdateObjectEncryption(Column("k")), "Column('k')"),
    ],
)
def test_what_aws_can_not_do_is_told_with_the_way_out(operation: Operation, part: str) -> None:
    found = operation.managed_problems()
    assert part in "; ".join(found)


@pytest.mark.parametrize("resource", [None, "", "arn:aws:s3express:eu-central-1:1:bucket/b--x--x-s3"])
def test_a_form_without_a_general_purpose_bucket_is_refused(resource: str | None) -> None:
    with pytest.raises(ArgumentError, match="general purpose bucket"):
        CopyObject.from_managed_form({"TargetResource": resource})


def test_a_form_says_replace_by_its_directive_or_by_what_it_names() -> None:
    form = {"TargetResource": "arn:aws:s3:::t", "NewObjectMetadata": {"ContentType": "text/x"}}
    assert CopyObject.from_managed_form(form) == CopyObject("t", metadata={}, content_type="text/x")
    assert CopyObject.from_managed_form({**form, "MetadataDirective": "COPY"}) == CopyObject("t")
    assert CopyObject.from_managed_form({"TargetResource": "arn:aws:s3:::t", "SSEAwsKmsKeyId": KEY}) == CopyObject(
        "t", encryption="SSE-KMS", kms_key_id=KEY
    )
