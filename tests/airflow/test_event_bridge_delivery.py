"""The notifier against a real EventBridge with a rule and a queue."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_s3batch import EventBridgeJobNotifier

if TYPE_CHECKING:
    from airflow_s3batch.testing import Server

pytestmark = pytest.mark.integration

REPORT = {
    "job_url": "s3://ops/s3batch/job-1",
    "is_green": False,
    "codes": {"AccessDenied": 1},
    "sentence": "put_object_tagging: 1 of 3 objects failed (AccessDenied 1)",
    "objects": 3,
    "succeeded": 2,
    "failed": 1,
    "report_url": "s3://ops/s3batch/job-1/report/manifest.json",
}
# The rule that AWS documents for S3's own jobs, but for the source.
RULE = {
    "source": ["airflow.s3batch"],
    "detail-type": ["AWS Service Event via CloudTrail"],
    "detail": {"eventSource": ["s3.amazonaws.com"], "eventName": ["JobCreated", "JobStatusChanged"]},
}


def test_rule_for_s3s_own_jobs_matches_with_our_source(lenient_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """What listens to S3's jobs hears of ours with one word changed."""
    monkeypatch.setenv("AIRFLOW_CONN_EVENTS", lenient_server.airflow_connection_uri())

    def client(service: str) -> Any:
        return lenient_server.session().client(service, endpoint_url=lenient_server.endpoint_url)

    queues, events = client("sqs"), client("events")
    queue = queues.create_queue(QueueName="job-events")["QueueUrl"]
    attributes = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    events.put_rule(Name="jobs", EventPattern=json.dumps(RULE))
    events.put_targets(Rule="jobs", Targets=[{"Id": "queue", "Arn": attributes["QueueArn"]}])

    notifier = EventBridgeJobNotifier(aws_conn_id="events")
    notifier({"report": REPORT, "ti": SimpleNamespace(dag_id="tagging", run_id="manual__1")})

    messages = queues.receive_message(QueueUrl=queue, WaitTimeSeconds=5).get("Messages", [])
    assert len(messages) == 1
    detail = json.loads(messages[0]["Body"])["detail"]
    assert detail["serviceEventDetails"]["jobId"] == "job-1"
    assert detail["serviceEventDetails"]["status"] == "Failed"
