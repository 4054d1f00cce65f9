"""A job of AWS on a list of objects that is not our manifest: somebody's CSV file, or one that AWS makes itself."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from airflow_s3batch.core.errors import JobChangedError, ManifestError
from airflow_s3batch.core.iso_times import iso_now
from airflow_s3batch.core.keys import encode_key
from airflow_s3batch.core.layout import RoundLayout
from airflow_s3batch.core.outcomes import Summary, Tally
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.files.staging import staging_folder
from airflow_s3batch.engine.files.storage import Storage
from airflow_s3batch.engine.policy import Policy
from airflow_s3batch.engine.shards.shard_verdict import judge_shard
from airflow_s3batch.managed.aws_report import JobEnd, find_report, job_end
from airflow_s3batch.managed.buckets import BucketRef
from airflow_s3batch.managed.control import JobControl
from airflow_s3batch.managed.lone_list import check_list, is_rest
from airflow_s3batch.managed.new_job import find_job, send
from airflow_s3batch.managed.refusals import refuse_unmanageable
from airflow_s3batch.managed.request import CsvManifest, create_job_request, round_token
from airflow_s3batch.managed.round import Round
from airflow_s3batch.managed.round_files import (
    RoundFiles,
    StoredRequest,
    read_round,
    write_harvested,
    write_job,
    write_request,
)
from airflow_s3batch.managed.settings import ManagedSettings
from airflow_s3batch.operations.base import Operation
from airflow_s3batch.reports.accounts.failed_manifest import FailedManifest
from airflow_s3batch.reports.read import read_rows


class LoneJob(NamedTuple):
    """
    What is to be done, and where its files lie.

    Attributes:
        folder: of this job; its rounds are folders in it.
        manifest_url: CSV file in AWS's form; empty if AWS makes the manifest.
        has_versions: whether that file has a column VersionId.
    """

    folder: S3Url
    task_id: str
    operation: Operation
    settings: ManagedSettings
    manifest_url: str = ""
    has_versions: bool = False

    @property
    def label(self) -> str:
        """Where the objects come from."""
        generator = self.settings.manifest_generator or {}
        return self.manifest_url or str(generator.get("SourceBucket", "")).rpartition(":")[2]

    def place(self, number: int) -> RoundLayout:
        """Where the *number*-th job of AWS (from 1 on) keeps its files."""
        return RoundLayout(self.folder / f"round-{number:04d}")


def begin_lone_job(
    asked: LoneJob,
    *,
    storage: Storage,
    control: JobControl,
    resume: bool = True,
    progress: Callable[[str], None] = lambda _: None,
) -> Round:
    """
    Return the round whose AWS job works, or has worked, on the list.

    As with `begin_round` the AWS job exists when this returns, and no crash makes a second one. After a job that is
    over and summed up, one is made for what failed in it, if anything did; *resume* ``False`` takes the whole list.

    Raises:
        ArgumentError: AWS can't do what is asked for, or does not accept it.
        JobChangedError: the job was begun with another operation, or on another list.
        ManifestError: there is no such file; or what an ended job has left undone is known to AWS only.
        AccessError: AWS or the store refuses.
        InfrastructureError: AWS or the store misbehaved for long; trying again may help.
    """
    asked.operation.validate()
    refuse_unmanageable(asked.operation, settings=asked.settings)
    names = (re.fullmatch(r"round-(\d{4,})", name) for name in storage.folders(asked.folder))
    number = max((int(name[1]) for name in names if name), default=1)
    files = read_round(storage, asked.place(number))
    _check_operation(asked, files, resume=resume)
    check_list(asked, number, files, storage, control, resume=resume)
    manifest = None
    if files.job and not files.harvested:
        progress(f"{asked.label}: AWS job {files.job['job_id']} exists already and is gone on with")
        return _round(asked, number, files.job)
    if files.harvested:
        if resume and not (manifest := _rest(files, storage)):
            progress(f"{asked.label}: all {files.harvested['total']:,} objects have succeeded already")
            return _round(asked, number, files.job or files.harvested)
        number += 1
        files = RoundFiles(asked.place(number))
    elif resume and files.request and is_rest(asked, files.request):
        manifest = files.request.manifest
    job_id = find_job(control, files.request) or _made(asked, number, files, manifest, storage, control)
    job = {"job_id": job_id, "account_id": asked.settings.account_id, "region": asked.settings.region}
    write_job(storage, files.place, **job, recorded=iso_now())
    progress(f"{asked.label}: AWS job {job_id} was made")
    return _round(asked, number, job)


def harvest_lone_job(
    ended: Round,
    *,
    storage: Storage,
    control: JobControl,
    policy: Policy | None = None,
    progress: Callable[[str], None] = lambda _: None,
    now: dt.datetime | None = None,
) -> Summary:
    """
    Return what AWS's report says of the job of round *ended*; what failed is put into a manifest for the next one.

    Raises:
        TooManyFailuresError: more failed, or were not reached, than ``policy.allowed_failures``.
        ReportPendingError: the report is not there yet.
        InfrastructureError: the job still runs.
        JobDamagedError: the report was altered.
    """
    place = RoundLayout(S3Url.parse(ended.ref.job_url) / f"round-{ended.number:04d}")
    files = read_round(storage, place)
    done = files.harvested or _summed_up(ended, files, storage, control, progress, now or dt.datetime.now(dt.UTC))
    summary = Summary(Tally.from_json(done["tally"]), stopped=str(done["stopped"]))
    progress(f"{ended.name}: {summary.tally.sentence()}")
    total = int(done["total"])
    judge_shard(ended.name, summary, total, total, policy or Policy(), is_asked_to_stop=False)
    return summary


def _round(asked: LoneJob, number: int, job: Mapping[str, Any]) -> Round:
    ref = BucketRef(str(asked.folder), asked.label, 0)
    account, region, job_id = (str(job[name]) for name in ("account_id", "region", "job_id"))
    return Round(ref, asked.task_id, asked.operation.name, 1, number, 0, account, region, job_id)


def _check_operation(asked: LoneJob, files: RoundFiles, *, resume: bool) -> None:
    if files.request is None or (files.harvested and not resume):
        return
    if files.request.request["Operation"] != _form(asked):
        raise JobChangedError(
            f"{files.place.url}: this job was begun with another operation; restore it, or, once AWS's job is over, "
            "pass resume=False to start over with all objects"
        )


def _form(asked: LoneJob) -> Any:
    return _request(asked, "0" * 64, CsvManifest(S3Url("b", "k"), "0", 0, has_versions=False), S3Url("b", "k"))[
        "Operation"
    ]


def _request(asked: LoneJob, token: str, manifest: CsvManifest | None, report: S3Url) -> dict[str, Any]:
    settings = asked.settings._replace(manifest_generator=None) if manifest else asked.settings
    return create_job_request(asked.operation, settings, token=token, manifest=manifest, report=report)


def _made(
    asked: LoneJob,
    number: int,
    files: RoundFiles,
    manifest: CsvManifest | None,
    storage: Storage,
    control: JobControl,
) -> str:
    if manifest is None and asked.manifest_url:
        manifest = _given(asked, storage)
    token = round_token(str(asked.folder), number)
    request = _request(asked, token, manifest, files.place.aws_report)
    stored = StoredRequest("", manifest, (), request)
    write_request(storage, files.place, stored)
    return send(control, stored)


def _given(asked: LoneJob, storage: Storage) -> CsvManifest:
    url = S3Url.parse(asked.manifest_url, what="manifest_url")
    found = next((file for file in storage.list(url) if file.url == url), None)
    if found is None:
        raise ManifestError(f"manifest_url={asked.manifest_url!r}: there is no such file")
    return CsvManifest(url, found.e_tag, 0, asked.has_versions)


def _rest(files: RoundFiles, storage: Storage) -> CsvManifest | None:
    """Return the manifest of what failed in the job that ended; ``None`` if nothing did."""
    done = files.harvested or {}
    if done["stopped"]:
        raise ManifestError(
            f"{files.place.url}: {done['stopped']}, and only AWS knows which objects it has not reached; pass "
            "resume=False to start over with all of them"
        )
    if not done["failed_url"]:
        return None
    url = S3Url.parse(str(done["failed_url"]))
    found = next(file for file in storage.list(url) if file.url == url)
    return CsvManifest(url, found.e_tag, int(done["tally"]["failed"]), bool(done["has_versions"]))


def _summed_up(
    ended: Round,
    files: RoundFiles,
    storage: Storage,
    control: JobControl,
    progress: Callable[[str], None],
    now: dt.datetime,
) -> dict[str, Any]:
    scope = str(files.request.request["Report"]["ReportScope"]) if files.request else "AllTasks"
    recorded = str((files.job or {}).get("recorded", iso_now()))
    end = job_end(ended, control, scope=scope, recorded=recorded, now=now)
    report = find_report(ended, end, storage=storage, place=files.place, say=progress)
    tally, has_versions, failed = _read(report, end, storage, files.place.url / "failed.csv")
    total = max(end.progress.total, tally.objects)
    done = {
        "job_id": ended.job_id,
        "total": total,
        "tally": tally.to_json(),
        "stopped": end.why_stopped(total - tally.objects),
        "failed_url": str(failed) if failed else "",
        "has_versions": has_versions,
    }
    write_harvested(storage, files.place, **done)
    return done


def _read(report: S3Url | None, end: JobEnd, storage: Storage, failed_url: S3Url) -> tuple[Tally, bool, S3Url | None]:
    """Return the counts, whether objects were named with versions, and where those that failed are listed."""
    tally, has_versions = Tally(), False
    with staging_folder() as folder:
        failed = FailedManifest(folder)
        for row in read_rows(storage, str(report)) if report else ():
            has_versions = has_versions or bool(row.version_id)
            if row.task_status == "succeeded":
                tally.succeeded += 1
                continue
            place = f"{row.bucket},{encode_key(row.key)}"
            failed.add([f"{place},{row.version_id}"])
            example = f"s3://{row.bucket}/{encode_key(row.key)}"
            tally.add_failures(row.error_code or "Unknown", 1, [example])
        published = failed.publish(storage, failed_url)
    if end.scope == "FailedTasksOnly" and end.progress.status == "Complete":
        tally.succeeded = max(tally.succeeded, end.progress.succeeded)
    return tally, has_versions, published
