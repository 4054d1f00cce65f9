"""The manifest operator: what it asks of the planner, and what it returns."""

from __future__ import annotations

import sys
import types
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from fakes import TaskInstance

from airflow_s3batch import InventoryToManifestOperator
from airflow_s3batch.core.errors import SelectionError
from airflow_s3batch.core.identity import job_id
from airflow_s3batch.core.manifest import Manifest, ShardFile
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.hooks.airflow_names import AirflowFailException, conf

if TYPE_CHECKING:
    from airflow_s3batch.testing import MemoryStorage


@pytest.fixture
def planner(monkeypatch: pytest.MonkeyPatch, storage: MemoryStorage) -> dict[str, Any]:
    """A planner that keeps what it was asked and publishes two shards."""
    asked: dict[str, Any] = {"error": None}

    def publish_manifest(store: Any, job_url: S3Url, name: str, selection: Any, **more: Any) -> Manifest:
        if asked["error"]:
            raise asked["error"]
        assert store is storage
        asked.update(job_url=job_url, name=name, selection=selection, **more)
        shards = tuple(ShardFile(n, f"shard-{n}", 10, 100, 5, "00") for n in range(2))
        return Manifest(job_url / name, 20, 200, 10, (), shards, "f")

    module = types.ModuleType("airflow_s3batch.manifests.planning.publish")
    module.publish_manifest = publish_manifest  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return asked


def operator(**arguments: Any) -> InventoryToManifestOperator:
    defaults = {"task_id": "manifest", "inventory": "s3://inv/lake", "where": "size > 5", "job_url": "s3://ops/s3batch"}
    return InventoryToManifestOperator(**{**defaults, **arguments})


def execute(task: InventoryToManifestOperator, ti: TaskInstance, **context: Any) -> Any:
    return type(task).execute.__wrapped__(task, {"ti": ti, **context})


def test_returns_one_small_descriptor_per_shard(planner: dict[str, Any]) -> None:
    """That is what ``expand`` maps over; the totals go beside it."""
    ti = TaskInstance(task_id="manifest")
    shards = execute(operator(), ti)
    job = "s3://ops/s3batch/" + job_id("tagging", "manual__1", "manifest", -1)
    assert shards == [{"job": job, "shard": 0, "rows": 10}, {"job": job, "shard": 1, "rows": 10}]
    assert ti.xcoms["manifest", "manifest"] == {
        "job": job,
        "rows": 20,
        "bytes": 200,
        "shards": 2,
        "source": "s3://inv/lake",
        "try_number": 1,
    }


def test_rendered_texts_become_values(planner: dict[str, Any]) -> None:
    """Numbers and moments may come out of Jinja."""
    task = operator(
        max_objects="{{ params.most }}",
        as_of="{{ params.when }}",
        columns={"team": "{{ params.team }}"},
        max_age=timedelta(days=8),
    )
    task.render_template_fields({"params": {"most": 7, "when": "2026-11-01", "team": "split_part(key, '/', 1)"}})
    execute(task, TaskInstance())
    selection = planner["selection"]
    assert selection.guards.max_objects == 7
    assert selection.source.as_of == datetime(2026, 11, 1, tzinfo=UTC)
    assert selection.columns == {"team": "split_part(key, '/', 1)"}
    assert selection.source.max_age == timedelta(days=8)


@pytest.mark.usefixtures("planner")
def test_rendered_nonsense_fails_without_retries() -> None:
    """The checks of the parse are made again."""
    task = operator(where="{{ nothing }}", max_objects="{{ nothing }}x")
    task.where, task.max_objects = "", "x"
    with pytest.raises(AirflowFailException, match="max_objects='x' is not a whole number"):
        execute(task, TaskInstance())
    task.max_objects = 5
    with pytest.raises(AirflowFailException, match="an empty filter would select every object"):
        execute(task, TaskInstance())


@pytest.mark.parametrize("guard", ["min_objects", "max_objects", "as_of"])
@pytest.mark.parametrize("limit", ["", None])
def test_guard_that_renders_to_nothing_stops_the_job(planner: dict[str, Any], guard: str, limit: Any) -> None:
    """Nothing is published."""
    task = operator(**{guard: "{{ params.limit }}"})
    task.render_template_fields({"params": {"limit": limit}})
    with pytest.raises(AirflowFailException, match=f"{guard} rendered to"):
        execute(task, TaskInstance())
    assert "selection" not in planner


@pytest.mark.parametrize("name", ["max_objects", "keep_versions", "exclude", "since", "sample", "max_bytes", "as_of"])
def test_limit_that_renders_to_a_native_none_stops_the_job(planner: dict[str, Any], name: str) -> None:
    """Where the Dag renders native objects, ``dag_run.conf.get(…)`` leaves ``None`` of what nobody has said."""
    from airflow.sdk import DAG

    with DAG("native", schedule=None, render_template_as_native_obj=True) as dag:
        task = operator(**{name: "{{ conf.get('limit') }}"})
    task.render_template_fields({"conf": {}}, dag.get_template_env())
    with pytest.raises(AirflowFailException, match=f"{name} rendered to None, which would turn it off"):
        execute(task, TaskInstance())
    assert "selection" not in planner


