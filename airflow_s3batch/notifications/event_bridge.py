"""`EventBridgeJobNotifier`: tells EventBridge how a job ended, in the form in which S3 tells of its own jobs."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier

from airflow_s3batch.core.errors import AccessError, ArgumentError, InfrastructureError
from airflow_s3batch.hooks.s3 import DEFAULT_CONN_ID, StoreSettings

if TYPE_CHECKING:
    from airflow.sdk import Context

DETAIL_TYPE = "AWS Service Event via CloudTrail"


class EventBridgeJobNotifier(BaseNotifier):
    """
    Send a ``JobStatusChanged`` event for a job to an EventBridge bus.

    The detail has the fields of S3's own event, so that a rule for S3's jobs needs only another ``source``. What S3
    has no field for (Dag, run, counts, URLs) is in ``additionalEventData``. Status is ``Complete`` if the job is
    green, else ``Failed``.

    For ``notifications=`` of `BatchReportOperator` and `s3_batch_job`, where ``report`` is in the context.

    Args:
        event_bus_name: name or ARN of the bus.
        source: of the event; EventBridge keeps names that begin with ``aws.`` to AWS.
        aws_conn_id: see `S3BatchOperator`, also for *region_name*.

    Source:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-examples-event-bridge-cloud-trail.html
    """

    template_fields: Sequence[str] = ("event_bus_name", "source", "aws_conn_id", "region_name")

    def __init__(
        self,
        *,
        event_bus_name: str = "default",
        source: str = "airflow.s3batch",
        aws_conn_id: str | None = DEFAULT_CONN_ID,
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if source.startswith("aws."):
            raise ArgumentError.of(
                type(self).__name__, [f"source={source!r} begins with 'aws.', which EventBridge keeps to AWS"]
            )
        self.event_bus_name = event_bus_name
        self.source = source
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config

    def notify(self, context: Context) -> None:
        """
        Send the event.

        Raises:
            ArgumentError: there is no report in *context*.
            InfrastructureError: EventBridge did not take the event.
        """
        report = context.get("report")
        if not isinstance(report, Mapping):
            raise ArgumentError(
                "EventBridgeJobNotifier: no report in the context; use it in notifications=[…] of a job"
            )
        client = self._client()
        entry = {
            "Source": self.source,
            "DetailType": DETAIL_TYPE,
            "Detail": json.dumps(
                job_event(report, context["ti"], region=client.meta.region_name, now=datetime.now(UTC))
            ),
            "EventBusName": self.event_bus_name,
        }
        _put(client, entry)

    def _client(self) -> Any:
        settings = StoreSettings(self.aws_conn_id, self.region_name, self.verify, self.botocore_config)
        return settings.hook("events").conn


def job_event(report: Mapping[str, Any], ti: Any, *, region: str, now: datetime) -> dict[str, Any]:
    """Return the ``detail`` of the event that tells of *report*."""
    moment = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    job_url = str(report["job_url"])
    return {
        "eventVersion": "1.05",
        "eventTime": moment,
        "eventSource": "s3.amazonaws.com",
        "eventName": "JobStatusChanged",
        "awsRegion": region,
        "userAgent": "airflow-provider-s3batch",
        "eventID": str(uuid.uuid4()),
        "readOnly": False,
        "eventType": "AwsServiceEvent",
        "serviceEventDetails": {
            "jobId": job_url.rstrip("/").rpartition("/")[2],
            "jobArn": job_url,
            "status": "Complete" if report["is_green"] else "Failed",
            "jobEventId": uuid.uuid4().hex,
            "failureCodes": [] if report["is_green"] else sorted(report.get("codes") or {}),
            "statusChangeReason": [] if report["is_green"] else [str(report["sentence"])],
        },
        "additionalEventData": {
            "dagId": ti.dag_id,
            "runId": ti.run_id,
            "objects": report["objects"],
            "succeeded": report["succeeded"],
            "failed": report["failed"],
            "reportUrl": str(report["report_url"]),
        },
    }


def _put(client: Any, entry: Mapping[str, Any]) -> None:
    import botocore.exceptions

    bus = entry["EventBusName"]
    try:
        reply = client.put_events(Entries=[entry])
    except botocore.exceptions.ClientError as error:
        raise AccessError(f"EventBridge bus {bus!r}: {error}") from error
    except botocore.exceptions.BotoCoreError as error:
        raise InfrastructureError(f"EventBridge bus {bus!r}: {error}") from error
    if reply.get("FailedEntryCount"):
        failed = reply["Entries"][0]
        raise InfrastructureError(
            f"EventBridge bus {bus!r} did not take the event: {failed.get('ErrorCode')} ({failed.get('ErrorMessage')})"
        )
