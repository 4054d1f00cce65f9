"""Rows that Athena selects: from tables over S3 Inventory, S3 Metadata's live tables, or by a query of one's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.identity import fingerprint
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.sources.athena.names import GLUE_CATALOG, TableName
from airflow_s3batch.manifests.sources.dataset import Found, Place
from airflow_s3batch.manifests.sources.delivery import configuration_of

if TYPE_CHECKING:
    from airflow_s3batch.manifests.columns import InventoryColumn
    from airflow_s3batch.manifests.sources.athena.unload import QueryWatch, Statement

CONTENTS = ("inventory", "metadata")
COMPRESSIONS = ("ZSTD", "SNAPPY", "GZIP")


@dataclass(frozen=True, slots=True, kw_only=True)
class OnAthena:
    """
    What the sources on Athena share.

    Args:
        database: of tables that are named without one.
        catalog: likewise.
        workgroup: that the query runs in.
        compression: of the result: ``ZSTD``, ``SNAPPY`` or ``GZIP``.
        uses_workgroup_output: Athena's own files about the query go where the workgroup says, not into the job's
            folder; needed for workgroups with managed query results.
        watch: waits for the query; by default in this thread.
    """

    database: str = "default"
    catalog: str = GLUE_CATALOG
    workgroup: str = "primary"
    compression: str = "ZSTD"
    uses_workgroup_output: bool = False
    watch: QueryWatch | None = field(default=None, compare=False, repr=False)

    kind: ClassVar[str] = "athena"
    may_repeat: ClassVar[bool] = False

    def known_columns(self) -> tuple[InventoryColumn, ...] | None:  # noqa: D102 - the protocol's docstrings hold
        return None

    def again(self, place: Place, pinned: Mapping[str, Any]) -> Found:
        """Return the pinned result; no query is sent."""
        from airflow_s3batch.manifests.sources.dataset_json import read_datasets

        return Found(read_datasets(place, pinned), dict(pinned))

    def _shared_problems(self) -> Iterator[str]:
        for name in ("database", "catalog", "workgroup"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value:
                yield f"{name}={value!r} is not a name"
        if self.compression not in COMPRESSIONS:
            yield f"compression={self.compression!r} is unknown; use one of {', '.join(COMPRESSIONS)}"

    def _statement(self, sql: str, catalog: str, database: str, about: Mapping[str, Any]) -> Statement:
        """Return *sql* with what goes along with it; *catalog* and *database*, which must exist, are its context."""
        from airflow_s3batch.manifests.sources.athena.unload import Statement

        return Statement(sql, database, catalog, self.workgroup, self.compression, self.uses_workgroup_output, about)

    def _asked(self, place: Place, essence: Mapping[str, Any]) -> str:
        """Return by what a later attempt knows that a query was for the same rows."""
        return place.wanted.fingerprint() if place.wanted else fingerprint(essence)


@dataclass(frozen=True, slots=True)
class AthenaTable(OnAthena):
    """
    The rows of a table that Athena reads.

    Athena itself runs the filter, in its own dialect, and writes what matches as Parquet into the job's folder.

    Args:
        table: ``inventories``, ``lake.inventories``, or ``"s3tablescatalog/aws-s3"."b_my-bucket"."inventory"``.
        content: ``inventory``: a table over deliveries of S3 Inventory, partitioned by ``dt``; ``metadata``: a live
            inventory table of S3 Metadata. By default the latter for tables of the catalog of S3 Metadata.
        dt: which partition; by default that of the newest complete delivery.
        inventory: instead: URL of a delivery, or of an inventory configuration (then its newest delivery).
        as_of: without *dt*: the newest delivery that is not newer than this.
        max_age: without *dt*: refuse a delivery that is older than this when the job starts.
    """

    table: str = field(kw_only=False)
    content: str | None = None
    dt: str | None = None
    inventory: str | None = None
    as_of: datetime | None = None
    max_age: timedelta | None = None

    def problems(self) -> list[str]:  # noqa: D102 - the protocol's docstrings hold
        return [*self._table_problems(), *self._delivery_problems(), *self._shared_problems()]

    def _table_problems(self) -> Iterator[str]:
        try:
            TableName.parse(self.table)
        except ArgumentError as error:
            yield str(error)
        if self.content is not None and self.content not in CONTENTS:
            yield f"content={self.content!r} is unknown; use 'inventory' or 'metadata'"

    def _delivery_problems(self) -> Iterator[str]:
        given = [name for name in ("dt", "inventory", "as_of", "max_age") if getattr(self, name) is not None]
        if given and self.is_metadata:
            yield f"{given[0]}= is for deliveries; a live table of S3 Metadata has none, only what is so now"
        elif given[:1] == ["dt"] and len(given) > 1:
            yield f"dt={self.dt!r} names the partition, so {given[1]}= can't choose one; leave one of them out"
        if self.dt is not None and (not isinstance(self.dt, str) or not self.dt.strip()):
            yield f"dt={self.dt!r} is not the name of a partition, such as '2026-01-31-01-00'"
        if self.inventory is not None:
            try:
                S3Url.parse(self.inventory, what="inventory")
            except ArgumentError as error:
                yield str(error)
        if self.as_of is not None and self.as_of.tzinfo is None:
            yield f"as_of={self.as_of.isoformat()} has no timezone; pass an aware datetime"
        if self.max_age is not None and self.max_age <= timedelta(0):
            yield f"max_age={self.max_age} must be positive"

    @property
    def full_name(self) -> TableName:
        """The table with its database and catalog."""
        return TableName.parse(self.table, database=self.database, catalog=self.catalog)

    @property
    def is_metadata(self) -> bool:
        """Whether it is a live table of S3 Metadata."""
        if self.content is not None:
            return self.content == "metadata"
        try:
            return self.full_name.is_metadata
        except ArgumentError:
            return False

    def name(self) -> str:  # noqa: D102
        return str(self.full_name)

    def essence(self) -> dict[str, Any]:  # noqa: D102
        return {
            "table": list(self.full_name),
            "content": "metadata" if self.is_metadata else "inventory",
            "dt": self.dt,
            "delivery": self.inventory,
            "as_of": self.as_of and self.as_of.astimezone(UTC).isoformat(),
        }

    def is_same(self, then: Mapping[str, Any], name: str) -> bool:
        """Return whether *name* of the essence is what it was; another delivery of the same inventory is no change."""
        was, now = then.get(name), self.essence()[name]
        if name == "delivery" and isinstance(was, str) and isinstance(now, str):
            return configuration_of(was) == configuration_of(now)
        return bool(was == now)

    def known_columns(self) -> tuple[InventoryColumn, ...] | None:  # noqa: D102
        from airflow_s3batch.manifests.sources.athena.columns import METADATA_COLUMNS

        return tuple(column.seen for column in METADATA_COLUMNS) if self.is_metadata else None

    def find(self, place: Place) -> Found:
        """Let Athena select the rows, or take up the query that an earlier attempt has sent."""
        from airflow_s3batch.manifests.sources.athena.result import found, queries
        from airflow_s3batch.manifests.sources.athena.select import TableQuery
        from airflow_s3batch.manifests.sources.athena.unload import run

        athena = queries(place)

        def statement() -> Statement:
            query = TableQuery.of(self, athena, place)
            return self._statement(query.sql(), query.name.catalog, query.name.database, query.about())

        asked = self._asked(place, self.essence())
        return found(run(athena, place, self.watch, asked=asked, statement=statement), place)


@dataclass(frozen=True, slots=True)
class AthenaQuery(OnAthena):
    """
    The rows that a SELECT of one's own gives, in Athena's dialect.

    Args:
        query: one SELECT with the columns ``bucket`` and ``key`` (raw, not URL-encoded), ``version_id`` if objects are
            meant by version (``null`` for the null version), and any others.
    """

    query: str = field(kw_only=False)

    may_repeat: ClassVar[bool] = True

    def problems(self) -> list[str]:  # noqa: D102 - the protocol's docstrings hold
        found = list(self._shared_problems())
        if not isinstance(self.query, str) or not self.query.strip():
            found.append(f"query={self.query!r} is empty; write a SELECT that gives bucket and key")
        return found

    def name(self) -> str:  # noqa: D102
        return f"a query of Athena in {self.catalog}.{self.database}"

    def essence(self) -> dict[str, Any]:  # noqa: D102
        return {"query": self.query, "database": self.database, "catalog": self.catalog}

    def is_same(self, then: Mapping[str, Any], name: str) -> bool:  # noqa: D102
        return bool(then.get(name) == self.essence()[name])

    def find(self, place: Place) -> Found:
        """Let Athena run the query, or take up the one that an earlier attempt has sent."""
        from airflow_s3batch.manifests.sources.athena.own_query import checked_query
        from airflow_s3batch.manifests.sources.athena.result import found, queries
        from airflow_s3batch.manifests.sources.athena.unload import run

        def statement() -> Statement:
            checked = checked_query(self.query)
            created = place.now.isoformat()
            about = {"columns": None, "outputs": checked.outputs, "created": created}
            return self._statement(checked.sql, self.catalog, self.database, about)

        asked = self._asked(place, self.essence())
        return found(run(queries(place), place, self.watch, asked=asked, statement=statement), place)
