"""What a user may declare: checked at once, rendered, shown."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.operations import (
    Column,
    ComputeObjectChecksum,
    CopyObject,
    DeleteObject,
    DeleteObjectTagging,
    LambdaInvoke,
    MoveObject,
    Operation,
    PutObjectAcl,
    PutObjectTagging,
    PythonInvoke,
    RewriteObject,
    UpdateObjectEncryption,
)

EXAMPLES: list[Operation] = [
    PutObjectTagging({"quarantine": "true", "team": Column("team")}),
    DeleteObjectTagging(),
    PutObjectAcl(canned_acl="private"),
    PutObjectAcl(grants={"READ": ['id="abc"', 'uri="http://acs.amazonaws.com/groups/global/AllUsers"']}),
    CopyObject("target-bucket", "in/here", storage_class="STANDARD_IA", encryption="SSE-KMS", kms_key_id="k", tags={}),
    DeleteObject(bypass_governance_retention=True),
    RewriteObject("SSE-KMS", kms_key_id="k", bucket_key_enabled=True),
    MoveObject("target-bucket", target_key=["by/", Column("team"), "/", Column("key")]),
    UpdateObjectEncryption("arn:aws:kms:eu-central-1:123456789012:key/0a1b"),
    LambdaInvoke("arn:aws:lambda:eu-west-1:123456789012:function:f", "2.0", {"team": Column("team")}),
    PythonInvoke("json:dumps", {"team": Column("team"), "n": 1}, in_processes=True, is_idempotent=True),
    ComputeObjectChecksum("SHA256"),
]


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: PutObjectTagging({}), "at least one tag"),
        (lambda: PutObjectTagging({f"k{n}": "v" for n in range(11)}), "11 tags"),
        (lambda: PutObjectTagging({"": "v"}), "tag key ''"),
        (lambda: PutObjectTagging({"k" * 129: "v"}), "1-128"),
        (lambda: PutObjectTagging({"k": "v" * 257}), "up to 256"),
        (lambda: PutObjectTagging({"k": "a<b"}), "'a<b'"),
        (lambda: PutObjectTagging({"aws:x": "v"}), "reserved"),
        (lambda: PutObjectTagging({"k": 1}), "not a text"),  # type: ignore[dict-item]
        (PutObjectAcl, "either canned_acl or grants"),
        (lambda: PutObjectAcl(canned_acl="private", grants={"READ": ['id="x"']}), "either"),
        (lambda: PutObjectAcl(canned_acl="secret"), "bucket-owner-full-control"),
        (lambda: PutObjectAcl(grants={"WRITE": ['id="x"']}), "FULL_CONTROL"),
        (lambda: PutObjectAcl(grants={"READ": ["me@example.com"]}), "me@example.com"),
        (lambda: CopyObject(""), "name of a bucket"),
        (lambda: CopyObject("bucket/prefix"), "target_key_prefix"),
        (lambda: CopyObject("b", "/x"), "starts with a slash"),
        (lambda: CopyObject("b", storage_class="COLD"), "STANDARD_IA"),
        (lambda: CopyObject("b", kms_key_id="k"), "SSE-KMS"),
        (lambda: CopyObject("b", encryption="AES256"), "'SSE-S3' or 'SSE-KMS'"),
        (lambda: RewriteObject("AES256"), "'SSE-S3' or 'SSE-KMS'"),
        (lambda: RewriteObject("SSE-S3", kms_key_id="k"), "SSE-KMS"),
        (lambda: RewriteObject("SSE-S3", bucket_key_enabled=True), "SSE-KMS"),
        (lambda: RewriteObject(metadata={"a": "x\r\nx-amz-acl: public-read"}), "printable ASCII"),
        (lambda: CopyObject("b", metadata={"a": "é"}), "printable ASCII"),
        (lambda: CopyObject("b", metadata={"a: b": "c"}), "metadata name 'a: b'"),
        (lambda: RewriteObject(content_disposition="attachment; filename=é"), "printable ASCII"),
        (lambda: RewriteObject(content_type=""), "name the one to set"),
        (lambda: DeleteObject(allow_unconditional="yes"), "True or False"),  # type: ignore[arg-type]
    ],
)
def test_wrong_literals_fail_where_they_are_written(make: Any, part: str) -> None:
    """At Dag parse, with what was expected."""
    with pytest.raises(ArgumentError, match=part):
        make()


def test_all_problems_are_told_at_once() -> None:
    """Nobody has to fix them one by one."""
    with pytest.raises(ArgumentError) as caught:
        CopyObject("", "/x", storage_class="COLD")
    assert str(caught.value).startswith("CopyObject: ")
    for part in ("target_bucket", "target_key_prefix", "storage_class"):
        assert part in str(caught.value)


@pytest.mark.parametrize("operation", EXAMPLES, ids=lambda o: o.name)
def test_operations_are_values(operation: Operation) -> None:
    """Frozen, copyable, picklable, and the same declaration is the same JSON."""
    with pytest.raises(FrozenInstanceError):
        operation.extra = 1  # type: ignore[attr-defined]
    for twin in (copy.deepcopy(operation), pickle.loads(pickle.dumps(operation))):
        assert twin.to_json() == operation.to_json()
        assert twin == operation


@pytest.mark.parametrize("operation", EXAMPLES, ids=lambda o: o.name)
def test_the_json_form_holds_the_declaration_and_nothing_else(operation: Operation) -> None:
    """No memory address, no private field: it versions the Dag and is the fingerprint."""
    document = operation.to_json()
    assert document["operation"] == type(operation).__name__
    assert not [name for name in document if name.startswith("_")]
    assert "object at 0x" not in repr(document)


def test_templates_are_checked_once_they_are_rendered() -> None:
    """A field with Jinja is left alone at parse; what it renders to is checked."""
    operation = PutObjectTagging({"run": "{{ ds }}", "team": Column("team")})
    assert operation.has_templates
    rendered = operation.render(lambda text: text.replace("{{ ds }}", "2026-11-22"))
    assert rendered.to_json()["tags"] == {"run": "2026-11-22", "team": {"column": "team"}}
    assert operation.to_json()["tags"]["run"] == "{{ ds }}"
    with pytest.raises(ArgumentError, match="a<b"):
        operation.render(lambda text: text.replace("{{ ds }}", "a<b"))


def test_columns_name_what_the_manifest_must_have() -> None:
    """For the check before the first request."""
    assert EXAMPLES[0].columns() == {"team"}
    assert EXAMPLES[1].columns() == set()


def test_a_first_row_that_will_not_do_is_told_as_it_is() -> None:
    """The preflight tries ``x`` instead, which is nobody's value."""
    operation = CopyObject("b", storage_class=Column("class"))
    with pytest.raises(ArgumentError, match="'COLD'"):
        operation.for_probe(S3Object("a", "k", columns={"class": "COLD"}))


