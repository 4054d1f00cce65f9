"""`python docs/site/reference_pages.py`: the pages of the reference that are made from declarations in the code."""

# ruff: noqa: E501 - rows of Markdown tables are one line each

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from airflow_s3batch.get_provider_info import get_provider_info  # noqa: E402
from airflow_s3batch.reports import summary_schema  # noqa: E402

MADE = "Made by `python docs/site/reference_pages.py` from the code; don't edit it by hand."
FOLDER = ROOT / "docs" / "reference"

_CONFIGURATION = f"""\
# Configuration

{MADE}

## Options of this package

They stand in Airflow's configuration, and each can be set by an environment variable, as all of Airflow's.

| option | environment variable | default | example | what it is |
|---|---|---|---|---|
{{options}}

## Options of Airflow that matter here

| option | what it does to a job |
|---|---|
| `[core] max_map_length` | no job has more shards than this |
| `[core] parallelism` | how many tasks run at a time in all; where no Dag says how many shards of a job may run, no more than half of it |
| `[core] max_active_tasks_per_dag` | a Dag's tasks that run at a time, shards included |
| `[operators] default_deferrable` | what `deferrable=` is where it is left out: of the sensors, Athena and the managed engine |
| `[metrics] statsd_on`, … | where [metrics](../metrics.md) go |

## Connections

`aws_conn_id` (by default `aws_default`) is a connection of type `aws` of Airflow's Amazon provider, with all that it
takes: `region_name`, `endpoint_url`, `role_arn`, `service_config`, `config_kwargs`. Without an `endpoint_url` the
objects are on AWS.

## Environment variables

| variable | read by | what it is |
|---|---|---|
| `AWS_…` | everything that runs without Airflow, the command `s3batch` included | boto3's own: credentials, region, `AWS_ENDPOINT_URL_S3`, `AWS_PROFILE` |
| `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY` | all requests | a proxy, unless the connection's `config_kwargs` name one |
| `AWS_CA_BUNDLE`, `REQUESTS_CA_BUNDLE` | all requests | certificates to trust, unless `verify=` says otherwise |
| `NO_COLOR` | `s3batch` | no colours |
| `S3BATCH_SERVERS_BIN` | `airflow_s3batch.testing` | folder of the programs of S3 servers for tests |
"""

