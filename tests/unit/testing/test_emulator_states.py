"""Jobs of the emulator go through the states of S3 Batch Operations, as the control API shows them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from emulator_bench import DENIED, START, Bench

from airflow_s3batch.core.outcomes import SUCCESS
from airflow_s3batch.testing.emulator.jobs import NEXT, STATUSES, TERMINAL

# -- the way of one job -----------------------------------------------------------------------


def test_a_job_without_confirmation_runs_to_its_end(lab: Bench) -> None:
    job_id = lab.create("a", "b")
    job = lab.emulator.wait(job_id)
    assert lab.statuses_of(job_id) == ["New", "Preparing", "Ready", "Active", "Completing", "Complete"]
    assert job["ProgressSummary"] == {
        "TotalNumberOfTasks": 2,
        "NumberOfTasksSucceeded": 2,
        "NumberOfTasksFailed": 0,
        "Timers": {"ElapsedTimeInActiveSeconds": 0},
    }
    assert sorted(lab.done) == ["a", "b"]


def test_a_job_is_described_with_all_that_it_was_created_with(lab: Bench) -> None:
    """Through botocore's own parser."""
    manifest = lab.manifest("lake,a\n")
    job_id = lab.create(Manifest=manifest, Description="why", Priority=7)
    lab.emulator.wait(job_id)
    job = lab.describe(job_id)
    assert job["JobArn"] == f"arn:aws:s3:us-east-1:123456789012:job/{job_id}"
    assert (job["Description"], job["Priority"], job["Status"]) == ("why", 7, "Complete")
    assert (job["Manifest"], job["Operation"]) == (manifest, {"S3DeleteObjectTagging": {}})
    assert job["CreationTime"] == job["TerminationDate"] == START
    assert job["ConfirmationRequired"] is False
    assert "FailureReasons" not in job
    assert "SuspendedCause" not in job


@pytest.mark.parametrize("asked", [True, None])
def test_a_job_waits_for_its_confirmation_unless_it_says_it_needs_none(lab: Bench, asked: bool | None) -> None:
    job_id = lab.create("a", ConfirmationRequired=asked)
    lab.emulator.wait(job_id, "Suspended")
    job = lab.describe(job_id)
    assert (job["SuspendedCause"], job["SuspendedDate"]) == ("AWAITING_CONFIRMATION", START)
    assert job["ProgressSummary"]["TotalNumberOfTasks"] == 1
    assert lab.done == []

    answer = lab.set_status(job_id, "Ready", StatusUpdateReason="looks right")

    assert (answer["Status"], answer["StatusUpdateReason"]) == ("Ready", "looks right")
    assert lab.emulator.wait(job_id)["Status"] == "Complete"
    assert lab.describe(job_id)["StatusUpdateReason"] == "looks right"
    assert "SuspendedCause" not in lab.describe(job_id)


def test_a_job_that_nobody_confirms_for_30_days_fails(lab: Bench) -> None:
    job_id = lab.create("a", ConfirmationRequired=True)
    lab.emulator.wait(job_id, "Suspended")
    lab.clock.forward(days=29)
    assert lab.status(job_id) == "Suspended"
    lab.clock.forward(days=1)
    job = lab.describe(job_id)
    assert job["Status"] == "Failed"
    assert "30 days" in job["FailureReasons"][0]["FailureReason"]


@pytest.mark.parametrize("status", ["New", "Preparing", "Ready", "Active", "Completing"])
def test_a_job_can_be_held_in_each_state(lab: Bench, status: str) -> None:
    lab.emulator.hold(status)
    job_id = lab.create("a")
    lab.emulator.wait(job_id, status)
    assert lab.status(job_id) == status
    lab.emulator.release(status)
    assert lab.emulator.wait(job_id)["Status"] == "Complete"


@pytest.mark.parametrize("status", ["New", "Preparing", "Suspended", "Ready", "Active", "Completing"])
def test_a_job_can_be_cancelled_in_each_state(lab: Bench, status: str) -> None:
    lab.emulator.hold(status)
    lab.emulator.hold("Cancelling")
    job_id = lab.create("a", ConfirmationRequired=status == "Suspended")
    lab.emulator.wait(job_id, status)
    assert lab.set_status(job_id, "Cancelled", StatusUpdateReason="no more")["Status"] == "Cancelling"
    assert lab.status(job_id) == "Cancelling"
    lab.emulator.release("Cancelling")
    assert lab.emulator.wait(job_id)["Status"] == "Cancelled"
    assert lab.statuses_of(job_id)[-3:] == [status, "Cancelling", "Cancelled"]