def test_a_column_reads_extra_and_fixed_columns() -> None:
    """Extra ones win; a name that is neither is a KeyError."""
    obj = S3Object("b", "k", size=5, columns={"team": "blue"})
    assert Column("team").value_of(obj) == "blue"
    assert Column("size").value_of(obj) == 5
    with pytest.raises(KeyError):
        Column("columns").value_of(obj)


@pytest.mark.parametrize("operation", EXAMPLES, ids=lambda o: o.name)
def test_every_operation_says_what_it_needs(operation: Operation) -> None:
    """IAM actions and a replay rule."""
    assert all(action.startswith(("s3:", "kms:", "lambda:")) for action in operation.iam_actions())
    assert operation.iam_actions() or isinstance(operation, PythonInvoke)  # what a function needs nobody knows
    assert operation.replay.value in ("safe", "check", "unsafe")


OBJECT_READS = {"s3:GetObject", "s3:GetObjectVersion"}
OBJECT_COPIES = {"s3:AbortMultipartUpload", "s3:PutObject", *OBJECT_READS}
NEEDED: list[tuple[Operation, set[str]]] = [
    (PutObjectTagging({"k": "v"}), {"s3:PutObjectTagging", "s3:PutObjectVersionTagging"}),
    (DeleteObjectTagging(), {"s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging"}),
    (PutObjectAcl(canned_acl="private"), {"s3:PutObjectAcl", "s3:PutObjectVersionAcl"}),
    # a delete under an ETag reads it
    (DeleteObject(), {"s3:DeleteObject", "s3:DeleteObjectVersion", *OBJECT_READS}),
    (
        DeleteObject(bypass_governance_retention=True),
        {"s3:BypassGovernanceRetention", "s3:DeleteObject", "s3:DeleteObjectVersion", *OBJECT_READS},
    ),
    (
        CopyObject("t"),
        {"s3:GetObjectTagging", "s3:GetObjectVersionTagging", "s3:PutObjectTagging", *OBJECT_COPIES},
    ),
    (CopyObject("t", tags={}), OBJECT_COPIES),
    (
        CopyObject("t", tags={"k": "v"}, canned_acl="private"),
        {"s3:PutObjectAcl", "s3:PutObjectTagging", *OBJECT_COPIES},
    ),
    (
        CopyObject("t", tags={}, encryption="SSE-KMS"),
        {"kms:Decrypt", "kms:GenerateDataKey", *OBJECT_COPIES},
    ),
    (
        MoveObject("t", tags={}, object_lock_legal_hold_status="ON"),
        {"s3:PutObjectLegalHold", "s3:DeleteObject", "s3:DeleteObjectVersion", *OBJECT_COPIES},
    ),
]


@pytest.mark.parametrize(("operation", "actions"), NEEDED, ids=repr)
def test_the_iam_actions_are_those_of_the_service_authorization_reference(
    operation: Operation, actions: set[str]
) -> None:
    """https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html and each API's page."""
    assert operation.iam_actions() == actions
