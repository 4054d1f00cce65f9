"""Whole jobs as Dag runs: what is done, what is resumed, and which sentence ends a run that can't work."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from lake import Lake

from airflow_s3batch.testing import rclone

if TYPE_CHECKING:
    from pathlib import Path

    from dag_runs import DagFolder

    from airflow_s3batch.testing import Server

pytestmark = pytest.mark.integration

KEYS = [f"team-{number % 3}/{number:03d} ü+%.csv" for number in range(60)]
TAGGED = {"checked": "yes"}
on_seaweedfs = pytest.mark.parametrize("lake", ["seaweedfs"], indirect=True)

DAG = """
from airflow.sdk import dag
from airflow_s3batch import s3_batch_job, S3InventorySensor
from airflow_s3batch.operations import *

@dag(dag_id={name!r}, schedule=None, params={{"limit": ""}}, default_args={{"retries": 0}})
def job_under_test():
    {before}
    s3_batch_job("job", **{{**{arguments!r}, "operation": {operation}, "inventory": {inventory}}})

job_under_test()
"""

WIRED = """
def wired(group_id, *, operation, tolerate=(), allowed_failures=0, **selection):
    from airflow_s3batch import BatchOperationOperator, BatchReportOperator, InventoryToManifestOperator

    with TaskGroup(group_id):
        manifest = InventoryToManifestOperator(task_id="manifest", **selection)
        run = BatchOperationOperator.partial(
            task_id="run", operation=operation, tolerate=tolerate, allowed_failures=allowed_failures
        ).expand(shard=manifest.output)
        report = BatchReportOperator(
            task_id="report", manifest_task_id='job.manifest', operation_task_id='job.run'
        )
        manifest >> run >> report
