"""What AWS can't do is told when the Dag is parsed, each with the way out."""

from __future__ import annotations

import pytest
from managed_jobs import SETTINGS, TAGGING

from airflow_s3batch.engine.policy import Policy
from airflow_s3batch.managed import JobProgress, managed_problems
from airflow_s3batch.operations import (
    ALL_OPERATIONS,
    Column,
    ComputeObjectChecksum,
    DeleteObject,
    PutObjectTagging,
)


@pytest.mark.parametrize(
    ("changes", "clause"),
    [
        ({"failure_threshold": 0.05}, "failure_threshold=0.05: AWS stops a job once more than half"),
        ({"keep_going": True}, "keep_going=True: AWS always stops"),
        ({"max_concurrency": 8}, "max_concurrency=8: AWS decides itself"),
        ({"max_requests_per_s": 100.0}, "max_requests_per_s=100.0: AWS decides itself"),
        ({"request_timeout_s": 5.0}, "request_timeout_s=5.0: AWS sends the requests"),
        ({"connect_timeout_s": 5.0}, "connect_timeout_s=5.0: AWS sends the requests"),
        ({"max_attempts": 3}, "max_attempts=3: AWS repeats requests"),
        ({"give_up_s": 5.0}, "give_up_s=5.0: AWS decides itself"),
    ],
)
def test_limits_that_are_the_worker_engines_are_refused(changes: dict[str, object], clause: str) -> None:
    """One clause each, with the reason and the way out."""
    [problem] = managed_problems(policy=Policy(**changes))  # type: ignore[arg-type]
    assert problem.startswith(clause)
    assert problem.endswith("leave it out, or use engine='worker'")


@pytest.mark.parametrize(
    "policy",
    [
        Policy(),
        Policy(allowed_failures=0.1, tolerate=frozenset({"NoSuchKey"})),
        Policy(replay_unsafe=True, progress_every_s=60, pulse_every_s=60),
    ],
)
def test_what_is_ours_alone_is_fine(policy: Policy) -> None:
    """What counts as failure, and how often lines are written, is not AWS's business."""
    assert managed_problems(TAGGING, policy, SETTINGS) == []


def test_all_problems_come_together() -> None:
    """Of the operation, the policy and the settings."""
    operation = PutObjectTagging({"team": Column("team")})
    found = managed_problems(operation, Policy(max_attempts=3), SETTINGS._replace(priority=-1))
    assert [clause.split(":")[0].split("=")[0] for clause in found] == ["Column('team')", "max_attempts", "priority"]


def test_operations_that_aws_lacks_say_where_to_go() -> None:
    """DeleteObject is the one that is missed most."""
    [problem] = managed_problems(DeleteObject())
    assert "no DeleteObject" in problem
    assert "engine='worker'" in problem
    assert sum(1 for kind in ALL_OPERATIONS if kind.managed_name) == 11


def test_a_checksum_job_needs_the_buckets_owner() -> None:
    """AWS wants the account named in the report's part of the request."""
    anybody = SETTINGS._replace(expected_bucket_owner=False)
    assert managed_problems(TAGGING, settings=anybody) == []
    [problem] = managed_problems(ComputeObjectChecksum("SHA256"), settings=anybody)
    assert "pass True" in problem


def test_progress_is_a_sentence() -> None:
    """With counts once AWS has them, and with AWS's reasons."""
    job = {"JobId": "f3cc", "Status": "Preparing"}
    assert JobProgress.of(job).sentence() == "AWS job f3cc is Preparing"
    job = {
        **job,
        "Status": "Failed",
        "ProgressSummary": {
            "TotalNumberOfTasks": 2_000,
            "NumberOfTasksSucceeded": 400,
            "NumberOfTasksFailed": 601,
        },
        "FailureReasons": [{"FailureCode": "TooMany", "FailureReason": "more than\nhalf"}],
    }
    progress = JobProgress.of(job)
    assert progress.sentence() == "AWS job f3cc is Failed: 1,001/2,000 (50 %), 601 failed; TooMany: more than half"
    assert progress.is_over
    assert not JobProgress.of({"JobId": "a", "Status": "Completing"}).is_over


def test_a_job_without_counts_has_none() -> None:
    """AWS leaves the summary out, or its members, while it prepares."""
    assert JobProgress.of({"JobId": "a", "Status": "New", "ProgressSummary": {}}).total == 0
    assert JobProgress.of({"JobId": "a", "Status": "New", "ProgressSummary": None}).done == 0
