"""The operators whose objects come from files and from reports: what they ask for, and what they refuse to parse."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.operators import CsvToManifestOperator, ParquetToManifestOperator, ReportToManifestOperator
from airflow_s3batch.operators.origins import Origin
from airflow_s3batch.sources import CompletionReport, CsvManifest, ParquetFiles

JOBS = "s3://ops/s3batch"
SOURCES = [
    CsvManifest(("s3://in/a.csv",)),
    CsvManifest(("s3://in/a.csv", "s3://in/b/"), ("Key", "Ignore"), "lake", False, "raw", "null", "\t"),
    ParquetFiles(("s3://in/a/",)),
    ParquetFiles(("s3://in/a/", "s3://in/b"), "lake", "current"),
    CompletionReport("s3://ops/s3batch/job"),
    CompletionReport("s3://ops/s3batch/job", "succeeded"),
]


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_and_its_operator_mean_the_same(source: Any) -> None:
    """What ``s3_batch_job(source=…)`` is told is what the operator makes of it."""
    origin = Origin.of(None, source, {})
    task = origin.operator(task_id="manifest", job_url=JOBS, **origin.arguments)
    assert task.source() == source
    assert task.where == "TRUE"
    assert origin.problems({"job_url": JOBS}) == []


def test_one_url_is_a_list_of_one() -> None:
    """Also one that a template gives; fields can be written as AWS's ``Fields`` are."""
    task = CsvToManifestOperator(task_id="m", job_url=JOBS, url="{{ x }}", fields="Bucket,Key,Ignore", where="size > 5")
    task.url = "s3://in/a.csv"
    assert task.source() == CsvManifest(("s3://in/a.csv",), ("Bucket", "Key", "Ignore"))
    assert task.where == "size > 5"
    assert {"url", "fields", "bucket", "where", "columns"} <= set(task.template_fields)


@pytest.mark.parametrize(
    ("operator", "arguments", "told"),
    [
        (CsvToManifestOperator, {"url": "in/a.csv"}, "is not an S3 URL"),
        (CsvToManifestOperator, {"url": 5}, "is not a list of texts"),
        (CsvToManifestOperator, {"url": "{{ x }}", "fields": ["Bucket"]}, "no column 'key'"),
        (CsvToManifestOperator, {"url": "s3://in/a", "bucket": 5}, "bucket=5 is not a text"),
        (CsvToManifestOperator, {"url": "s3://in/a", "key_spelling": "plain"}, "key_spelling='plain'"),
        (CsvToManifestOperator, {"url": "s3://in/a", "where": ""}, "an empty filter"),
        (ParquetToManifestOperator, {"url": "s3://in"}, "is a whole bucket"),
        (ParquetToManifestOperator, {"url": "s3://in/a", "empty_version_id": "none"}, "empty_version_id='none'"),
        (ReportToManifestOperator, {"url": "s3://ops/job", "objects": "most"}, "objects='most' is unknown"),
        (ReportToManifestOperator, {"url": None}, "url names no job"),
        (ReportToManifestOperator, {"url": "s3://ops/job", "max_objects": "many"}, "max_objects='many'"),
    ],
)
def test_wrong_literals_are_told_when_the_dag_is_parsed(operator: Any, arguments: dict[str, Any], told: str) -> None:
    """Not at night, when the task runs."""
    with pytest.raises(ArgumentError, match=told):
        operator(task_id="manifest", job_url=JOBS, **arguments)


def test_templates_wait_for_the_run() -> None:
    """A bucket that is not known yet may stand in for a column; what renders to nothing is an error then."""
    task = CsvToManifestOperator(task_id="m", job_url="{{ j }}", url="{{ u }}", bucket="{{ b }}", fields=["Key"])
    task.url, task.bucket = "s3://in/a", ""
    with pytest.raises(ArgumentError, match="bucket rendered to ''"):
        task.source()
    report = ReportToManifestOperator(task_id="m", job_url=JOBS, url="{{ u }}", objects="{{ o }}")
    report.url, report.objects = "s3://ops/job", "succeeded"
    assert report.source() == CompletionReport("s3://ops/job", "succeeded")
