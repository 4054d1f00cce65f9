"""Runs ``sql=``: a SELECT over the view ``inventory`` and the user's tables, of which it sees nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.core.manifest import FIXED_COLUMNS
from airflow_s3batch.manifests.columns import TYPES
from airflow_s3batch.manifests.planning.comparing.masks import Mask
from airflow_s3batch.manifests.planning.comparing.repeats import check_contradiction, first_rows
from airflow_s3batch.manifests.planning.filtering.binding import common_columns
from airflow_s3batch.manifests.planning.filtering.scan import inventory_query
from airflow_s3batch.manifests.planning.filtering.tables import table_views
from airflow_s3batch.manifests.sql.duck import identifier, quoted, sentences
from airflow_s3batch.manifests.sql.full_select import CheckedSelect, checked_select
from airflow_s3batch.manifests.sql.sqltree import in_parentheses

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from airflow_s3batch.manifests.planning.comparing.candidates import Candidates
    from airflow_s3batch.manifests.planning.filtering.matching import Bench
    from airflow_s3batch.manifests.planning.selection import Selection
    from airflow_s3batch.manifests.sources.dataset import Dataset

VIEW = "inventory"
_ORDER = "bucket, key, version_id NULLS FIRST"
_ADVICE = "say which row is meant by GROUP BY or DISTINCT ON (bucket, key, version_id)"


def stage_statement(
    bench: Bench,
    datasets: Sequence[Dataset],
    selection: Selection,
    asked: str,
    rows: Candidates,
    *,
    tables: Mapping[str, Any],
) -> tuple[tuple[str, ...], int | None]:
    """
    Add to *rows* what *asked*, the SELECT with its parameters bound, gives; return its columns, and the rows read.

    Only the columns that it may need are brought to local disk. The rows come ordered by bucket, key and version,
    whatever order the SELECT asks for, so that every attempt gives the same. Delete markers are in the view only if
    *selection* includes them. A row that comes twice counts once; one that comes twice with different columns is an
    error, because an object must not be worked on twice, and nobody can tell which of the two is meant.

    Raises:
        ManifestError: the SELECT can't be used, or gives what can't be worked on.
        InventoryError: a data file or a table is gone or damaged.
    """
    columns = common_columns(datasets)
    with_tables = table_views(bench.connection, bench.place.storage, tables, bench.folder, bench.room)
    checked = checked_select(bench.connection, asked, {VIEW: columns, **with_tables})
    _check_version(checked, datasets)
    raw = bench.candidates("raw")
    staged = bench.candidates("inventory")
    read = _stage_view(bench, datasets, selection, checked.used.get(VIEW, ()), staged)
    with sentences("sql"):
        raw.add(f"SELECT {', '.join(_outputs(checked))} FROM {in_parentheses(checked.sql)} AS result")
    bench.connection.execute(f"DROP VIEW {VIEW}")
    staged.delete()
    names = (*FIXED_COLUMNS, *_extra_names(checked))
    listed = [identifier(name) for name in names]
    with sentences("sql"):
        check_contradiction(bench.connection, raw, listed, subject="sql: it gives", advice=_ADVICE)
        first = first_rows(bench.connection, raw, Mask.full(raw.rows))
        rows.add(f"SELECT {', '.join(listed)} FROM ({raw.numbered(', '.join(listed), first)}) ORDER BY {_ORDER}")
    raw.delete()
    return names, read


def _stage_view(
    bench: Bench, datasets: Sequence[Dataset], selection: Selection, used: Sequence[str], staged: Candidates
) -> int | None:
    """Stage the columns of the view that are *used* and make the view; return the rows read."""
    columns = ", ".join(map(identifier, used))
    markers = "TRUE" if selection.include_delete_markers else "NOT is_delete_marker"

    def query(index: int, paths: list[Path]) -> str:
        return f"SELECT {columns} FROM ({inventory_query(datasets[index], paths)}) AS inventory WHERE {markers}"

    read = bench.add_all(datasets, staged, query) if used else 0
    types = {column.name: column.type for column in common_columns(datasets)}
    empty = ", ".join(f"CAST(NULL AS {types[name]}) AS {identifier(name)}" for name in used) or "NULL AS nothing"
    view = staged.source if staged.rows else f"(SELECT {empty} WHERE FALSE)"
    bench.connection.execute(f"CREATE TEMP VIEW {VIEW} AS SELECT {columns or '*'} FROM {view}")
    return read


def _check_version(checked: CheckedSelect, datasets: Sequence[Dataset]) -> None:
    """
    Check that versions are named where the source lists them: without, the current one would be worked on.

    Raises:
        ManifestError: they are not.
    """
    if "version_id" in _by_name(checked) or not any("version_id" in dataset.columns for dataset in datasets):
        return
    raise ManifestError(
        "sql: it gives no column 'version_id', though the source lists all versions, so the current version of each "
        "key would be worked on, whatever version was selected; add version_id, or CAST(NULL AS VARCHAR) AS version_id "
        "to mean that"
    )


def _by_name(checked: CheckedSelect) -> dict[str, str]:
    """Return the columns that the SELECT gives, as it spells them, by their lower-case names."""
    return {column.name.lower(): column.name for column in checked.outputs}


def _extra_names(checked: CheckedSelect) -> list[str]:
    return [name for lower, name in _by_name(checked).items() if lower not in FIXED_COLUMNS]


def _outputs(checked: CheckedSelect) -> list[str]:
    """Return the columns of the manifest as SQL over the SELECT."""
    given = _by_name(checked)
    fixed = {
        name: f"CAST({identifier(given[name])} AS {TYPES[name]})" if name in given else f"CAST(NULL AS {TYPES[name]})"
        for name in FIXED_COLUMNS
    }
    for name in ("bucket", "key"):
        fault = "error(" + quoted(f"the SELECT gives a row whose {name} is empty; add {name} <> '' to its WHERE") + ")"
        fixed[name] = f"CASE WHEN {fixed[name]} <> '' THEN {fixed[name]} ELSE {fault} END"
    outputs = [f"{sql} AS {identifier(name)}" for name, sql in fixed.items()]
    return outputs + [identifier(name) for name in _extra_names(checked)]
