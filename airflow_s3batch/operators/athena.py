"""`AthenaToManifestOperator`: from a table or query of Athena to the manifest of a job."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.hooks.airflow_names import TaskDeferralTimeout, conf
from airflow_s3batch.hooks.arguments import as_moment, bool_problems, raise_for
from airflow_s3batch.hooks.errors import airflow_error, airflow_errors
from airflow_s3batch.manifests.sources.athena.names import GLUE_CATALOG
from airflow_s3batch.manifests.sources.athena.source import AthenaQuery, AthenaTable, OnAthena
from airflow_s3batch.operators.manifest import ManifestOperator
from airflow_s3batch.operators.selecting import age_problems
from airflow_s3batch.triggers.athena_query import AthenaQueryTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_s3batch.manifests.sources.athena.unload import QueryWatch

ATHENA_KEY = "athena"
"""XCom key under which the query, what it read and how long it took are pushed."""

POLL_INTERVAL_S = 15.0
_SHARED = ("database", "catalog", "workgroup", "compression", "uses_workgroup_output")
_OF_TABLE = ("content", "dt", "inventory", "as_of")
_AGE = "max_inventory_age"


class AthenaToManifestOperator(ManifestOperator):
    """
    Let Athena select rows of a table over S3 Inventory, of S3 Metadata's live table, or by a query of your own.

    *where* and *columns* are the same as for an inventory that is read without Athena; they are translated into
    Athena's dialect, and what does not mean the same there is refused. The result is unloaded as Parquet into the job's
    folder, and from there on everything is as with any other source. The query, the bytes that it read and the seconds
    that it took go to the log, and to XCom under the key ``athena``.

    An attempt that was killed leaves its query running; the next one takes it up, and no second query is paid for.

    The connection needs ``athena:StartQueryExecution``, ``athena:GetQueryExecution``, ``athena:StopQueryExecution``,
    ``glue:GetTable`` and what the query itself reads and writes: ``docs/athena.md`` lists it.

    Args:
        table: ``inventories``, ``lake.inventories``, or ``"s3tablescatalog/aws-s3"."b_my-bucket"."inventory"``.
        query: instead of *table*, a SELECT in Athena's own dialect that gives ``bucket``, ``key`` (raw), and what else
            the manifest is to be made of; *where* is ``TRUE`` then unless told otherwise.
        database: of tables that are named without one.
        catalog: likewise.
        workgroup: that the query runs in.
        content: ``"inventory"``, or ``"metadata"`` for a live table of S3 Metadata; told by *table* if left out.
        dt: which partition of the inventory's table; by default that of the newest complete delivery.
        inventory: instead of *dt*, the URL of a delivery or of an inventory configuration.
        as_of: without *dt*: the newest delivery that is not younger than this (datetime or ISO 8601).
        max_inventory_age: without *dt*: refuse a delivery that is older than this.
        compression: of the result: ``ZSTD``, ``SNAPPY`` or ``GZIP``.
        uses_workgroup_output: let Athena's own files about the query go where the workgroup says, not into the job's
            folder; needed for workgroups with managed query results.
        deferrable: wait in the triggerer, without a worker slot; ``[operators] default_deferrable`` if left out.
        poll_interval_s: most seconds between two looks at the query.
        cancel_on_kill: stop the query when the task is killed or its time is up. While it is deferred, Airflow tells of
            a kill from 3.3 on.
        kwargs: see `ManifestOperator`.
    """

    kind = OnAthena.kind
    source_arguments = ("table", "query", *_SHARED, *_OF_TABLE, _AGE)
    template_fields: Sequence[str] = (
        "table",
        "query",
        "database",
        "catalog",
        "workgroup",
        "dt",
        "inventory",
        "as_of",
        *ManifestOperator.template_fields,
    )
    text_fields = ManifestOperator.text_fields | {"table", "query", "database", "catalog", "workgroup", "dt"}
    template_fields_renderers = {**ManifestOperator.template_fields_renderers, "query": "sql"}  # noqa: RUF012 - Airflow's
    _watch: QueryWatch | None = None
    _is_killed = False

    def __init__(
        self,
        *,
        table: str | None = None,
        query: str | None = None,
        database: str = "default",
        catalog: str = GLUE_CATALOG,
        workgroup: str = "primary",
        content: str | None = None,
        dt: str | None = None,
        inventory: str | None = None,
        as_of: datetime | str | None = None,
        max_inventory_age: timedelta | None = None,
        compression: str = "ZSTD",
        uses_workgroup_output: bool = False,
        deferrable: bool | None = None,
        poll_interval_s: float = POLL_INTERVAL_S,
        cancel_on_kill: bool = True,
        where: str | None = None,
        **kwargs: Any,
    ) -> None:
        own = {
            "table": table,
            "query": query,
            "database": database,
            "catalog": catalog,
            "workgroup": workgroup,
            "compression": compression,
            "uses_workgroup_output": uses_workgroup_output,
            "content": content,
            "dt": dt,
            "inventory": inventory,
            "as_of": as_of,
            "max_inventory_age": max_inventory_age,
        }
        super().__init__(own=own, where=_where(query, where, kwargs.get("sql")), **kwargs)
        self.deferrable = (
            conf.getboolean("operators", "default_deferrable", fallback=False) if deferrable is None else deferrable
        )
        self.poll_interval_s = poll_interval_s
        self.cancel_on_kill = cancel_on_kill
        flags = {name: getattr(self, name) for name in ("uses_workgroup_output", "cancel_on_kill", "deferrable")}
        raise_for(type(self).__name__, bool_problems(**flags))

    @classmethod
    def arguments_of(cls, source: AthenaTable | AthenaQuery) -> dict[str, Any]:  # noqa: D102 - the base's docstrings hold
        found = dict.fromkeys(cls.source_arguments) | {name: getattr(source, name) for name in _SHARED}
        if isinstance(source, AthenaQuery):
            return {**found, "query": source.query}
        of_table = {name: getattr(source, name) for name in _OF_TABLE}
        return {**found, "table": source.table, **of_table, _AGE: source.max_age}

    @classmethod
    def stand_ins(cls) -> Mapping[str, Any]:  # noqa: D102
        shared = {field.name: field.default for field in fields(OnAthena)}
        return {"table": "table", **{name: shared[name] for name in _SHARED}}

    @classmethod
    def argument_problems(cls, arguments: Mapping[str, Any]) -> list[str]:  # noqa: D102
        chosen = {
            "table": cls.stand_ins()["table"] if arguments["table"] is None else arguments["table"],
            "where": _where(arguments["query"], arguments.get("where"), arguments.get("sql")),
        }
        return [*_choice_problems(arguments), *super().argument_problems({**arguments, **chosen})]

    @classmethod
    def source_of(cls, arguments: Mapping[str, Any]) -> AthenaTable | AthenaQuery:  # noqa: D102
        shared = {name: arguments[name] for name in _SHARED}
        if arguments["query"] is not None:
            return AthenaQuery(arguments["query"], **shared)
        if problems := [*_choice_problems(arguments), *age_problems(_AGE, arguments[_AGE])]:
            raise ArgumentError(problems[0])
        of_table = {name: arguments[name] for name in _OF_TABLE}
        as_of = as_moment("as_of", of_table.pop("as_of"))
        return AthenaTable(arguments["table"], as_of=as_of, max_age=arguments[_AGE], **of_table, **shared)

    def source(self) -> AthenaTable | AthenaQuery:
        """Return the source that the rendered arguments describe, with this attempt's way to wait."""
        source = self.source_of({name: getattr(self, name) for name in self.source_arguments})
        return replace(source, watch=self._watch) if self._watch else source

    def run(self, context: Context) -> list[dict[str, Any]]:
        """Have Athena select the rows and publish the manifest; or defer until the query is over."""
        return self._attempt(context)

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Take over from the trigger: publish what the query has given, or tell why it failed."""
        if event["status"] == "error":
            raise airflow_error(event["message"], is_retryable=event["is_retryable"])
        with airflow_errors():
            return self._attempt(context, sent=[event["query_id"]])

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after the deferral; where the task's time was up meanwhile, stop the query as `on_kill` would."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except TaskDeferralTimeout:
            ti = context["ti"]
            query = ti.xcom_pull(task_ids=ti.task_id, map_indexes=ti.map_index, key=ATHENA_KEY)
            if self.cancel_on_kill and isinstance(query, Mapping):
                from airflow_s3batch.manifests.sources.athena.client import Athena

                with airflow_errors():
                    Athena(self.store.access()).stop(str(query["query_id"]))
                    self.log.info("The time is up: Athena query %s was stopped.", query["query_id"])
            raise

    def on_kill(self) -> None:
        """Stop waiting, and stop the query if *cancel_on_kill* says so; called on SIGTERM and on a timeout."""
        self._is_killed = True
        if self._watch is not None and self.cancel_on_kill:
            self._watch.stop()

    def _attempt(self, context: Context, sent: Collection[str] = ()) -> list[dict[str, Any]]:
        from airflow_s3batch.manifests.sources.athena.unload import QueryRunningError, QueryWatch

        self._watch = watch = QueryWatch(poll_s=self.poll_interval_s, is_deferrable=self.deferrable)
        watch.sent.update(sent)
        if self._is_killed and self.cancel_on_kill:
            watch.stop()
        try:
            shards = super().run(context)
            if (last := watch.last) is not None:
                self._tell(context, last.id, scanned_bytes=last.scanned_bytes, seconds=last.run_ms / 1000)
        except QueryRunningError as running:
            self._tell(context, running.query_id)
            self._defer(running.query_id)
            return []
        else:
            return shards
        finally:
            self._watch = None  # it holds a client, and Airflow copies operators

    def _tell(self, context: Context, query_id: str, **numbers: float) -> None:
        context["ti"].xcom_push(key=ATHENA_KEY, value={"query_id": query_id, **numbers})

    def _defer(self, query_id: str) -> None:
        """Let the triggerer wait for the query; `execute_complete` goes on."""
        trigger = AthenaQueryTrigger(
            query_id=query_id,
            poll_interval_s=self.poll_interval_s,
            cancel_on_kill=self.cancel_on_kill,
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
            verify=self.verify,
            botocore_config=self.botocore_config,
        )
        self.defer(trigger=trigger, method_name="execute_complete", timeout=self.execution_timeout)


def _where(query: Any, where: Any, sql: Any) -> Any:
    """Return *where*; a query of one's own has said which rows are meant."""
    return "TRUE" if query is not None and where is None and sql is None else where


def _choice_problems(arguments: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the choice between a table and a query."""
    if (arguments["table"] is None) == (arguments["query"] is None):
        return ["give either table= or query=, which says what Athena is to read"]
    given = [name for name in (*_OF_TABLE, _AGE) if arguments[name] is not None]
    if given and arguments["query"] is not None:
        return [f"{given[0]}= goes with table=; where there is a query=, write it into the SELECT"]
    return []
