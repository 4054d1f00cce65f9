"""SQL that says which of some rows stay, in the light of other rows. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_s3batch.manifests.planning.filtering.matching import DATE, WANTED, compared

if TYPE_CHECKING:
    from collections.abc import Sequence

IDENTITY = "bucket, key, version_id, is_latest"
BODY = f"{IDENTITY}, e_tag"
VERSIONS = f"bucket, key, is_latest, {DATE}, {WANTED}"


def older_versions(rows: str, keep: int) -> str:
    """
    Return the SELECT of those wanted *rows*, which have `VERSIONS` and ``n``, that are older than the newest *keep*.

    The latest version is the newest, whatever its date; a version whose date is unknown is newer than the others; of
    versions with the same date none is older than another.
    """
    order = f"is_latest DESC, {DATE} DESC NULLS FIRST"
    ranked = f"SELECT n, {WANTED} AS w, rank() OVER (PARTITION BY bucket, key ORDER BY {order}) AS newest FROM ({rows})"
    return f"SELECT n FROM ({ranked}) WHERE w AND newest > {keep}"


def version_of(*, own: bool, other: bool) -> str:
    """
    Return the version by which rows are told apart, as SQL: *own* rows name versions or not, so do the *other* ones.

    Where only one side names versions, its latest ones are what the other side means.
    """
    return "CASE WHEN is_latest THEN NULL ELSE version_id END" if own and not other else "version_id"


def new_or_changed(rows: str, earlier: str, compare: Sequence[str], *, versions: bool, had_versions: bool) -> str:
    """Return the SELECT of the numbers of *rows* that are not among the *earlier* ones, equal in all of *compare*."""
    columns = [compared(name) for name in compare]
    listed = ", ".join(["bucket", "key", *columns])
    now = f"SELECT n, {listed}, {version_of(own=versions, other=had_versions)} AS v FROM ({rows})"
    then = f"SELECT {listed}, {version_of(own=had_versions, other=versions)} AS v FROM ({earlier})"
    conditions = ["now.bucket = old.bucket", "now.key = old.key"]
    conditions += [f"now.{name} IS NOT DISTINCT FROM old.{name}" for name in ["v", *columns]]
    return f"SELECT now.n FROM ({now}) AS now ANTI JOIN ({then}) AS old ON {' AND '.join(conditions)}"


def named_again(rows: str, failed: str) -> str:
    """
    Return the SELECT of the numbers of *rows* that name one of the objects *failed*.

    Where one of the two names no version, all versions of the key are meant: better one too many than one too few.
    """
    same_key = "now.bucket = failed.bucket AND now.key = failed.key"
    join = f"SELECT now.n FROM ({{}}) AS now SEMI JOIN ({{}}) AS failed ON {same_key}"
    same = join.format(rows, f"FROM {failed}") + " AND now.version_id = failed.version_id"
    vague = join.format(rows, f"FROM {failed} WHERE version_id IS NULL")
    current = join.format(f"FROM ({rows}) WHERE version_id IS NULL", f"FROM {failed}")
    return f"{same} UNION ALL {vague} UNION ALL {current}"


def not_done(rows: str, done: str, *, versions: bool, had_versions: bool) -> str:
    """
    Return the SELECT of the numbers of *rows* that are not among those *done*; both have `BODY`.

    The same version is the same object; where there is none, or it is the null version, which can be overwritten, the
    ETag decides.
    """
    now = _bodies(f"n, {BODY}", rows, version_of(own=versions, other=had_versions))
    then = _bodies(BODY, done, version_of(own=had_versions, other=versions))
    same = ("bucket", "key", "body")
    conditions = [*(f"now.{name} = done.{name}" for name in same), "now.v IS NOT DISTINCT FROM done.v"]
    return f"SELECT now.n FROM ({now}) AS now ANTI JOIN ({then}) AS done ON {' AND '.join(conditions)}"


def _bodies(columns: str, rows: str, version: str) -> str:
    body = "CASE WHEN v IS NULL OR v = 'null' THEN coalesce(e_tag, '') ELSE '' END"
    return f"SELECT *, {body} AS body FROM (SELECT {columns}, {version} AS v FROM ({rows}))"


def sampled(rows: str, number: int) -> str:
    """Return the SELECT of the numbers of so many of *rows*, chosen by a hash that is the same in every DuckDB."""
    text = "concat_ws(chr(0), bucket, key, coalesce(version_id, ''))"
    return (
        f"SELECT n FROM (SELECT n, md5_number_lower({text}) AS chance FROM ({rows})) ORDER BY chance, n LIMIT {number}"
    )
