"""CreateJob's operation, read and refused."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.operations import (
    Column,
    DeleteObject,
    DeleteObjectTagging,
    InOrder,
    PutObjectAcl,
    PutObjectTagging,
)
from airflow_s3batch.operations.managed_forms import operation_from_create_job

ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"


@pytest.mark.parametrize(
    ("form", "part"),
    [
        ({}, "exactly one operation has to be set; it has none"),
        ({"S3PutObjectTagging": {}, "LambdaInvoke": {}}, "it has S3PutObjectTagging, LambdaInvoke"),
        ({"S3DeleteObject": {}}, "'S3DeleteObject' is unknown"),
        ({"S3PutObjectTagging": {"TagSet": []}}, r"DeleteObjectTagging\(\) removes all"),
        ({"S3PutObjectTagging": {"TagSet": [{"Key": "k", "Value": "1"}, {"Key": "k", "Value": "2"}]}}, "a key twice"),
        ({"S3PutObjectAcl": {}}, "either canned_acl or grants"),
    ],
)
def test_what_can_not_be_done_is_refused(form: dict[str, Any], part: str) -> None:
    with pytest.raises(ArgumentError, match=part):
        operation_from_create_job(form)


def test_a_grantee_by_email_is_refused() -> None:
    """S3 knows no such grantees any more."""
    grant = {"Grantee": {"TypeIdentifier": "emailAddress", "Identifier": "a@b.example"}, "Permission": "READ"}
    acl = {"Owner": {"ID": "abc"}, "Grants": [grant]}
    with pytest.raises(ArgumentError, match="emailAddress"):
        operation_from_create_job({"S3PutObjectAcl": {"AccessControlPolicy": {"AccessControlList": acl}}})


def test_an_acl_without_grants_takes_all_access_away() -> None:
    form = {"S3PutObjectAcl": {"AccessControlPolicy": {"AccessControlList": {"Owner": {"ID": "abc"}}}}}
    assert operation_from_create_job(form) == PutObjectAcl(grants={}, owner="abc")


def test_grants_go_to_the_store_as_a_policy_where_the_owner_is_known() -> None:
    """Some stores ignore grant headers."""
    operation = PutObjectAcl(grants={"READ": [f'uri="{ALL_USERS}"'], "FULL_CONTROL": ['id="abc"']}, owner="abc")
    policy = operation._call.params["AccessControlPolicy"]
    assert policy["Owner"] == {"ID": "abc"}
    assert [(each["Permission"], each["Grantee"]) for each in policy["Grants"]] == [
        ("READ", {"Type": "Group", "URI": ALL_USERS}),
        ("FULL_CONTROL", {"Type": "CanonicalUser", "ID": "abc"}),
    ]


@pytest.mark.parametrize(
    ("operation", "part"),
    [
        (PutObjectTagging({"k": Column("team")}), r"Column\('team'\): AWS .* use engine='worker'"),
        (PutObjectAcl(grants={"READ": ['id="x"']}), "grants without owner="),
        (DeleteObject(), "has no DeleteObject; use engine='worker'"),
        (InOrder([DeleteObjectTagging(), DeleteObject()]), "one operation a job; use engine='worker'"),
    ],
)
def test_what_aws_does_not_do_is_told_with_the_way_out(operation: Any, part: str) -> None:
    (problem,) = operation.managed_problems()
    import re

    assert re.search(part, problem)
