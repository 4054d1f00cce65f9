"""
Selections that look at more than one row at a time.

Rows that match are staged as Parquet, in the order of the data files. Each step then asks DuckDB for the numbers of the
rows that stay, out of the few columns that it needs, and keeps one bit a row; the rows themselves are read once more,
at the end, in their order. So the same input gives the same rows in the same order, however DuckDB joins and spills.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.manifest import FIXED_COLUMNS
from airflow_s3batch.manifests.planning.comparing import relations
from airflow_s3batch.manifests.planning.comparing.candidates import Candidates, Room
from airflow_s3batch.manifests.planning.comparing.comparison import asked_of, pinned_comparison
from airflow_s3batch.manifests.planning.comparing.delta import Delta, earlier_data, has_versions, not_done
from airflow_s3batch.manifests.planning.comparing.masks import Mask
from airflow_s3batch.manifests.planning.comparing.repeats import check_contradiction, first_rows
from airflow_s3batch.manifests.planning.cutting.staged import Stage
from airflow_s3batch.manifests.planning.filtering.fetch import batch_bytes_for
from airflow_s3batch.manifests.planning.filtering.matching import Bench, check_versions, stage_matching
from airflow_s3batch.manifests.planning.filtering.statement import stage_statement
from airflow_s3batch.manifests.sql.duck import identifier, sentences

if TYPE_CHECKING:
    import duckdb

    from airflow_s3batch.manifests.planning.cutting.staged import Staged
    from airflow_s3batch.manifests.planning.pin import Job
    from airflow_s3batch.manifests.planning.selection import Selection
    from airflow_s3batch.manifests.sources.dataset import Dataset, Place

__all__ = ["pinned_comparison", "stage_sets"]


def stage_sets(
    connection: duckdb.DuckDBPyConnection,
    place: Place,
    datasets: Sequence[Dataset],
    selection: Selection,
    folder: Path,
    *,
    job: Job,
    staging_limit: int,
) -> Staged:
    """
    Stage the rows of *datasets* that *selection* wants; what it compares with is pinned in *job*.

    Steps, in this order: ``where`` or ``sql``, each object version once, ``keep_versions``, ``since``, ``exclude``,
    ``sample``. Data files, the rows that are compared and those that are selected take at most *staging_limit* bytes of
    *folder*; what DuckDB spills comes on top. Memory is DuckDB's limit, and a bit for each row that matches.

    Raises:
        InventoryError: a data file is gone or damaged.
        ManifestError: rows can't be read, filtered or compared, or take more disk than *staging_limit*.
        JobDamagedError: a file of the job that is compared with is gone or altered.
        InfrastructureError: the disk is nearly full, or DuckDB's memory is too small.
    """
    batch_bytes = batch_bytes_for(staging_limit)
    room = Room(staging_limit - 2 * batch_bytes)
    bench = Bench(connection, place, folder, room, batch_bytes)
    sets = _Sets(bench, datasets, selection, job.comparison)
    rows = bench.candidates("matching")
    columns, read = sets.stage(rows)
    with sentences("comparing rows"):
        mask = sets.chosen(rows)
    stage = Stage(folder, selection.guards, most_bytes=room.left, jobs=place.layout.jobs)
    with sentences("reading the selected rows again"):
        for query in rows.kept(", ".join(map(identifier, columns)), mask):
            stage.add(connection, query)
    rows.delete()
    return stage.staged(read=read)


class _Sets:
    """The steps of one selection."""

    def __init__(
        self, bench: Bench, datasets: Sequence[Dataset], selection: Selection, pinned: Mapping[str, Any]
    ) -> None:
        """*pinned* is what `pinned_comparison` gave."""
        self._bench = bench
        self._datasets = datasets
        self._selection = selection
        self._pinned = pinned
        self._log = bench.place.log
        self._delta = self._compared()

    def stage(self, rows: Candidates) -> tuple[tuple[str, ...], int | None]:
        """Add the rows that match to *rows*; return the columns of the manifest, and how many rows were looked at."""
        selection, asked = self._selection, asked_of(self._selection, self._datasets)
        if selection.sql:
            tables = self._pinned.get("tables", {})
            return stage_statement(self._bench, self._datasets, selection, asked[0], rows, tables=tables)
        if selection.keep_versions is not None:
            check_versions(self._datasets)
        compare = self._delta.compare if self._delta else ()
        read = stage_matching(self._bench, self._datasets, selection, asked, rows, compare=compare)
        return (*FIXED_COLUMNS, *selection.columns), read

    def chosen(self, rows: Candidates) -> Mask:
        """Return which of *rows* are selected."""
        mask = Mask.full(rows.rows)
        for step in (self._once, self._older, self._new, self._not_done, self._sample):
            if mask.kept:
                mask = step(rows, mask)
        return mask

    def _compared(self) -> Delta | None:
        """Return what ``since`` compares with; where that is nothing, the log says why."""
        since = self._pinned.get("since", {})
        if "nothing" in since:
            self._log(f"since={self._selection.since!r}: everything that matches is selected, as {since['nothing']}")
        if not since.get("source"):
            return None
        then = earlier_data(self._bench.place, self._selection, since)
        return Delta(self._bench, self._selection, since, self._datasets, then)

    def _once(self, rows: Candidates, mask: Mask) -> Mask:
        source, columns = self._selection.source, (*FIXED_COLUMNS, *self._selection.columns)
        if source.may_repeat and not self._selection.sql:
            check_contradiction(
                self._bench.connection,
                rows,
                [identifier(name) for name in columns],
                subject=f"{source.name()}: the rows that match name",
                advice="say which row is meant by where=, or by sql= with DISTINCT ON (bucket, key, version_id)",
            )
        first = first_rows(self._bench.connection, rows, mask)
        if first.kept < mask.kept:
            self._log(f"{mask.kept - first.kept:,} rows name an object that another row names, too; each counts once")
        return first

    def _older(self, rows: Candidates, mask: Mask) -> Mask:
        keep = self._selection.keep_versions
        if keep is None:
            return mask
        older = rows.where(relations.older_versions(rows.numbered(relations.VERSIONS, mask), keep))
        self._log(f"{older.kept:,} versions match and are older than the newest {keep} of their key")
        return older

    def _new(self, rows: Candidates, mask: Mask) -> Mask:
        if self._delta is None:
            return mask
        new = self._delta.new(rows, mask)
        self._log(f"{new.kept:,} of {mask.kept:,} matching rows are new, have changed, or did not succeed")
        return new

    def _not_done(self, rows: Candidates, mask: Mask) -> Mask:
        versions = has_versions(self._datasets)
        for pinned in self._pinned.get("exclude", ()):
            rest = not_done(self._bench, pinned, rows, mask, versions=versions)
            where = pinned.get("job") or pinned["report"]["of"]
            self._log(f"{mask.kept - rest.kept:,} objects are left out that succeeded in {where}")
            mask = rest
            if not mask.kept:
                break
        return mask

    def _sample(self, rows: Candidates, mask: Mask) -> Mask:
        number = self._selection.sample
        if number is None or mask.kept <= number:
            return mask
        self._log(f"a sample of {number:,} of {mask.kept:,} objects")
        return rows.where(relations.sampled(rows.numbered("bucket, key, version_id", mask), number))