_FORMATS = f"""\
# File formats and XComs

{MADE}

Where a job's files lie: [README](../../README.md#what-is-written-and-deleted-where). What its tasks tell Airflow while they run: [What tasks tell Airflow](../news.md).

## What tasks return and push

No XCom holds an object key, but for the news, which have a few examples.

| task | key | value |
|---|---|---|
| manifest | `return_value` | a list with a small dict for each shard (or, for AWS, bucket) |
| manifest | `manifest` | totals: `job`, `rows`, `bytes`, `shards`, `source` |
| manifest, from Athena | `athena` | `query_id`, and what the query has read |
| approve | `approval` | the answer, who gave it, when, to what |
| run | `return_value` | the shard's counts |
| rehearse | `return_value` | `objects`, `succeeded`, `failed`, `codes`, `seconds`, `requests` |
| report | `return_value` | counts, and the URLs of the report |
| `S3RestoreSensor` | `return_value` | `objects`, `readable`, `gone`, `unrestored` |
| manifest, run, report | `s3batch_plan`, `s3batch_progress`, `s3batch_report` | [news](../news.md) for the page |

## Formats of files

Each JSON file of a job names its format and a number. The number goes up when an older release would misread the file,
not when something is added. A file of a later number is refused with a sentence, and nothing is done with it.

| format | file |
|---|---|
{{formats}}

The completion report is AWS's own: `Report_CSV_20180820`. `failed.csv` and `differences.csv` are manifests in the form
`S3BatchOperations_CSV_20180820`, with URL-encoded keys. Shards of the manifest are Parquet, with raw keys.

## summary.json

{{title}} Its JSON Schema: [`summary-1.json`](../../airflow_s3batch/reports/schemas/summary-1.json), in Python
`airflow_s3batch.reports.summary_schema()`. Fields in bold are always there.

| field | type | what it is |
|---|---|---|
{{fields}}
"""
FORMATS = {
    "airflow-s3batch-job/1": "`job.json`",
    "airflow-s3batch-source/1": "what the source has found and pinned, in `job.json` and `source/`",
    "airflow-s3batch-manifest/1": "`manifest/manifest.json`",
    "airflow-s3batch-group/1": "`manifest/groups-*/`: what one of several planning tasks has selected",
    "airflow-s3batch-buckets/1": "`manifest/buckets.json`: in which shards the rows of each bucket are, for AWS's engine",
    "airflow-s3batch-operation/1": "`<run task>/g0001/operation.json`",
    "airflow-s3batch-verdict/1": "`<run task>/g0001/verdict.json`: what the store was found to understand",
    "airflow-s3batch-attempt/1": "`<run task>/g0001/shard-*/attempt-*.json`: an attempt that began",
    "airflow-s3batch-commit/1": "`<run task>/g0001/shard-*/range-*.commit.json`: a row range that was committed",
    "airflow-s3batch-shard/1": "`<run task>/g0001/shard-*/summary-*.json`: the counts of an attempt that ended",
    "airflow-s3batch-rehearsal/1": "`<run task>/g0001/rehearsal/`: a rehearsal that began, or has ended",
    "airflow-s3batch-verification/1": "`<run task>/verification/asked.json`",
    "airflow-s3batch-restores/1": "`<run task>/restores.json`: which objects can be read again",
    "airflow-s3batch-request/1": "`<run task>/g0001/managed/<bucket>/round-*/request.json`: the CreateJob request",
    "airflow-s3batch-aws-job/1": "`job.json` beside it: the id of AWS's job",
    "airflow-s3batch-harvest/1": "beside it: that AWS's report was read, and its counts",
    "airflow-s3batch-running/1": "that a job runs, for other jobs below the same `job_url`",
    "airflow-s3batch-control/1": "`control.json`: see [pause, resume and slow down](../control.md#the-file)",
    "airflow-s3batch-approval/1": "`approval.json`",
    "airflow-s3batch-cost/1": "`cost.json`",
    "airflow-s3batch-prices/1": "a price table: see [costs](../cost.md#the-price-table)",
    "airflow-s3batch-summary/1": "`report/summary.json`",
    "airflow-s3batch-series/1": "`series/`: the last jobs of a task",
    "airflow-s3batch-history/1": "`series/`: the counts of a task's jobs",
    "airflow-s3batch-cleanup/1": "`cleanup/last.json`",
}


def configuration() -> str:
    """Return the page of the options."""
    return _CONFIGURATION.format(options="\n".join(_option_rows()))


def formats() -> str:
    """Return the page of the formats."""
    schema = summary_schema()
    return _FORMATS.format(
        formats="\n".join(f"| `{name}` | {what} |" for name, what in sorted(FORMATS.items())),
        title=schema["description"].replace('"format"', "`format`"),
        fields="\n".join(_field_rows(schema)),
    )


PAGES = {"configuration.md": configuration, "file-formats.md": formats}


def _option_rows() -> Iterator[str]:
    for section, told in get_provider_info()["config"].items():
        for name, option in told["options"].items():
            variable = f"AIRFLOW__{section}__{name}".upper()
            default = f"`{option['default']}`" if option["default"] else ""
            what = _cell(option["description"])
            yield f"| `[{section}] {name}` | `{variable}` | {default} | `{option['example']}` | {what} |"


def _field_rows(schema: Mapping[str, Any]) -> Iterator[str]:
    for name, field in schema["properties"].items():
        shown = f"**`{name}`**" if name in schema["required"] else f"`{name}`"
        what = _cell(field.get("description", "")) or f"`{field['const']}`"
        yield f"| {shown} | {_type(field)} | {what} |"


def _type(field: Mapping[str, Any]) -> str:
    kinds = field.get("type", "")
    return " or ".join([kinds] if isinstance(kinds, str) else kinds) or "text"


def _cell(text: str) -> str:
    return re.sub(r"<([^<>]*)>", r"`<\1>`", " ".join(text.split())).replace("|", "\\|")


def main() -> None:
    """Write the pages."""
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page())
        sys.stdout.write(f"docs/reference/{name}\n")


if __name__ == "__main__":
    main()
