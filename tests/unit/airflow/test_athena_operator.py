"""The Athena operator and its trigger: what they ask, how they wait, and what they do when they are killed."""

from __future__ import annotations

import asyncio
import json
import sys
import types
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from fakes import SetTag, TaskInstance

from airflow_s3batch import AthenaToManifestOperator, s3_batch_job
from airflow_s3batch.core.errors import AccessError, ArgumentError, InfrastructureError
from airflow_s3batch.core.manifest import Manifest, ShardFile
from airflow_s3batch.hooks.airflow_names import AirflowException, AirflowFailException, TaskDeferralTimeout
from airflow_s3batch.hooks.s3 import StoreSettings
from airflow_s3batch.manifests.sources.athena import client as athena_client
from airflow_s3batch.manifests.sources.athena.client import QueryState
from airflow_s3batch.manifests.sources.athena.source import AthenaQuery, AthenaTable
from airflow_s3batch.testing.athena import AthenaEmulator
from airflow_s3batch.triggers import AthenaQueryTrigger

try:
    from airflow.sdk.exceptions import TaskDeferred
except ImportError:  # Airflow 3.1
    from airflow.exceptions import TaskDeferred

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.testing import MemoryStorage


class Queries:
    """As much of Athena as is needed: one query, in *states* one after the other; exceptions are raised."""

    def __init__(self) -> None:
        self.states: list[str | Exception] = ["SUCCEEDED"]
        self.stopped: list[str] = []

    def look(self, query_id: str) -> QueryState:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(state, Exception):
            raise state
        return QueryState(query_id, state, scanned_bytes=5_000_000_000, run_ms=2500)

    def stop(self, query_id: str) -> None:
        self.stopped.append(query_id)


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch) -> Queries:
    found = Queries()
    monkeypatch.setattr(athena_client, "Athena", lambda _access: found)
    monkeypatch.setattr(StoreSettings, "access", lambda _self: None)
    return found


@pytest.fixture
def planner(monkeypatch: pytest.MonkeyPatch, storage: MemoryStorage, queries: Queries) -> dict[str, Any]:
    """A planner that calls ``before``, waits for query ``q-1`` as the source does, and publishes two shards."""
    asked: dict[str, Any] = {"before": lambda: None}

    def publish_manifest(store: Any, job_url: S3Url, name: str, selection: Any, **more: Any) -> Manifest:
        asked["source"] = selection.source
        asked["before"]()
        selection.source.watch.end_of(queries, "q-1", more["log"])
        shards = tuple(ShardFile(n, f"shard-{n}", 10, 100, 5, "00") for n in range(2))
        return Manifest(job_url / name, 20, 200, 10, (), shards, "f")

    module = types.ModuleType("airflow_s3batch.manifests.planning.publish")
    module.publish_manifest = publish_manifest  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return asked


def operator(**arguments: Any) -> AthenaToManifestOperator:
    defaults = {
        "task_id": "manifest",
        "table": "lake.inventories",
        "where": "size > 5",
        "job_url": "s3://ops/s3batch",
        "deferrable": False,
    }
    return AthenaToManifestOperator(**{**defaults, **arguments})


def execute(task: AthenaToManifestOperator, ti: TaskInstance) -> Any:
    return type(task).execute.__wrapped__(task, {"ti": ti})


def test_returns_shards_and_tells_what_the_query_cost(planner: dict[str, Any]) -> None:
    ti = TaskInstance(task_id="manifest")
    shards = execute(operator(), ti)
    assert [shard["shard"] for shard in shards] == [0, 1]
    assert ti.xcoms["manifest", "athena"] == {"query_id": "q-1", "scanned_bytes": 5_000_000_000, "seconds": 2.5}
    assert ti.xcoms["manifest", "manifest"]["source"] == "lake.inventories"


def test_a_deferrable_task_waits_in_the_triggerer(planner: dict[str, Any], queries: Queries) -> None:
    """It comes back when the query is over, and publishes then."""
    queries.states = ["RUNNING", "SUCCEEDED"]
    ti = TaskInstance(task_id="manifest")
    task = operator(deferrable=True, poll_interval_s=7, region_name="eu-west-1")
    with pytest.raises(TaskDeferred) as deferred:
        execute(task, ti)
    name, arguments = deferred.value.trigger.serialize()
    assert name == "airflow_s3batch.triggers.athena_query.AthenaQueryTrigger"
    assert {"query_id": "q-1", "poll_interval_s": 7, "region_name": "eu-west-1"}.items() <= arguments.items()
    assert ti.xcoms["manifest", "athena"] == {"query_id": "q-1"}
    assert len(task.execute_complete({"ti": ti}, {"status": "over", "query_id": "q-1"})) == 2
    assert planner["source"].watch.sent == {"q-1"}


