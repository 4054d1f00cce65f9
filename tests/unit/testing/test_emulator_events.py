"""What the emulator tells as EventBridge and CloudTrail do."""

from __future__ import annotations

from typing import Any

import pytest
from emulator_bench import Bench


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