def test_a_job_that_is_cancelled_halfway_runs_no_more_tasks_and_reports_those_that_ran(lab: Bench) -> None:
    lab.emulator.hold("Active", after_tasks=2)
    job_id = lab.create("a", "b", "c")
    lab.emulator.wait_for_tasks(job_id, 2)
    lab.set_status(job_id, "Cancelled")
    job = lab.emulator.wait(job_id)
    assert lab.done == ["a", "b"]
    assert job["ProgressSummary"]["NumberOfTasksSucceeded"] == 2
    assert job["ProgressSummary"]["TotalNumberOfTasks"] == 3
    assert ("reports", f"p/job-{job_id}/manifest.json") in lab.store.files


def test_a_held_job_goes_on_where_it_stopped(lab: Bench) -> None:
    lab.emulator.hold("Active", after_tasks=2)
    job_id = lab.create("a", "b", "c")
    lab.emulator.wait_for_tasks(job_id, 2)
    assert lab.describe(job_id)["ProgressSummary"]["NumberOfTasksSucceeded"] == 2
    lab.emulator.release()
    lab.emulator.wait(job_id)
    assert lab.done == ["a", "b", "c"]


def test_time_in_active_is_told(lab: Bench) -> None:
    lab.emulator.hold("Active")
    job_id = lab.create("a")
    lab.emulator.wait(job_id, "Active")
    lab.clock.forward(seconds=61)
    assert lab.describe(job_id)["ProgressSummary"]["Timers"]["ElapsedTimeInActiveSeconds"] == 61
    lab.emulator.release()
    lab.emulator.wait(job_id)
    lab.clock.forward(seconds=61)
    assert lab.describe(job_id)["ProgressSummary"]["Timers"]["ElapsedTimeInActiveSeconds"] == 61


def test_no_way_leads_out_of_an_end_and_each_state_has_one() -> None:
    assert not TERMINAL & NEXT.keys()
    assert set(STATUSES) == NEXT.keys() | TERMINAL


# -- failures ---------------------------------------------------------------------------------


def test_a_job_whose_tasks_all_fail_is_complete_below_a_thousand(lab: Bench) -> None:
    """S3 looks at the share of failures from 1,000 tasks on; Complete is not success."""
    lab.outcome_of = lambda obj: DENIED
    job = lab.emulator.wait(lab.create(*(f"k{n}" for n in range(999))))
    assert (job["Status"], job["ProgressSummary"]["NumberOfTasksFailed"]) == ("Complete", 999)


def test_a_job_fails_when_more_than_half_of_a_thousand_tasks_failed(lab: Bench) -> None:
    """Half of them is not enough; one more is, and the rest is not run."""
    lab.outcome_of = lambda obj: DENIED if len(lab.done) % 2 or len(lab.done) > 1000 else SUCCESS
    job = lab.emulator.wait(lab.create(*(f"k{n}" for n in range(1500))))
    assert job["Status"] == "Failed"
    assert len(lab.done) == 1001
    assert "501 of 1001 tasks failed" in job["FailureReasons"][0]["FailureReason"]
    assert lab.statuses_of()[-3:] == ["Active", "Failing", "Failed"]


