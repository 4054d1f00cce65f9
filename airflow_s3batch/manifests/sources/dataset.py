"""What every source of rows comes down to: data files with one schema, pinned so that a retry reads the same."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.columns import SUPPLIED, TYPES, InventoryColumn

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_s3batch.core.layout import JobLayout
    from airflow_s3batch.engine.access import S3Access
    from airflow_s3batch.engine.files.storage import Storage


@dataclass(frozen=True, slots=True)
class DataFile:
    """
    One file of rows: *key* in the dataset's bucket, *size* in bytes.

    Attributes:
        md5: of the whole file, hex; empty where nobody tells it.
        e_tag: that it had when it was pinned, without quotes; empty where *md5* is enough.
    """

    key: str
    size: int
    md5: str = ""
    e_tag: str = ""


class CsvForm(NamedTuple):
    """
    How CSV files are spelled.

    Attributes:
        compression: ``gzip`` or ``none``.
        has_header: the first line of each file names the columns, and is no row.
        key_spelling: ``form`` (URL-encoded, ``+`` is a space, a broken percent sign is an error) or ``raw``.
        delimiter: one character.
        names: what the columns in the files are called in `Dataset.values`; empty if as in the schema.
        line_end: of each row; empty if the reader is to find out.
    """

    compression: str = "gzip"
    has_header: bool = False
    key_spelling: str = "form"
    delimiter: str = ","
    names: tuple[str, ...] = ()
    line_end: str = ""


INVENTORY_CSV = CsvForm()


@dataclass(frozen=True, slots=True)
class Dataset:
    """
    One complete set of data files that have one schema, such as a delivery of an inventory.

    Attributes:
        url: of what lists the files, such as a ``manifest.json``; names the dataset in errors.
        md5: of that, hex; empty where nothing lists them.
        created: when the objects were looked at, UTC; ``None`` if nobody knows.
        source_bucket: the bucket that the rows are about; empty if they are about several.
        bucket: name of the bucket that the data files lie in.
        file_format: ``CSV``, ``ORC`` or ``Parquet``.
        schema: its columns, in file order.
        files: in the order in which their rows count.
        csv: how they are spelled if they are CSV.
        extra: what SQL sees beside *schema*: SQL over it, by column name. By default the columns that inventories of
            current versions lack, where there is none of them.
        values: SQL of each column of *schema* over what the files have, by column name, where that is not read by the
            rules of S3 Inventory.
    """

    url: S3Url
    md5: str
    created: dt.datetime | None
    source_bucket: str
    bucket: str
    file_format: str
    schema: tuple[InventoryColumn, ...]
    files: tuple[DataFile, ...]
    csv: CsvForm = INVENTORY_CSV
    extra: Mapping[str, str] | None = field(default=None, hash=False)
    values: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns in the files, snake case, in file order."""
        return tuple(column.name for column in self.schema)

    @property
    def is_versioned(self) -> bool:
        """Whether the rows are about all versions, not only current ones."""
        return not SUPPLIED.keys().isdisjoint(self.columns)

    @property
    def supplied(self) -> Mapping[str, str]:
        """SQL of the columns that no file has, by name; of all versions nothing can be said by default."""
        if self.extra is not None:
            return self.extra
        return {} if self.is_versioned else SUPPLIED

    @property
    def sql_columns(self) -> tuple[InventoryColumn, ...]:
        """The columns that SQL sees: those in the files, and those supplied."""
        return self.schema + tuple(InventoryColumn(name, TYPES.get(name, "VARCHAR")) for name in self.supplied)

    @property
    def bytes(self) -> int:
        """Size of all data files."""
        return sum(file.size for file in self.files)

    def file_url(self, file: DataFile) -> S3Url:
        """Return where *file* lies."""
        return S3Url(self.bucket, file.key)


class RowFilter(NamedTuple):
    """
    What a source may leave out. It need not: every row that it gives is looked at again.

    Attributes:
        where: DuckDB's SQL, parameters bound; empty where every row counts.
        columns: that are needed; ``None`` is all of them.
        keeps_delete_markers: whether they are needed, too.
    """

    where: str = ""
    columns: frozenset[str] | None = None
    keeps_delete_markers: bool = True


class Wanted(Protocol):
    """What a job wants of a source's rows."""

    def fingerprint(self) -> str:
        """Return what tells it from other wishes, those about the source included."""

    def of(self, dataset: Dataset) -> RowFilter:
        """
        Return the filter for *dataset*, whose files need not be there yet, after the SQL has been checked against it.

        Raises:
            ManifestError: what is wrong with the SQL, and what would be right.
        """


class Place(NamedTuple):
    """
    What a source works with.

    Attributes:
        storage: where inventories and the job's files lie.
        layout: of the job; what a source writes goes below `JobLayout.source`, under names of this attempt alone.
        access: returns how to reach the store of the objects; ``None`` where a source needs none.
        now: aware.
        log: takes a line.
        wanted: what is wanted of the rows, for a source that can filter them where they lie; ``None`` is everything.
        staging_dir: local folder for temporary folders; ``None`` is the system's.
    """

    storage: Storage
    layout: JobLayout
    access: Callable[[], S3Access] | None
    now: dt.datetime
    log: Callable[[str], None]
    wanted: Wanted | None = None
    staging_dir: Path | None = None


def several(urls: Any) -> Any:
    """Return one URL, or a list of them, as a tuple; what is neither, such as another task's output, as it is."""
    return (urls,) if isinstance(urls, str) else tuple(urls) if isinstance(urls, list) else urls


class Found(NamedTuple):
    """What a source found: *pinned*, JSON-ready, goes to ``job.json`` and is enough to find the same *datasets*."""

    datasets: tuple[Dataset, ...]
    pinned: dict[str, Any]


class Source(Protocol):
    """
    Where the rows of a manifest come from. Implementations are frozen.

    Attributes:
        kind: goes to ``job.json``.
        may_repeat: people or queries wrote the rows, so that two of them may name the same object.
    """

    kind: ClassVar[str]
    may_repeat: ClassVar[bool]

    def problems(self) -> list[str]:
        """Return what is wrong with the arguments as far as they tell by themselves."""

    def name(self) -> str:
        """Return what people call it, such as its URL: for logs, XCom and lineage."""

    def essence(self) -> dict[str, Any]:
        """Return what decides which rows there are, JSON-ready: a job is not resumed with another one."""

    def is_same(self, then: Mapping[str, Any], name: str) -> bool:
        """Return whether *name* of the `essence` asks for what it did in *then*, that of an earlier attempt."""

    def known_columns(self) -> tuple[InventoryColumn, ...] | None:
        """Return the columns that SQL will see if that is known before anything is read, else ``None``."""

    def find(self, place: Place) -> Found:
        """
        Return the data to work on.

        Raises:
            InventoryError: there is none, or it can't be trusted.
        """

    def again(self, place: Place, pinned: Mapping[str, Any]) -> Found:
        """
        Return the very data that an earlier attempt found and *pinned*.

        Raises:
            InventoryError: it is gone, or has changed.
        """
