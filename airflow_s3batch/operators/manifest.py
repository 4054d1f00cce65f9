"""`InventoryToManifestOperator`: from an S3 Inventory to the manifest of a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import ArgumentError, ManifestError
from airflow_s3batch.core.identity import job_id
from airflow_s3batch.core.manifest import Manifest, ShardRef
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.hooks.airflow_names import conf
from airflow_s3batch.hooks.arguments import as_int, as_moment, clauses, is_template, literal_or, raise_for
from airflow_s3batch.manifests.planning.selection import Selection
from airflow_s3batch.operators.base import S3BatchOperator, about

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg

    from airflow_s3batch.engine.storage import Storage

ENGINES = ("worker", "managed")
MANIFEST_KEY = "manifest"
"""XCom key under which the totals of the manifest are pushed."""


class InventoryToManifestOperator(S3BatchOperator):
    """
    Filter an S3 Inventory with SQL and publish the matching objects as a manifest, cut into shards.

    Returns a list with one small dict per shard, for ``BatchOperationOperator.partial(…).expand(shard=…)``; with
    *engine* ``"managed"`` one per bucket, for ``ManagedBatchJobOperator.partial(…).expand(bucket=…)``; an empty list if
    nothing matches. The totals go to XCom under the key ``manifest``: ``job`` (the job's folder), ``rows``,
    ``bytes``, ``shards``, ``source``. A later attempt in the same Dag run returns the very same manifest.

    Args:
        inventory: a delivery's ``manifest.json``, or the folder of an inventory configuration
            (``s3://bucket/prefix/source-bucket/config-id``), of which the newest complete delivery is taken.
        where: SQL condition over the inventory's columns. Never empty: say ``TRUE`` to mean every object.
        job_url: folder for all jobs' files; each job makes its own folder in it.
        engine: who is to work on the objects: ``worker`` (Airflow workers) or ``managed`` (AWS S3 Batch Operations).
        columns: extra columns of the manifest for `Column`: SQL expressions by name.
        include_delete_markers: whether delete markers can be selected.
        as_of: take the newest delivery that is not younger than this (datetime or ISO 8601).
        max_age: refuse a delivery that is older than this.
        min_objects: refuse to publish fewer objects than this.
        max_objects: refuse to publish more objects than this.
        objects_per_shard: rows per mapped task; chosen for a few minutes' work each if left out.
        max_shards: most mapped tasks; never more than ``[core] max_map_length``.
        resume: ``False`` makes a new manifest in a new folder, beside the one that this Dag run already has.
        memory_limit: DuckDB's memory, as DuckDB spells it.
        staging_dir: local folder for downloaded inventory files; a temporary one if left out.
        kwargs: see `S3BatchOperator`.
    """

    template_fields: Sequence[str] = (
        "inventory",
        "where",
        "columns",
        "job_url",
        "as_of",
        "min_objects",
        "max_objects",
        *S3BatchOperator.template_fields,
    )
    template_fields_renderers = {"where": "sql", "columns": "json"}  # noqa: RUF012 - as Airflow declares it

    def __init__(
        self,
        *,
        inventory: str | XComArg,
        where: str,
        job_url: str,
        engine: str = "worker",
        columns: Mapping[str, str] | None = None,
        include_delete_markers: bool = False,
        as_of: datetime | str | None = None,
        max_age: timedelta | None = None,
        min_objects: int | str | None = None,
        max_objects: int | str | None = None,
        objects_per_shard: int | None = None,
        max_shards: int = 200,
        resume: bool = True,
        memory_limit: str = "1GB",
        staging_dir: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.inventory = inventory
        self.where = where
        self.job_url = job_url
        self.engine = engine
        self.columns = {} if columns is None else columns
        self.include_delete_markers = include_delete_markers
        self.as_of = as_of
        self.max_age = max_age
        self.min_objects = min_objects
        self.max_objects = max_objects
        self.objects_per_shard = objects_per_shard
        self.max_shards = max_shards
        self.resume = resume
        self.memory_limit = memory_limit
        self.staging_dir = staging_dir
        problems = selection_problems(
            inventory=inventory,
            where=where,
            job_url=job_url,
            columns=columns,
            include_delete_markers=include_delete_markers,
            as_of=as_of,
            max_age=max_age,
            min_objects=min_objects,
            max_objects=max_objects,
            objects_per_shard=objects_per_shard,
            max_shards=max_shards,
        )
        raise_for(type(self).__name__, [*engine_problems(engine), *problems])

    def run(self, context: Context) -> list[dict[str, Any]]:
        """Publish the manifest, or find the one that an earlier attempt published."""
        from airflow_s3batch.manifests.planning.publish import publish_manifest

        ti = context["ti"]
        storage = self.store.storage()
        manifest = publish_manifest(
            storage,
            S3Url.parse(self.job_url, what="job_url"),
            job_id(ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index),
            self._selection(),
            resume=self.resume,
            now=datetime.now(UTC),
            about=about(context),
            staging_dir=Path(self.staging_dir) if self.staging_dir else None,
            memory_limit=self.memory_limit,
            log=self.log.info,
        )
        ti.xcom_push(key=MANIFEST_KEY, value=_totals(manifest, str(self.inventory)))
        if self.engine == "managed":
            return _buckets(manifest, storage)
        return [ShardRef(str(manifest.job_url), shard.index, shard.rows).to_xcom() for shard in manifest.shards]

    def _selection(self) -> Selection:
        selection = Selection(
            inventory=str(self.inventory),
            where=str(self.where),
            columns={str(name): str(sql) for name, sql in self.columns.items()},
            include_delete_markers=self.include_delete_markers,
            as_of=as_moment("as_of", self.as_of),
            max_age=self.max_age,
            min_objects=as_int("min_objects", self.min_objects),
            max_objects=as_int("max_objects", self.max_objects),
            objects_per_shard=self.objects_per_shard,
            max_shards=min(self.max_shards, _most_mapped()),
        )
        raise_for(type(self).__name__, selection.problems())
        return selection


def engine_problems(engine: Any) -> list[str]:
    """Return what is wrong with the name of an engine."""
    return [] if engine in ENGINES else [f"engine={engine!r} is unknown; use 'worker' or 'managed'"]


def selection_problems(
    *,
    inventory: Any,
    where: Any,
    job_url: Any,
    columns: Any = None,
    as_of: Any = None,
    min_objects: Any = None,
    max_objects: Any = None,
    **plain: Any,
) -> list[str]:
    """Return all that is wrong with the literal ones among the arguments of a selection; templates wait for the run."""
    found = _type_problems(inventory=inventory, where=where, job_url=job_url, columns=columns, **plain)
    if found:
        return found
    if not is_template(job_url):
        try:
            S3Url.parse(job_url, what="job_url")
        except ArgumentError as error:
            found.append(clauses(error))
    rendered: dict[str, Any] = {}
    for name, value, convert in (
        ("as_of", as_of, as_moment),
        ("min_objects", min_objects, as_int),
        ("max_objects", max_objects, as_int),
    ):
        try:
            rendered[name] = convert(name, literal_or(value, None))
        except ArgumentError as error:
            found.append(clauses(error))
    selection = Selection(
        inventory=literal_or(inventory, "s3://bucket/prefix"),
        where=literal_or(where, "TRUE"),
        columns=literal_or(columns, None) or {},
        **rendered,
        **plain,
    )
    return [*selection.problems(), *found]


def _type_problems(*, columns: Any, max_age: Any = None, **values: Any) -> list[str]:
    found = [
        f"{name}={values[name]!r} is not a text"
        for name in ("inventory", "where", "job_url")
        if not is_template(values[name]) and not isinstance(values[name], str)
    ]
    if columns is not None and not is_template(columns):
        pairs = columns.items() if isinstance(columns, Mapping) else [(0, 0)]
        if not all(isinstance(item, str) for pair in pairs for item in pair):
            found.append(f"columns={columns!r} is not a dict of names and SQL texts")
    if max_age is not None and not isinstance(max_age, timedelta):
        found.append(f"max_age={max_age!r} is not a timedelta")
    for name in ("objects_per_shard", "max_shards"):
        value = values.get(name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            found.append(f"{name}={value!r} is not a whole number")
    return found


def _most_mapped() -> int:
    return int(conf.getint("core", "max_map_length", fallback=1024))


def _buckets(manifest: Manifest, storage: Storage) -> list[dict[str, Any]]:
    """
    Return what each mapped task of the managed engine is given: AWS takes one bucket per job.

    Raises:
        ManifestError: there are more than Airflow maps.
    """
    from airflow_s3batch.managed import bucket_refs

    refs = [ref.to_xcom() for ref in bucket_refs(manifest, storage)]
    if len(refs) > _most_mapped():
        raise ManifestError(
            f"{manifest.job_url}: {len(refs):,} jobs of AWS would be needed, one for each bucket, but Airflow maps "
            f"{_most_mapped():,} ([core] max_map_length); select fewer buckets with where=, or use engine='worker'"
        )
    return refs


def _totals(manifest: Manifest, source: str) -> dict[str, Any]:
    return {
        "job": str(manifest.job_url),
        "rows": manifest.rows,
        "bytes": manifest.bytes,
        "shards": len(manifest.shards),
        "source": source,
    }
