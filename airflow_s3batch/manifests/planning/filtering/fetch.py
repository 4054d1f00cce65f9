"""Brings the data files of a dataset to local disk, in parallel, a bounded amount at a time, each one checked."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from airflow_s3batch.core.errors import AccessError, InventoryError, ManifestError
from airflow_s3batch.core.s3url import S3Url

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.manifests.sources.dataset import DataFile, Dataset

BATCH_BYTES = 2 * 10**9
THREADS = 6
_BATCHES_ON_DISK = 10
_REWRITTEN_SIZE = 3  # of an ORC file as Parquet, about
_SUFFIXES = {"CSV": ".csv.gz", "ORC": ".orc", "Parquet": ".parquet"}


def batch_bytes_for(staging_limit: int) -> int:
    """Return the size of batches of which two take a fifth of *staging_limit* bytes; not more than `BATCH_BYTES`."""
    return min(BATCH_BYTES, staging_limit // _BATCHES_ON_DISK)


def room_for_rows(datasets: Sequence[Dataset], batch_bytes: int, staging_limit: int) -> int:
    """
    Return how many bytes of *staging_limit* are left beside the data files that `fetch_batches` holds at one time.

    Raises:
        ManifestError: less than half of it.
    """
    held = max((_held(dataset, batch_bytes) for dataset in datasets), default=0)
    if held > staging_limit / 2:
        raise ManifestError(
            f"staging_limit={staging_limit:,} is too small for the data files of {datasets[0].url}: {held:,} bytes of "
            f"them are on local disk at one time, and the selected rows need room, too; set it to {4 * held:,} or more"
        )
    return staging_limit - held


def _held(dataset: Dataset, batch_bytes: int) -> int:
    """Return the most bytes of data files on disk at one time: two batches, and an ORC file that is being rewritten."""
    largest = max((file.size for file in dataset.files), default=0)
    rewritten = _REWRITTEN_SIZE * largest if dataset.file_format == "ORC" else 0
    return min(dataset.bytes, 2 * max(batch_bytes, largest)) + rewritten


def fetch_batches(
    storage: Storage, dataset: Dataset, folder: Path, *, batch_bytes: int = BATCH_BYTES, threads: int = THREADS
) -> Iterator[dict[Path, DataFile]]:
    """
    Yield the files of *dataset* in batches, by local path, in their order; each is deleted after use.

    While one batch is worked on the next one is fetched, so that *folder* holds at most two batches of *batch_bytes*
    each (a larger single file is a batch of its own).

    Raises:
        InventoryError: a file is gone, or is not the one that the dataset names.
        AccessError: the store refuses.
    """
    batches = _batches(dataset.files, batch_bytes)
    numbers = iter(range(len(dataset.files)))
    with ThreadPoolExecutor(threads, thread_name_prefix="fetch") as pool:

        def start(batch: Sequence[DataFile]) -> dict[Path, tuple[DataFile, Future[None]]]:
            started = {}
            for file in batch:
                path = folder / f"data-{next(numbers):06d}{_SUFFIXES[dataset.file_format]}"
                started[path] = file, pool.submit(_fetch, storage, dataset, file, path)
            return started

        try:
            ahead = start(batches[0]) if batches else {}
            for following in [*batches[1:], ()] if batches else []:
                current, ahead = ahead, start(following)
                for _, future in current.values():
                    future.result()
                yield {path: file for path, (file, _) in current.items()}
                for path in current:
                    path.unlink(missing_ok=True)
        finally:
            pool.shutdown(cancel_futures=True)


def _batches(files: Sequence[DataFile], batch_bytes: int) -> list[list[DataFile]]:
    batches: list[list[DataFile]] = []
    size = 0
    for file in files:
        if not batches or size + file.size > batch_bytes:
            batches.append([])
            size = 0
        batches[-1].append(file)
        size += file.size
    return batches


def _fetch(storage: Storage, dataset: Dataset, file: DataFile, path: Path) -> None:
    url = dataset.file_url(file)
    try:
        storage.download(url, path)
    except AccessError:
        if _e_tag(storage, url) is not None:
            raise
        raise InventoryError(
            f"{url}: the data file is gone, though {dataset.url} lists it (a lifecycle rule or somebody deleted it); "
            "use another delivery (set resume=False if this job has pinned this one)"
        ) from None
    size = path.stat().st_size
    if size != file.size:
        raise InventoryError(f"{url}: it has {size:,} bytes, but {dataset.url} says {file.size:,}; {_DAMAGED}")
    if file.md5:
        _check_md5(path, file.md5, url, dataset)
    elif file.e_tag and (e_tag := _e_tag(storage, url)) != file.e_tag:
        raise InventoryError(
            f"{url}: its ETag is {e_tag}, but it was {file.e_tag} when this job was started, so it is another file; "
            "set resume=False to start a new job with it"
        )


def _check_md5(path: Path, expected: str, url: S3Url, dataset: Dataset) -> None:
    with path.open("rb") as stream:
        md5 = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if md5 != expected:
        raise InventoryError(f"{url}: its MD5 is {md5}, but {dataset.url} says {expected}; {_DAMAGED}")


def _e_tag(storage: Storage, url: S3Url) -> str | None:
    """Return the ETag that the file has by now, ``None`` if there is no such file."""
    return next((found.e_tag for found in storage.list(url) if found.url == url), None)


_DAMAGED = "the delivery is damaged, use another one"
