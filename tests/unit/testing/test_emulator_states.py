"""Jobs of the emulator go through the states of S3 Batch Operations, as the control API shows them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import botocore.exceptions
import pytest
from emulator_bench import DENIED, START, Bench, bench

from airflow_s3batch.core.outcomes import SUCCESS
from airflow_s3batch.engine.access import S3Access
from airflow_s3batch.testing import S3BatchEmulator
from airflow_s3batch.testing.emulator.jobs import NEXT, STATUSES, TERMINAL


@pytest.fixture
def lab() -> Iterator[Bench]:
    yield from bench()


@pytest.fixture
def narrow() -> Iterator[Bench]:
    """An emulator with room for one active job."""
    yield from bench(active_jobs=1)


def code_of(error: pytest.ExceptionInfo[botocore.exceptions.ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


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


# -- the control API --------------------------------------------------------------------------


def test_a_token_with_other_content_is_refused(lab: Bench) -> None:
    manifest = lab.manifest("lake,a\n")
    lab.create(Manifest=manifest, ClientRequestToken="t")
    with pytest.raises(lab.client.exceptions.IdempotencyException):
        lab.create(Manifest=manifest, ClientRequestToken="t", Priority=11)


def test_a_token_that_is_forgotten_makes_another_job(lab: Bench) -> None:
    manifest = lab.manifest("lake,a\n")
    first = lab.create(Manifest=manifest, ClientRequestToken="t")
    assert lab.create(Manifest=manifest, ClientRequestToken="t") == first
    lab.emulator.forget_tokens()
    assert lab.create(Manifest=manifest, ClientRequestToken="t") != first


def test_a_job_that_has_ended_can_not_be_changed(lab: Bench) -> None:
    job_id = lab.create("a")
    lab.emulator.wait(job_id)
    for status in ("Cancelled", "Ready"):
        with pytest.raises(lab.client.exceptions.JobStatusException):
            lab.set_status(job_id, status)
    with pytest.raises(lab.client.exceptions.BadRequestException):
        lab.client.update_job_priority(AccountId="123456789012", JobId=job_id, Priority=6)


def test_a_job_that_does_not_wait_can_not_be_confirmed(lab: Bench) -> None:
    lab.emulator.hold("Active")
    job_id = lab.create("a")
    lab.emulator.wait(job_id, "Active")
    with pytest.raises(lab.client.exceptions.JobStatusException):
        lab.set_status(job_id, "Ready")


def test_an_unknown_job_is_not_found(lab: Bench) -> None:
    with pytest.raises(lab.client.exceptions.NotFoundException, match="No such job"):
        lab.describe("no-such-job")


def test_a_job_is_forgotten_90_days_after_its_end(lab: Bench) -> None:
    job_id = lab.create("a")
    lab.emulator.wait(job_id)
    lab.clock.forward(days=89)
    assert lab.status(job_id) == "Complete"
    lab.clock.forward(days=1)
    with pytest.raises(lab.client.exceptions.NotFoundException):
        lab.describe(job_id)
    assert lab.client.list_jobs(AccountId="123456789012")["Jobs"] == []


def test_another_account_has_no_jobs_here(lab: Bench) -> None:
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        lab.client.list_jobs(AccountId="999999999999")
    assert code_of(caught) == "AccessDenied"


def test_tasks_that_ask_sts_are_told_the_account() -> None:
    """The Airflow connection leads there, not to AWS."""
    session = boto3.Session("test", "test", region_name="us-east-1")
    with S3BatchEmulator(S3Access(session, "http://127.0.0.1:9", "us-east-1"), account_id="210987654321") as emulator:
        services = json.loads(emulator.airflow_connection_uri())["extra"]["service_config"]
        sts = session.client("sts", endpoint_url=services["sts"]["endpoint_url"])
        assert sts.get_caller_identity()["Account"] == "210987654321"


def test_jobs_are_listed_page_by_page(lab: Bench) -> None:
    ids = [lab.create("a", Description=str(n)) for n in range(5)]
    for job_id in ids:
        lab.emulator.wait(job_id)
    found, more = [], {}
    while True:
        page = lab.client.list_jobs(AccountId="123456789012", MaxResults=2, **more)
        assert len(page["Jobs"]) <= 2
        found += page["Jobs"]
        if "NextToken" not in page:
            break
        more = {"NextToken": page["NextToken"]}
    assert [job["JobId"] for job in found] == ids[::-1]
    assert found[0]["Operation"] == "S3DeleteObjectTagging"
    assert found[0]["ProgressSummary"]["NumberOfTasksSucceeded"] == 1


def test_jobs_are_listed_by_status(lab: Bench) -> None:
    waiting = lab.create("a", ConfirmationRequired=True)
    lab.emulator.wait(waiting, "Suspended")
    ended = lab.create("a")
    lab.emulator.wait(ended)
    for statuses, expected in [
        (["Suspended"], [waiting]),
        (["Complete", "Suspended"], [ended, waiting]),
        (["New"], []),
    ]:
        jobs = lab.client.list_jobs(AccountId="123456789012", JobStatuses=statuses)["Jobs"]
        assert [job["JobId"] for job in jobs] == expected


def test_a_token_that_no_listing_gave_is_refused(lab: Bench) -> None:
    with pytest.raises(lab.client.exceptions.InvalidNextTokenException):
        lab.client.list_jobs(AccountId="123456789012", NextToken="abcd")


def test_tags_of_a_job_are_kept_replaced_and_deleted(lab: Bench) -> None:
    tags, others = [{"Key": "a", "Value": "1"}], [{"Key": "b", "Value": ""}]
    job = {"AccountId": "123456789012", "JobId": lab.create("a", Tags=tags)}
    assert lab.client.get_job_tagging(**job)["Tags"] == tags
    lab.client.put_job_tagging(**job, Tags=others)
    assert lab.client.get_job_tagging(**job)["Tags"] == others
    lab.client.delete_job_tagging(**job)
    assert lab.client.get_job_tagging(**job)["Tags"] == []
    with pytest.raises(lab.client.exceptions.TooManyTagsException):
        lab.client.put_job_tagging(**job, Tags=[{"Key": str(n), "Value": ""} for n in range(51)])


# -- what goes wrong on purpose ---------------------------------------------------------------


def test_botocores_retries_get_over_an_overloaded_control_api(lab: Bench) -> None:
    lab.emulator.fail("CreateJob", times=1)
    assert lab.emulator.wait(lab.create("a"))["Status"] == "Complete"


def test_an_answer_that_gets_lost_leaves_one_job_if_the_token_is_kept(lab: Bench) -> None:
    client = lab.emulator.client(retries={"total_max_attempts": 1})
    lab.client, patient = client, lab.client
    manifest = lab.manifest("lake,a\n")
    lab.emulator.lose_answer("CreateJob")
    with pytest.raises(botocore.exceptions.ConnectionClosedError):
        lab.create(Manifest=manifest, ClientRequestToken="t")
    (listed,) = client.list_jobs(AccountId="123456789012")["Jobs"]
    assert lab.create(Manifest=manifest, ClientRequestToken="t") == listed["JobId"]
    lab.client = patient


@pytest.mark.parametrize(("executed", "jobs"), [(False, 0), (True, 1)])
def test_an_error_may_hide_a_job_that_was_made(lab: Bench, executed: bool, jobs: int) -> None:
    lab.client = lab.emulator.client(retries={"total_max_attempts": 1})
    lab.emulator.fail("CreateJob", status=500, code="InternalServiceException", executed=executed)
    with pytest.raises(lab.client.exceptions.InternalServiceException):
        lab.create("a")
    assert len(lab.client.list_jobs(AccountId="123456789012")["Jobs"]) == jobs


def test_mishaps_strike_the_call_that_they_are_for(lab: Bench) -> None:
    lab.client = lab.emulator.client(retries={"total_max_attempts": 1})
    lab.emulator.fail("DescribeJob", times=2)
    job_id = lab.create("a")
    for _ in range(2):
        with pytest.raises(botocore.exceptions.ClientError, match="SlowDown"):
            lab.describe(job_id)
    assert lab.describe(job_id)["JobId"] == job_id
    lab.emulator.fail("DescribeJob")
    lab.emulator.calm()
    assert lab.describe(job_id)["JobId"] == job_id


def test_a_report_may_come_after_the_end(lab: Bench) -> None:
    lab.emulator.hold("Report")
    job_id = lab.create("a")
    assert lab.emulator.wait(job_id)["Status"] == "Complete"
    assert not [key for bucket, key in lab.store.files if bucket == "reports"]
    lab.emulator.release("Report")
    lab.emulator.wait_for_report(job_id)
    assert ("reports", f"p/job-{job_id}/manifest.json") in lab.store.files


def test_the_emulator_ends_though_jobs_are_held() -> None:
    for lab in bench():
        lab.emulator.hold("Active")
        lab.emulator.wait(lab.create("a"), "Active")
    assert lab.done == []


def test_a_status_that_is_none_can_not_be_held(lab: Bench) -> None:
    with pytest.raises(ValueError, match="Preparing"):
        lab.emulator.hold("Running")


# -- events -----------------------------------------------------------------------------------


def test_events_have_the_form_of_cloudtrail_s(lab: Bench) -> None:
    job_id = lab.create("a")
    lab.emulator.wait(job_id)
    first, last = lab.emulator.events[0], lab.emulator.events[-1]
    assert (first["detail"]["eventName"], last["detail"]["eventName"]) == ("JobCreated", "JobStatusChanged")
    for event in (first, last):
        assert (event["source"], event["detail-type"]) == ("aws.s3", "AWS Service Event via CloudTrail")
        assert (event["detail"]["eventSource"], event["detail"]["eventType"]) == ("s3.amazonaws.com", "AwsServiceEvent")
        assert event["time"] == event["detail"]["eventTime"] == "2026-01-02T03:04:05Z"
    details = last["detail"]["serviceEventDetails"]
    assert details["jobArn"] == f"arn:aws:s3:us-east-1:123456789012:job/{job_id}"
    assert (details["status"], details["failureCodes"], details["statusChangeReason"]) == ("Complete", [], [])


def test_events_of_a_failed_job_tell_why(lab: Bench) -> None:
    lab.failure(Manifest=lab.manifest("no columns\n"))
    details = lab.emulator.events[-1]["detail"]["serviceEventDetails"]
    assert details["failureCodes"] == ["InvalidManifestContent"]
    assert details["statusChangeReason"][0].startswith("Invalid Manifest Content")


def test_events_are_delivered_in_order(lab: Bench) -> None:
    job_id = lab.create("a")
    lab.emulator.wait(job_id)
    lab.emulator.flush_events()
    assert lab.delivered == lab.emulator.events


def test_a_delivery_that_fails_is_logged_and_the_next_one_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    from airflow_s3batch.testing.emulator.events import EventLine

    delivered = []

    def deliver(event: dict[str, Any]) -> None:
        if event["id"] == 1:
            raise OSError("no bus")
        delivered.append(event["id"])

    line = EventLine(deliver)
    line.start()
    for number in (1, 2):
        line.send({"id": number})
    line.close()
    assert delivered == [2]
    assert "was not delivered" in caplog.text