"""


def source(
    lake: Lake,
    *,
    name: str = "",
    operation: str = "PutObjectTagging({'checked': 'yes'})",
    inventory: str = "",
    before: str = "pass",
    **arguments: Any,
) -> str:
    """Return a Dag file with one job over *lake*."""
    defaults = {"where": "TRUE", "job_url": lake.job_url, "max_shards": 3, "objects_per_shard": 20}
    return DAG.format(
        name=name or f"job_{lake.bucket[5:]}",
        before=before,
        arguments={**defaults, **arguments},
        operation=operation,
        inventory=inventory or repr(lake.inventory),
    )


def by_hand(text: str) -> str:
    """Return the Dag file *text* with operators in place of ``s3_batch_job``."""
    assert text.count("s3_batch_job(") == 1
    return (
        text.replace("from airflow_s3batch import", "from airflow.sdk import TaskGroup\nfrom airflow_s3batch import")
        .replace("s3_batch_job(", "wired(")
        .replace("@dag(", WIRED + "\n@dag(")
    )


def test_job_from_inventory_to_report(dags: DagFolder, lake: Lake) -> None:
    """Every object is tagged, every row is reported once, XCom stays small."""
    lake.deliver(lake.put(KEYS).values())
    run = dags.run(source(lake))
    assert run.states == {"job.manifest": "success", "job.run": ["success"] * 3, "job.report": "success"}
    assert run.is_green
    assert run.labels == [f"shard {number} · 20 objects" for number in range(3)]
    assert all(lake.tags(key) == TAGGED for key in KEYS)
    result = run.xcom("job.report")
    report = lake.report(result["report_url"])
    assert sorted(report["key"]) == sorted(KEYS)
    assert set(report["task_status"]) == {"succeeded"}
    assert max(len(json.dumps(shard)) for shard in run.xcom("job.manifest")) <= 150
    assert max(len(json.dumps(run.xcom("job.run", map_index=number))) for number in range(3)) <= 150
    assert lake.json(result["summary_url"])["succeeded"] == len(KEYS)


@on_seaweedfs
def test_a_limit_and_keep_going_reach_the_workers_and_the_report(dags: DagFolder, lake: Lake) -> None:
    """The summary says how fast the job was allowed to be."""
    lake.deliver(lake.put(KEYS).values())
    run = dags.run(source(lake, max_requests_per_s=200.0, keep_going=True))
    assert run.is_green, run.states
    summary = lake.json(run.xcom("job.report")["summary_url"])
    assert (summary["max_requests_per_s"], summary["succeeded"]) == (200.0, len(KEYS))


@on_seaweedfs
def test_clearing_what_failed_runs_only_the_failed_objects(dags: DagFolder, lake: Lake) -> None:
    """The run is red, the cause is mended, the failed instances are cleared, and the run is green."""
    rows = lake.put(KEYS)
    lake.deliver(rows.values())
    missing = KEYS[7]
    lake.client.delete_object(Bucket=lake.bucket, Key=missing)
    run = dags.run(source(lake, tolerate=[]))
    assert not run.is_green
    assert sorted(run.states["job.run"]) == ["failed", "success", "success"]
    assert run.states["job.report"] == "failed"

    lake.put([missing])
    other = {"TagSet": [{"Key": "checked", "Value": "by somebody else"}]}
    done = [key for key in KEYS if key != missing]
    for key in done:
        lake.client.put_object_tagging(Bucket=lake.bucket, Key=key, Tagging=other)
    run.clear("job.run", "job.report", only_failed=True)
    assert run.is_green, run.states
    assert lake.tags(missing) == TAGGED
    assert all(lake.tags(key) == {"checked": "by somebody else"} for key in done)
    report = lake.report(run.xcom("job.report")["report_url"])
    assert sorted(report["key"]) == sorted(KEYS)
    assert set(report["task_status"]) == {"succeeded"}


@on_seaweedfs
@pytest.mark.parametrize("is_by_hand", [False, True])
def test_report_judges_by_the_policy_of_the_newest_attempt(dags: DagFolder, lake: Lake, *, is_by_hand: bool) -> None:
    """What was allowed when the job began is not allowed for ever, nor forbidden."""
    lake.deliver(lake.put(KEYS).values())
    lake.client.delete_object(Bucket=lake.bucket, Key=KEYS[7])

    def job(allowed: int) -> str:
        text = source(lake, tolerate=[], allowed_failures=allowed)
        return by_hand(text) if is_by_hand else text

    run = dags.run(job(1))
    assert run.is_green, run.states
    run.dag = dags.load(job(0))
    run.clear("job.manifest", "job.run", "job.report")
    assert run.states["job.report"] == "failed"
    assert not run.is_green
    run.dag = dags.load(job(1))
    run.clear("job.run", "job.report", only_failed=True)
    assert run.is_green, run.states


@on_seaweedfs
def test_clearing_green_instances_mends_a_report_that_is_red_by_their_sum(
    dags: DagFolder, lake: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each shard stays below the limit, together they don't; the sentence says which task to clear."""
    lake.deliver(lake.put(KEYS).values())
    missing = [KEYS[5], KEYS[25], KEYS[45]]
    for key in missing:
        lake.client.delete_object(Bucket=lake.bucket, Key=key)
    run = dags.run(source(lake, tolerate=[], allowed_failures=2))
    assert run.states == {"job.manifest": "success", "job.run": ["success"] * 3, "job.report": "failed"}
    assert "clear task job.run (its instances may be green" in capsys.readouterr().out
    lake.put(missing)
    run.clear("job.run", "job.report")
    assert run.is_green, run.states
    assert lake.tags(missing[0]) == TAGGED


