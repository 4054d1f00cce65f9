"""What a user asks for: which rows of a source, and how they are cut into shards."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.identity import fingerprint
from airflow_s3batch.core.manifest import FIXED_COLUMNS
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.planning.guards import Guards

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_s3batch.manifests.sources.dataset import Source

PREVIOUS = "previous"
"""`Selection.since`: the last finished job of the same task."""
SLOTS = 8
"""Shards of a job that run at a time, unless a Dag or an Airflow says otherwise: docs/scale-out.md has the reasons."""

_COMMENTS = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Selection:
    """
    Which rows of a source, and in how many shards.

    Attributes:
        source: where the rows come from.
        where: SQL condition over the source's columns; never empty (but with *sql*), ``TRUE`` means every row.
        columns: extra manifest columns: name to SQL over the source's columns.
        params: values of ``$name`` in *where*, *columns* and *sql*.
        sql: a SELECT over the views ``inventory`` and *tables*, in place of *where* and *columns*.
        tables: URLs of Parquet or CSV files, by the name that *sql* reads them under.
        include_delete_markers: whether delete markers are objects to work on. Needed for an inventory of all versions
            that does not tell them from objects.
        keep_versions: leave out so many newest versions of each key.
        sample: so many of the selected rows, random, and the same in every attempt.
        since: URL of an earlier delivery, or `PREVIOUS`: only rows that are new, have changed, or did not match then;
            with `PREVIOUS` also those that did not succeed then.
        compare: columns by which *since* sees a change; ``None``: ETag, size and time, as far as both sides have them.
        exclude: URLs of jobs; what succeeded there is left out.
        guards: what must hold before anything is published.
        objects_per_shard: rows of a shard; ``None`` lets the package choose.
        max_shards: never more shards than this, whatever their rows.
        slots: how many shards will run at a time, as far as is known; where the package chooses, it makes a multiple.
    """

    source: Source
    where: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    sql: str = ""
    tables: Mapping[str, str] = field(default_factory=dict)
    include_delete_markers: bool = False
    keep_versions: int | None = None
    sample: int | None = None
    since: str | None = None
    compare: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    guards: Guards = field(default_factory=Guards)
    objects_per_shard: int | None = None
    max_shards: int = 200
    slots: int = SLOTS

    @property
    def is_rowwise(self) -> bool:
        """Whether each row can be judged without looking at another one."""
        return not (self.sql or self.exclude) and (self.keep_versions, self.sample, self.since) == (None, None, None)

    def problems(self) -> list[str]:
        """Return what is wrong with these arguments as far as they tell by themselves; the SQL is looked at later."""
        return [
            *self.source.problems(),
            *(self._statement_problems() if self.sql else self._where_problems()),
            *self._column_problems(),
            *self._comparison_problems(),
            *self._number_problems(),
            *self.guards.problems(),
        ]

    def _where_problems(self) -> Iterator[str]:
        if not _COMMENTS.sub("", self.where).strip():
            yield (
                f"where={self.where!r}: an empty filter would select every object of {self.source.name()}; "
                'pass where="TRUE" to mean that'
            )
        if self.tables:
            yield f"tables={dict(self.tables)!r}: only sql= can read them"

    def _statement_problems(self) -> Iterator[str]:
        if not _COMMENTS.sub("", self.sql).strip():
            yield f"sql={self.sql!r}: it is empty; pass a SELECT over inventory"
        if self.where or self.columns:
            yield "sql= is the whole selection: put where= and columns= into it"
        if self.keep_versions is not None:
            yield "keep_versions= goes with where=; in sql= write it as a window function over inventory"
        for name in self.tables:
            if not _IDENTIFIER.fullmatch(name) or name.lower() == "inventory":
                yield f"tables: {name!r} is not a name for a table; use letters, digits and underscores"

    def _column_problems(self) -> Iterator[str]:
        seen: set[str] = set()
        for name, sql in self.columns.items():
            if not _IDENTIFIER.fullmatch(name):
                yield f"columns: {name!r} is not a name; use letters, digits and underscores"
            elif name.lower() in FIXED_COLUMNS:
                yield f"columns: {name!r} is in every manifest anyway; choose another name"
            elif name.lower() in seen:
                yield f"columns: {name!r} is there twice, upper and lower case aside"
            if not _COMMENTS.sub("", sql).strip():
                yield f"columns: {name!r} has no SQL"
            seen.add(name.lower())

    def _comparison_problems(self) -> Iterator[str]:
        urls = [("since", self.since)] if self.since not in (None, PREVIOUS) else []
        for name, url in [*urls, *(("exclude", url) for url in self.exclude)]:
            try:
                S3Url.parse(str(url), what=name)
            except ArgumentError as error:
                yield str(error)
        if self.compare is not None and self.since is None:
            yield f"compare={self.compare!r} says by what since= sees a change, and there is no since="
        if self.since is not None and self.sql:
            yield "since= goes with where=: of a SELECT nobody can tell what it selected then"
        if self.since == PREVIOUS and self.sample is not None:
            yield "sample= is for rehearsals; with since='previous' what it leaves out would count as done from then on"
        if self.compare == ():
            yield "compare=() would select new keys only; name a column, or leave it out for ETag, size and time"

    def _number_problems(self) -> Iterator[str]:
        for name, least in (("keep_versions", 1), ("sample", 1), ("objects_per_shard", 1), ("max_shards", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                yield f"{name}={value} must be at least {least}"

    def essence(self) -> dict[str, Any]:
        """
        Return what decides which rows the manifest has; the guards and the shards' size do not.

        What is left at its default is left out, so that a job that was begun by an earlier release goes on.
        """
        more = {
            "params": {name: _jsonable(value) for name, value in sorted(self.params.items())},
            "sql": self.sql,
            "tables": dict(self.tables),
            "keep_versions": self.keep_versions,
            "sample": self.sample,
            "since": self.since,
            "compare": list(self.compare) if self.compare else None,
            "exclude": list(self.exclude),
        }
        return {
            **self.source.essence(),
            "where": self.where,
            "columns": dict(self.columns),
            "include_delete_markers": self.include_delete_markers,
            **{name: value for name, value in more.items() if value not in (None, "", {}, [])},
        }

    def to_json(self) -> dict[str, Any]:
        """Return all of it, JSON-ready, for ``job.json``."""
        return {
            "kind": self.source.kind,
            **self.essence(),
            "guards": self.guards.to_json(),
            "objects_per_shard": self.objects_per_shard,
            "max_shards": self.max_shards,
        }

    def fingerprint(self) -> str:
        """
        Return 16 hex digits by which a later attempt sees that the same rows are asked for.

        Guards and the shards' size are left out: after raising ``max_objects`` the job goes on.
        """
        return fingerprint(self.essence())

    def with_where(self, where: str, columns: Mapping[str, str]) -> Selection:
        """Return this selection with other SQL, such as one whose parameters are bound."""
        return replace(self, where=where, columns=dict(columns))


def _jsonable(value: Any) -> Any:
    if isinstance(value, (dt.date, dt.datetime)):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    return value if value is None or isinstance(value, (str, int, float)) else str(value)
