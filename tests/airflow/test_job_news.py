"""What the tasks of a real job tell Airflow, and that the page of the plugin makes a job of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from test_jobs import TAGGED, by_hand, source

from airflow_s3batch.core.news import PLAN_KEY, PROGRESS_KEY, REPORT_KEY, PlanNews, ProgressNews, ReportNews
from airflow_s3batch.core.news.bounds import size

if TYPE_CHECKING:
    from dag_runs import DagFolder, Run
    from lake import Lake

pytestmark = [
    pytest.mark.integration,
    pytest.mark.parametrize("lake", ["ministack"], indirect=True, ids=["ministack"]),
]

KEYS = ["a <b>&.csv", *(f"team/{number:02d}.csv" for number in range(39))]


def shown(run: Run) -> list[dict[str, Any]]:
    """Return what the page shows of *run*."""
    from datetime import UTC, datetime

    from airflow.utils.session import create_session

    from airflow_s3batch.ui.detail import details

    with create_session() as session:
        found = details(session, run.dag.dag_id, run.dag_run.run_id, base="/af", now=datetime.now(UTC))
    assert found is not None
    json.dumps(found, allow_nan=False)
    return found


def test_a_jobs_tasks_tell_all_that_the_page_shows(lake: Lake, dags: DagFolder) -> None:
    """Plan, progress of each shard with failures, report; keys percent-encoded. The job is wired by hand."""
    lake.deliver(lake.put(KEYS).values())
    lake.client.delete_object(Bucket=lake.bucket, Key=KEYS[0])
    run = dags.run(by_hand(source(lake, max_objects=1_000, columns={"team": "split_part(key, '/', 1)"})))

    plan = PlanNews.from_json(run.xcom("job.manifest", PLAN_KEY))
    assert plan is not None
    assert (plan.state, plan.rows, plan.shards, plan.engine) == ("published", 40, 2, "worker")
    assert plan.operation == {"operation": "PutObjectTagging", "tags": TAGGED}
    assert plan.guards == {"max_objects": 1_000}
    assert plan.jobs == ({"operation": "job.run", "report": "job.report"},)
    assert (plan.source, plan.sql) == ("inventory", "TRUE")
    assert plan.started
    assert plan.ended
    assert plan.as_of

    shards = [ProgressNews.from_json(run.xcom("job.run", PROGRESS_KEY, index)) for index in range(2)]
    assert [(news.state, news.rows, news.done) for news in shards if news] == [("ended", 20, 20), ("ended", 20, 20)]
    codes = {code: entry for news in shards if news for code, entry in news.codes.items()}
    assert codes == {"NoSuchKey": (1, (f"s3://{lake.bucket}/a%20%3Cb%3E%26.csv",))}
    assert all(news.history[-1][1] == 20 for news in shards if news)

    report = ReportNews.from_json(run.xcom("job.report", REPORT_KEY))
    assert report is not None
    assert (report.objects, report.succeeded, report.failed, report.is_green) == (40, 39, 1, False)
    assert report.codes == codes
    assert report.failed_url.endswith("/report/failed.csv")
    told = [("job.manifest", PLAN_KEY, -1), ("job.run", PROGRESS_KEY, 0), ("job.report", REPORT_KEY, -1)]
    assert max(size(run.xcom(*place)) for place in told) < 3_000

    (job,) = shown(run)
    assert (job["state"], job["objects"], job["done"], job["failed"]) == ("failed", 40, 40, 1)
    assert [shard["state"] for shard in job["shard_list"]] == ["failed", "success"]
    assert job["codes"] == [{"code": "NoSuchKey", "number": 1, "examples": [f"s3://{lake.bucket}/a%20%3Cb%3E%26.csv"]}]

    run.clear("job.run", "job.report")  # their XComs are gone with the new attempt
    (job,) = shown(run)
    assert (job["objects"], job["failed"]) == (40, 1)


def test_a_guards_sentence_is_told(lake: Lake, dags: DagFolder) -> None:
    lake.deliver(lake.put(KEYS).values())
    run = dags.run(source(lake, max_objects=10))

    plan = PlanNews.from_json(run.xcom("job.manifest", PLAN_KEY))
    assert plan is not None
    assert plan.state == "refused"
    assert "40 objects, more than max_objects=10" in plan.reason
    (job,) = shown(run)
    assert job["state"] == "refused"
    assert job["sentence"] == plan.reason
    assert job["task_ids"]["operation"] == "job.run"
