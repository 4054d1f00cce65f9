"""Makes a job's completion report out of what its attempts left behind, whatever became of them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import JobDamagedError, ManifestError
from airflow_s3batch.core.formats import check_format
from airflow_s3batch.core.iso_times import iso_time
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.manifest import Manifest
from airflow_s3batch.core.outcomes import DRY_RUN
from airflow_s3batch.core.report_marks import verification_mark
from airflow_s3batch.engine.files.staging import staging_folder
from airflow_s3batch.engine.shards.versions import versions
from airflow_s3batch.reports.accounts.aws_jobs import aws_jobs
from airflow_s3batch.reports.accounts.generations import OperationRun, find_run
from airflow_s3batch.reports.accounts.shards import accounts
from airflow_s3batch.reports.accounts.sizes import size_histogram
from airflow_s3batch.reports.accounts.work import Work
from airflow_s3batch.reports.draft import ReportDraft
from airflow_s3batch.reports.evidence.origin import Origin
from airflow_s3batch.reports.evidence.paperwork import paperwork
from airflow_s3batch.reports.evidence.rehearsals import told_rehearsal
from airflow_s3batch.reports.evidence.run_evidence import run_evidence
from airflow_s3batch.reports.evidence.verification import SucceededByShard, verification_of
from airflow_s3batch.reports.history import History, point_of
from airflow_s3batch.reports.page import report_page
from airflow_s3batch.reports.summary import FORMAT as SUMMARY_FORMAT
from airflow_s3batch.reports.summary import JobSummary
from airflow_s3batch.reports.terms import declared_policy, last_word, terms

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from airflow_s3batch.core.layout import OperationLayout
    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.engine.files.storage import Storage


def build_report(
    storage: Storage,
    job_url: S3Url,
    task_id: str,
    *,
    tolerate: Collection[str] | None = None,
    allowed_failures: float | None = None,
    about: Mapping[str, Any] | None = None,
    now: datetime,
    links: Mapping[str, str] | None = None,
    is_verified: bool = False,
) -> JobSummary:
    """
    Account for every row of the job's manifest and write ``report/``; its ``manifest.json`` comes last.

    Running it again with nothing changed writes the same result files, and a summary with the same fingerprint.

    Args:
        storage: where the job's files lie.
        job_url: folder of the job.
        task_id: the operation task's.
        tolerate: codes that don't count as failures; ``None`` takes what the operation task declared last.
        allowed_failures: counted failures up to which the job is green; ``None`` likewise.
        about: what the report should say on the Dag run that made it.
        now: the report's time, with a time zone.
        links: for the HTML page, URL by label.
        is_verified: a verification belongs to the job; without one the job is not green.

    Raises:
        ManifestError: there is no manifest; or ``report/`` is about another operation task.
        JobDamagedError: files of the job are missing or altered.
    """
    job = JobLayout(job_url)
    origin = Origin.read(storage, job)
    manifest = read_manifest(storage, job)
    _check_owner(storage, job.report / "summary.json", task_id)
    run = find_run(storage, job.operation(task_id))
    created = iso_time(now)
    with staging_folder() as folder:
        draft, work = ReportDraft(folder, created), Work()
        succeeded = SucceededByShard(manifest)
        found = accounts(storage, manifest, run, report=job.report, work=work, folder=folder)
        draft.take(succeeded.counting(found))
        failed_url = draft.failed.publish(storage, job.report / "failed.csv")
        word = last_word(storage, work.announcements)
        summary = JobSummary(
            job_url=str(job_url),
            task_id=task_id,
            created=created,
            **_of_manifest(storage, job, manifest, work),
            **_of_run(storage, job.operation(task_id), run),
            **_counts(draft, work),
            **_terms(run, word, tolerate, allowed_failures),
            **_places(job.report, failed_url),
            **origin.told(about or {}),
            evidence=_evidence(storage, manifest, origin, run, word, draft, work),
        )
        summary = _verified(storage, job, manifest, run, summary, succeeded, is_due=is_verified, folder=folder)
        history = History.of(job, origin.document)
        if history:
            summary = replace(summary, history=history.upto(storage, point_of(summary, origin.created)))
        _write_for_people(storage, job.report, summary, links or {})
        draft.publish_manifest(storage, job.report / "manifest.json")
    if history:
        history.write(storage, summary.history[-1])
    return summary


def read_manifest(storage: Storage, job: JobLayout) -> Manifest:
    """
    Return the manifest of *job*.

    Raises:
        ManifestError: there is none.
        JobDamagedError: it is not one of ours.
    """
    body = storage.read(job.manifest)
    if body is None:
        raise ManifestError(
            f"{job.manifest}: there is no manifest, so there is nothing to report; "
            "look at the log of the task that makes the manifest"
        )
    return Manifest.from_json(body, place=str(job.manifest)).of(job.url)


def _check_owner(storage: Storage, summary: S3Url, task_id: str) -> None:
    """
    Check that the report that may be there is about the same operation task: it is evidence, not to be replaced.

    One on a task that never started (its id was misspelt, say) is evidence of nothing.
    """
    body = storage.read(summary)
    if body is None:
        return
    try:
        document = json.loads(body)
        check_format(document["format"], SUMMARY_FORMAT, place=str(summary))
        owner, operation = document["task_id"], document["operation"]
    except (ValueError, KeyError, TypeError) as error:
        raise JobDamagedError(f"{summary}: not the summary of a report ({error!r})") from None
    if operation and owner != task_id:
        raise ManifestError(
            f"{summary}: this job's report is about task {owner!r}; "
            f"give {task_id!r} a manifest task of its own, so that it is a job of its own"
        )


def _of_manifest(storage: Storage, job: JobLayout, manifest: Manifest, work: Work) -> dict[str, Any]:
    """Return what *manifest* says of the objects, and what the job was expected to cost and who has approved it."""
    return {
        "objects": manifest.rows,
        "sizes": size_histogram(manifest),
        **paperwork(storage, job, manifest, work.requests),
    }


def _of_run(storage: Storage, task: OperationLayout, run: OperationRun) -> dict[str, Any]:
    """Return what was asked of the operation *task*, by whom it was done, and how many shards refused to go on."""
    return {
        "operation": run.operation,
        "dry_run": run.dry_run,
        "rehearsal": told_rehearsal(run.rehearsals),
        "aws_jobs": tuple(aws_jobs(storage, run.generations)),
        "refused_shards": sum(1 for _ in storage.list(task.refusals / "")),
    }


def _verified(
    storage: Storage,
    job: JobLayout,
    manifest: Manifest,
    run: OperationRun,
    summary: JobSummary,
    succeeded: SucceededByShard,
    *,
    is_due: bool,
    folder: Path,
) -> JobSummary:
    """Return *summary* with what the second look has found, if there was one or *is_due* says that there should be."""
    found = verification_of(
        storage,
        manifest,
        job.operation(summary.task_id),
        run,
        succeeded.counts,
        tolerate=summary.tolerate,
        is_due=is_due,
        report=job.report,
        folder=folder,
    )
    if found is None or run.dry_run:
        return summary
    return replace(summary, verification=found, fingerprint=verification_mark(summary.fingerprint, found))


def _evidence(
    storage: Storage,
    manifest: Manifest,
    origin: Origin,
    run: OperationRun,
    word: Mapping[str, Any],
    draft: ReportDraft,
    work: Work,
) -> dict[str, Any]:
    return {
        **origin.evidence(manifest),
        **run_evidence(storage, run),
        "report": {**draft.parts.to_json(), "md5": draft.md5, "commits": work.commits},
        "versions": {"planned": origin.versions, "worked": word.get("versions", {}), "reported": versions()},
    }


def _counts(draft: ReportDraft, work: Work) -> dict[str, Any]:
    tally = draft.tally
    return {
        "succeeded": tally.succeeded,
        "failed": tally.failed,
        "bytes": tally.bytes,
        "codes": dict(sorted(tally.codes.items(), key=lambda item: (-item[1], item[0]))),
        "examples": tally.examples,
        "requests": work.requests,
        "retries": work.retries,
        "slow_downs": work.slow_downs,
        "started": work.started,
        "ended": work.ended,
        "duration_s": work.duration_s,
        "fingerprint": draft.fingerprint,
        "timeline": work.timeline.to_json(),
        "prefixes": draft.prefixes.to_json(),
    }


def _terms(
    run: OperationRun, word: Mapping[str, Any], tolerate: Collection[str] | None, allowed_failures: float | None
) -> dict[str, Any]:
    """Return what counts as failure, and the limit of the rate; *word* is what the last attempt said when it began."""
    policy = declared_policy(word, run.policy)
    return {
        **terms(policy, _with_dry_run(tolerate) if run.dry_run else tolerate, allowed_failures),
        "max_requests_per_s": _number_or_none(policy.get("max_requests_per_s")),
    }


def _with_dry_run(tolerate: Collection[str] | None) -> Collection[str] | None:
    return None if tolerate is None else {*tolerate, DRY_RUN}


def _number_or_none(value: Any) -> float | None:
    return value if isinstance(value, (int, float)) else None


def _places(report: S3Url, failed: S3Url | None) -> dict[str, Any]:
    return {
        "report_url": str(report / "manifest.json"),
        "failed_url": str(failed) if failed else None,
        "html_url": str(report / "report.html"),
        "summary_url": str(report / "summary.json"),
    }


def _write_for_people(storage: Storage, report: S3Url, summary: JobSummary, links: Mapping[str, str]) -> None:
    text = json.dumps(summary.to_json(), indent=1, default=str) + "\n"
    storage.write(report / "summary.json", text.encode(), "application/json")
    storage.write(report / "report.html", report_page(summary, links).encode(), "text/html; charset=utf-8")
