"""The calls of the emulator's control API: tokens, listings, tags, and what goes wrong on purpose."""

from __future__ import annotations

import json

import boto3
import botocore.exceptions
import pytest
from emulator_bench import Bench, bench

from airflow_s3batch.engine.access import S3Access
from airflow_s3batch.testing import S3BatchEmulator


def code_of(error: pytest.ExceptionInfo[botocore.exceptions.ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


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