def test_what_the_engine_can_not_do_fails_the_job_with_its_words(lab: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_s3batch.core.errors import CapabilityError

    def execute(*arguments: Any) -> None:
        raise CapabilityError("the store has no tags")

    monkeypatch.setattr(lab, "execute", execute)
    assert lab.failure() == ("TasksNotExecutable", "the store has no tags")


def test_a_bucket_that_is_not_there_fails_each_task(lab: Bench) -> None:
    lab.store.refuses["head_bucket"] = "404"
    job = lab.emulator.wait(lab.create("a", "b"))
    assert (job["Status"], job["ProgressSummary"]["NumberOfTasksFailed"]) == ("Complete", 2)
    assert lab.done == []


@pytest.mark.parametrize(
    ("operation", "refuses", "ownership", "code"),
    [
        ({"S3ReplicateObject": {}}, {}, "", "NotImplemented"),
        (
            {"S3ReplicateObject": {}},
            {"get_bucket_replication": "ReplicationConfigurationNotFoundError"},
            "",
            "SrcBucketReplicationConfigMissing",
        ),
        (
            {"S3PutObjectLegalHold": {"LegalHold": {"Status": "ON"}}},
            {"get_object_lock_configuration": "ObjectLockConfigurationNotFoundError"},
            "",
            "InvalidRequest",
        ),
        (
            {"S3PutObjectAcl": {"AccessControlPolicy": {"CannedAccessControlList": "private"}}},
            {},
            "BucketOwnerEnforced",
            "AccessControlListNotSupported",
        ),
    ],
)
def test_a_bucket_that_is_not_set_up_for_the_operation_fails_each_task(
    lab: Bench, operation: dict[str, Any], refuses: dict[str, str], ownership: str, code: str
) -> None:
    lab.store.refuses, lab.store.ownership = refuses, ownership
    lab.emulator.wait(lab.create("a", "b", Operation=operation))
    (body,) = [body for (_, key), body in lab.store.files.items() if "/results/" in key]
    assert [line.split(",")[5] for line in body.decode().splitlines()] == [code, code]
    assert lab.done == []


def test_a_report_that_can_not_be_written_fails_the_job_with_aws_s_words(lab: Bench) -> None:
    lab.emulator.hold("Completing")
    job_id = lab.create("a")
    lab.emulator.wait(job_id, "Completing")
    lab.store.refuses["put_object"] = "AccessDenied"
    lab.emulator.release()
    job = lab.emulator.wait(job_id)
    assert job["FailureReasons"][0]["FailureReason"] == (
        "The job report could not be written to your report bucket. Please check your permissions."
    )
    assert lab.statuses_of(job_id)[-3:] == ["Completing", "Failing", "Failed"]


# -- several jobs -----------------------------------------------------------------------------


def test_waiting_jobs_run_by_priority_then_by_age(narrow: Bench) -> None:
    narrow.emulator.hold("Ready")
    jobs = {key: narrow.create(key, Priority=priority) for key, priority in [("low", 1), ("high", 9), ("high2", 9)]}
    for job_id in jobs.values():
        narrow.emulator.wait(job_id, "Ready")
    narrow.emulator.release()
    for job_id in jobs.values():
        narrow.emulator.wait(job_id)
    active = [
        event["detail"]["serviceEventDetails"]["jobId"]
        for event in narrow.emulator.events
        if event["detail"]["serviceEventDetails"]["status"] == "Active"
    ]
    assert active == [jobs["high"], jobs["high2"], jobs["low"]]


def test_a_changed_priority_changes_the_order(narrow: Bench) -> None:
    narrow.emulator.hold("Ready")
    first, second = narrow.create("first", Priority=5), narrow.create("second", Priority=5)
    for job_id in (first, second):
        narrow.emulator.wait(job_id, "Ready")
    answer = narrow.client.update_job_priority(AccountId="123456789012", JobId=second, Priority=6)
    assert (answer["JobId"], answer["Priority"]) == (second, 6)
    narrow.emulator.release()
    for job_id in (first, second):
        narrow.emulator.wait(job_id)
    assert narrow.done == ["second", "first"]


def test_a_job_makes_room_for_a_more_important_one_and_goes_on_afterwards(narrow: Bench) -> None:
    narrow.emulator.hold("Active", after_tasks=1)
    low = narrow.create("l1", "l2", Priority=1)
    narrow.emulator.wait_for_tasks(low, 1)
    high = narrow.create("h", Priority=2)
    narrow.emulator.wait(high, "Ready")
    narrow.emulator.release()
    for job_id in (high, low):
        narrow.emulator.wait(job_id)
    assert narrow.done == ["l1", "h", "l2"]
    assert narrow.statuses_of(low) == [
        *["New", "Preparing", "Ready", "Active", "Pausing", "Paused", "Active", "Completing", "Complete"]
    ]


def test_a_job_does_not_make_room_for_one_of_the_same_priority(narrow: Bench) -> None:
    narrow.emulator.hold("Active", after_tasks=1)
    first = narrow.create("a1", "a2", Priority=1)
    narrow.emulator.wait_for_tasks(first, 1)
    second = narrow.create("b", Priority=1)
    narrow.emulator.wait(second, "Ready")
    narrow.emulator.release()
    for job_id in (first, second):
        narrow.emulator.wait(job_id)
    assert narrow.done == ["a1", "a2", "b"]


def test_many_clients_at_once_make_one_job_per_token(lab: Bench) -> None:
    """All of them get its id, and each job runs once."""
    manifest = lab.manifest("lake,a\n")

    def create(number: int) -> str:
        return lab.create(Manifest=manifest, ClientRequestToken=f"token-{number % 8}")

    with ThreadPoolExecutor(16) as pool:
        ids = list(pool.map(create, range(64)))
    assert len(set(ids)) == 8
    for job_id in set(ids):
        assert lab.emulator.wait(job_id)["Status"] == "Complete"
    assert lab.done == ["a"] * 8
