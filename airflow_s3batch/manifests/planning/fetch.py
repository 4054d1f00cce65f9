"""Brings the data files of a delivery to local disk, in parallel, a bounded amount at a time, each one checked."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from airflow_s3batch.core.errors import AccessError, InventoryError
from airflow_s3batch.core.s3url import S3Url

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from airflow_s3batch.engine.storage import Storage
    from airflow_s3batch.manifests.sources.delivery import DataFile, Delivery

BATCH_BYTES = 2 * 1024**3
THREADS = 6
_SUFFIXES = {"CSV": ".csv.gz", "ORC": ".orc", "Parquet": ".parquet"}


def fetch_batches(
    storage: Storage, delivery: Delivery, folder: Path, *, batch_bytes: int = BATCH_BYTES, threads: int = THREADS
) -> Iterator[dict[Path, DataFile]]:
    """
    Yield the delivery's files in batches, by local path, in the order of ``manifest.json``; each is deleted after use.

    While one batch is worked on the next one is fetched, so that *folder* holds at most two batches of *batch_bytes*
    each (a larger single file is a batch of its own).

    Raises:
        InventoryError: a file is gone, or differs from what ``manifest.json`` says.
        AccessError: the store refuses.
    """
    batches = _batches(delivery.files, batch_bytes)
    numbers = iter(range(len(delivery.files)))
    with ThreadPoolExecutor(threads, thread_name_prefix="fetch") as pool:

        def start(batch: Sequence[DataFile]) -> dict[Path, tuple[DataFile, Future[None]]]:
            started = {}
            for file in batch:
                path = folder / f"data-{next(numbers):06d}{_SUFFIXES[delivery.file_format]}"
                started[path] = file, pool.submit(_fetch, storage, delivery, file, path)
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


def _fetch(storage: Storage, delivery: Delivery, file: DataFile, path: Path) -> None:
    url = S3Url(delivery.bucket, file.key)
    try:
        storage.download(url, path)
    except AccessError:
        if any(found.url == url for found in storage.list(url)):
            raise
        raise InventoryError(
            f"{url}: the data file is gone, though {delivery.url} lists it (a lifecycle rule or somebody deleted it); "
            "use another delivery (set resume=False if this job has pinned this one)"
        ) from None
    size = path.stat().st_size
    if size != file.size:
        raise InventoryError(f"{url}: it has {size:,} bytes, but {delivery.url} says {file.size:,}; {_DAMAGED}")
    with path.open("rb") as stream:
        md5 = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if md5 != file.md5:
        raise InventoryError(f"{url}: its MD5 is {md5}, but {delivery.url} says {file.md5}; {_DAMAGED}")


_DAMAGED = "the delivery is damaged, use another one"
