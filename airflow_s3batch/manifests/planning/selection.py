"""What a user asks for: which objects of which inventory, and how they are cut into shards."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.identity import fingerprint
from airflow_s3batch.core.manifest import FIXED_COLUMNS
from airflow_s3batch.core.s3url import S3Url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_COMMENTS = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Selection:
    """
    Which objects of an inventory, and in how many shards.

    Attributes:
        inventory: URL of a ``manifest.json``, or prefix of an inventory configuration (then its newest delivery).
        where: SQL over the inventory's columns; never empty, ``TRUE`` means every object.
        columns: extra manifest columns: name to SQL over the inventory's columns.
        include_delete_markers: whether delete markers are objects to work on. Needed for an inventory of all versions
            that does not tell them from objects.
        as_of: with a prefix: the newest delivery that is not newer than this.
        max_age: refuse a delivery that is older than this when the job starts.
        min_objects: guard: fewer is an error.
        max_objects: guard: more is an error, raised before a shard is written.
        objects_per_shard: rows of a shard; ``None`` lets the package choose.
        max_shards: never more shards than this, whatever their rows.
    """

    inventory: str
    where: str
    columns: Mapping[str, str] = field(default_factory=dict)
    include_delete_markers: bool = False
    as_of: dt.datetime | None = None
    max_age: dt.timedelta | None = None
    min_objects: int | None = None
    max_objects: int | None = None
    objects_per_shard: int | None = None
    max_shards: int = 200

    def problems(self) -> list[str]:
        """Return what is wrong with these arguments as far as they tell by themselves; the SQL is looked at later."""
        return [*self._source_problems(), *self._sql_problems(), *self._number_problems()]

    def _source_problems(self) -> Iterator[str]:
        try:
            S3Url.parse(self.inventory, what="inventory")
        except ArgumentError as error:
            yield str(error)
        if self.as_of is not None and self.as_of.tzinfo is None:
            yield f"as_of={self.as_of.isoformat()} has no timezone; pass an aware datetime"
        if self.max_age is not None and self.max_age <= dt.timedelta(0):
            yield f"max_age={self.max_age} must be positive"

    def _sql_problems(self) -> Iterator[str]:
        if not _COMMENTS.sub("", self.where).strip():
            yield (
                f"where={self.where!r}: an empty filter would select every object of {self.inventory}; "
                'pass where="TRUE" to mean that'
            )
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

    def _number_problems(self) -> Iterator[str]:
        for name, least in (("min_objects", 0), ("max_objects", 0), ("objects_per_shard", 1), ("max_shards", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                yield f"{name}={value} must be at least {least}"
        if self.min_objects is not None and self.max_objects is not None and self.min_objects > self.max_objects:
            yield f"min_objects={self.min_objects} is more than max_objects={self.max_objects}"

    def essence(self) -> dict[str, Any]:
        """Return what decides which rows the manifest has; the guards and the shards' size do not."""
        return {
            "inventory": self.inventory,
            "where": self.where,
            "columns": dict(self.columns),
            "include_delete_markers": self.include_delete_markers,
            "as_of": self.as_of and self.as_of.astimezone(dt.UTC).isoformat(),
        }

    def to_json(self) -> dict[str, Any]:
        """Return all of it, JSON-ready, for ``job.json``."""
        return {
            **self.essence(),
            "max_age_s": self.max_age and self.max_age.total_seconds(),
            "min_objects": self.min_objects,
            "max_objects": self.max_objects,
            "objects_per_shard": self.objects_per_shard,
            "max_shards": self.max_shards,
        }

    def fingerprint(self) -> str:
        """
        Return 16 hex digits by which a later attempt sees that the same rows are asked for.

        Guards, ``max_age`` and the shards' size are left out: after raising ``max_objects`` the job goes on.
        """
        return fingerprint(self.essence())
