"""Publishes a job's manifest: the same one in every attempt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import ArgumentError, InfrastructureError
from airflow_s3batch.core.manifest import Manifest, ShardFile
from airflow_s3batch.core.objects import NO_COLUMNS
from airflow_s3batch.engine.files.staging import staging_folder
from airflow_s3batch.manifests.planning.comparing.sets import pinned_comparison, stage_sets
from airflow_s3batch.manifests.planning.cutting.shards import range_rows_for, shard_sizes, write_shards
from airflow_s3batch.manifests.planning.cutting.staged import STAGING_LIMIT, Staged, stage_rows
from airflow_s3batch.manifests.planning.filtering.binding import check_sql, constants_asked_for
from airflow_s3batch.manifests.planning.filtering.wanted import WantedRows
from airflow_s3batch.manifests.planning.ownership import check_owner, check_place
from airflow_s3batch.manifests.planning.pin import Job, newest_job, read_job, write_job
from airflow_s3batch.manifests.planning.series import Series
from airflow_s3batch.manifests.sources.dataset import Dataset, Found, Place
from airflow_s3batch.manifests.sources.inventory import kept_deliveries
from airflow_s3batch.manifests.sql import duck

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from airflow_s3batch.core.layout import JobLayout
    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.engine.access import S3Access
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.manifests.planning.cutting.stage_files import StagedFile
    from airflow_s3batch.manifests.planning.selection import Selection

Log = Callable[[str], None]


def publish_manifest(
    storage: Storage,
    job_url: S3Url,
    job_id: str,
    selection: Selection,
    *,
    access: Callable[[], S3Access] | None = None,
    resume: bool = True,
    now: dt.datetime,
    about: Mapping[str, Any] = NO_COLUMNS,
    staging_dir: Path | None = None,
    staging_limit: int = STAGING_LIMIT,
    memory_limit: str = duck.MEMORY_LIMIT,
    threads: int | None = None,
    log: Log = lambda _line: None,
) -> Manifest:
    """
    Return the manifest of job *job_id* under *job_url*, publishing it if no attempt has done so.

    The first attempt pins what the source found in ``job.json``. Every later one uses that, nothing newer, and gives
    the very same files, also where *selection* by now names another delivery of the same inventory configuration
    (*log* tells). Until the guards are passed nothing but ``job.json``, and what the source itself writes, is written;
    ``manifest/manifest.json`` comes last. No match at all is a normal end: a manifest without shards. A selection that
    was edited before there was a manifest (say because a guard stopped it) starts a new job beside the old one; once
    there is a manifest it is an error. ``resume=False`` always starts a new job beside the old ones.

    *access* returns how to reach the objects, for sources that ask their store. *about* tells ``job.json`` who asked.
    A temporary folder in *staging_dir* holds data files and selected rows, at most *staging_limit* bytes of them.
    *memory_limit* and *threads* are DuckDB's (``None``: as many as CPUs, at most 4); the process needs some hundred
    megabytes more.

    Raises:
        ArgumentError: *selection* is wrong by itself.
        InventoryError: there is no usable data, or what was pinned is gone or damaged.
        ManifestError: the SQL can't be used, or the rows can't be read.
        SelectionError: a guard says no.
        JobChangedError: the manifest was published for another selection.
    """
    if problems := selection.problems():
        raise ArgumentError.of("selection", problems)
    series = Series.of(job_url, about)
    job, layout, published = resumed_job(storage, job_url, job_id, selection, resume=resume, about=about)
    if job is not None and published is not None:
        for line in kept_deliveries(selection.source, job.source):
            log(line)
        log(f"{job.layout.manifest} is published: {published.rows:,} objects in {len(published.shards)} shards")
        return noted(storage, series, job, published)
    place = Place(storage, layout, access, now, log, staging_dir=staging_dir)
    with staging_folder(staging_dir) as folder:
        with duck.open_locked(folder, memory_limit=memory_limit, threads=threads) as connection:
            job, found = pinned_data(place, connection, selection, job, series, about)
            # What names the same object twice must not do so in the manifest.
            names_once = len(found.datasets) == 1 and not selection.source.may_repeat
            stage = stage_rows if selection.is_rowwise and names_once else stage_sets
            staged = stage(connection, place, found.datasets, selection, folder, job=job, staging_limit=staging_limit)
            why = "" if staged.rows else constants_asked_for(connection, selection, found.datasets)
        log(_selected_line(staged, why))
        last = series.comparable(storage, job) if series and selection.guards.max_change is not None else None
        selection.guards.check(staged, what=_what(found), last=last, log=log)
        manifest = _publish(storage, job, selection, staged, folder=folder, log=log)
    return noted(storage, series, job, manifest)


def noted(storage: Storage, series: Series | None, job: Job, manifest: Manifest) -> Manifest:
    """Return *manifest* after telling its *series*: in each attempt, as an earlier one may have been killed here."""
    if series:
        series.write_published(storage, job, manifest)
    return manifest


def published_manifest(storage: Storage, job: Job) -> Manifest | None:
    """Return the manifest of *job*, ``None`` if it is not published."""
    text = storage.read(job.layout.manifest)
    return None if text is None else Manifest.from_json(text, place=str(job.layout.manifest)).of(job.layout.url)


def resumed_job(
    storage: Storage,
    job_url: S3Url,
    job_id: str,
    selection: Selection,
    *,
    resume: bool,
    about: Mapping[str, Any] = NO_COLUMNS,
) -> tuple[Job | None, JobLayout, Manifest | None]:
    """
    Return the job to go on with, or ``None``; the folder to work in; and the job's manifest if it is published.

    Raises:
        JobChangedError: it is published for another selection.
        RivalError: another Airflow has started it.
        ArgumentError: *job_url* lies in the folder of a job.
    """
    job, next_layout = newest_job(storage, job_url, job_id)
    if job is None:
        check_place(storage, job_url)
    if job is None or not resume:
        return None, next_layout, None
    check_owner(job, about)
    published = published_manifest(storage, job)
    if published is not None:
        job.check_unchanged(selection)
        return job, job.layout, published
    return (None, next_layout, None) if job.changes(selection) else (job, job.layout, None)


def pinned_data(
    place: Place,
    connection: Any,
    selection: Selection,
    job: Job | None,
    series: Series | None,
    about: Mapping[str, Any],
) -> tuple[Job, Found]:
    """Return the job, started now if it is ``None``, and the data that it has pinned, which the SQL fits."""
    if job is None:
        job, found = _begin(place, connection, selection, series, about)
    else:
        found = selection.source.again(place, job.source)
    for dataset in found.datasets:
        place.log(_found_line(dataset))
    check_sql(connection, selection, found.datasets)
    return job, found


def _begin(
    place: Place,
    connection: Any,
    selection: Selection,
    series: Series | None,
    about: Mapping[str, Any],
) -> tuple[Job, Found]:
    """Find and pin the data; where another attempt did so at the same moment, go on with what it has pinned."""
    known = selection.source.known_columns()
    if known is not None:
        check_sql(connection, selection, [_stand_in(place, known)])
    found = selection.source.find(place._replace(wanted=WantedRows(connection, selection)))
    check_sql(connection, selection, found.datasets)
    comparison = pinned_comparison(place, selection, series, found.datasets)
    job = write_job(
        place.storage, place.layout, selection, found.pinned, comparison=comparison, about=about, now=place.now
    )
    check_owner(job, about)
    job.check_unchanged(selection)
    return job, found if job.source == found.pinned else selection.source.again(place, job.source)


def _stand_in(place: Place, columns: Any) -> Dataset:
    """Return a dataset of these *columns* that has no rows yet, for checking SQL."""
    return Dataset(place.layout.source, "", place.now, "", "", "Parquet", columns, (), extra={})


def _publish(storage: Storage, job: Job, selection: Selection, staged: Staged, *, folder: Path, log: Log) -> Manifest:
    """Upload the shards, and then the manifest that makes them count."""
    sizes = shard_sizes(staged.rows, selection.objects_per_shard, selection.max_shards, selection.slots)
    range_rows = range_rows_for(sizes)
    shards = uploaded_shards(storage, staged.files, sizes, range_rows, folder, job.layout.shard)
    manifest = Manifest(
        job.layout.url,
        sum(sizes),
        sum(shard.bytes for shard in shards),
        range_rows,
        staged.columns,
        shards,
        job.fingerprint,
        staged.read,
        staged.storage_classes,
        staged.buckets,
    )
    return write_manifest(storage, job, manifest, log)


def uploaded_shards(
    storage: Storage,
    files: Sequence[StagedFile],
    sizes: Sequence[int],
    range_rows: int,
    folder: Path,
    url_of: Callable[[int, str], S3Url],
) -> tuple[ShardFile, ...]:
    """Cut the rows of *files* into shards of these *sizes* and upload each to *url_of* its index and SHA-256."""
    shards = []
    for shard in write_shards(files, sizes, range_rows, folder):
        url = url_of(shard.index, shard.sha256)
        file_bytes = shard.path.stat().st_size
        storage.upload(shard.path, url, "application/vnd.apache.parquet")
        shards.append(ShardFile(shard.index, url.key, shard.rows, shard.bytes, file_bytes, shard.sha256, shard.sizes))
    return tuple(shards)


def write_manifest(storage: Storage, job: Job, manifest: Manifest, log: Log) -> Manifest:
    """
    Write *manifest*, whose shards are uploaded; return the one that counts if another attempt was faster.

    Raises:
        InfrastructureError: ``job.json`` by now has pinned other data than *manifest* was made of.
    """
    published = published_manifest(storage, job)
    if published is not None:
        return published  # two planners must not disagree on which files count
    pinned = read_job(storage, job.layout)
    if pinned is None or (pinned.fingerprint, pinned.comparison) != (job.fingerprint, job.comparison):
        raise InfrastructureError(
            f"{job.layout.job}: another attempt has started this job with other data at the same moment, so this one "
            "publishes nothing; the next attempt goes on with what is pinned now"
        )
    check_owner(pinned, job.about)
    storage.write(job.layout.manifest, manifest.to_json().encode(), "application/json")
    log(_published_line(manifest))
    return manifest


def _what(found: Found) -> str:
    url = str(found.datasets[0].url)
    return url if len(found.datasets) == 1 else f"{url} and {len(found.datasets) - 1} more"


def _found_line(dataset: Dataset) -> str:
    about = dataset.source_bucket or "objects"
    moment = f", {dataset.created:%Y-%m-%d %H:%M} UTC" if dataset.created else ""
    size = f"{len(dataset.files)} {dataset.file_format} files, {dataset.bytes / 1e9:,.3f} GB"
    return f"rows about {about}{moment}: {size} ({dataset.url})"


def _selected_line(staged: Staged, why: str) -> str:
    of = f"of {staged.read:,} rows" if staged.read is not None else "rows"
    return f"selected {staged.rows:,} {of}" + (f" ({why})" if why else "")


def _published_line(manifest: Manifest) -> str:
    if not manifest.rows:
        return f"no object matches the filter: published an empty manifest to {manifest.job_url}"
    shards = f"{len(manifest.shards)} shards of up to {manifest.shards[0].rows:,} objects"
    return f"published {manifest.rows:,} objects ({manifest.bytes / 1e9:,.3f} GB) in {shards} to {manifest.job_url}"
