"""The reference page and the feature table: made from the code, complete, and not stale."""

from __future__ import annotations

from pathlib import Path

import botocore.session
import pytest
from botocore.validate import ParamValidator

from airflow_s3batch.operations import ALL_OPERATIONS, Operation, reference
from airflow_s3batch.operations.feature_table import DECLARATIONS, LEFT_OUT, Cell, cells, model_paths
from airflow_s3batch.operations.managed_forms import managed_operations, operation_from_create_job

PAGE = Path(__file__).parents[3] / "docs" / "operations.md"
MODEL = botocore.session.get_session().get_service_model("s3control")
IS_RECENT = "ObjectLockEventHold" in MODEL.shape_for("S3CopyObjectOperation").members
recent = pytest.mark.skipif(not IS_RECENT, reason="this botocore is older than fields that the page has")


@recent
def test_the_page_is_as_the_code_says() -> None:
    """Else: ``python -m airflow_s3batch.operations.reference > docs/operations.md``."""
    assert PAGE.read_text() == reference.page()


def test_every_operation_is_on_the_page_and_declared_as_it_says() -> None:
    assert {type(example) for example in reference.EXAMPLES} == {*ALL_OPERATIONS, reference.InOrder}
    names = {type(example).__name__: type(example) for example in reference.EXAMPLES}
    for example in reference.EXAMPLES:
        assert eval(reference.declaration(example), {**names, "Column": reference.Column}) == example


def test_every_field_of_the_operations_is_explained() -> None:
    """In the docstring's ``Args:``, its own or an inherited one."""
    empty = [line for line in reference.page().splitlines() if line.startswith("| `") and line.endswith("|  |")]
    assert empty == []


@recent
def test_every_field_of_botocores_model_has_a_cell() -> None:
    """One that is done, or the reason why not; a newer botocore that has more fields fails here."""
    found = cells()
    assert [cell.path for cell in found] == model_paths()
    assert [cell.path for cell in found if not cell.is_managed and not cell.left_out] == []
    assert set(LEFT_OUT) == {cell.path for cell in found if not cell.is_managed}


@recent
def test_the_worker_engine_does_all_but_replication() -> None:
    assert [cell.path for cell in cells() if cell.is_managed and not cell.is_worker] == ["S3ReplicateObject"]


def test_each_cell_names_a_field_that_exists() -> None:
    kinds = {known.__name__: known for known in ALL_OPERATIONS}
    for cell in cells():
        kind, _, field = cell.declared.partition(".")
        assert not cell.declared or hasattr(kinds[kind], "__dataclass_fields__")
        assert not field or field in kinds[kind].__dataclass_fields__, cell


def test_a_field_without_a_reason_is_told() -> None:
    """So that the tests above can fail."""
    assert Cell("S3Nothing.New", "", False, False, LEFT_OUT.get("S3Nothing.New", "")).left_out == ""


@recent
def test_requests_are_apis_that_botocore_knows() -> None:
    session = botocore.session.get_session()
    known = {api for service in ("s3", "lambda") for api in session.get_service_model(service).operation_names}
    for operation in ALL_OPERATIONS:
        assert set(operation.requests) <= known
        assert operation.requests or operation.__name__ in ("PythonInvoke", "ReplicateObject")


@recent
def test_aws_has_all_operations_of_the_model_here() -> None:
    assert set(managed_operations()) == set(MODEL.shape_for("JobOperation").members)


@recent
@pytest.mark.parametrize("operation", DECLARATIONS, ids=lambda operation: operation.name)
def test_forms_are_valid_by_botocores_model(operation: Operation) -> None:
    """Types, ranges, patterns' lengths and unknown members."""
    form = operation.create_job_operation()
    report = ParamValidator().validate(form, MODEL.shape_for("JobOperation"))
    assert report.generate_report() == ""


@pytest.mark.parametrize("operation", DECLARATIONS, ids=lambda operation: operation.name)
def test_forms_come_back_as_the_same_operation(operation: Operation) -> None:
    again = operation_from_create_job(operation.create_job_operation())
    assert type(again) is type(operation)
    assert again.create_job_operation() == operation.create_job_operation()
