"""The operators' common base: from any source of rows to the manifest of a job."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_s3batch.core.errors import ArgumentError, ManifestError
from airflow_s3batch.core.identity import job_id
from airflow_s3batch.core.manifest import Manifest, ShardRef
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.hooks.airflow_names import conf
from airflow_s3batch.hooks.arguments import as_bytes, bool_problems, clauses, in_order, is_template, raise_for
from airflow_s3batch.manifests.planning.selection import Selection
from airflow_s3batch.operations.declared import declared
from airflow_s3batch.operators.base import S3BatchOperator, about_job
from airflow_s3batch.operators.costing import costing_problems, named_prices, told_cost
from airflow_s3batch.operators.lineage import manifest_lineage
from airflow_s3batch.operators.outlets import manifest_facts, tell_outlets
from airflow_s3batch.operators.own_names import named_after_dags
from airflow_s3batch.operators.params import defaults_of, nothings_in
from airflow_s3batch.operators.plan_news import PlanTold
from airflow_s3batch.operators.selecting import (
    SELECTING,
    TEMPLATED,
    awaited,
    check_given,
    check_said,
    selection_of,
    selection_problems,
    templates_in,
)
from airflow_s3batch.operators.slots import Slots, slots_for

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.manifests.sources.dataset import Source
    from airflow_s3batch.operations.base import Operation

ENGINES = ("worker", "managed")
MANIFEST_KEY = "manifest"
"""XCom key under which the totals of the manifest are pushed."""

_PARAMETER = re.compile(r"\$(\w+)", re.ASCII)


class ManifestOperator(S3BatchOperator):
    """
    Base of the operators that select rows of some source and publish them as a manifest, cut into shards.

    Each returns a list with one small dict per shard, for ``BatchOperationOperator.partial(…).expand(shard=…)``; with
    *engine* ``"managed"`` one per bucket, for ``ManagedBatchJobOperator.partial(…).expand(bucket=…)``; an empty list if
    nothing matches. The totals go to XCom under the key ``manifest``: ``job`` (the job's folder), ``rows``,
    ``bytes``, ``shards``, ``source``. A later attempt in the same Dag run returns the very same manifest.

    Where *operation* says what will be done, the log has an estimate of what that costs (``docs/cost.md``), and so have
    the job's page and its report.

    A sub-class names the arguments of its source in `source_arguments`, hands them to ``__init__`` as *own*, and makes
    the source of them in `source_of`.

    Args:
        where: SQL condition over the source's columns. Never empty: say ``TRUE`` to mean every object.
        job_url: folder for all jobs' files; each job makes its own folder in it.
        engine: who is to work on the objects: ``worker`` (Airflow workers) or ``managed`` (AWS S3 Batch Operations).
        columns: extra columns of the manifest for `Column`: SQL expressions by name.
        params: values of ``$name`` in the SQL, bound and never pasted; Airflow's own params, so those of the Dag and of
            the run can be used as well, and texts may be templates here. ``$snapshot_time`` is always there: the time
            of the inventory.
        sql: instead of *where* and *columns*, a SELECT over the view ``inventory`` and over *tables*, which gives
            ``bucket``, ``key``, and what else the manifest is to have.
        tables: URLs of Parquet or CSV files (or folders of them) by the name under which *sql* reads them.
        include_delete_markers: whether delete markers can be selected.
        keep_versions: leave out this many newest versions of each key.
        sample: select so many of the objects at random, the same ones in every attempt.
        since: only what is new or has changed since this earlier delivery (URL), or ``"previous"``: since the last
            finished run of this task, with what did not succeed in it.
        compare: columns by which *since* sees a change; by default ETag, size and time.
        exclude: URLs of jobs; what succeeded there is left out.
        min_objects: refuse to publish fewer objects than this.
        max_objects: refuse to publish more objects than this.
        max_bytes: refuse to publish objects of more bytes than this, all together.
        allowed_buckets: refuse to publish objects of other buckets.
        allowed_prefixes: refuse to publish objects whose key (or ``s3://bucket/key``) begins with none of these.
        max_change: refuse if the number of objects differs from that of this task's last manifest by more than this
            share (0.5 is half). There is no comparing with an empty one, or of changes (*since*) with everything.
        objects_per_shard: rows per mapped task; chosen for a few minutes' work each if left out.
        max_shards: most mapped tasks; never more than ``[core] max_map_length``.
        resume: ``False`` makes a new manifest in a new folder, beside the one that this Dag run already has.
        job_aws_conn_id: connection for the job's files and for inventories, if they lie in another store than the
            objects.
        memory_limit: DuckDB's memory, as DuckDB spells it; the process needs some hundred megabytes more.
        staging_dir: local folder for downloaded files; a temporary one if left out.
        staging_limit: bytes that may lie there at any time (a number, or a text such as ``20GB``).
        operation: what will be done to the objects, for the estimate and for what people are shown; it changes nothing
            in the manifest.
        prices: price table for the estimate: a URL on S3 or a path; ``[s3batch] price_table`` in Airflow's
            configuration if left out, and else AWS's list prices, where the store is AWS.
        kwargs: see `S3BatchOperator`; ``retries`` is 2 unless given here or in ``default_args``.
    """

    kind: ClassVar[str] = ""
    """`Source.kind` of the sources that it takes."""

    source_arguments: ClassVar[tuple[str, ...]] = ()
    everything: ClassVar[str] = ""
    """What *where* is by default; empty where it must be given."""

    template_fields: Sequence[str] = (
        *TEMPLATED,
        "job_url",
        "bindings",
        "job_aws_conn_id",
        "operation",
        "prices",
        *S3BatchOperator.template_fields,
    )
    text_fields = frozenset({"where", "sql", "columns", "tables"})
    template_fields_renderers = {"where": "sql", "sql": "sql", "columns": "json", "operation": "json"}  # noqa: RUF012 - as Airflow declares it

    def __init__(
        self,
        *,
        job_url: str,
        where: str | None = None,
        own: Mapping[str, Any],
        engine: str = "worker",
        columns: Mapping[str, str] | None = None,
        params: Any = None,
        sql: str | None = None,
        tables: Mapping[str, str] | None = None,
        include_delete_markers: bool = False,
        keep_versions: int | str | None = None,
        sample: int | str | None = None,
        since: str | None = None,
        compare: Sequence[str] | None = None,
        exclude: str | Sequence[str] = (),
        min_objects: int | str | None = None,
        max_objects: int | str | None = None,
        max_bytes: int | str | None = None,
        allowed_buckets: str | Sequence[str] = (),
        allowed_prefixes: str | Sequence[str] = (),
        max_change: float | None = None,
        objects_per_shard: int | None = None,
        max_shards: int = 200,
        resume: bool = True,
        job_aws_conn_id: str | None = None,
        memory_limit: str | None = None,
        staging_dir: str | None = None,
        staging_limit: int | str | None = None,
        operation: Operation | Sequence[Operation] | None = None,
        prices: str | Mapping[str, Any] | None = None,
        retries: int | None = 2,
        **kwargs: Any,
    ) -> None:
        self.after_dags = named_after_dags(params)
        if self.after_dags:
            params = {name: value for name, value in params.items() if name not in self.after_dags}
        super().__init__(params=params, retries=retries, **kwargs)
        self.declared_params = defaults_of(self.params)  # Airflow writes the run's values into `params`
        for name in self.source_arguments:
            setattr(self, name, own[name])
        self.job_url = job_url
        self.where = self.everything or None if where is None and sql is None else where
        self.columns = columns
        self.sql = sql
        self.tables = tables
        self.include_delete_markers = include_delete_markers
        self.keep_versions = keep_versions
        self.sample = sample
        self.since = since
        self.compare = compare
        self.exclude = in_order(exclude)
        self.min_objects = min_objects
        self.max_objects = max_objects
        self.max_bytes = max_bytes
        self.allowed_buckets = in_order(allowed_buckets)
        self.allowed_prefixes = in_order(allowed_prefixes)
        self.max_change = max_change
        self.objects_per_shard = objects_per_shard
        self.max_shards = max_shards
        self.engine = engine
        self.bindings = {name: value for name, value in defaults_of(params).items() if is_template(value)}
        self.awaited = awaited(self._selecting())
        self.rendered = templates_in({**own, **self._selecting()})
        self.resume = resume
        self.job_aws_conn_id = job_aws_conn_id
        self.memory_limit = memory_limit
        self.staging_dir = staging_dir
        self.staging_limit = staging_limit
        self.operation = operation
        self.prices = prices
        raise_for(
            type(self).__name__,
            [
                *engine_problems(engine),
                *staging_problems(staging_limit),
                *bool_problems(resume=resume),
                *costing_problems(operation, prices),
                *self.argument_problems({**own, **self._selecting(), "job_url": job_url}),
            ],
        )
        self.operation = declared(operation)

    @classmethod
    def source_of(cls, arguments: Mapping[str, Any]) -> Source:
        """
        Return the source that the rendered *arguments*, named in `source_arguments`, describe.

        Raises:
            ArgumentError: a value can't be understood.
        """
        raise NotImplementedError

    @classmethod
    def arguments_of(cls, source: Any) -> dict[str, Any]:
        """Return the arguments, named in `source_arguments`, that describe *source*; the inverse of `source_of`."""
        return {name: getattr(source, name) for name in cls.source_arguments}

    @classmethod
    def stand_ins(cls) -> Mapping[str, Any]:
        """Return valid values for arguments of the source that are still templates; ``None`` for those not named."""
        return {}

    @classmethod
    def argument_problems(cls, arguments: Mapping[str, Any]) -> list[str]:
        """Return all that is wrong with the literal ones among *arguments*; templates wait for the run."""
        own = {name: arguments[name] for name in cls.source_arguments}
        selecting = {name: arguments[name] for name in SELECTING if name in arguments}
        if selecting.get("where") is None and selecting.get("sql") is None:
            selecting["where"] = cls.everything or None
        return selection_problems(cls.source_of, cls.stand_ins(), own, selecting, arguments["job_url"])

    def run(self, context: Context) -> list[dict[str, Any]]:
        """Publish the manifest, or find the one that an earlier attempt published."""
        with PlanTold(context["ti"], self) as told:
            return self._plan(context, told)

    def _plan(self, context: Context, told: PlanTold) -> list[dict[str, Any]]:
        from airflow_s3batch.engine.jobs.rivalry import told_of_others

        storage = self.store.with_connection(self.job_aws_conn_id).storage()
        prices = named_prices(self.prices, storage) if self.operation is not None else None
        manifest = self.published(context, storage)
        refs = _buckets(manifest, storage) if self.engine == "managed" else _shards(manifest)
        cost = told_cost(
            manifest,
            self.operation,
            self.engine,
            storage,
            self.store.access,
            prices,
            jobs=len(refs),
            log=self.log.info,
        )
        slots = self._slots()
        told.published(manifest, storage, cost.brief() if cost else None, slots)
        if slots is not None and (waiting := slots.sentence(len(refs))):
            self.log.info("%s (docs/pools.md).", waiting)
        if beside := told_of_others(storage, manifest, declared(self.operation)):
            self.log.warning("Several jobs at once: %s (docs/several-jobs.md).", beside)
        source = self.source()
        context["ti"].xcom_push(key=MANIFEST_KEY, value=_totals(manifest, source, context["ti"].try_number))
        tell_outlets(context, self.outlets, manifest_facts(manifest))
        self.note_lineage(lambda: manifest_lineage(manifest, source.name(), str(self.sql or self.where or "")))
        return refs

    def published(self, context: Context, storage: Storage) -> Manifest:
        """Return the manifest, published by this attempt or by an earlier one."""
        from airflow_s3batch.manifests.planning.cutting.staged import STAGING_LIMIT
        from airflow_s3batch.manifests.planning.publish import publish_manifest
        from airflow_s3batch.manifests.sql.duck import MEMORY_LIMIT

        return publish_manifest(
            storage,
            S3Url.parse(self.job_url, what="job_url"),
            self.job_id(context),
            self.selection(context),
            access=self.store.access,
            resume=self.resume,
            now=datetime.now(UTC),
            about=about_job(context),
            staging_dir=Path(self.staging_dir) if self.staging_dir else None,
            staging_limit=as_bytes("staging_limit", self.staging_limit) or STAGING_LIMIT,
            memory_limit=self.memory_limit or MEMORY_LIMIT,
            log=self.log.info,
        )

    def job_id(self, context: Context) -> str:
        """Return the name of the job of this task in this Dag run."""
        ti = context["ti"]
        return job_id(ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index)

    def source(self) -> Source:
        """
        Return the source that the rendered arguments describe.

        Raises:
            ArgumentError: a value can't be understood.
        """
        return self.source_of({name: getattr(self, name) for name in self.source_arguments})

    def selection(self, context: Context) -> Selection:
        """
        Return what the rendered arguments ask for.

        Raises:
            ArgumentError: lists all that is wrong with them.
        """
        check_given(self.awaited, self._selecting())
        check_said({name: getattr(self, name) for name in self.rendered})
        selection = selection_of(self.source(), self._selecting(), self._values(context), most_shards=_most_mapped())
        raise_for(type(self).__name__, selection.problems())
        slots = self._slots()
        return selection if slots is None else dataclasses.replace(selection, slots=slots.number)

    def _slots(self) -> Slots | None:
        """Return how many shards run at a time; ``None`` where the Dag does not tell, or AWS does the work."""
        found = slots_for(self) if self.engine == "worker" else {}
        return min(found.values(), default=None)

    def _selecting(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in SELECTING}

    def _values(self, context: Context) -> dict[str, Any]:
        """Return the values of the parameters that the SQL names: rendered ones, unless the run was given others."""
        written = " ".join(map(str, [self.where or "", self.sql or "", *(self.columns or {}).values()]))
        given = dict(context.get("params") or {})
        raw = self.declared_params
        rendered = {name: value for name, value in self.bindings.items() if given.get(name, raw[name]) == raw[name]}
        values = {**given, **rendered}
        named = {name: values[name] for name in set(_PARAMETER.findall(written)) if name in values}
        of_run = {name for name in given if name not in raw or given[name] != raw[name]}
        checked = {*rendered, *self.after_dags, *of_run}
        raise_for(type(self).__name__, nothings_in({name: named[name] for name in named if name in checked}))
        return named


def engine_problems(engine: Any) -> list[str]:
    """Return what is wrong with the name of an engine."""
    return [] if engine in ENGINES else [f"engine={engine!r} is unknown; use 'worker' or 'managed'"]


def staging_problems(staging_limit: Any) -> list[str]:
    """Return what is wrong with the bytes that may lie on local disk; they can't be a template."""
    try:
        as_bytes("staging_limit", staging_limit)
    except ArgumentError as error:
        return [clauses(error)]
    return []


def _most_mapped() -> int:
    return int(conf.getint("core", "max_map_length", fallback=1024))


def _shards(manifest: Manifest) -> list[dict[str, Any]]:
    """Return what each mapped task of the worker engine is given."""
    return [ShardRef(str(manifest.job_url), shard.index, shard.rows).to_xcom() for shard in manifest.shards]


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


def _totals(manifest: Manifest, source: Source, try_number: int) -> dict[str, Any]:
    return {
        "job": str(manifest.job_url),
        "rows": manifest.rows,
        "bytes": manifest.bytes,
        "shards": len(manifest.shards),
        "source": source.name(),
        "try_number": try_number,
    }
