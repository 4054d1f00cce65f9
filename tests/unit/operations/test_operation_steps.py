"""What each operation asks of the store, and what it makes of the answers."""

from __future__ import annotations

import pytest
from scripted_store import answer, drive

from airflow_s3batch.core.errors import ArgumentError, ManifestError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.operations import (
    Column,
    CopyObject,
    DeleteObjectTagging,
    Operation,
    PutObjectAcl,
    PutObjectTagging,
    RunContext,
)
from airflow_s3batch.operations.requests import BucketFacts, Capabilities

OBJ = S3Object("b", "k", e_tag="old", size=3)
NO_ACLS = RunContext(Capabilities(buckets={"b": BucketFacts(ownership="BucketOwnerEnforced")}))


def test_a_column_value_that_s3_refuses_fails_that_object_alone() -> None:
    """Also one that looks like a template. A null is written as an empty text."""
    operation = PutObjectTagging({"team": Column("team")})
    for value in ("a<b", "{{ds}}", "{{ ds }}"):
        with pytest.raises(ArgumentError):
            operation.for_object(OBJ._replace(columns={"team": value}))
    assert operation.for_object(OBJ._replace(columns={"team": None})).to_json()["tags"] == {"team": ""}


def test_one_variant_serves_all_objects_with_the_same_values() -> None:
    """So that their request is serialized once."""
    operation = PutObjectTagging({"team": Column("team")})
    variants = {id(operation.for_object(OBJ._replace(columns={"team": f"t{n % 3}"}))) for n in range(30)}
    assert len(variants) == 3


def test_columns_serve_every_field_of_a_copy() -> None:
    """Target, class, encryption, tags and metadata; a null leaves a field out."""
    operation = CopyObject(
        Column("to"),
        Column("prefix"),
        storage_class=Column("class"),
        encryption=Column("sse"),
        tags={"team": Column("team")},
        metadata={"size": Column("size")},
    )
    values = {"to": "t", "prefix": "p", "class": None, "sse": "SSE-S3", "team": "blue & green"}
    with pytest.raises(ArgumentError, match="blue & green"):
        operation.for_object(OBJ._replace(columns=values))
    variant = operation.for_object(OBJ._replace(columns={**values, "team": "blue"}))
    _, (request,) = drive(variant.steps(OBJ, NO_ACLS), [answer()])
    assert (request.bucket, request.key) == ("t", "p/k")
    assert request.call.params == {
        "ServerSideEncryption": "AES256",
        "MetadataDirective": "REPLACE",
        "Metadata": {"size": "3"},
        "TaggingDirective": "REPLACE",
        "Tagging": "team=blue",
    }


def test_a_column_that_is_not_there_is_a_sentence() -> None:
    """With the column's name."""
    with pytest.raises(ManifestError, match="'team'"):
        PutObjectTagging({"team": Column("team")}).for_object(OBJ)


def test_the_preflight_makes_do_where_the_first_row_has_an_impossible_value() -> None:
    """That row fails on its own; the job runs."""
    operation = PutObjectTagging({"team": Column("team")})
    assert operation.for_probe(OBJ._replace(columns={"team": "R&D"})).to_json()["tags"] == {"team": "x"}


@pytest.mark.parametrize("bucket", ["b", "arn:aws:s3:eu-central-1:123456789012:accesspoint/ap", "ap-123abc-s3alias"])
def test_a_copy_onto_itself_is_refused(bucket: str) -> None:
    """By bucket and key; an alias may be the same bucket; another prefix is fine."""
    outcome, requests = drive(CopyObject(bucket).steps(OBJ, NO_ACLS), [])
    assert (outcome.error_code, requests) == ("InvalidRequest", [])
    _, requests = drive(CopyObject("b", "p/").steps(OBJ, NO_ACLS), [answer()])
    assert (requests[0].bucket, requests[0].key) == ("b", "p/k")


def test_what_copy_can_not_do_fails_without_a_request() -> None:
    """Keys that get too long."""
    long = OBJ._replace(key="é" * 512)
    assert drive(CopyObject("t", "p").steps(long, NO_ACLS), [])[0].error_code == "KeyTooLongError"


@pytest.mark.parametrize(
    ("operation", "api"),
    [
        (PutObjectTagging({"k": "v"}), "PutObjectTagging"),
        (DeleteObjectTagging(), "DeleteObjectTagging"),
        (PutObjectAcl("private"), "PutObjectAcl"),
    ],
)
def test_a_sub_resource_takes_one_request_for_the_version_that_is_named(operation: Operation, api: str) -> None:
    """And what the store says of it is the object's outcome."""
    outcome, (request,) = drive(operation.steps(OBJ._replace(version_id="v1"), RunContext()), [answer()])
    assert outcome.is_success
    assert (request.call.api, request.bucket, request.key, request.version_id) == (api, "b", "k", "v1")
    refused, _ = drive(operation.steps(OBJ, RunContext()), [answer(403, "AccessDenied")])
    assert (refused.http_status, refused.error_code) == (403, "AccessDenied")
