"""What is in the least policy, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.operations import (
    Column,
    CopyObject,
    DeleteObject,
    LambdaInvoke,
    PutObjectRetention,
    PutObjectTagging,
    ReplicateObject,
    RewriteObject,
    iam_policies,
    iam_policy,
)
from airflow_s3batch.sources import AthenaTable, CompletionReport, CsvManifest, Listing

JOB = "s3://ops/batch"
ROLE = "arn:aws:iam::123456789012:role/batch"
KEY = "arn:aws:kms:eu-central-1:123456789012:key/1"


def statements(operation: Any, manifest: Any = "s3://lake/raw/", who: str = "worker", **how: Any) -> dict[str, Any]:
    """Return the statements of a policy by name."""
    found = iam_policies(operation, manifest, JOB, **how)[who]["Statement"]
    return {statement["Sid"]: statement for statement in found}


def test_objects_and_targets_get_what_they_need_and_no_more() -> None:
    """A copy reads here and writes there."""
    found = statements(CopyObject("archive", tags={}), ["s3://lake/raw/", "other"])
    assert found["Objects"]["Resource"] == ["arn:aws:s3:::lake/raw/*", "arn:aws:s3:::other/*"]
    assert set(found["Objects"]["Action"]) == {"s3:GetObject", "s3:GetObjectVersion"}
    assert found["Targets"]["Resource"] == ["arn:aws:s3:::archive/*"]
    assert not {"s3:DeleteObject", "s3:PutObjectTagging"} & set(found["Targets"]["Action"])
    assert set(found) == {"Objects", "Targets", "Buckets", "JobFiles", "JobFolder"}


def test_the_jobs_folder_and_the_inventory_are_named() -> None:
    """Nothing beside them; a manifest's URL stands for the inventory it belongs to."""
    for inventory in ("s3://inv/lake/daily/", "s3://inv/lake/daily/2026-11-22T01-00Z/manifest.json"):
        found = statements(DeleteObject(), inventory=inventory)
        assert found["JobFiles"]["Resource"] == ["arn:aws:s3:::ops/batch/*"]
        assert found["JobFolder"]["Condition"] == {"StringLike": {"s3:prefix": ["batch", "batch/*"]}}
        assert found["Inventory"]["Resource"] == ["arn:aws:s3:::inv/lake/daily/*"]


def test_rows_are_read_from_where_they_come_from() -> None:
    """A listing is a permission of its own, on the bucket; files, reports and inventories are read where they lie."""
    found = statements(DeleteObject(), source=Listing(["s3://lake/raw", "s3://other"]))
    assert found["Listing"]["Action"] == ["s3:ListBucket"]
    assert found["Listing"]["Resource"] == ["arn:aws:s3:::lake"]
    assert found["Listing"]["Condition"] == {"StringLike": {"s3:prefix": "raw*"}}
    assert "Condition" not in found["Listing1"]
    found = statements(DeleteObject(), source=Listing("s3://lake/a*", versions=True))
    assert found["Listing"]["Action"] == ["s3:ListBucketVersions"]
    assert found["Listing"]["Condition"] == {"StringLike": {"s3:prefix": "a${*}*"}}
    found = statements(DeleteObject(), source=CsvManifest(["s3://inv/keys.csv", "s3://inv/more/"]))
    assert found["Rows"]["Resource"] == ["arn:aws:s3:::inv/keys.csv", "arn:aws:s3:::inv/keys.csv/*"]
    assert found["Rows1"]["Resource"] == ["arn:aws:s3:::inv/more/*"]
    assert found["RowsFolder1"]["Condition"] == {"StringLike": {"s3:prefix": ["more", "more/*"]}}
    for url in ("s3://ops/b/job-1", "s3://ops/b/job-1/report/manifest.json", "s3://ops/b/job-1/report/"):
        found = statements(DeleteObject(), source=CompletionReport(url))
        assert found["Report"]["Resource"] == ["arn:aws:s3:::ops/b/job-1/*"]
    both = statements(DeleteObject(), inventory=["s3://inv/a", "s3://inv/b"], source={"exclude": ["s3://ops/b/job-1"]})
    assert {"Inventory", "Inventory1", "InventoryFolder1", "Report"} <= set(both)


def test_of_athena_the_page_tells() -> None:
    with pytest.raises(ArgumentError, match=r"docs/athena\.md#permissions"):
        statements(DeleteObject(), source=AthenaTable("lake.inventories"))


def test_a_managed_job_reads_its_rows_with_the_callers_credentials() -> None:
    """And AWS's role may list the buckets, or a vanished object would be AccessDenied, which nobody tolerates."""
    how: dict[str, Any] = {"engine": "managed", "role_arn": ROLE, "source": Listing("s3://lake/"), "kms_keys": [KEY]}
    caller, role = (statements(CopyObject("archive"), who=who, **how) for who in ("caller", "role"))
    assert caller["Listing"]["Resource"] == ["arn:aws:s3:::lake"]
    assert caller["Keys"]["Resource"] == [KEY]
    assert role["Buckets"]["Action"] == ["s3:ListBucket"]
    assert role["Buckets"]["Resource"] == ["arn:aws:s3:::lake", "arn:aws:s3:::archive"]
    assert "Listing" not in role
    function = statements(LambdaInvoke("f"), who="role", **{**how, "kms_keys": []})
    assert "Buckets" not in function


