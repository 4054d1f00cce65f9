"""``api/run``: all that is known of the jobs of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi.testclient import TestClient
    from seeded_jobs import Place

Job = "Callable[..., Any]"


def test_shards_failures_and_plan_of_a_running_job(job: Callable[..., Any]) -> None:
    found = job("running")
    shards = found["shard_list"]
    assert [shard["state"] for shard in shards] == ["success", "running", "running", "up_for_retry", "scheduled"]
    assert [shard["done"] for shard in shards] == [100_000, 72_500, 61_000, 4_000, 0]
    assert shards[0]["label"] == "shard 0 · 100,000 objects"
    assert shards[1]["log_url"].endswith("/tasks/quarantine.run/mapped/1?try_number=1")
    assert found["codes"] == [{"code": "AccessDenied", "number": 37, "examples": ["s3://lake/a%20b.gz"]}]
    assert found["plan"]["guards"]["max_objects"] == 5_000_000
    assert found["plan"]["sql"].startswith("encryption_status = 'NOT-SSE'")
    assert [link["kind"] for link in found["links"]] == ["airflow", "airflow", "airflow"]
    assert found["commands"][0]["command"] == f"s3batch pause {found['job_url']}"


def test_the_rate_over_time_adds_up_to_what_was_done(job: Callable[..., Any]) -> None:
    history = job("running")["history"]
    step = history[1][0] - history[0][0]
    assert sum(point[1] for point in history) * step == pytest.approx(237_500, rel=0.05)
    assert history == sorted(history)


def test_what_people_are_asked_and_have_answered(job: Callable[..., Any]) -> None:
    asked = job("awaiting_approval")["approval"]
    assert (asked["state"], asked["subject"]) == ("pending", "Delete 1,204,511 objects (1.2 TB)?")
    assert asked["url"].endswith("/tasks/expire.approve/required_actions")
    answered = job("rejected")["approval"]
    assert (answered["state"], answered["by"]) == ("rejected", "Ann")
    assert job("running")["approval"] is None


def test_what_people_are_asked_is_for_those_who_may_read_that(job: Callable[..., Any]) -> None:
    """Airflow has a permission of its own for it, which this viewer lacks."""
    found = job("awaiting_approval", role="viewer")
    assert found["state"] == "awaiting_approval"
    assert (found["approval"]["subject"], found["approval"]["by"]) == ("", "")
    assert "Ann" not in str(job("rejected", role="viewer"))


def test_a_rehearsal_tells_its_counts(job: Callable[..., Any]) -> None:
    found = job("rehearsed")["rehearsal"]
    assert (found["state"], found["objects"], found["of"], found["failed"]) == ("success", 1_000, 1_204_511, 2)
    going_on = job("rehearsing")
    assert (going_on["rehearsing"], going_on["rehearsal"]["state"]) == (True, "running")
    assert going_on["rehearsal"]["objects"] is None
    assert job("running")["rehearsal"] is None
    assert job("verifying")["verifying"] is True


def test_what_no_attempt_reached_has_not_failed_in_trying(job: Callable[..., Any]) -> None:
    """A report counts it among the failures; the page shows it beside them, as it has no share in what was tried."""
    found = job("unreached")
    assert (found["done"], found["succeeded"], found["failed"], found["not_attempted"]) == (50, 30, 20, 350)
    assert found["progress"] == 0.125


def test_a_dry_run_names_no_failed_objects(job: Callable[..., Any]) -> None:
    found = job("dry_run")
    assert "Failed objects" not in str([*found["links"], *found["commands"]])
    assert found["commands"][1]["command"].endswith(" --rows")


def test_an_endless_rate_is_not_told(job: Callable[..., Any]) -> None:
    """News with a history that JSON can't hold the rate of leave the page as it is."""
    found = job("attacked")
    assert found["shard_list"][1]["rate"] is None


def test_a_paused_job_tells_who_paused_it(job: Callable[..., Any]) -> None:
    found = job("paused")
    assert found["control"]["by"] == "ann@laptop"
    assert found["rate"] == 0
    assert found["eta_s"] is None
    assert "s3batch resume" in found["commands"][0]["command"]


def test_a_report_tells_how_it_ended(job: Callable[..., Any]) -> None:
    found = job("failed")
    assert (found["objects"], found["failed"], found["report"]["is_green"]) == (100_000, 38, False)
    assert [link["label"] for link in found["links"] if link["kind"] == "s3"] == [
        "Report",
        "Completion report",
        "Failed objects",
        "Summary",
    ]
    assert {entry["code"]: entry["number"] for entry in found["codes"]} == {"AccessDenied": 26, "NoSuchKey": 12}


def test_aws_jobs_are_linked_to_the_console(job: Callable[..., Any]) -> None:
    links = [link for link in job("managed")["links"] if link["kind"] == "aws"]
    assert [link["label"] for link in links] == ["AWS console: lake-a", "AWS console: lake-b"]
    assert all(link["url"].startswith("https://console.aws.amazon.com/s3/jobs/") for link in links)


def test_a_task_instance_shows_its_shard_only(job: Callable[..., Any]) -> None:
    one = job("running", task_id="quarantine.run", map_index=2)
    assert [shard["map_index"] for shard in one["shard_list"]] == [2]
    assert one["done"] == 237_500
    whole = job("running", task_id="quarantine.report", map_index=-1)
    assert len(whole["shard_list"]) == 5


def test_hostile_news_do_no_harm(client: Callable[..., TestClient], job: Callable[..., Any]) -> None:
    """Nothing fails, nothing is unbounded, no number is none, keys stay encoded."""
    found = job("attacked")
    assert found["state"] == "running"
    assert found["failed"] == 42
    assert len(found["shard_list"]) == 9
    text = str(found)
    assert "<script>" not in text.replace("<b>", "")
    assert "\u202e" not in text
    assert "javascript:" not in str(found["links"])
    assert max(len(url) for entry in found["codes"] for url in entry["examples"]) < 500


@pytest.mark.parametrize(
    ("name", "role", "status"),
    [("secret", "viewer", 403), ("secret", "admin", 200), ("running", "viewer", 200)],
    ids=["no-access", "admin", "viewer"],
)
def test_a_dags_readers_see_its_runs(
    client: Callable[..., TestClient], places: dict[str, Place], name: str, role: str, status: int
) -> None:
    place = places[name]
    asked = {"dag_id": place.dag_id, "run_id": place.run_id}
    assert client(role).get("/s3batch/api/run", params=asked).status_code == status


def test_a_run_that_does_not_exist_is_not_found(client: Callable[..., TestClient]) -> None:
    asked = {"dag_id": "quarantine_unencrypted", "run_id": "none"}
    assert client().get("/s3batch/api/run", params=asked).status_code == 404
    assert client().get("/s3batch/api/run").status_code == 422
