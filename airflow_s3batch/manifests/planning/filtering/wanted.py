"""What a selection wants of a source that can filter its rows itself, as a query engine does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_s3batch.core.manifest import FIXED_COLUMNS
from airflow_s3batch.manifests.planning.filtering.binding import bound_for, check_sql
from airflow_s3batch.manifests.planning.filtering.matching import check_versions
from airflow_s3batch.manifests.sources.dataset import RowFilter
from airflow_s3batch.manifests.sql import sqltree

if TYPE_CHECKING:
    import duckdb

    from airflow_s3batch.manifests.planning.selection import Selection
    from airflow_s3batch.manifests.sources.dataset import Dataset

_ALWAYS = frozenset(FIXED_COLUMNS) | {"is_latest", "is_delete_marker", "last_modified_date"}
"""What a manifest has, and what rows are compared by."""


@dataclass(frozen=True, slots=True)
class WantedRows:
    """
    `Wanted` of a selection.

    Attributes:
        connection: parses and tries the SQL.
    """

    connection: duckdb.DuckDBPyConnection
    selection: Selection

    def fingerprint(self) -> str:  # noqa: D102 - the protocol's docstrings hold
        return self.selection.fingerprint()

    def of(self, dataset: Dataset) -> RowFilter:
        """
        Return the filter for *dataset*: nothing can be left out where the selection's own SELECT reads the rows.

        With ``keep_versions`` every version counts before ``where`` is asked.
        """
        check_sql(self.connection, self.selection, [dataset])
        if self.selection.sql:
            return RowFilter()
        bound = bound_for(self.connection, self.selection, dataset)
        columns = (
            _ALWAYS
            | frozenset(self.selection.compare or ())
            | sqltree.columns_in(self.connection, bound.where, place="where")
        )
        for name, sql in bound.columns.items():
            columns |= sqltree.columns_in(self.connection, sql, place=f"columns: {name!r}")
        if self.selection.keep_versions is not None:
            check_versions([dataset])
            return RowFilter("", columns)
        return RowFilter(bound.where, columns, self.selection.include_delete_markers)