@on_seaweedfs
def test_misspelt_task_id_is_told_and_mended(dags: DagFolder, lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    """The report names what was meant; once mended and cleared, it is green."""
    lake.deliver(lake.put(KEYS[:3]).values())
    text = by_hand(source(lake))
    run = dags.run(text.replace("operation_task_id='job.run'", "operation_task_id='run'"))
    assert run.states["job.report"] == "failed"
    assert "operation_task_id='run': the Dag has no such task; did you mean 'job.run'?" in capsys.readouterr().out
    run.dag = dags.load(text)
    run.clear("job.report")
    assert run.is_green, run.states


@on_seaweedfs
def test_tag_values_are_texts_where_the_dag_renders_native_objects(dags: DagFolder, lake: Lake) -> None:
    """A version that looks like a number is written as it is."""
    lake.deliver(lake.put(KEYS[:1]).values())
    text = source(lake, operation="PutObjectTagging({'version': '{{ dag_run.conf.version }}'})")
    run = dags.run(
        text.replace("schedule=None", "schedule=None, render_template_as_native_obj=True"), conf={"version": "01.10"}
    )
    assert run.is_green, run.states
    assert lake.tags(KEYS[0]) == {"version": "01.10"}


@on_seaweedfs
def test_clearing_everything_keeps_what_succeeded(dags: DagFolder, lake: Lake) -> None:
    """The same manifest, although a newer delivery lies there; no object is touched again."""
    lake.deliver(lake.put(KEYS).values())
    run = dags.run(source(lake))
    shards = run.xcom("job.manifest")
    lake.deliver(lake.put(["new"]).values())
    lake.client.delete_object_tagging(Bucket=lake.bucket, Key=KEYS[0])
    run.clear("job.manifest", "job.run", "job.report")
    assert run.is_green, run.states
    assert run.xcom("job.manifest") == shards
    assert lake.tags(KEYS[0]) == {}


@on_seaweedfs
def test_clear_after_the_operation_was_edited_stops_with_a_sentence(
    dags: DagFolder, lake: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    """The job that was begun is another one."""
    lake.deliver(lake.put(KEYS).values())
    run = dags.run(source(lake))
    run.dag = dags.load(source(lake, operation="PutObjectTagging({'checked': 'no'})"))
    run.clear("job.run", "job.report")
    assert run.states["job.run"] == ["failed"] * 3
    assert all(lake.tags(key) == TAGGED for key in KEYS)
    assert "resume=False" in capsys.readouterr().out


@on_seaweedfs
def test_zero_matches_are_a_normal_end(dags: DagFolder, lake: Lake) -> None:
    """No mapped task runs; the report is there, and empty."""
    lake.deliver(lake.put(KEYS).values())
    run = dags.run(source(lake, where="key = 'nothing like that'"))
    assert run.is_green, run.states
    assert run.xcom("job.manifest") == []
    assert run.xcom("job.report")["objects"] == 0
    assert len(lake.report(run.xcom("job.report")["report_url"])) == 0
    assert lake.tags(KEYS[0]) == {}


@on_seaweedfs
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"inventory": "'s3://nowhere-at-all/daily'"}, "nowhere-at-all"),
        ({"aws_conn_id": "nowhere"}, "aws_conn_id='nowhere': Airflow has no such connection"),
        ({"where": "colour = 'red'"}, "colour"),
        ({"where": "encryption_status = 'NOT_ENCRYPTED'"}, "NOT-SSE"),
        ({"where": "{{ '' }} -- nothing"}, "an empty filter would select every object"),
        ({"max_objects": 59}, "max_objects"),
        ({"max_objects": "{{ params.limit }}"}, "max_objects rendered to ''"),
    ],
)
def test_what_cannot_work_ends_with_a_sentence_and_touches_nothing(
    dags: DagFolder, lake: Lake, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], sentence: str
) -> None:
    """The manifest task fails, the report says that there is no manifest, and the run is red."""
    lake.deliver(lake.put(KEYS).values())
    run = dags.run(source(lake, **changes))
    assert run.states == {"job.manifest": "failed", "job.run": "upstream_failed", "job.report": "failed"}
    assert not run.is_green
    failures = [line for line in capsys.readouterr().out.splitlines() if "AirflowFailException: " in line]
    assert sentence in failures[0]
    assert "there is no manifest to report on: task 'job.manifest' is failed" in failures[1]
    assert all(lake.tags(key) == {} for key in KEYS[:3])
    assert not any("shard" in key for key in lake.job_files())


