"""Operations out of what they have written of themselves."""

from __future__ import annotations

import json

import pytest

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.operations import (
    ALL_OPERATIONS,
    Column,
    ComputeObjectChecksum,
    CopyObject,
    DeleteObject,
    DeleteObjectTagging,
    InOrder,
    LambdaInvoke,
    MergeObjectTagging,
    MoveObject,
    Operation,
    PutObjectAcl,
    PutObjectLegalHold,
    PutObjectRetention,
    PutObjectTagging,
    PythonInvoke,
    ReplicateObject,
    RestoreObject,
    RewriteObject,
    UpdateObjectEncryption,
)
from airflow_s3batch.operations.from_json import operation_from_json, operation_from_text

OPERATIONS: list[Operation] = [
    ComputeObjectChecksum("SHA256"),
    CopyObject("target", "in", tags={"a": Column("team")}, metadata={"k": "v"}),
    DeleteObject(bypass_governance_retention=True),
    DeleteObjectTagging(),
    LambdaInvoke("arn:aws:lambda:eu-west-1:123456789012:function:f", "2.0", {"team": Column("team")}),
    MergeObjectTagging({"a": "b"}, remove=["c"]),
    MoveObject("target", target_key=["by/", Column("team"), "/", Column("key")]),
    PutObjectAcl(grants={"READ": ['id="abc"']}),
    PutObjectLegalHold("ON"),
    PutObjectRetention("GOVERNANCE", days=3),
    PutObjectTagging({"quarantine": "true", "team": Column("team")}),
    PythonInvoke("json:dumps", {"team": Column("team"), "n": 1}),
    ReplicateObject(),
    RestoreObject(3, "STANDARD"),
    RewriteObject("SSE-KMS", kms_key_id="k"),
    UpdateObjectEncryption("arn:aws:kms:eu-central-1:123456789012:key/0a1b"),
]
OPERATIONS += [kind.example() for kind in ALL_OPERATIONS if kind not in map(type, OPERATIONS)]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: type(operation).__name__)
def test_what_an_operation_writes_is_read_back(operation: Operation) -> None:
    document = json.loads(json.dumps(operation.to_json()))
    assert operation_from_json(document).to_json() == document
    assert operation_from_json(document).columns() == operation.columns()


def test_operations_in_order_are_read_back() -> None:
    both = InOrder((PutObjectTagging({"a": "b"}), DeleteObject()))
    assert operation_from_json(json.loads(json.dumps(both.to_json()))) == both
    assert operation_from_text('["DeleteObjectTagging", {"operation": "DeleteObject"}]').to_json()["operations"]


def test_a_tag_called_column_is_a_tag() -> None:
    operation = PutObjectTagging({"column": "team"})
    assert operation_from_json(operation.to_json()) == operation


@pytest.mark.parametrize("document", [3, None, {}, {"operation": "InOrder"}, {"operation": "DeleteObject", "x": 1}])
def test_what_declares_none_is_an_error(document: object) -> None:
    with pytest.raises(ArgumentError):
        operation_from_json(document)
