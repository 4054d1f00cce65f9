"""Parquet files that name objects, such as any SQL result that a task of the user's put on S3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_s3batch.core.errors import InventoryError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.columns import TYPES, InventoryColumn
from airflow_s3batch.manifests.sources.dataset import DataFile, Dataset, Found, Place
from airflow_s3batch.manifests.sources.dataset_json import pin_datasets, read_datasets
from airflow_s3batch.manifests.sources.file_list import check_unchanged, files_at, url_problems
from airflow_s3batch.manifests.sources.row_values import (
    check_columns,
    column_name,
    empty_version_problems,
    parquet_type,
    parquet_values,
    supplied_values,
)

if TYPE_CHECKING:
    from airflow_s3batch.engine.files.storage import StoredFile


@dataclass(frozen=True, slots=True)
class ParquetFiles:
    """
    Parquet files with a column ``key`` (not encoded) and, unless all objects are in one bucket, a column ``bucket``.

    Other known columns (``size``, ``e_tag``, ``version_id``, … in any spelling) are what they are in an inventory; SQL
    sees all others with the types that they have in the files, which must be the same in all of them. Columns of lists,
    maps and structs can be asked in ``where=``, but a column of the manifest must be a text, number, time or boolean.

    Args:
        url: of a file or a folder, or several of either. Files in a folder need no suffix; what starts with ``_`` or
            ``.`` is passed over.
        bucket: that all objects are in, for files without such a column.
        empty_version_id: what NULL, or an empty text, in a column of version ids stands for; as with `CsvManifest`.
    """

    url: str | Sequence[str]
    bucket: str = ""
    empty_version_id: str = "refuse"

    kind: ClassVar[str] = "parquet"
    may_repeat: ClassVar[bool] = True

    @property
    def urls(self) -> tuple[str, ...]:
        """Of the files and folders."""
        return (self.url,) if isinstance(self.url, str) else tuple(self.url)

    def problems(self) -> list[str]:  # noqa: D102 - the protocol's docstrings hold
        return [*url_problems(self.urls, what="url"), *empty_version_problems(self.empty_version_id)]

    def name(self) -> str:  # noqa: D102
        return ", ".join(self.urls)

    def essence(self) -> dict[str, Any]:  # noqa: D102
        return {"parquet": list(self.urls), "bucket": self.bucket, "empty_version_id": self.empty_version_id}

    def is_same(self, then: Mapping[str, Any], name: str) -> bool:  # noqa: D102
        return bool(then.get(name) == self.essence().get(name))

    def known_columns(self) -> tuple[InventoryColumn, ...] | None:  # noqa: D102
        return None

    def find(self, place: Place) -> Found:
        """
        Return the rows of the files that are there now.

        Raises:
            InventoryError: there are none, they are not Parquet, differ in their columns, or can't name objects.
        """
        from airflow_s3batch.manifests.sources.parquet.heads import parquet_columns

        files = [file for file in files_at(place.storage, self.urls, what="url") if file.size]
        if not files:
            raise InventoryError(f"{self.name()}: no Parquet file here has any bytes")
        common = self._common(files, parquet_columns(place.storage, files))
        buckets = dict.fromkeys(file.url.bucket for file in files)
        datasets = tuple(_in_bucket(common, bucket, files) for bucket in buckets)
        for dataset in datasets:
            place.log(f"{dataset.url}: {len(dataset.files):,} Parquet files, columns {', '.join(dataset.columns)}")
        return Found(datasets, pin_datasets(place, datasets, urls=list(self.urls)))

    def again(self, place: Place, pinned: Mapping[str, Any]) -> Found:  # noqa: D102
        datasets = read_datasets(place, pinned)
        files = {dataset.file_url(file): (file.size, file.e_tag) for dataset in datasets for file in dataset.files}
        check_unchanged(place.storage, pinned.get("urls", self.urls), files)
        return Found(datasets, dict(pinned))

    def _common(self, files: Sequence[StoredFile], found: Mapping[str, str]) -> Dataset:
        """Return the dataset of *files* but for what differs between buckets."""
        url = S3Url.parse(self.urls[0]) if len(self.urls) == 1 else files[0].url
        names = [column_name(field, number) for number, field in enumerate(found, start=1)]
        check_columns(names, self.bucket, where=f"{url}: it")
        columns = dict(zip(names, found.items(), strict=True))
        try:
            values = parquet_values(columns, empty_version_id=self.empty_version_id)
        except InventoryError as error:
            raise InventoryError(f"{url}: {error}") from None
        schema = tuple(
            InventoryColumn(name, TYPES.get(name) or parquet_type(kind)) for name, (_, kind) in columns.items()
        )
        extra = supplied_values(names, self.bucket)
        created = max(file.last_modified for file in files)
        return Dataset(url, "", created, self.bucket, "", "Parquet", schema, (), extra=extra, values=values)


def _in_bucket(common: Dataset, bucket: str, files: Sequence[StoredFile]) -> Dataset:
    there = (file for file in files if file.url.bucket == bucket)
    return replace(common, bucket=bucket, files=tuple(DataFile(f.url.key, f.size, e_tag=f.e_tag) for f in there))