def test_sql_stays_text_where_the_dag_renders_native_objects(planner: dict[str, Any]) -> None:
    """A quoted day is a text, and not a number of years, less one, less one."""
    from airflow.sdk import DAG

    with DAG("native", schedule=None, render_template_as_native_obj=True) as dag:
        task = operator(where="{{ params.where }}", columns={"day": "'{{ ds }}'"}, max_objects="{{ params.most }}")
    task.render_template_fields({"ds": "2026-11-01", "params": {"where": "True", "most": 5}}, dag.get_template_env())
    execute(task, TaskInstance())
    selection = planner["selection"]
    assert (selection.where, selection.columns) == ("True", {"day": "'2026-11-01'"})
    assert selection.guards.max_objects == 5


@pytest.mark.parametrize("given", ["", " ", ["logs/", ""]])
def test_parameter_that_a_run_is_given_empty_is_an_error(planner: dict[str, Any], given: Any) -> None:
    """Say, a field that somebody has emptied in the form that starts the run; what the Dag itself says counts."""
    from airflow.sdk import DAG

    def form() -> tuple[DAG, Any]:
        with DAG("form", schedule=None, params={"prefix": "docs/", "suffix": ""}) as dag:
            return dag, operator(where="starts_with(key, $prefix) AND ends_with(key, $suffix)")

    dag, task = form()
    with pytest.raises(AirflowFailException, match="'prefix' rendered to"):
        execute(task, TaskInstance(), params=params_of_run(dag, task, {"prefix": given}))
    assert "selection" not in planner
    dag, task = form()
    execute(task, TaskInstance(), params=params_of_run(dag, task, {"suffix": ".gz"}))
    assert planner["selection"].params == {"prefix": "docs/", "suffix": ".gz"}


def params_of_run(dag: Any, task: Any, conf: dict[str, Any]) -> dict[str, Any]:
    """Return what Airflow makes of the params of Dag, task and run; it writes the run's into those of the task."""
    from airflow.sdk.definitions.param import process_params

    return dict(process_params(dag, task, conf, suppress_exception=False))


@pytest.mark.parametrize(("conf", "cutoff"), [({}, "2026-11-02"), ({"cutoff": "2026-01-01"}, "2026-01-01")])
def test_what_a_run_is_given_counts_more_than_a_parameters_template(
    planner: dict[str, Any], conf: dict[str, Any], cutoff: str
) -> None:
    """Say, to do once more what another day would have done."""
    from airflow.sdk import DAG

    with DAG("daily", schedule=None) as dag:
        task = operator(where="last_modified_date < $cutoff", params={"cutoff": "{{ ds }}"})
    params = params_of_run(dag, task, conf)
    task.render_template_fields({"ds": "2026-11-02", "params": params})
    execute(task, TaskInstance(), params=params)
    assert planner["selection"].params == {"cutoff": cutoff}


def test_params_that_every_run_must_be_given(planner: dict[str, Any]) -> None:
    """A Dag that asks whoever starts it can be parsed; the run's value is bound."""
    from airflow.sdk import DAG, Param

    with DAG("asking", schedule=None, params={"prefix": Param(type="string"), "days": Param(None, type="integer")}):
        task = operator(where="starts_with(key, $prefix)")
    execute(task, TaskInstance(), params={"prefix": "logs/", "days": 3})
    assert planner["selection"].params == {"prefix": "logs/"}


@pytest.mark.parametrize("template", ["{{ params.prefix }}", "{{params['prefix']}}"])
def test_parameter_that_is_the_dags_of_its_name_has_the_runs_value(planner: dict[str, Any], template: str) -> None:
    """Airflow puts it over the Dag's, so rendering would give the template itself; an empty one is an error, too."""
    task = operator(where="starts_with(key, $prefix)", params={"prefix": template})
    task.render_template_fields({"params": {**task.params.dump(), "other": 1}})
    execute(task, TaskInstance(), params={"prefix": "logs/"})
    assert planner["selection"].params == {"prefix": "logs/"}
    with pytest.raises(AirflowFailException, match="'prefix' rendered to ''"):
        execute(task, TaskInstance(), params={"prefix": ""})


@pytest.mark.parametrize("rendered", ["", " ", "None"])
@pytest.mark.parametrize("listed", [False, True])
def test_parameter_whose_template_renders_to_nothing_is_an_error(
    planner: dict[str, Any], rendered: str, *, listed: bool
) -> None:
    """Every key begins with an empty text, so the filter would select every object."""
    template = "{{ params.folder }}"
    task = operator(where="starts_with(key, $prefix)", params={"prefix": [template] if listed else template})
    task.render_template_fields({"params": {"folder": rendered}})
    with pytest.raises(AirflowFailException, match="'prefix' rendered to"):
        execute(task, TaskInstance())
    assert "selection" not in planner


