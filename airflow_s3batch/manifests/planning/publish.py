"""Publishes a job's manifest: the same one in every attempt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import ArgumentError, JobDamagedError, SelectionError
from airflow_s3batch.core.manifest import Manifest, ShardFile
from airflow_s3batch.core.objects import NO_COLUMNS
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.staging import staging_folder
from airflow_s3batch.manifests.planning.faults import in_inventory_words
from airflow_s3batch.manifests.planning.fetch import BATCH_BYTES, fetch_batches
from airflow_s3batch.manifests.planning.pin import Job, newest_job, source_json, write_job
from airflow_s3batch.manifests.planning.scan import Scanned, check_delete_markers, scan, sql_columns
from airflow_s3batch.manifests.planning.shards import range_rows_for, shard_sizes, write_shards
from airflow_s3batch.manifests.sources.delivery import Delivery, find_delivery, read_pinned
from airflow_s3batch.manifests.sql import duck
from airflow_s3batch.manifests.sql.filters import check_selection

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    import duckdb

    from airflow_s3batch.core.layout import JobLayout
    from airflow_s3batch.engine.storage import Storage
    from airflow_s3batch.manifests.planning.selection import Selection

Log = Callable[[str], None]


def publish_manifest(
    storage: Storage,
    job_url: S3Url,
    job_id: str,
    selection: Selection,
    *,
    resume: bool = True,
    now: dt.datetime,
    about: Mapping[str, Any] = NO_COLUMNS,
    staging_dir: Path | None = None,
    memory_limit: str = "1GB",
    threads: int | None = None,
    batch_bytes: int = BATCH_BYTES,
    log: Log = lambda _line: None,
) -> Manifest:
    """
    Return the manifest of job *job_id* under *job_url*, publishing it if no attempt has done so.

    The first attempt pins the delivery in ``job.json``. Every later one uses that delivery, not a newer one, and
    gives the very same files, also where *selection* by now names another delivery of the same inventory configuration
    (*log* tells). Until the guards are passed nothing but ``job.json`` is written;
    ``manifest/manifest.json`` comes last. No match at all is a normal end: a manifest without shards. A selection that
    was edited before there was a manifest (say because a guard stopped it) starts a new job beside the old one; once
    there is a manifest it is an error. ``resume=False`` always starts a new job beside the old ones.

    *about* tells ``job.json`` who asked. A temporary folder in *staging_dir* holds at most two batches of *batch_bytes*
    of data files, and the selected rows. *memory_limit* and *threads* are DuckDB's (``None``: as many as CPUs, at most
    4); the process needs some hundred megabytes more.

    Raises:
        ArgumentError: *selection* is wrong by itself.
        InventoryError: there is no usable delivery, or the pinned one is gone or damaged.
        ManifestError: the SQL can't be used, or the rows can't be read.
        SelectionError: more or fewer objects than the guards allow.
        JobChangedError: the manifest was published for another selection.
    """
    if problems := selection.problems():
        raise ArgumentError.of("selection", problems)
    job, next_layout = newest_job(storage, job_url, job_id)
    if job is not None and resume:
        published = _published(storage, job)
        if published is not None:
            job.check_unchanged(selection)
            _log_kept_delivery(job, selection, log)
            log(f"{job.layout.manifest} is published: {published.rows:,} objects in {len(published.shards)} shards")
            return published
    if job is not None and resume and not job.changes(selection):
        delivery = _pinned(storage, job)
        _log_kept_delivery(job, selection, log)
    else:
        delivery = find_delivery(
            storage, S3Url.parse(selection.inventory), as_of=selection.as_of, max_age=selection.max_age, now=now
        )
        job = None
    log(_found_line(delivery))
    with staging_folder(staging_dir) as folder:
        with duck.open_locked(folder, memory_limit=memory_limit, threads=threads) as connection:
            check_selection(connection, selection, sql_columns(delivery), source=str(delivery.url))
            check_delete_markers(delivery, selection)
            if job is None:
                job, delivery = _pin(storage, next_layout, selection, delivery, about=about, now=now)
            scanned = list(_scan_all(connection, storage, delivery, selection, folder=folder, batch_bytes=batch_bytes))
        _check_guards(selection, delivery, scanned, log)
        return _publish(storage, job, selection, scanned, folder=folder, log=log)


def _published(storage: Storage, job: Job) -> Manifest | None:
    text = storage.read(job.layout.manifest)
    return None if text is None else Manifest.from_json(text, place=str(job.layout.manifest)).of(job.layout.url)


def _log_kept_delivery(job: Job, selection: Selection, log: Log) -> None:
    if sentence := job.kept_delivery(selection):
        log(sentence)


def _pinned(storage: Storage, job: Job) -> Delivery:
    try:
        url, md5 = S3Url.parse(job.source["manifest"]), str(job.source["md5"])
    except (KeyError, ArgumentError) as error:
        raise JobDamagedError(f"{job.layout.job}: its source can't be read ({error!r})") from None
    return read_pinned(storage, url, md5)


def _pin(
    storage: Storage,
    layout: JobLayout,
    selection: Selection,
    delivery: Delivery,
    *,
    about: Mapping[str, Any],
    now: dt.datetime,
) -> tuple[Job, Delivery]:
    """Start the job; where another attempt did so at the same moment, go on with its delivery."""
    job = write_job(storage, layout, selection, delivery, about=about, now=now)
    job.check_unchanged(selection)
    return job, delivery if job.source == source_json(delivery) else _pinned(storage, job)


def _scan_all(
    connection: duckdb.DuckDBPyConnection,
    storage: Storage,
    delivery: Delivery,
    selection: Selection,
    *,
    folder: Path,
    batch_bytes: int,
) -> Iterator[Scanned]:
    """Fetch and scan the delivery batch by batch."""
    for number, batch in enumerate(fetch_batches(storage, delivery, folder, batch_bytes=batch_bytes)):
        staged = folder / f"selected-{number:06d}.parquet"
        with in_inventory_words(delivery, batch):
            part = scan(connection, delivery, selection, list(batch), staged)
        yield part


def _check_guards(selection: Selection, delivery: Delivery, scanned: Sequence[Scanned], log: Log) -> None:
    rows = sum(part.rows for part in scanned)
    read = [part.read for part in scanned if part.read is not None]
    log(f"selected {rows:,} " + (f"of {sum(read):,} rows" if len(read) == len(scanned) else "rows"))
    found = f"{delivery.url}: the filter selects {rows:,} objects"
    if selection.max_objects is not None and rows > selection.max_objects:
        raise SelectionError(
            f"{found}, more than max_objects={selection.max_objects:,}; nothing was done to them. "
            "Narrow the filter, or raise max_objects if all of them are meant"
        )
    if selection.min_objects is not None and rows < selection.min_objects:
        raise SelectionError(
            f"{found}, fewer than min_objects={selection.min_objects:,}; nothing was done to them. "
            "Look whether the filter and the inventory are the right ones, or lower min_objects"
        )


def _publish(
    storage: Storage, job: Job, selection: Selection, scanned: Sequence[Scanned], *, folder: Path, log: Log
) -> Manifest:
    """Upload the shards, and then the manifest that makes them count."""
    sizes = shard_sizes(sum(part.rows for part in scanned), selection.objects_per_shard, selection.max_shards)
    range_rows = range_rows_for(sizes)
    shards = []
    for shard in write_shards([part.path for part in scanned], sizes, range_rows, folder):
        url = job.layout.shard(shard.index, shard.sha256)
        file_bytes = shard.path.stat().st_size
        storage.upload(shard.path, url, "application/vnd.apache.parquet")
        shards.append(ShardFile(shard.index, url.key, shard.rows, shard.bytes, file_bytes, shard.sha256))
    manifest = Manifest(
        job.layout.url,
        sum(sizes),
        sum(shard.bytes for shard in shards),
        range_rows,
        tuple(selection.columns),
        tuple(shards),
        job.fingerprint,
    )
    published = _published(storage, job)
    if published is not None:
        return published  # by another attempt, meanwhile; two planners must not disagree on which files count
    storage.write(job.layout.manifest, manifest.to_json().encode(), "application/json")
    log(_published_line(manifest))
    return manifest


def _found_line(delivery: Delivery) -> str:
    size = f"{len(delivery.files)} {delivery.file_format} files, {delivery.bytes / 1e9:,.3f} GB"
    return f"inventory of {delivery.source_bucket}, {delivery.created:%Y-%m-%d %H:%M} UTC: {size} ({delivery.url})"


def _published_line(manifest: Manifest) -> str:
    if not manifest.rows:
        return f"no object matches the filter: published an empty manifest to {manifest.job_url}"
    shards = f"{len(manifest.shards)} shards of up to {manifest.shards[0].rows:,} objects"
    return f"published {manifest.rows:,} objects ({manifest.bytes / 1e9:,.3f} GB) in {shards} to {manifest.job_url}"