def test_keys_are_those_that_are_named_or_those_of_s3() -> None:
    key = KEY
    assert "Keys" not in statements(PutObjectTagging({"k": "v"}))
    assert statements(RewriteObject("SSE-KMS"), kms_keys=[key])["Keys"]["Resource"] == [key]
    assert statements(RewriteObject("SSE-KMS"))["Keys"]["Condition"] == {
        "StringLike": {"kms:ViaService": "s3.*.amazonaws.com"}
    }


def test_a_function_is_named_in_full() -> None:
    found = statements(LambdaInvoke("greet"), region="eu-central-1", account_id="123456789012")
    assert found["Functions"]["Resource"] == ["arn:aws:lambda:eu-central-1:123456789012:function:greet"]
    assert "Objects" not in found


def test_a_managed_job_has_a_caller_a_role_and_who_may_take_it() -> None:
    operation = PutObjectRetention("GOVERNANCE", "2030-01-01", bypass_governance_retention=True)
    how: dict[str, Any] = {"engine": "managed", "role_arn": ROLE, "account_id": "123456789012"}
    caller, role = (statements(operation, who=who, **how) for who in ("caller", "role"))
    assert caller["PassRole"]["Resource"] == [ROLE]
    assert set(caller["Jobs"]["Action"]) == {"s3:CreateJob", "s3:ListJobs"}
    assert "Objects" not in caller
    assert role["Objects"]["Action"] == ["s3:BypassGovernanceRetention", "s3:PutObjectRetention"]
    assert role["Locks"]["Resource"] == ["arn:aws:s3:::lake"]
    assert role["Report"]["Action"] == ["s3:PutObject"]
    (trust,) = iam_policies(operation, "lake", JOB, **how)["trust"]["Statement"]
    assert trust["Principal"] == {"Service": "batchoperations.s3.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}


def test_it_is_printed_as_json() -> None:
    assert json.loads(iam_policy(DeleteObject(), "lake", JOB))["Version"] == "2012-10-17"
    managed = json.loads(iam_policy(ReplicateObject(), "lake", JOB, engine="managed", role_arn=ROLE))
    assert list(managed) == ["caller", "role", "trust"]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ((DeleteObject(), [], JOB, {}), "manifest is empty"),
        ((DeleteObject(), "lake", "ops", {}), "job_url='ops' is not an S3 URL"),
        ((DeleteObject(), "lake", JOB, {"engine": "other"}), "expected 'worker' or 'managed'"),
        ((DeleteObject(), "lake", JOB, {"engine": "managed", "role_arn": ROLE}), "has no DeleteObject"),
        ((PutObjectTagging({"k": "v"}), "lake", JOB, {"engine": "managed"}), "role_arn is missing"),
        ((ReplicateObject(), "lake", JOB, {}), "done by AWS alone"),
        ((CopyObject(Column("to")), "lake", JOB, {}), "targets="),
        (("tag", "lake", JOB, {}), "is not an operation"),
    ],
)
def test_wrong_arguments_are_sentences(arguments: Any, part: str) -> None:
    *positional, how = arguments
    with pytest.raises(ArgumentError, match=part):
        iam_policies(*positional, **how)


def test_targets_of_a_column_are_those_that_are_named() -> None:
    found = statements(CopyObject(Column("to")), targets=["a", "b"])
    assert found["Targets"]["Resource"] == ["arn:aws:s3:::a/*", "arn:aws:s3:::b/*"]


@pytest.mark.parametrize("scheme", ["", "s3://"])
@pytest.mark.parametrize("prefix", ["", "/raw/"])
def test_an_access_point_is_named_by_its_arn(scheme: str, prefix: str) -> None:
    point = "arn:aws:s3:eu-west-1:123456789012:accesspoint/point"
    found = statements(DeleteObject(), f"{scheme}{point}{prefix}")
    assert found["Objects"]["Resource"] == [f"{point}/object/{prefix.lstrip('/')}*"]
    assert found["Buckets"]["Resource"] == [point]


def test_a_prefix_with_a_wildcard_in_it_is_taken_literally() -> None:
    found = statements(DeleteObject(), "s3://lake/a*b?$")
    assert found["Objects"]["Resource"] == ["arn:aws:s3:::lake/a${*}b${?}${$}*"]


def test_a_rewrite_may_look_at_the_version_that_the_manifest_names() -> None:
    """A later attempt does, to know its own new version from another's."""
    assert "s3:GetObjectVersion" in statements(RewriteObject(storage_class="STANDARD_IA"))["Objects"]["Action"]


def test_keys_are_reached_through_s3_in_every_partition() -> None:
    found = statements(RewriteObject("SSE-KMS"), partition="aws-cn")["Keys"]["Condition"]["StringLike"]
    assert found == {"kms:ViaService": "s3.*.amazonaws.com*"}


def test_a_verification_reads_what_was_done_and_no_more() -> None:
    """With the credentials of the worker, or of the task behind AWS's job; on objects and on their copies."""
    found = statements(CopyObject("archive", tags={"k": "v"}), verification=True)["Verification"]
    assert found["Resource"] == ["arn:aws:s3:::lake/raw/*", "arn:aws:s3:::archive/*"]
    reads = ["s3:GetObject", "s3:GetObjectTagging", "s3:GetObjectVersion", "s3:GetObjectVersionTagging"]
    assert found["Action"] == reads
    tagging = PutObjectTagging({"k": "v"})
    caller = statements(tagging, who="caller", engine="managed", role_arn=ROLE, verification=True)
    assert caller["Verification"]["Action"] == reads
    assert "Verification" not in statements(tagging)
    with pytest.raises(ArgumentError, match="LambdaInvoke can't be verified"):
        statements(LambdaInvoke("greet"), verification=True)
