"""What the events of a task's outlets say: which job, where its files are, how many objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias
from airflow.sdk.definitions.asset import AssetRef

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_s3batch.core.manifest import Manifest
    from airflow_s3batch.reports.summary import JobSummary


def tell_outlets(context: Context, outlets: Sequence[Any], facts: Mapping[str, Any]) -> None:
    """
    Attach *facts* as ``extra`` to the event of each of *outlets*, which Airflow sends if the task succeeds.

    An alias becomes the folder that the job's own folder lies in: an asset for each job would be one more after every
    run. What the task itself has put into ``extra`` before stays, unless *facts* have the same name.
    """
    folder = str(facts["job"]).rstrip("/").rpartition("/")[0]
    for outlet in outlets:
        if isinstance(outlet, AssetAlias):
            context["outlet_events"][outlet].add(Asset(folder), extra=dict(facts))
        elif isinstance(outlet, (Asset, AssetRef)):
            context["outlet_events"][outlet].extra.update(facts)


def tell_nothing(context: Context, task: Any) -> None:
    """Keep Airflow from sending the events of *task*'s outlets although it succeeds: a dry run has done nothing."""
    for each in (task, getattr(context["ti"], "task", None)):  # Airflow looks at its own
        if each is not None:
            each.outlets = []


def manifest_facts(manifest: Manifest) -> dict[str, Any]:
    """Return what the event of a published manifest says."""
    from airflow_s3batch.core.layout import JobLayout

    return {
        "job": str(manifest.job_url),
        "manifest_url": str(JobLayout(manifest.job_url).manifest),
        "rows": manifest.rows,
        "bytes": manifest.bytes,
        "source_rows": manifest.source_rows,
        "shards": len(manifest.shards),
    }


def report_facts(summary: JobSummary) -> dict[str, Any]:
    """Return what the event of a job that is reported on says."""
    return {
        "job": summary.job_url,
        "state": "success" if summary.is_green else "failed",
        "dry_run": summary.dry_run,
        "operation": str(summary.operation.get("operation", "")),
        "rows": summary.objects,
        "succeeded": summary.succeeded,
        "failed": summary.failed,
        "counted_failures": summary.counted_failures,
        "not_attempted": summary.not_attempted,
        "source_rows": summary.evidence.get("source_rows"),
        "bytes": summary.bytes,
        "verified": _checked(summary.verification),
        "report_url": summary.report_url,
        "failed_url": summary.failed_url,
        "summary_url": summary.summary_url,
    }


def _checked(verification: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return how many objects were looked at again, and how many of those differ; ``None`` without a verification."""
    return None if verification is None else {name: verification.get(name) for name in ("checked", "differ")}
