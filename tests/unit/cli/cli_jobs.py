"""Jobs as a run leaves them, small, in memory; and the command line run on them."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from airflow_s3batch.cli.main import carry_out
from airflow_s3batch.cli.parser import make_parser
from airflow_s3batch.core.completion_report import ResultFile, format_row, report_manifest
from airflow_s3batch.core.keys import encode_key
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.manifest import Manifest, ShardFile
from airflow_s3batch.core.outcomes import Outcome, Tally
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.reports.summary import JobSummary
from airflow_s3batch.testing.storage import MemoryStorage

JOBS = S3Url("ops", "s3batch")
NAME = "classify-2026-11-22t0000-0123456789ab"
CREATED = "2026-11-22T00:00:00+00:00"
OK = Outcome(200)
DENIED = Outcome(403, "AccessDenied", "Access Denied")
OPERATION = {"operation": "PutObjectTagging", "tags": {"quarantine": "true"}}

Rows = Sequence[tuple[str, Outcome]]


class Ran(NamedTuple):
    code: int
    out: str
    err: str


_parser = functools.cache(make_parser)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def s3batch(storage: Any, *argv: str, is_terminal: bool = False) -> Ran:
    """Run the command line on *storage*."""
    args = _parser().parse_args(argv)
    out, err = _Terminal() if is_terminal else io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = carry_out(args, lambda _: storage)
    return Ran(code, out.getvalue(), err.getvalue())


def write_job(
    storage: MemoryStorage,
    rows: Rows = (),
    *,
    name: str = NAME,
    dag_id: str = "classify",
    created: str = CREATED,
    jobs: S3Url = JOBS,
    is_reported: bool = True,
    **summary: Any,
) -> JobLayout:
    """Write ``job.json``, the manifest and, if the job *is_reported*, the report of a job on *rows*."""
    job = JobLayout(jobs / name)
    about = {"dag_id": dag_id, "run_id": "scheduled__1", "task_id": "q.manifest", "map_index": -1, "try_number": 1}
    _write(
        storage,
        job.job,
        {
            "format": "airflow-s3batch-job/1",
            "job_id": name,
            "selection": {"kind": "inventory", "inventory": "s3://inv/lake/daily", "where": "size > 10"},
            "source": {"manifest": "s3://inv/lake/daily/2026-11-21T01-00Z/manifest.json"},
            "fingerprint": "f" * 16,
            "about": about,
            "created": created,
        },
    )
    shard = ShardFile(0, (job.url / "manifest/shard-00000-aaaaaaaa.parquet").key, len(rows), 10, 99, "a" * 64)
    storage.write(S3Url(job.url.bucket, shard.key), b"rows")
    manifest = Manifest(job.url, len(rows), 10 * len(rows), 1_000, (), (shard,) if rows else (), "f" * 16)
    storage.write(job.manifest, manifest.to_json().encode())
    if is_reported:
        write_report(storage, job, rows, about=about, **summary)
    return job


def write_report(storage: MemoryStorage, job: JobLayout, rows: Rows, about: Mapping[str, Any], **more: Any) -> None:
    """Write the completion report of *rows*, as the reporter does."""
    tally = Tally()
    results = []
    for status in ("succeeded", "failed"):
        chosen = [(key, outcome) for key, outcome in rows if outcome.is_success == (status == "succeeded")]
        for key, outcome in chosen:
            if outcome.is_success:
                tally.succeeded += 1
            else:
                tally.add_failures(outcome.error_code, 1, [f"s3://lake/{encode_key(key)}"])
        body = "".join(format_row("lake", encode_key(key), None, outcome) for key, outcome in chosen).encode()
        part = job.operation("q.run").generation(1).part(0, 0, "0001-1790000000001-000000", status)
        storage.write(part, body)
        results.append(ResultFile(status, part, hashlib.md5(body).hexdigest()))
    storage.write(job.report / "manifest.json", report_manifest(results, "2026-11-22T01:00:00.000Z").encode())
    storage.write(job.report / "report.html", b"<html>page</html>")
    if tally.failed:
        storage.write(job.report / "failed.csv", b"lake,x\n")
    values: dict[str, Any] = {
        "job_url": str(job.url),
        "task_id": "q.run",
        "operation": OPERATION,
        "objects": len(rows),
        "succeeded": tally.succeeded,
        "failed": tally.failed,
        "bytes": 2_048,
        "codes": tally.codes,
        "examples": tally.examples,
        **dict.fromkeys(("requests", "retries", "slow_downs", "allowed_failures"), 0),
        "duration_s": 2.0,
        "started": CREATED,
        "ended": "2026-11-22T00:00:02+00:00",
        "tolerate": ("NoSuchKey",),
        "report_url": str(job.report / "manifest.json"),
        "html_url": str(job.report / "report.html"),
        "failed_url": str(job.report / "failed.csv") if tally.failed else None,
        "summary_url": str(job.report / "summary.json"),
        "fingerprint": "0" * 16,
        "about": about,
        "created": "2026-11-22T01:00:00.000Z",
        **more,
    }
    _write(storage, job.report / "summary.json", JobSummary(**values).to_json())


def at(text: str) -> datetime:
    """Return the ISO time *text* of 2026-11, as ``22T00:00``."""
    return datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=UTC)


def _write(storage: MemoryStorage, url: S3Url, document: Mapping[str, Any]) -> None:
    storage.write(url, json.dumps(document).encode(), "application/json")
