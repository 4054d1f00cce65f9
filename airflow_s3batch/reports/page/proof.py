"""What the page shows as evidence: counts that have to agree, digests, and commands that check them."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.s3url import S3Url

if TYPE_CHECKING:
    from airflow_s3batch.reports.summary import JobSummary


def proof(summary: JobSummary) -> dict[str, Any] | None:
    """Return what the template shows as evidence; ``None`` for a summary that has none."""
    told = summary.evidence
    if not told.get("report"):
        return None
    manifest, report = told["manifest"], told["report"]
    return {
        "counts": _counts(summary, manifest, report),
        "agree": len({manifest["rows"], manifest["shards"]["rows"], report["rows"], summary.objects}) == 1
        and summary.succeeded + summary.failed == summary.objects,
        "manifest": manifest,
        "report": report,
        "operation": told.get("operation") or {},
        "checks": _checks(report),
        "commands": commands(summary),
    }


def _counts(summary: JobSummary, manifest: Any, report: Any) -> list[tuple[str, int]]:
    return [
        ("Rows that the manifest declares", manifest["rows"]),
        (f"Rows of its {manifest['shards']['files']:,} shard files", manifest["shards"]["rows"]),
        (f"Rows of the report's {report['files']:,} result files", report["rows"]),
        (f"Succeeded ({summary.succeeded:,}) and failed ({summary.failed:,})", summary.succeeded + summary.failed),
    ]


def _checks(report: Any) -> list[str]:
    return [
        f"{report['commits']:,} commits were read; each agrees with the manifest and with itself.",
        "Every result file that they name was listed by the store with the size and ETag that were noted for it.",
        f"{report['reread']:,} result files were read again and have the MD5 that was noted when they were written.",
        "Those of successes that no later attempt touched were not read again.",
        f"{report['rewritten']:,} result files were written for this report: rows superseded later, or never reached.",
    ]


def commands(summary: JobSummary) -> list[tuple[str, str]]:
    """Return command lines that check the files of the job, each with what it does."""
    try:
        job = S3Url.parse(summary.job_url)
    except ArgumentError:
        return []
    prefix = shlex.quote(f"{job.key.rstrip('/')}/")
    place = shlex.quote(str(job).rstrip("/") + "/")
    fetch = f"aws s3 cp --recursive --only-show-errors {place} job/ && cd job"
    return [
        ("Fetch the job's files", fetch),
        ("Check every shard of the manifest", _check(prefix, ".shards[] | .sha256", ".key", "manifest", "sha256sum")),
        ("Check every result file", _check(prefix, ".Results[] | .MD5Checksum", ".Key", "report", "md5sum")),
        ("Digest over the shards", _digest(".shards[] | .sha256", ".key", "manifest")),
        ("Digest over the result files", _digest(".Results[] | .MD5Checksum", ".Key", "report")),
    ]


def _check(prefix: str, each: str, key: str, folder: str, program: str) -> str:
    lines = f"""'{each} + "  " + ({key} | ltrimstr($job))'"""
    return f"jq -r --arg job {prefix} {lines} {folder}/manifest.json | {program} --check --quiet && echo all as listed"


def _digest(each: str, key: str, folder: str) -> str:
    return f"""jq -r '{each} + "  " + {key}' {folder}/manifest.json | sha256sum"""