@pytest.mark.parametrize(
    "narrowing", ["max_objects", "max_bytes", "allowed_buckets", "keep_versions", "exclude", "since"]
)
@pytest.mark.parametrize("given", [None, []])
def test_limit_of_another_task_that_gives_nothing_stops_the_job(
    planner: dict[str, Any], narrowing: str, given: Any
) -> None:
    """Such as a task that was skipped: nobody said that there be no limit."""
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.sdk import DAG

    with DAG("limits", schedule=None):
        task = operator(**{narrowing: EmptyOperator(task_id="limit").output})
    setattr(task, narrowing, given)  # as Airflow does when it resolves the output
    with pytest.raises(AirflowFailException, match=f"{narrowing}: the task that it comes from gave"):
        execute(task, TaskInstance())
    assert "selection" not in planner


def test_never_more_shards_than_airflow_can_map(planner: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow refuses longer lists, so the planner is told its limit."""
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "12")
    execute(operator(max_shards=500), TaskInstance())
    assert conf.getint("core", "max_map_length") == 12
    assert planner["selection"].max_shards == 12
    execute(operator(max_shards=3), TaskInstance())
    assert planner["selection"].max_shards == 3


def test_runs_without_a_logical_date(planner: dict[str, Any]) -> None:
    """Asset-triggered and some manual runs have none."""
    execute(operator(), TaskInstance())
    assert planner["about"]["logical_date"] is None
    execute(operator(), TaskInstance(), logical_date=datetime(2026, 11, 1, tzinfo=UTC))
    assert planner["about"]["logical_date"] == "2026-11-01T00:00:00+00:00"


def test_who_began_the_run_is_noted_where_airflow_tells(planner: dict[str, Any]) -> None:
    """For the report; Airflow 3.1 does not tell."""
    execute(operator(), TaskInstance())
    assert (planner["about"]["run_type"], planner["about"]["triggered_by"]) == (None, None)
    run = SimpleNamespace(run_type=SimpleNamespace(value="manual"), triggering_user_name="ada")
    execute(operator(), TaskInstance(), dag_run=run)
    assert (planner["about"]["run_type"], planner["about"]["triggered_by"]) == ("manual", "ada")


def test_mapped_manifest_tasks_make_jobs_of_their_own(planner: dict[str, Any]) -> None:
    """The map index is part of the job's name."""
    execute(operator(), TaskInstance(map_index=4))
    assert planner["name"] == job_id("tagging", "manual__1", "job.report", 4)


def test_guards_fail_without_retries(planner: dict[str, Any]) -> None:
    """More objects than allowed stay more on the next try."""
    planner["error"] = SelectionError("9 objects match, max_objects=5")
    with pytest.raises(AirflowFailException, match="9 objects match"):
        execute(operator(), TaskInstance())


def test_managed_engine_gets_one_descriptor_per_job_of_aws(
    planner: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS takes one bucket per job; more of them than Airflow maps are told before anything is done."""
    from airflow_s3batch import managed
    from airflow_s3batch.managed import BucketRef

    def bucket_refs(manifest: Manifest, _storage: Any) -> list[BucketRef]:
        return [BucketRef(str(manifest.job_url), name, 10) for name in ("archive", "lake")]

    monkeypatch.setattr(managed, "bucket_refs", bucket_refs)
    ti = TaskInstance(task_id="manifest")
    job = "s3://ops/s3batch/" + job_id("tagging", "manual__1", "manifest", -1)
    assert execute(operator(engine="managed"), ti) == [
        {"job": job, "bucket": "archive", "rows": 10},
        {"job": job, "bucket": "lake", "rows": 10},
    ]
    assert ti.xcoms["manifest", "manifest"]["rows"] == 20
    monkeypatch.setattr(conf, "getint", lambda *_, **__: 1)
    with pytest.raises(AirflowFailException, match=r"2 jobs of AWS would be needed.*max_map_length"):
        execute(operator(engine="managed"), ti)


def test_the_cost_is_told_and_keeps_no_manifest_from_being_published(
    planner: dict[str, Any], storage: MemoryStorage, caplog: pytest.LogCaptureFixture, capsys: Any
) -> None:
    """Trouble with the estimate is a line in the log; a table that is none stops the task before it plans."""
    from airflow_s3batch.operations import PutObjectTagging

    tag = PutObjectTagging({"k": "v"})
    price = {"price": "1", "per": 1}
    table = {"format": "airflow-s3batch-prices/1", "region": "r", "currency": "EUR", "date": "2026"}
    caplog.set_level("INFO")
    execute(operator(operation=tag, prices={**table, "prices": {"write.STANDARD": price}}), TaskInstance())
    told = capsys.readouterr().out + caplog.text  # Airflow 3.1 logs elsewhere
    assert "no cost estimate: s3://ops/shard-0: not a shard" in told  # the planner is a stand-in
    del planner["name"]
    with pytest.raises(AirflowFailException, match=r"price table prices=: .*no price 'x'"):
        execute(operator(operation=tag, prices={**table, "prices": {"x": price}}), TaskInstance())
    assert "name" not in planner


def test_prices_without_an_operation_are_an_error() -> None:
    with pytest.raises(ValueError, match="prices= goes with operation="):
        operator(prices="s3://ops/prices.json")
