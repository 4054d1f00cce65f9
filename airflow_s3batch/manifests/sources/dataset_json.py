"""Datasets as a file of the job, so that a later attempt reads the very same ones; ``job.json`` has its digest."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.core.formats import check_format
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.columns import InventoryColumn
from airflow_s3batch.manifests.sources.dataset import CsvForm, DataFile, Dataset

if TYPE_CHECKING:
    from airflow_s3batch.manifests.sources.dataset import Place

FORMAT = "airflow-s3batch-source/1"


def pin_datasets(place: Place, datasets: Sequence[Dataset], **more: Any) -> dict[str, Any]:
    """
    Write *datasets* to a file below the job's folder, named after its content; return what finds it again, and *more*.

    `read_datasets` reads it. However many data files there are, what is returned is small.
    """
    document = {"format": FORMAT, "datasets": [_to_json(dataset) for dataset in datasets]}
    body = (json.dumps(document, indent=1) + "\n").encode()
    digest = hashlib.sha256(body).hexdigest()
    url = place.layout.source / f"datasets-{digest[:16]}.json"
    place.storage.write(url, body, "application/json")
    created = [dataset.created for dataset in datasets if dataset.created]
    return {
        **more,
        "list": str(url),
        "sha256": digest,
        "source_bucket": datasets[0].source_bucket if datasets else "",
        "files": sum(len(dataset.files) for dataset in datasets),
        "bytes": sum(dataset.bytes for dataset in datasets),
        "columns": [column.name for column in datasets[0].sql_columns] if datasets else [],
        "created": max(created).isoformat() if created else None,
    }


def read_datasets(place: Place, pinned: Mapping[str, Any]) -> tuple[Dataset, ...]:
    """
    Return the datasets that `pin_datasets` wrote.

    Raises:
        JobDamagedError: the file is gone or was altered.
    """
    try:
        url, digest = S3Url.parse(pinned["list"]), str(pinned["sha256"])
        body = place.storage.read(url)
        if body is None or hashlib.sha256(body).hexdigest() != digest:
            state = "missing" if body is None else "altered since it was written"
            raise JobDamagedError(
                f"{url}: {state}, so nobody can tell which files this job was started with; restore it, or set "
                "resume=False to start a new job"
            )
        document = json.loads(body)
        check_format(document["format"], FORMAT, place=str(url))
        return tuple(_from_json(data) for data in document["datasets"])
    except (ValueError, KeyError, TypeError) as error:
        raise JobDamagedError(f"{place.layout.job}: its source can't be read ({error!r})") from None


def _to_json(dataset: Dataset) -> dict[str, Any]:
    return {
        "url": str(dataset.url),
        "created": dataset.created.isoformat() if dataset.created else None,
        "source_bucket": dataset.source_bucket,
        "bucket": dataset.bucket,
        "format": dataset.file_format,
        "schema": [list(column) for column in dataset.schema],
        "csv": dataset.csv._asdict(),
        "extra": None if dataset.extra is None else dict(dataset.extra),
        "values": dict(dataset.values),
        "files": [[file.key, file.size, file.md5, file.e_tag] for file in dataset.files],
    }


def _from_json(data: Mapping[str, Any]) -> Dataset:
    return Dataset(
        S3Url.parse(data["url"]),
        "",
        dt.datetime.fromisoformat(data["created"]) if data["created"] else None,
        data["source_bucket"],
        data["bucket"],
        data["format"],
        tuple(InventoryColumn(*column) for column in data["schema"]),
        tuple(DataFile(*file) for file in data["files"]),
        CsvForm(**{**data["csv"], "names": tuple(data["csv"]["names"])}),
        data["extra"],
        data["values"],
    )
