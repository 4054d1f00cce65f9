"""The SELECT that Athena runs: the rows of a table in our words, filtered in its dialect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_s3batch.core.errors import InventoryError, ManifestError
from airflow_s3batch.manifests.sources.athena.columns import METADATA_COLUMNS, TableColumn, inventory_columns
from airflow_s3batch.manifests.sources.athena.partition import KEY, Partition, Wish, find_partition
from airflow_s3batch.manifests.sources.dataset import Dataset, RowFilter
from airflow_s3batch.manifests.sql.duck import identifier, quoted
from airflow_s3batch.manifests.sql.sqltree import in_parentheses
from airflow_s3batch.manifests.sql.trino import to_trino

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_s3batch.manifests.sources.athena.client import Athena
    from airflow_s3batch.manifests.sources.athena.names import TableName
    from airflow_s3batch.manifests.sources.athena.source import AthenaTable
    from airflow_s3batch.manifests.sources.dataset import Place

_SELECT = "SELECT {}\nFROM {}"


class TableQuery(NamedTuple):
    """
    One query over a table.

    Attributes:
        name: of the table.
        partition: that it reads.
        columns: that it gives.
        supplied: SQL of columns that the table lacks and the filter may name.
        where: in Trino's dialect; empty for every row.
        keeps_delete_markers: whether they are wanted.
    """

    name: TableName
    partition: Partition
    columns: tuple[TableColumn, ...]
    supplied: tuple[tuple[str, str], ...]
    where: str
    keeps_delete_markers: bool

    @classmethod
    def of(cls, source: AthenaTable, athena: Athena, place: Place) -> TableQuery:
        """
        Return the query for what *source* and the job want.

        Raises:
            InventoryError: there is no such table or partition, or it is none over S3 Inventory.
            ManifestError: the filter can't be used on this table, or says something else in Athena's dialect.
        """
        name = source.full_name
        partition, columns = _metadata(place) if source.is_metadata else _inventory(source, athena, place)
        whole = _stand_in(columns, partition, place)
        wish = _filter(whole, name, place)
        return cls(
            name,
            partition,
            tuple(column for column in columns if wish.columns is None or column.name in wish.columns),
            tuple(whole.supplied.items()),
            to_trino(wish.where, whole.sql_columns, place="where") if wish.where else "",
            wish.keeps_delete_markers,
        )

    def sql(self) -> str:
        """Return the SELECT."""
        values = [(column.name, column.sql) for column in self.columns] + list(self.supplied)
        table = self.name.sql()
        if self.partition.dt:
            table += f"\nWHERE {identifier(KEY)} = {quoted(self.partition.dt)}"
        rows = _SELECT.format(_named(values), table)
        outputs = ", ".join(identifier(column.name) for column in self.columns)
        conditions = [in_parentheses(self.where)] if self.where else []
        if not self.keeps_delete_markers:
            conditions.append("NOT is_delete_marker")
        select = _SELECT.format(outputs, f"(\n{rows}\n) AS inventory")
        return select + (f"\nWHERE {' AND '.join(conditions)}" if conditions else "")

    def about(self) -> dict[str, Any]:
        """Return what is to be known of the result, JSON-ready."""
        created = self.partition.created
        return {
            "table": str(self.name),
            "dt": self.partition.dt,
            "created": created.isoformat() if created else None,
            "columns": [[column.name, column.type] for column in self.columns],
        }


def _metadata(place: Place) -> tuple[Partition, tuple[TableColumn, ...]]:
    return Partition("", place.now), METADATA_COLUMNS


def _inventory(source: AthenaTable, athena: Athena, place: Place) -> tuple[Partition, tuple[TableColumn, ...]]:
    name = source.full_name
    if not name.is_in_glue:
        raise InventoryError(
            f"table {name} is not in the account's Glue catalog, where tables over S3 Inventory are looked up; "
            "write content='metadata' if it is a table of S3 Metadata, or else the query yourself as query="
        )
    table = athena.table(name.database, name.table)
    columns = inventory_columns(table.columns, is_csv=table.is_csv)
    lacking = {"bucket", "key"} - {column.name for column in columns}
    if lacking:
        listed = ", ".join(column.name for column in columns) or "none"
        raise InventoryError(f"table {name} has no column {min(lacking)!r}; it has: {listed}")
    wish = Wish(source.dt, source.inventory, source.as_of, source.max_age)
    return find_partition(table, str(name), wish, place), columns


def _stand_in(columns: Iterable[TableColumn], partition: Partition, place: Place) -> Dataset:
    """Return the table as a dataset whose files are not known, for checking SQL."""
    schema = tuple(column.seen for column in columns)
    return Dataset(place.layout.source, "", partition.created, "", "", "Parquet", schema, ())


def _filter(dataset: Dataset, name: TableName, place: Place) -> RowFilter:
    if place.wanted is None:
        return RowFilter()
    try:
        return place.wanted.of(dataset)
    except ManifestError as error:
        raise ManifestError(str(error).replace(str(dataset.url), f"table {name}")) from None


def _named(values: Iterable[tuple[str, str]]) -> str:
    return ",\n  ".join(f"{sql} AS {identifier(name)}" for name, sql in values)
