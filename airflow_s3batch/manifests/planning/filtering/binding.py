"""The SQL of a selection as one dataset sees it: parameters bound, checked before a row is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.manifests.columns import SUPPLIED
from airflow_s3batch.manifests.planning.filtering.scan import check_delete_markers
from airflow_s3batch.manifests.sql import sqltree
from airflow_s3batch.manifests.sql.filters import check_selection
from airflow_s3batch.manifests.sql.params import SNAPSHOT_TIME, bound

if TYPE_CHECKING:
    import duckdb

    from airflow_s3batch.manifests.columns import InventoryColumn
    from airflow_s3batch.manifests.planning.selection import Selection
    from airflow_s3batch.manifests.sources.dataset import Dataset


def bound_for(connection: duckdb.DuckDBPyConnection | None, selection: Selection, dataset: Dataset) -> Selection:
    """
    Return *selection* with its parameters in place, `SNAPSHOT_TIME` being that of *dataset*.

    Raises:
        ManifestError: a parameter has no value.
    """
    values = {**selection.params, **({SNAPSHOT_TIME: dataset.created} if dataset.created else {})}
    return replace(
        selection,
        where=bound(connection, selection.where, values, place="where") if selection.where else "",
        columns={
            name: bound(connection, sql, values, place=f"columns: {name!r}") for name, sql in selection.columns.items()
        },
        sql=bound(connection, selection.sql, values, place="sql") if selection.sql else "",
        params={},
    )


def check_sql(connection: duckdb.DuckDBPyConnection, selection: Selection, datasets: Sequence[Dataset]) -> None:
    """
    Check the SQL of *selection* against the columns that all *datasets* have.

    Raises:
        ManifestError: what is wrong, and what would be right.
    """
    _check_same_kind(datasets)
    columns = common_columns(datasets)
    for dataset in datasets:
        check_delete_markers(dataset, selection)
        if not selection.sql:
            check_selection(connection, bound_for(connection, selection, dataset), columns, source=_named(datasets))


def constants_asked_for(
    connection: duckdb.DuckDBPyConnection, selection: Selection, datasets: Sequence[Dataset]
) -> str:
    """
    Return a sentence on columns of ``where=`` that have the same value in all rows; empty if there are none.

    Inventories of current versions don't have them, and every row is a current version of an object: a filter for
    others finds nothing, however many there are in the bucket.
    """
    if selection.sql or any(dataset.supplied is not SUPPLIED for dataset in datasets):
        return ""
    asked = bound_for(connection, selection, datasets[0])
    names = sqltree.columns_in(connection, asked.where, place="where")
    same = " and ".join(name for name in SUPPLIED if name in names)
    return f"{_named(datasets)} lists current versions only: every row has the same {same}" if same else ""


def _check_same_kind(datasets: Sequence[Dataset]) -> None:
    """
    Check that what is told of a bucket twice is told in one way: an object would count as two else.

    Raises:
        ManifestError: one of two inventories of a bucket lists all versions, the other one current objects.
    """
    first: dict[str, Dataset] = {}
    for dataset in datasets:
        other = first.setdefault(dataset.source_bucket, dataset)
        if other.is_versioned != dataset.is_versioned:
            raise ManifestError(
                f"{other.url} and {dataset.url} are both about {dataset.source_bucket or 'the same buckets'}, and "
                "only one of them lists all versions: an object would be selected as a version and once more without "
                "one; name one of them"
            )


def common_columns(datasets: Sequence[Dataset]) -> tuple[InventoryColumn, ...]:
    """
    Return the columns that SQL sees in each of *datasets*, in the order of the first.

    Raises:
        ManifestError: one has another type in another of them.
    """
    first, *others = datasets
    common = []
    for column in first.sql_columns:
        same = [next((c for c in other.sql_columns if c.name == column.name), None) for other in others]
        if None in same:
            continue
        for other, found in zip(others, same, strict=True):
            if found is not None and found.type != column.type:
                raise ManifestError(
                    f"column {column.name!r} is {column.type} in {first.url} and {found.type} in {other.url}; "
                    "make a job of each of them"
                )
        common.append(column)
    return tuple(common)


def _named(datasets: Sequence[Dataset]) -> str:
    return str(datasets[0].url) if len(datasets) == 1 else f"what {len(datasets)} inventories have in common"
