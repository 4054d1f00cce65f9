"""The rows that ``since`` and ``exclude`` compare with: brought to local disk, and put beside those that match."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import JobDamagedError, ManifestError
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.planning.comparing import relations
from airflow_s3batch.manifests.planning.comparing.comparison import asked_of, datasets_of
from airflow_s3batch.manifests.planning.comparing.earlier_rows import stage_done, stage_failed
from airflow_s3batch.manifests.planning.comparing.masks import Mask
from airflow_s3batch.manifests.planning.filtering.binding import check_sql, common_columns
from airflow_s3batch.manifests.planning.filtering.matching import check_versions, compared, stage_matching
from airflow_s3batch.manifests.planning.pin import read_job
from airflow_s3batch.manifests.sources.delivery import read_pinned
from airflow_s3batch.manifests.sql.duck import quoted

if TYPE_CHECKING:
    from airflow_s3batch.manifests.planning.comparing.candidates import Candidates
    from airflow_s3batch.manifests.planning.filtering.matching import Bench
    from airflow_s3batch.manifests.planning.selection import Selection
    from airflow_s3batch.manifests.sources.dataset import Dataset, Place

COMPARE = ("e_tag", "size", "last_modified_date")
"""By what a change is seen if nothing else is asked for, as far as both sides have it."""


def earlier_data(place: Place, selection: Selection, since: Mapping[str, Any]) -> tuple[Dataset, ...]:
    """
    Return the data that the pinned *since* compares with.

    Raises:
        InventoryError: it is gone or altered.
        JobDamagedError: the job that it was of is gone.
    """
    if "job" not in since:
        source = since["source"]
        return (read_pinned(place.storage, S3Url.parse(source["manifest"]), source["md5"]),)
    job = read_job(place.storage, JobLayout(S3Url.parse(since["job"])))
    if job is None:
        raise JobDamagedError(
            f"{since['job']}: this job compares with that one, and it is gone; set resume=False to start a new job"
        )
    return datasets_of(place, selection, job)


def compared_columns(selection: Selection, now: Sequence[Dataset], then: Sequence[Dataset]) -> tuple[str, ...]:
    """
    Return the columns by which a change is seen.

    Raises:
        ManifestError: one side lacks a column that is asked for, or there is none to compare.
    """
    sides = [{column.name for column in common_columns(datasets)} for datasets in (now, then)]
    for name in selection.compare or ():
        for names, datasets in zip(sides, (now, then), strict=True):
            if name not in names:
                raise ManifestError(
                    f"compare: {datasets[0].url} has no column {name!r}; it has: {', '.join(sorted(names))}"
                )
    if selection.compare:
        return tuple(name for name in selection.compare if name not in ("bucket", "key", "version_id"))
    both = tuple(name for name in COMPARE if name in sides[0] & sides[1])
    if not both and not (has_versions(now) and has_versions(then)):
        raise ManifestError(
            f"since: {now[0].url} and {then[0].url} have none of {', '.join(COMPARE)} in common, so nobody can tell "
            "which objects have changed; name columns in compare=, or add ETag to the inventory"
        )
    return both


def has_versions(datasets: Sequence[Dataset]) -> bool:
    """Whether the rows of *datasets* name versions."""
    return any("version_id" in dataset.columns for dataset in datasets)


class Delta:
    """
    What was selected from earlier data, and what failed then.

    The condition is that of then, parameters included: a row that matches only now, say because it has grown old
    enough, was not dealt with then, and counts as new.
    """

    def __init__(
        self,
        bench: Bench,
        selection: Selection,
        since: Mapping[str, Any],
        now: Sequence[Dataset],
        then: Sequence[Dataset],
    ) -> None:
        """*then* is `earlier_data` of the pinned *since*."""
        self.compare = compared_columns(selection, now, then)
        self._bench = bench
        self._selection = selection
        self._since = since
        self._then = then
        self._versions = {"versions": has_versions(now), "had_versions": has_versions(then)}

    def new(self, rows: Candidates, mask: Mask) -> Mask:
        """Return the rows of *mask* that were not selected then as they are now, or failed."""
        earlier = self._bench.candidates("earlier")
        self._stage(earlier)
        was = self._selected_then(earlier)
        if not was.kept:
            earlier.delete()
            return mask
        columns = ", ".join([relations.IDENTITY, *self._extra()])
        queries = [
            relations.new_or_changed(
                rows.numbered(columns, mask), earlier.numbered(columns, was), self.compare, **self._versions
            ),
            *self._failed(rows, mask),
        ]
        new = rows.where(" UNION ALL ".join(queries))
        earlier.delete()
        return new

    def _extra(self) -> list[str]:
        return [compared(name) for name in self.compare if name != "is_latest"]

    def _stage(self, earlier: Candidates) -> None:
        asked = self._since.get("asked") or asked_of(self._selection, self._then)
        checked = self._selection.with_where(asked[0], {})
        check_sql(self._bench.connection, checked, self._then)
        if self._selection.keep_versions is not None:
            check_versions(self._then)
        stage_matching(self._bench, self._then, self._selection, asked, earlier, compare=self.compare, is_earlier=True)

    def _selected_then(self, earlier: Candidates) -> Mask:
        every = Mask.full(earlier.rows)
        if self._selection.keep_versions is None or not earlier.rows:
            return every
        rows = earlier.numbered(relations.VERSIONS, every)
        return earlier.where(relations.older_versions(rows, self._selection.keep_versions))

    def _failed(self, rows: Candidates, mask: Mask) -> list[str]:
        """Return the SELECT of the rows that failed then, if any did."""
        if "report" not in self._since:
            return []
        path = self._bench.folder / "failed.parquet"
        number = stage_failed(self._bench.place.storage, self._since["report"], path, self._bench.room)
        self._bench.place.log(
            f"{number:,} objects did not succeed in {self._since['job']}; those that still match come again"
        )
        if not number:
            return []
        return [
            relations.named_again(
                rows.numbered(relations.IDENTITY, mask), f"read_parquet({quoted(str(path))}, hive_partitioning = false)"
            )
        ]


def not_done(bench: Bench, pinned: Mapping[str, Any], rows: Candidates, mask: Mask, *, versions: bool) -> Mask:
    """
    Return the rows of *mask* without those that succeeded, as they are, in the job or report that *pinned* names.

    Raises:
        ManifestError: nobody can tell which body of an object it was that succeeded there.
    """
    done = bench.candidates("done")
    stage_done(bench.place.storage, pinned, done, bench.folder, bench.room)
    try:
        if not done.rows:
            return mask
        all_done = done.numbered(relations.BODY, Mask.full(done.rows))
        numbered = rows.numbered(relations.BODY, mask)
        had_versions = _check_bodies(bench, all_done, numbered, str(pinned.get("job") or pinned["report"]["of"]))
        return rows.where(relations.not_done(numbered, all_done, versions=versions, had_versions=had_versions))
    finally:
        done.delete()


def _check_bodies(bench: Bench, done: str, rows: str, url: str) -> bool:
    """Check that objects can be told from later ones of the same key; return whether those *done* name versions."""
    counts = "SELECT count(version_id), count(*) FILTER (version_id <> 'null' OR e_tag IS NOT NULL), count(*) FROM ({})"
    named, known, number = bench.connection.execute(counts.format(done)).fetchone() or (0, 0, 0)
    told = bench.connection.execute(f"SELECT 1 FROM ({rows}) WHERE e_tag IS NOT NULL LIMIT 1").fetchone()
    if not known and told:
        raise ManifestError(
            f"exclude: {url} tells neither version nor ETag of its {number:,} objects, so nobody knows whether what is "
            "there now is what succeeded then; leave it out of exclude="
        )
    return bool(named)
