"""What a job tells Airflow's metrics, and what the command line says of it, on a real store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from lake import Lake
from statsd_listener import StatsdListener, airflow_tells

from airflow_s3batch.cli.main import main
from airflow_s3batch.core.cleanup_rules import CleanupRules
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.files.storage import S3Storage
from airflow_s3batch.operators.metrics import METRICS
from airflow_s3batch.reports.cleanup.cleanup_judging import DUE, Judged
from airflow_s3batch.reports.cleanup.cleanup_removal import remove_job
from airflow_s3batch.reports.read import read_rows

if TYPE_CHECKING:
    from dag_runs import DagFolder

pytestmark = pytest.mark.integration

KEYS = [f"a/{number:03d}.csv" for number in range(60)]
DAG = """
from datetime import timedelta

from airflow.sdk import dag
from airflow_s3batch import S3BatchCleanupOperator, s3_batch_job
from airflow_s3batch.operations import PutObjectTagging

@dag(dag_id="metrics", schedule=None, default_args={{"retries": 0}})
def metrics():
    job = s3_batch_job(
        "job", inventory={inventory!r}, job_url={job_url!r}, where="TRUE", operation=PutObjectTagging({{"k": "v"}}),
        max_shards=2, objects_per_shard=30, tolerate={{"NoSuchKey"}},
    )
    job >> S3BatchCleanupOperator(task_id="cleanup", job_url={job_url!r}, older_than=timedelta(days=1), keep_last=0)

metrics()
"""


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[StatsdListener]:
    listener = StatsdListener()
    with airflow_tells(listener, monkeypatch):
        yield listener
    listener.close()


@pytest.mark.parametrize("lake", ["seaweedfs"], indirect=True)
def test_a_job_is_counted_in_airflows_metrics_and_shown_by_the_command_line(
    dags: DagFolder,
    lake: Lake,
    listener: StatsdListener,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """60 objects, of which 5 have vanished since the inventory."""
    rows = lake.put(KEYS)
    lake.deliver(rows.values())
    lake.client.delete_objects(Bucket=lake.bucket, Delete={"Objects": [{"Key": key} for key in KEYS[:5]]})
    run = dags.run(DAG.format(inventory=lake.inventory, job_url=lake.job_url))
    assert run.is_green, run.states
    told = [metric for metric in listener.metrics() if metric.name.startswith("airflow.s3batch.")]

    def total(name: str, **tags: str) -> float:
        return sum(m.value for m in told if m.name == f"airflow.{name}" and tags.items() <= m.tags.items())

    of_run = {"dag_id": "metrics", "task_id": "job.run", "operation": "put_object_tagging", "engine": "worker"}
    assert total("s3batch.objects", **of_run) == 60
    assert total("s3batch.failures", code="NoSuchKey", **of_run) == 5
    assert total("s3batch.requests", **of_run) >= 60
    assert total("s3batch.bytes", **of_run) == sum(rows[key]["size"] for key in KEYS[5:])
    assert total("s3batch.jobs", state="green", task_id="job.report") == 1
    assert total("s3batch.job.objects", dag_id="metrics") == 60
    assert {m.tags["shard"] for m in told if m.name == "airflow.s3batch.in_flight"} == {"0", "1"}
    last = {m.tags["shard"]: m.value for m in told if m.name == "airflow.s3batch.in_flight"}
    assert last == {"0": 0, "1": 0}
    kinds = {"c": "counter", "g": "gauge", "ms": "timer"}
    assert {m.name.removeprefix("airflow."): kinds[m.kind] for m in told}.items() <= METRICS.items()

    assert run.xcom("cleanup")["kept"] == {"younger than older_than": 1}
    report_url = run.xcom("job.report")["report_url"]
    _check_command_line(lake, report_url, monkeypatch, capsys)
    _check_removal(lake, report_url)


def _check_command_line(lake: Lake, report_url: str, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", lake.server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", lake.server.secret_key)
    monkeypatch.setenv("AWS_DEFAULT_REGION", lake.server.region)

    def s3batch(*argv: str) -> tuple[int, str]:
        code = main([*argv, "--endpoint-url", lake.server.endpoint_url])
        told = capsys.readouterr()
        assert "Traceback" not in told.err, told.err
        return code, told.out

    capsys.readouterr()
    code, text = s3batch("report", report_url)
    assert code == 0
    assert "NoSuchKey" in text
    code, text = s3batch("failed", report_url, "--csv", "-")
    assert sorted(text.splitlines()) == [f"{lake.bucket},{key}" for key in KEYS[:5]]
    (line,) = [json.loads(line) for line in s3batch("jobs", lake.job_url, "--json")[1].splitlines()]
    assert (line["state"], line["objects"], line["failed"]) == ("success", 60, 5)
    plan = json.loads(s3batch("plan", report_url, "--json")[1])
    assert (plan["manifest"]["rows"], plan["manifest"]["shards"]) == (60, 2)
    assert plan["operation"]["operation"] == "PutObjectTagging"
    policy = json.loads(s3batch("iam-policy", "--job", report_url)[1])
    assert policy["Statement"][0]["Resource"] == [f"arn:aws:s3:::{lake.bucket}/*"]
    assert s3batch("report", f"{lake.job_url}/nothing")[0] == 3


def _check_removal(lake: Lake, report_url: str) -> None:
    """As if the job were old: first all but its report goes, then that, too."""
    storage = S3Storage(lake.server.access())
    job = Judged(S3Url.parse(report_url.removesuffix("/report/manifest.json")), DUE)
    before = lake.job_files()
    rows = sorted(read_rows(storage, report_url))
    rules = CleanupRules(older_than=timedelta(days=1), keep_reports=True)
    trimmed = remove_job(storage, job, rules, datetime.now(UTC))
    left = lake.job_files()
    assert len(before) - len(left) == trimmed.files > 4
    assert not any("/manifest/shard-" in key or ".commit.json" in key or "/pulse/" in key for key in left)
    assert sorted(read_rows(storage, report_url)) == rows
    assert len(rows) == 60
    remove_job(storage, job, CleanupRules(older_than=timedelta(days=1)), datetime.now(UTC))
    assert {key.split("/")[1] for key in lake.job_files()} == {"series", "cleanup"}
