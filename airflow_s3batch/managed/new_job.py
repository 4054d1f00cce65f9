"""Makes the AWS job of a round, once: the request is stored first, and before a repeat the job is looked for."""

from __future__ import annotations

import contextlib
import hashlib

from airflow_s3batch.core.errors import AccessError, ArgumentError, S3BatchError
from airflow_s3batch.core.iso_times import iso_now
from airflow_s3batch.core.layout import GenerationLayout, RoundLayout
from airflow_s3batch.core.manifest import Manifest
from airflow_s3batch.engine.files.staging import staging_folder
from airflow_s3batch.managed.asked import Asked
from airflow_s3batch.managed.control import JobControl, RepeatedTokenError
from airflow_s3batch.managed.csv_manifest import publish_csv_manifest
from airflow_s3batch.managed.request import create_job_request, mark_of, round_token
from airflow_s3batch.managed.round import Round
from airflow_s3batch.managed.round_files import RoundFiles, StoredRequest, write_job, write_request
from airflow_s3batch.managed.rows import unfinished_rows


def make_job(
    asked: Asked, manifest: Manifest, generation: GenerationLayout, number: int, files: RoundFiles
) -> Round | None:
    """
    Return the round *number* with its AWS job made, or found if it was made and not recorded; ``None`` without rows.

    Raises:
        S3BatchError: see `begin_round`.
    """
    stored, job_id = files.request, find_job(asked.control, files.request)
    if not job_id:
        stored = _stored_request(asked, manifest, generation, number, files)
        job_id = _sent(asked, files.place, stored) if stored else ""
    if stored is None:
        asked.say(f"{asked.name}: all {asked.ref.rows:,} objects have succeeded already, nothing is left to do")
        return None
    _record(asked, files.place, job_id)
    asked.announce(generation, stored)
    found = asked.round(generation, number, stored.rows, job_id)
    asked.say(f"{found.name}: made for {stored.rows:,} of {asked.ref.rows:,} objects")
    return found


def find_job(control: JobControl, stored: StoredRequest | None) -> str:
    """
    Return the id of the job that was made with a request, by whomever; empty if there is none.

    Needed because nobody knows for how long AWS remembers a ClientRequestToken.

    Raises:
        AccessError: the caller may not list jobs, so there is no telling.
    """
    if stored is None:
        return ""
    mark = mark_of(str(stored.request["ClientRequestToken"]))
    jobs = control.list(str(stored.request["AccountId"]))
    return str(next((job["JobId"] for job in jobs if mark in job.get("Description", "")), ""))


def _stored_request(
    asked: Asked, manifest: Manifest, generation: GenerationLayout, number: int, files: RoundFiles
) -> StoredRequest | None:
    """Return the request, stored; one that was stored before only changes if the task's arguments did."""
    stored = files.request or _with_manifest(asked, manifest, generation, files.place)
    if stored is None:
        return None
    request = create_job_request(
        asked.operation,
        asked.settings,
        token=_token(asked, generation, number),
        manifest=stored.manifest,
        report=files.place.aws_report,
    )
    if request != stored.request:
        stored = stored._replace(request=request)
        write_request(asked.storage, files.place, stored)
    return stored


def _with_manifest(
    asked: Asked, manifest: Manifest, generation: GenerationLayout, place: RoundLayout
) -> StoredRequest | None:
    with staging_folder() as folder:
        batches = unfinished_rows(
            asked.ref,
            storage=asked.storage,
            manifest=manifest,
            generation=generation,
            folder=folder,
            with_unknown=not asked.forbids_replay,
        )
        written, shards = publish_csv_manifest(
            batches, asked.ref, asked.operation, storage=asked.storage, place=place, folder=folder
        )
    return StoredRequest(asked.attempt.id, written, tuple(shards), {}, asked.forbids_replay) if written else None


def _token(asked: Asked, generation: GenerationLayout, number: int) -> str:
    """Return the round's token; another one if somebody made the job anew in an emptied folder."""
    pinned = hashlib.sha256(asked.storage.read(asked.layout.job) or b"").hexdigest()
    return round_token(str(generation.url), pinned, asked.ref.folder, number)


def _sent(asked: Asked, place: RoundLayout, stored: StoredRequest) -> str:
    """Do as `send` does; a request that AWS refuses is taken back, so that workers may do the rest."""
    try:
        return send(asked.control, stored)
    except (ArgumentError, AccessError):
        with contextlib.suppress(S3BatchError):
            if not find_job(asked.control, stored):
                asked.storage.delete(place.request)
        raise


def send(control: JobControl, stored: StoredRequest) -> str:
    """
    Send a request that is stored; return the id of the job, which a rival attempt may have made.

    Raises:
        S3BatchError: see `JobControl.create`.
    """
    try:
        return control.create(stored.request)
    except RepeatedTokenError:
        if job_id := find_job(control, stored):  # a rival attempt sent the request with other arguments
            return job_id
        raise


def _record(asked: Asked, place: RoundLayout, job_id: str) -> None:
    settings = asked.settings
    partition = settings.role_arn.split(":")[1]
    write_job(
        asked.storage,
        place,
        job_id=job_id,
        account_id=settings.account_id,
        region=settings.region,
        job_arn=f"arn:{partition}:s3:{settings.region}:{settings.account_id}:job/{job_id}",
        recorded=iso_now(),
    )
