"""``api/jobs``: which jobs are listed, in which state, and who sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi.testclient import TestClient
    from seeded_jobs import Place

STATES = {
    "planning": "planning",
    "refused": "refused",
    "awaiting_approval": "awaiting_approval",
    "queued": "queued",
    "running": "running",
    "paused": "paused",
    "reporting": "reporting",
    "cleared": "running",
    "success": "success",
    "failed": "failed",
    "skipped": "skipped",
    "no_manifest": "failed",
    "rejected": "skipped",
    "managed": "running",
    "two_jobs": "running",
    "by_hand": "running",
    "dry_run": "success",
    "million": "running",
    "attacked": "running",
    "rehearsing": "running",
    "rehearsed": "running",
    "verified": "failed",
    "verifying": "reporting",
    "marked": "failed",
}


@pytest.fixture
def listed(client: Callable[..., TestClient]) -> Callable[..., dict[str, Any]]:
    def listed(role: str = "admin", **query: Any) -> dict[str, Any]:
        answer = client(role).get("/s3batch/api/jobs", params={"size": 200, **query})
        assert answer.status_code == 200, answer.text
        return answer.json()  # type: ignore[no-any-return]

    return listed


def test_every_job_is_listed_in_its_state(listed: Callable[..., Any], places: dict[str, Place]) -> None:
    found = {(job["dag_id"], job["run_id"], job["group"]): job["state"] for job in listed()["jobs"]}
    assert {name: found.get(places[name]) for name in STATES} == STATES


def test_two_jobs_of_one_run_are_two(listed: Callable[..., Any], places: dict[str, Place]) -> None:
    of_run = [job for job in listed()["jobs"] if job["run_id"] == places["two_jobs"].run_id]
    assert {job["group"]: job["state"] for job in of_run} == {"copy": "success", "tag": "running"}


def test_counts_progress_and_the_end_are_those_of_the_shards(
    listed: Callable[..., Any], places: dict[str, Place]
) -> None:
    """Of shards that were cleared only what had succeeded counts."""
    jobs = {(job["dag_id"], job["run_id"], job["group"]): job for job in listed()["jobs"]}
    job = jobs[places["running"]]
    assert (job["objects"], job["done"], job["failed"], job["succeeded"]) == (500_000, 237_500, 37, 237_463)
    assert job["progress"] == 0.475
    assert job["rate"] == pytest.approx(79.5)
    assert job["eta_s"] == round(262_500 / 79.5)
    assert job["slow_downs"] == 5
    assert job["shards"] == {"success": 1, "running": 2, "up_for_retry": 1, "scheduled": 1}
    assert job["run_url"].startswith("/af/dags/quarantine_unencrypted/runs/manual__")
    assert job["ended"] is None
    cleared = jobs[places["cleared"]]
    assert (cleared["done"], cleared["failed"]) == (50_000 + 49_100 + 30_000, 10)
    dry = jobs[places["dry_run"]]
    assert (dry["dry_run"], dry["failed"], dry["succeeded"]) == (True, 10, 9_990)
    assert jobs[places["refused"]]["sentence"].startswith("s3://inventories/")
    assert jobs[places["managed"]]["engine"] == "managed"


def test_only_readable_dags_are_listed(listed: Callable[..., Any]) -> None:
    assert "secret_lake" in {job["dag_id"] for job in listed("admin")["jobs"]}
    of_viewer = listed("viewer")
    assert "secret_lake" not in {job["dag_id"] for job in of_viewer["jobs"]}
    assert "secret_lake" not in of_viewer["dag_ids"]
    assert listed("viewer", dag_id="secret_lake")["total"] == 0


def test_filters_narrow_and_the_states_are_counted_without_their_own_filter(listed: Callable[..., Any]) -> None:
    everything = listed()
    assert sum(everything["states"].values()) == everything["total"] == len(everything["jobs"])
    red = listed(state="failed,refused")
    assert {job["state"] for job in red["jobs"]} == {"failed", "refused"}
    assert red["states"] == everything["states"]
    assert {job["dag_id"] for job in listed(dag_id="tag_by_aws")["jobs"]} == {"tag_by_aws"}
    assert {job["engine"] for job in listed(engine="managed")["jobs"]} == {"managed"}
    assert {job["operation"] for job in listed(operation="delete_object")["jobs"]} == {"delete_object"}
    assert {job["dag_id"] for job in listed(q="EXPIRE delete")["jobs"]} == {"expire_versions"}
    assert listed(days=0.5)["total"] < everything["total"]


def test_pages_follow_the_order(listed: Callable[..., Any]) -> None:
    everything = [job["run_id"] + job["group"] for job in listed(sort="-objects")["jobs"]]
    pages = [listed(sort="-objects", size=10, page=page)["jobs"] for page in (1, 2, 3, 4, 5, 6)]
    assert [job["run_id"] + job["group"] for page in pages for job in page] == everything
    objects = [job["objects"] for job in listed(sort="objects")["jobs"]]
    assert objects == sorted(objects)
    starts = [job["started"] or "" for job in listed()["jobs"]]
    assert starts == sorted(starts, reverse=True)


def test_states_are_sorted_by_what_needs_somebody(listed: Callable[..., Any]) -> None:
    states = list(dict.fromkeys(job["state"] for job in listed(sort="state")["jobs"]))
    assert states[:4] == ["failed", "refused", "awaiting_approval", "paused"]
    assert states[-2:] == ["success", "skipped"]
    assert listed(sort="-state")["jobs"][0]["state"] == "skipped"


def test_other_dags_news_do_not_crowd_out_ones_own(listed: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """What a Dag tells that one may not read, or a mapped task, takes no room; more than there is room for is told."""
    from airflow_s3batch.ui import listing

    mine = {job["run_id"]: job["objects"] for job in listed(dag_id="tag_by_aws")["jobs"]}
    monkeypatch.setattr(listing, "MOST_NEWS", 3)
    few = listed(dag_id="tag_by_aws")
    assert ({job["run_id"]: job["objects"] for job in few["jobs"]}, few["truncated"]) == (mine, False)
    assert listed()["truncated"] is True


@pytest.mark.parametrize(
    "query",
    ["page=0", "size=9999", "days=-1", "days=nan", "sort=password", "state=odd", f"q={'x' * 300}", "page=x"],
)
def test_a_wrong_question_is_refused(client: Callable[..., TestClient], query: str) -> None:
    assert client().get(f"/s3batch/api/jobs?{query}").status_code == 422


def test_who_is_nobody_gets_nothing(client: Callable[..., TestClient], places: dict[str, Place]) -> None:
    place = places["running"]
    for path in ("jobs", f"run?dag_id={place.dag_id}&run_id=x"):
        assert client(None).get(f"/s3batch/api/{path}").status_code == 401
    assert client(by_cookie=True).get("/s3batch/api/jobs").status_code == 200
    assert client(None).post("/s3batch/api/jobs").status_code == 405


def test_answers_are_not_kept_and_not_guessed(client: Callable[..., TestClient]) -> None:
    """Security headers stand on every answer, refusals too; files are asked for again by their ETag."""
    for path, role, kept in [
        ("api/jobs", "viewer", "no-store"),
        ("api/jobs", None, "no-store"),
        ("", None, "no-cache"),
    ]:
        headers = client(role).get(f"/s3batch/{path}").headers
        assert headers["content-security-policy"].startswith("default-src 'self'; ")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == kept
    page = client(None).get("/s3batch/")
    again = client(None).get("/s3batch/static/icon.svg")
    assert "text/html" in page.headers["content-type"]
    tag = {"If-None-Match": again.headers["etag"]}
    assert client(None).get("/s3batch/static/icon.svg", headers=tag).status_code == 304
    assert client(None).get("/s3batch/static/%2e%2e/app.py").status_code == 404
    assert client(None).get("/s3batch/docs").status_code == 404


def test_jobs_of_operators_of_other_classes_are_found_by_what_they_tell(
    client: Callable[..., TestClient], listed: Callable[..., Any]
) -> None:
    """Sub-classes have names of their own."""
    from datetime import UTC, datetime

    from airflow.utils.session import create_session
    from seeded_database import Seeder, Task

    from airflow_s3batch.core.news import PLAN_KEY, PlanNews

    now = datetime.now(UTC)
    plan = PlanNews(
        job="s3://ops/own", state="published", rows=7, jobs=({"operation": "work"},), task_id="choose"
    ).to_json()
    tasks = [
        Task("choose", "OurManifestOperator", "success", start=now, end=now, xcoms={PLAN_KEY: plan}),
        Task("work", "OurOperator", "running", 0, start=now),
    ]
    with create_session() as session:
        Seeder(session).run("wired_by_hand", "own_classes", "running", now, tasks, is_over=False)
    (job,) = [job for job in listed()["jobs"] if job["run_id"] == "own_classes"]
    assert (job["state"], job["objects"], job["task_ids"]["operation"]) == ("running", 7, "work")
    asked = {"dag_id": "wired_by_hand", "run_id": "own_classes"}
    (detail,) = client("admin").get("/s3batch/api/run", params=asked).json()["jobs"]
    assert [shard["state"] for shard in detail["shard_list"]] == ["running"]
