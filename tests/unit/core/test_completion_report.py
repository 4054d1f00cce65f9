"""AWS's completion report, read and written."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_s3batch.core.completion_report import (
    ResultFile,
    format_row,
    parse_report_manifest,
    parse_rows,
    report_manifest,
)
from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.core.keys import decode_key, encode_key
from airflow_s3batch.core.outcomes import SUCCESS, Outcome
from airflow_s3batch.core.s3url import S3Url

texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts.filter(bool), st.none() | st.from_regex(r"[A-Za-z0-9._-]{1,20}", fullmatch=True), texts)
def test_every_row_survives(key: str, version_id: str | None, message: str) -> None:
    """Any key and any message come back; control characters of messages become spaces."""
    text = format_row("bucket", encode_key(key), version_id, Outcome(403, "AccessDenied", message))
    (row,) = parse_rows(text, place="x")
    assert decode_key(row.key) == key
    assert row.version_id == (version_id or "")
    assert (row.task_status, row.http_status, row.error_code) == ("failed", 403, "AccessDenied")
    assert len(row.message) == len(message)
    assert all(mine in (theirs, " ") for mine, theirs in zip(row.message, message, strict=True)), (
        "only control characters may change"
    )


@given(texts)
def test_a_row_is_one_line_for_any_csv_reader(message: str) -> None:
    """Readers that know nothing of us see seven fields in one row."""
    text = format_row("bucket", "k", None, Outcome(500, "InternalError", message))
    assert text.count("\n") == 1
    (fields,) = list(csv.reader(io.StringIO(text, newline="")))
    assert len(fields) == 7


def test_success_is_written_as_aws_writes_it() -> None:
    """The row order is AWS's: status before code, whatever the declared schema says."""
    assert format_row("b", "k", None, SUCCESS) == "b,k,,succeeded,200,,Successful\n"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("b,k,v,failed,403,AccessDenied,no", ("v", "failed", 403, "AccessDenied", "no")),
        ("b,k,v,failed,AccessDenied,403,no", ("v", "failed", 403, "AccessDenied", "no")),
        (
            "b,k,failed,400,InvalidRequest,Task failed due to missing VersionId",
            ("", "failed", 400, "InvalidRequest", "Task failed due to missing VersionId"),
        ),
        ("b,k,,succeeded,200,,", ("", "succeeded", 200, "", "")),
        ("b,k,,succeeded,,200,ok", ("", "succeeded", 200, "", "ok")),
    ],
)
def test_rows_in_either_order_and_without_version_are_read(line: str, expected: tuple[object, ...]) -> None:
    """AWS's rows differ from its own schema, and one documented row lacks a column."""
    (row,) = parse_rows(line + "\n", place="x")
    assert row[2:] == expected


def test_a_file_that_is_no_report_is_refused_with_place_and_row() -> None:
    """The sentence names the file and the row."""
    with pytest.raises(ManifestError, match=r"s3://b/r\.csv: row 2 "):
        list(parse_rows("b,k,,succeeded,200,,ok\nBucket,Key\n", place="s3://b/r.csv"))


def test_report_manifest_round_trip() -> None:
    """Result files come back as they were written."""
    files = [ResultFile("succeeded", S3Url("b", "r/1.csv"), "aa"), ResultFile("failed", S3Url("b", "r/2.csv"), "bb")]
    assert parse_report_manifest(report_manifest(files, "2026-01-01T00:00:00.000Z"), place="x") == files


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"Format":"Report_CSV_20990101","Results":[]}'])
def test_a_manifest_of_another_kind_is_refused(text: str) -> None:
    """Not JSON, not a report, or a format of the future."""
    with pytest.raises(ManifestError, match="s3://x"):
        parse_report_manifest(text, place="s3://x")


@given(texts.filter(bool), texts, texts)
def test_no_field_can_break_a_row(bucket: str, version_id: str, code: str) -> None:
    """Whatever a store or a manifest holds: one line, seven fields."""
    text = format_row(bucket, "k", version_id, Outcome(400, code or "X", "m"))
    assert len(text.splitlines()) == 1
    assert [len(fields) for fields in csv.reader(io.StringIO(text, newline=""))] == [7]