@on_seaweedfs
def test_store_that_refuses_is_a_sentence(
    dags: DagFolder, lake: Lake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A user who may only read can't begin a job."""
    lake.deliver(lake.put(KEYS).values())
    reader = lake.server.as_identity("reader")
    monkeypatch.setenv("AIRFLOW_CONN_READER", reader.airflow_connection_uri())
    run = dags.run(source(lake, aws_conn_id="reader"))
    assert run.states["job.manifest"] == "failed"
    assert "the store refuses with AccessDenied" in capsys.readouterr().out
    assert lake.tags(KEYS[0]) == {}


@on_seaweedfs
def test_deferred_sensor_hands_its_delivery_to_the_job(dags: DagFolder, lake: Lake) -> None:
    """The run waits in the triggerer until the inventory has come."""
    rows = list(lake.put(KEYS[:5]).values())
    before = (
        f"inventory = S3InventorySensor(task_id='inventory', inventory={lake.inventory!r}, deferrable=True,"
        " poke_interval=0.2, timeout=60)"
    )
    delivery = threading.Timer(2, lake.deliver, [rows])
    delivery.start()
    run = dags.run(source(lake, before=before, inventory="inventory.output"))
    delivery.join()
    assert run.is_green, run.states
    assert run.xcom("inventory").endswith("/manifest.json")
    assert lake.tags(KEYS[0]) == TAGGED


@on_seaweedfs
def test_failed_sensor_makes_the_report_say_so(dags: DagFolder, lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    """What is upstream of the manifest counts as well."""
    before = "inventory = S3InventorySensor(task_id='inventory', inventory='s3://nowhere-at-all/daily', timeout=0)"
    run = dags.run(source(lake, before=before, inventory="inventory.output"))
    assert run.states["job.report"] == "failed"
    assert "task 'job.manifest' is upstream_failed" in capsys.readouterr().out


@on_seaweedfs
def test_notice_of_a_red_run_has_the_sentence(dags: DagFolder, lake: Lake, tmp_path: Path) -> None:
    """Notifiers hear of it once, before the task fails; clearing the report repeats nothing."""
    rows = lake.put(KEYS[:3])
    lake.deliver(rows.values())
    lake.client.delete_object(Bucket=lake.bucket, Key=KEYS[1])
    told = tmp_path / "told.txt"
    before = f"""
    from airflow.sdk import BaseNotifier
    class ToFile(BaseNotifier):
        template_fields = ("text",)
        def __init__(self, text):
            super().__init__()
            self.text = text
        def notify(self, context):
            with open({str(told)!r}, "a") as file:
                file.write(self.text + chr(10))
"""
    text = source(
        lake,
        before=before.strip(),
        tolerate=[],
    ).replace(
        '"operation":',
        '"notifications": [ToFile("{{ dag.dag_id }}: {{ report }} {{ report.html_url }}")], "operation":',
    )
    run = dags.run(text)
    assert not run.is_green
    lines = told.read_text().splitlines()
    assert f"{run.dag.dag_id}: put_object_tagging: 1 of 3 objects failed (NoSuchKey 1)" in lines[0]
    assert "report.html" in lines[-1]
    run.clear("job.report")
    assert not run.is_green
    assert told.read_text().splitlines() == lines


@on_seaweedfs
def test_scheduled_and_manual_runs_work_alike(dags: DagFolder, lake: Lake) -> None:
    """A logical date is taken down where there is one."""
    from datetime import UTC, datetime

    lake.deliver(lake.put(KEYS[:3]).values())
    run = dags.run(source(lake), logical_date=datetime(2026, 11, 1, tzinfo=UTC))
    assert run.is_green, run.states
    job = lake.json(run.xcom("job.manifest")[0]["job"] + "/job.json")
    assert job["about"]["logical_date"].startswith("2026-11-01T00:00:00")


def test_store_that_would_overwrite_the_objects_is_left_alone(
    dags: DagFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On ``rclone serve s3`` a tagging request replaces the body."""
    with rclone() as server:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_uri())
        lake = Lake(server)
        lake.deliver(lake.put(["a.csv", "b.csv"]).values())
        run = dags.run(source(lake))
        assert run.states["job.run"] == ["failed"]
        assert "put_object_tagging: " in capsys.readouterr().out
        for key in ("a.csv", "b.csv"):
            body = lake.client.get_object(Bucket=lake.bucket, Key=key)["Body"].read()
            assert body == f"body of {key}".encode()


def test_two_stores_in_one_job(
    dags: DagFolder, signing_server: Server, lenient_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Objects here, inventory and job files there; the scratch object is made beside the objects, and deleted."""
    objects, jobs = Lake(lenient_server), Lake(signing_server)
    monkeypatch.setenv("AIRFLOW_CONN_OBJECTS", lenient_server.airflow_connection_uri())
    monkeypatch.setenv("AIRFLOW_CONN_JOBS", signing_server.airflow_connection_uri())
    rows = [{"bucket": objects.bucket, **row} for row in objects.put(KEYS[:3]).values()]
    jobs.deliver(rows)
    run = dags.run(source(jobs, aws_conn_id="objects", job_aws_conn_id="jobs"))
    assert run.is_green, run.states
    assert objects.tags(KEYS[0]) == TAGGED
    assert objects.keys(objects.bucket) == set(KEYS[:3])
