"""Events in the form of S3's own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import ANY, Stubber
from fakes import GREEN, summary

from airflow_s3batch import EventBridgeJobNotifier
from airflow_s3batch.core.errors import ArgumentError, InfrastructureError, S3BatchError
from airflow_s3batch.operators.notices import report_context

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    client = boto3.client("events", region_name="eu-west-1", aws_access_key_id="k", aws_secret_access_key="s")
    monkeypatch.setattr(EventBridgeJobNotifier, "_client", lambda _self: client)
    with Stubber(client) as stubber:
        yield stubber


def detail_of(bus: Stubber, context: dict[str, Any], notifier: EventBridgeJobNotifier) -> dict[str, Any]:
    sent: list[dict[str, Any]] = []
    client = notifier._client()
    client.meta.events.register("before-parameter-build.events.PutEvents", lambda params, **_: sent.append(params))
    bus.add_response("put_events", {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}, {"Entries": ANY})
    notifier(context)
    entry = sent[0]["Entries"][0]
    assert entry["Source"] == "airflow.s3batch"
    assert entry["DetailType"] == "AWS Service Event via CloudTrail"
    assert entry["EventBusName"] == "jobs"
    detail: dict[str, Any] = json.loads(entry["Detail"])
    return detail


def test_failed_job_is_told_as_s3_tells_it(bus: Stubber, context: dict[str, Any]) -> None:
    """Rules written for S3's jobs match with another source."""
    context["report"] = report_context(summary())
    detail = detail_of(bus, context, EventBridgeJobNotifier(event_bus_name="jobs"))
    assert detail["eventName"] == "JobStatusChanged"
    assert detail["eventSource"] == "s3.amazonaws.com"
    assert detail["awsRegion"] == "eu-west-1"
    event = detail["serviceEventDetails"]
    assert (event["jobId"], event["jobArn"], event["status"]) == ("job-1", "s3://ops/s3batch/job-1", "Failed")
    assert event["failureCodes"] == ["AccessDenied"]
    assert event["statusChangeReason"][0].startswith("set_tag: 1 of 3 objects failed")
    assert detail["additionalEventData"]["runId"] == "manual__1"


def test_green_job_is_complete(bus: Stubber, context: dict[str, Any]) -> None:
    """S3's word for it."""
    context["report"] = report_context(summary(**GREEN))
    event = detail_of(bus, context, EventBridgeJobNotifier(event_bus_name="jobs"))["serviceEventDetails"]
    assert (event["status"], event["failureCodes"], event["statusChangeReason"]) == ("Complete", [], [])


def test_refused_entry_is_an_error(bus: Stubber, context: dict[str, Any]) -> None:
    """EventBridge answers 200 and refuses in the body."""
    context["report"] = report_context(summary())
    reply = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException", "ErrorMessage": "slow"}]}
    bus.add_response("put_events", reply, {"Entries": ANY})
    with pytest.raises(InfrastructureError, match=r"'default' did not take the event: ThrottlingException \(slow\)"):
        EventBridgeJobNotifier()(context)


def test_missing_bus_is_a_sentence(bus: Stubber, context: dict[str, Any]) -> None:
    """It names the bus."""
    context["report"] = report_context(summary())
    bus.add_client_error("put_events", "ResourceNotFoundException", "no such bus")
    with pytest.raises(S3BatchError, match="EventBridge bus 'nowhere'"):
        EventBridgeJobNotifier(event_bus_name="nowhere")(context)


def test_amazons_own_sources_are_refused() -> None:
    """PutEvents would refuse them at run time."""
    with pytest.raises(ArgumentError, match=r"begins with 'aws\.'"):
        EventBridgeJobNotifier(source="aws.s3")


def test_outside_a_job_there_is_no_report(context: dict[str, Any]) -> None:
    """As ``on_failure_callback`` it has nothing to tell."""
    with pytest.raises(ArgumentError, match="no report in the context"):
        EventBridgeJobNotifier()(context)
