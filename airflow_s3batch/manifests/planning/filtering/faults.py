"""What goes wrong while rows are read, told in the inventory's words: its URLs, not local paths."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.sources.csv.faults import first_fault
from airflow_s3batch.manifests.sql.duck import sentences

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from airflow_s3batch.manifests.sources.dataset import DataFile, Dataset


@contextlib.contextmanager
def in_inventory_words(delivery: Dataset, batch: Mapping[Path, DataFile]) -> Iterator[None]:
    """Turn what goes wrong with the data files *batch*, by their local paths, into a sentence about *delivery*."""
    try:
        with sentences(f"{delivery.url}: reading and filtering its rows failed"):
            yield
    except ManifestError as error:
        _tell_line(delivery, batch)
        text = str(error)
        for path, file in batch.items():
            text = text.replace(str(path), str(S3Url(delivery.bucket, file.key)))
        raise ManifestError(text + _hint(text, delivery)) from None


def _tell_line(delivery: Dataset, batch: Mapping[Path, DataFile]) -> None:
    """Raise a sentence about the first wrong line of files that somebody wrote by hand or with SQL, if there is one."""
    if delivery.file_format != "CSV" or not delivery.csv.names:
        return
    for path, file in batch.items():
        if fault := first_fault(path, delivery):
            raise ManifestError(f"{delivery.file_url(file)}, {fault}")


def _hint(text: str, delivery: Dataset) -> str:
    if "CSV Error" in text:
        return f"; fileSchema declares {len(delivery.columns)} columns: {', '.join(delivery.columns)}"
    if "Conversion Error" in text:
        return "; where the SQL itself converts a value, TRY_CAST(… AS …) gives NULL instead of an error"
    return ""