def test_a_task_that_waits_in_the_triggerer_is_still_planning(
    planner: dict[str, Any], queries: Queries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job's page has no failure to show while the query runs."""
    told: list[dict[str, Any]] = []
    monkeypatch.setattr("airflow_s3batch.operators.plan_news.push", lambda _ti, _key, news: told.append(news()))
    queries.states = ["RUNNING", "SUCCEEDED"]
    ti = TaskInstance(task_id="manifest")
    task = operator(deferrable=True)
    with pytest.raises(TaskDeferred):
        execute(task, ti)
    task.execute_complete({"ti": ti}, {"status": "over", "query_id": "q-1"})
    assert [(news["state"], news["reason"]) for news in told] == [("planning", "")] * 2 + [("published", "")]


def test_trouble_of_the_trigger_is_the_tasks(planner: dict[str, Any]) -> None:
    event = {"status": "error", "message": "no such query", "is_retryable": False, "query_id": "q-1"}
    with pytest.raises(AirflowFailException, match="no such query"):
        operator(deferrable=True).execute_complete({"ti": TaskInstance()}, event)


@pytest.mark.parametrize("cancel_on_kill", [True, False])
def test_a_kill_stops_the_query(planner: dict[str, Any], queries: Queries, *, cancel_on_kill: bool) -> None:
    """Airflow calls ``on_kill`` on SIGTERM, while the task waits."""
    queries.states = ["RUNNING", "SUCCEEDED"]
    task = operator(cancel_on_kill=cancel_on_kill)
    planner["before"] = task.on_kill
    if cancel_on_kill:
        with pytest.raises(AirflowException, match="stopped along with the task"):
            execute(task, TaskInstance())
        assert queries.stopped == ["q-1"]
    else:
        queries.states = ["SUCCEEDED"]
        execute(task, TaskInstance())
        assert queries.stopped == []


def test_a_kill_before_the_query_is_known_stops_it_as_soon_as_it_is(planner: dict[str, Any], queries: Queries) -> None:
    """Airflow may kill the task while the connection is still being made."""
    queries.states = ["RUNNING", "SUCCEEDED"]
    task = operator()
    task.on_kill()
    with pytest.raises(AirflowException, match="stopped along with the task"):
        execute(task, TaskInstance())
    assert queries.stopped == ["q-1"]


def test_time_that_is_up_while_deferred_stops_the_query(queries: Queries, monkeypatch: pytest.MonkeyPatch) -> None:
    ti = TaskInstance(task_id="manifest")
    monkeypatch.setattr(ti, "xcom_pull", lambda **_: {"query_id": "q-1"}, raising=False)
    task = operator(deferrable=True)
    with pytest.raises(TaskDeferralTimeout):
        task.resume_execution("__fail__", {"error": "Trigger timeout"}, {"ti": ti})
    assert queries.stopped == ["q-1"]


def looked(trigger: AthenaQueryTrigger) -> dict[str, Any]:
    async def first() -> Any:
        return await anext(trigger.run())

    payload: dict[str, Any] = asyncio.run(first()).payload
    return payload


def test_the_trigger_ends_with_the_query(queries: Queries, no_sleep: None) -> None:
    """However it ended: why it failed is for the operator to tell."""
    queries.states = ["QUEUED", InfrastructureError("no answer"), "RUNNING", "FAILED"]
    assert looked(AthenaQueryTrigger(query_id="q-1", poll_interval_s=0)) == {"status": "over", "query_id": "q-1"}


def test_the_trigger_tells_what_it_can_not_look_at(queries: Queries, no_sleep: None) -> None:
    queries.states = [AccessError("may not look")]
    event = looked(AthenaQueryTrigger(query_id="q-1"))
    assert event == {"status": "error", "message": "may not look", "is_retryable": False, "query_id": "q-1"}


def test_the_trigger_stops_the_query_when_it_is_killed(queries: Queries) -> None:
    asyncio.run(AthenaQueryTrigger(query_id="q-1").on_kill())
    asyncio.run(AthenaQueryTrigger(query_id="q-2", cancel_on_kill=False).on_kill())
    assert queries.stopped == ["q-1"]


@pytest.fixture
def no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    sleep: Callable[[float], Any] = asyncio.sleep
    monkeypatch.setattr("airflow_s3batch.triggers.athena_query.asyncio.sleep", lambda _seconds: sleep(0))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"table": None}, "give either table= or query="),
        ({"query": "SELECT 1"}, "give either table= or query="),
        ({"table": None, "query": "SELECT 1", "dt": "x"}, "dt= goes with table="),
        ({"table": "a b"}, "is not the name of a table"),
        ({"dt": "2026-01-01-00-00", "as_of": "2026-01-01"}, "as_of= can't choose one"),
        ({"content": "journal"}, "content='journal' is unknown"),
        ({"compression": "LZ4"}, "use one of ZSTD, SNAPPY, GZIP"),
        ({"workgroup": ""}, "workgroup='' is not a name"),
        ({"where": ""}, "an empty filter would select every object of lake.inventories"),
    ],
)
def test_wrong_arguments_are_told_while_the_dag_is_parsed(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        operator(**arguments)


def test_templates_wait_for_the_run() -> None:
    task = operator(table="{{ var.value.table }}", dt="{{ ds }}", workgroup="{{ params.group }}", where="{{ x }}")
    assert task.table == "{{ var.value.table }}"


def test_names_stay_texts_where_the_dag_renders_native_objects() -> None:
    """Such as a partition that is called after a day, in digits."""
    from airflow.sdk import DAG

    with DAG("native", schedule=None, render_template_as_native_obj=True) as dag:
        task = operator(dt="{{ ds_nodash }}", workgroup="{{ group }}")
    task.render_template_fields({"ds_nodash": "20261101", "group": "7"}, dag.get_template_env())
    assert (task.source().dt, task.workgroup) == ("20261101", "7")


def test_a_query_of_ones_own_needs_no_where() -> None:
    task = operator(table=None, where=None, query="SELECT bucket, key FROM t")
    assert task.where == "TRUE"
    assert task.source() == AthenaQuery("SELECT bucket, key FROM t")


@pytest.mark.parametrize(
    "source",
    [
        AthenaTable("lake.inventories", dt="2026-01-01-00-00", workgroup="jobs"),
        AthenaTable('"s3tablescatalog/aws-s3"."b_lake"."inventory"'),
        AthenaQuery("SELECT bucket, key FROM t", database="lake"),
    ],
)
def test_a_job_takes_it_as_its_source(dag: Any, source: AthenaTable | AthenaQuery) -> None:
    s3_batch_job("job", source=source, where="size > 5", operation=SetTag("team"), job_url="s3://ops/s3batch")
    task = dag.get_task("job.manifest")
    assert isinstance(task, AthenaToManifestOperator)
    assert task.source() == source


@pytest.fixture
def lake(monkeypatch: pytest.MonkeyPatch, storage: MemoryStorage) -> Iterator[AthenaEmulator]:
    """An emulated Athena with a table of three objects, and an Airflow connection whose requests go there."""
    with AthenaEmulator(storage) as emulator:
        columns = {"bucket": ["lake"] * 3, "key": ["a", "b", "c"], "size": [1, 2, 3]}
        emulator.rows["AwsDataCatalog.lake.objects"] = pa.table(columns)
        services = {name: {"endpoint_url": emulator.endpoint_url} for name in ("athena", "glue")}
        extra = {"region_name": "eu-west-1", "service_config": services}
        connection = {"conn_type": "aws", "login": "key", "password": "secret", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps(connection))
        yield emulator


def test_a_query_is_sent_waited_for_and_published(lake: AthenaEmulator) -> None:
    """Deferred and back, over the connection's own endpoints; one query for both parts of the task."""
    query = "SELECT bucket, key, size FROM lake.objects"
    task = operator(table=None, query=query, where="size > 1", aws_conn_id="lake", deferrable=True)
    ti = TaskInstance(task_id="manifest")
    lake.is_holding = True
    with pytest.raises(TaskDeferred) as deferred:
        execute(task, ti)
    lake.is_holding = False
    shards = task.execute_complete({"ti": ti}, looked(deferred.value.trigger))
    assert [shard["rows"] for shard in shards] == [2]
    assert list(lake.queries) == [ti.xcoms["manifest", "athena"]["query_id"]]


def test_a_query_that_fails_while_deferred_fails_the_task(lake: AthenaEmulator) -> None:
    task = operator(table=None, query="SELECT bucket, key FROM lake.nothing", aws_conn_id="lake", deferrable=True)
    ti = TaskInstance(task_id="manifest")
    lake.is_holding = True
    with pytest.raises(TaskDeferred) as deferred:
        execute(task, ti)
    lake.is_holding = False
    event = looked(deferred.value.trigger)
    with pytest.raises(AirflowFailException, match=r"TABLE_NOT_FOUND.*check table="):
        task.execute_complete({"ti": ti}, event)
    assert len(lake.queries) == 1
