"""Rounds: makes sure that there is exactly one AWS job for what is left of a bucket, whatever was killed before."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

from airflow_s3batch.core.errors import ArgumentError, JobChangedError
from airflow_s3batch.core.identity import fingerprint
from airflow_s3batch.core.iso_times import iso_time
from airflow_s3batch.core.layout import GenerationLayout
from airflow_s3batch.core.manifest import Manifest
from airflow_s3batch.engine.checks.rehearsal_notes import read_notes, rehearsal_attempts
from airflow_s3batch.engine.files.storage import Storage
from airflow_s3batch.engine.jobs.job_manifest import published_manifest
from airflow_s3batch.engine.jobs.rivalry import heed_rivals
from airflow_s3batch.engine.jobs.running import Running
from airflow_s3batch.engine.policy import Policy
from airflow_s3batch.engine.shards.attempt import Attempt
from airflow_s3batch.engine.shards.generation import newest_generation, open_generation, operation_document
from airflow_s3batch.managed.asked import Asked
from airflow_s3batch.managed.buckets import BucketRef
from airflow_s3batch.managed.control import JobControl, NoSuchJobError
from airflow_s3batch.managed.harvesting import bring_home
from airflow_s3batch.managed.new_job import find_job, make_job
from airflow_s3batch.managed.progress import JobProgress
from airflow_s3batch.managed.refusals import refuse_unmanageable
from airflow_s3batch.managed.round import Round
from airflow_s3batch.managed.round_files import RoundFiles, newest_round, read_round
from airflow_s3batch.managed.settings import ManagedSettings
from airflow_s3batch.operations.base import Operation

REMEMBERED = dt.timedelta(days=90)
"""AWS knows a job for so long after its end; before, one that it does not know may be one that it does not know yet."""


def begin_round(
    ref: BucketRef,
    operation: Operation,
    *,
    storage: Storage,
    control: JobControl,
    task_id: str,
    settings: ManagedSettings,
    policy: Policy | None = None,
    resume: bool = True,
    try_number: int = 1,
    progress: Callable[[str], None] = lambda _: None,
) -> Round | None:
    """
    Return the round whose AWS job works, or has worked, on what is left of the bucket; ``None`` if nothing is.

    The AWS job exists when this returns, and is recorded. It may have ended already: `harvest` is next then. A job
    that still runs is found again, whoever made it; one that ended and was harvested is followed by a round with the
    rows that failed or have no outcome, and so is one that its own task has cancelled (`CANCELLED_BY_TASK`), or that
    AWS has forgotten. Can be killed at any point and called again.

    Args:
        ref: which bucket of which job.
        operation: what to do; checked first.
        storage: where the job's files are: AWS reads its manifest there and writes its report there.
        control: AWS's jobs.
        task_id: of the operation task; names its folder in the job's.
        settings: of the AWS job.
        policy: what counts as failure.
        resume: keep what earlier attempts achieved; else start over in a new generation. A round that is not harvested
            yet is gone on with in either case.
        try_number: of Airflow, from 1; makes later outcomes sort behind earlier ones.
        progress: takes a line for each thing done.

    Raises:
        ArgumentError: AWS can't do what is asked for, or does not accept it; lists all that is wrong.
        JobChangedError: the job was begun with another operation.
        JobDamagedError: the job's files are not as they were written.
        ManifestError: the rows can't be put into a manifest for AWS.
        AccessError: AWS or the store refuses.
        InfrastructureError: AWS or the store misbehaved for long; trying again may help.
    """
    policy = policy or Policy()
    operation.validate()
    refuse_unmanageable(operation, policy, settings)
    if settings.manifest_generator is not None:
        raise ArgumentError(
            f"{operation.name}: manifest_generator has no place beside the manifest of bucket {ref.bucket}; "
            "pass one of the two"
        )
    attempt = Attempt.begin(-1, try_number)
    return _begin(Asked(ref, operation, storage, control, task_id, settings, policy, attempt, progress), resume=resume)


def _begin(asked: Asked, *, resume: bool) -> Round | None:
    manifest = published_manifest(asked.storage, asked.layout)
    generation = _generation(asked, resume=resume)
    rehearsed = rehearsal_attempts(read_notes(asked.storage, generation))
    asked = replace(asked, attempt=asked.attempt.behind(rehearsed))
    number = newest_round(asked.storage, generation, asked.ref.folder) or 1
    files = read_round(asked.storage, generation.round(asked.ref.folder, number))
    if files.job and not files.harvested:
        known = _known(asked, generation, number, files)
        why = _why_over(asked, known, str(files.job.get("recorded", "")))
        if not why:
            return known
        asked.say(f"{known.name}: {why}; what it has done counts")
        bring_home(known, storage=asked.storage, control=asked.control, policy=asked.policy, progress=asked.say)
        files = read_round(asked.storage, files.place)
    if files.harvested:
        number += 1
        files = RoundFiles(generation.round(asked.ref.folder, number))
    _look_around(asked, manifest, generation)
    return make_job(asked, manifest, generation, number, files)


def _look_around(asked: Asked, manifest: Manifest, generation: GenerationLayout) -> None:
    """Heed other jobs that are at work on the same objects before a job of AWS is made."""
    running = Running(
        asked.storage,
        asked.layout,
        asked.task_id,
        generation,
        manifest,
        operation=asked.operation.name,
        what=fingerprint(asked.operation.to_json()),
        is_managed=True,
    )
    heed_rivals(running, asked.operation, asked.policy.if_running, asked.name)


def _generation(asked: Asked, *, resume: bool) -> GenerationLayout:
    newest = asked.task.generation(newest_generation(asked.storage, asked.task) or 1)
    number = newest_round(asked.storage, newest, asked.ref.folder)
    if number and not resume:
        resume = _must_resume(asked, newest, read_round(asked.storage, newest.round(asked.ref.folder, number)))
    return open_generation(
        asked.storage,
        asked.task,
        asked.operation,
        asked.policy,
        bucket=asked.ref.folder,
        resume=resume,
        opened=asked.attempt.started,
    )


def _must_resume(asked: Asked, generation: GenerationLayout, files: RoundFiles) -> bool:
    """
    Return whether the newest round has to be brought to its end before anything is started over.

    Raises:
        JobChangedError: its job still does something else to the objects.
    """
    if files.harvested or not (files.request or files.job):
        return False
    known = operation_document(asked.storage, generation)
    if known is not None and asked.operation.completed(known["operation"]) == asked.operation.to_json():
        asked.say(f"{asked.name}: resume=False waits: the job that was begun is brought to its end first")
        return True
    job_id = str(files.job["job_id"]) if files.job else find_job(asked.control, files.request)
    if job_id and not _is_over(asked, job_id):
        raise JobChangedError(
            f"{asked.name}: AWS job {job_id} still works on these objects, with the operation as it was before it was "
            "edited; cancel that job, or wait until it ends, and clear this task again"
        )
    return False


def _is_over(asked: Asked, job_id: str) -> bool:
    try:
        return JobProgress.of(asked.control.describe(asked.settings.account_id, job_id)).is_over
    except NoSuchJobError:
        return True


def _known(asked: Asked, generation: GenerationLayout, number: int, files: RoundFiles) -> Round:
    """Return the round whose job exists, and say so in the shards' folders, in case that was not done."""
    job = files.job or {}
    rows = files.request.rows if files.request else 0
    found = asked.round(generation, number, rows, str(job["job_id"]))
    found = found._replace(account_id=str(job["account_id"]), region=str(job["region"]))
    asked.say(f"{found.name}: it exists already and is gone on with")
    if files.request:
        asked.announce(generation, files.request)
    return found


def _why_over(asked: Asked, known: Round, recorded: str) -> str:
    """Return why the job of *known*, *recorded* at this ISO time, is not waited for, a clause; empty if it is."""
    try:
        progress = JobProgress.of(asked.control.describe(known.account_id, known.job_id))
    except NoSuchJobError:
        is_here = (known.account_id, known.region) == (asked.settings.account_id, asked.settings.region)
        remembered = dt.datetime.fromisoformat(asked.attempt.started) - REMEMBERED
        return "AWS has forgotten it" if is_here and "" < recorded < iso_time(remembered) else ""
    return "was cancelled as its task was stopped" if progress.is_stopped_by_task else ""
