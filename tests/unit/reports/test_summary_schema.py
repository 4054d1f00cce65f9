"""``summary.json`` is as its published schema says, in every kind of job; and it can be read back."""

from __future__ import annotations

import copy
import functools
import json
from typing import Any

import jsonschema
import pytest
from report_examples import EXAMPLES, Example, failed

from airflow_s3batch.core.errors import JobDamagedError, ManifestError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.reports import JobSummary, read_summary, summary_schema
from airflow_s3batch.testing.storage import MemoryStorage

QUICK = sorted(set(EXAMPLES) - {"million"})


@functools.cache
def reported(name: str) -> tuple[Example, dict[str, Any]]:
    example = EXAMPLES[name]()
    example.report()
    return example, json.loads(example.storage.files[example.url / "report/summary.json"])


def closed(schema: Any) -> Any:
    """Return *schema* with no room for fields that it does not name."""
    schema = copy.deepcopy(schema)
    stack = [schema]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if "properties" in node and "additionalProperties" not in node:
                node["additionalProperties"] = False
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
    return schema


VALIDATOR = jsonschema.Draft202012Validator(closed(summary_schema()))


@pytest.mark.parametrize("name", QUICK)
def test_every_field_of_a_summary_is_in_the_published_schema(name: str) -> None:
    assert [f"{error.json_path}: {error.message[:200]}" for error in VALIDATOR.iter_errors(reported(name)[1])] == []


def test_summary_of_a_job_without_manifest_is_as_the_schema_says() -> None:
    document = json.loads(json.dumps(JobSummary.of_no_manifest("run", "there is no manifest").to_json()))
    assert list(VALIDATOR.iter_errors(document)) == []


def test_a_field_that_is_not_in_the_schema_is_noticed() -> None:
    document = {**reported("small")[1], "unheard_of": 1}
    assert [error.validator for error in VALIDATOR.iter_errors(document)] == ["additionalProperties"]


def test_schema_is_one_and_says_which_format_it_is_of() -> None:
    schema = summary_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["properties"]["format"]["const"] == JobSummary.of_no_manifest("run", "").to_json()["format"]
    assert set(schema["required"]) == set(schema["properties"])


@pytest.mark.parametrize(
    "place", ["", "/report", "/report/summary.json", "/report/report.html", "/report/manifest.json"]
)
def test_summary_is_read_from_the_job_its_report_or_a_file_of_it(place: str) -> None:
    example, document = reported("failed")
    summary = read_summary(f"{example.url}{place}", storage=example.storage)
    assert json.loads(json.dumps(summary.to_json())) == document


def test_summary_of_an_earlier_or_later_release_can_be_read() -> None:
    """Fields are added with time; who reads takes those it knows."""
    example, document = reported("failed")
    earlier = {name: value for name, value in document.items() if name not in ("evidence", "history", "timeline")}
    url = example.url / "report/summary.json"
    storage = MemoryStorage()
    storage.write(url, json.dumps({**earlier, "unheard_of": 1}).encode())
    summary = read_summary(str(url), storage=storage)
    assert (summary.succeeded, summary.history, dict(summary.evidence)) == (document["succeeded"], (), {})


def test_what_is_no_summary_is_an_error_that_names_it() -> None:
    storage = MemoryStorage()
    with pytest.raises(ManifestError, match="there is no summary here"):
        read_summary("s3://ops/job", storage=storage)
    for body in (b"{", b"[]", b'{"format": "airflow-s3batch-summary/1"}', b'{"format": "other/1"}'):
        storage.write(S3Url("ops", "job/report/summary.json"), body)
        with pytest.raises(JobDamagedError, match=r"s3://ops/job/report/summary\.json"):
            read_summary("s3://ops/job", storage=storage)


def test_a_summary_is_small_whatever_the_job_is_like() -> None:
    example = failed()
    example.report()
    assert len(example.storage.files[example.url / "report/summary.json"]) < 50_000
