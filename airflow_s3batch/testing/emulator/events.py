"""
What EventBridge is told of jobs.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-examples-event-bridge-cloud-trail.html
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import queue
import threading
import uuid
from collections.abc import Callable
from typing import Any

from airflow_s3batch.testing.emulator.jobs import Job

DETAIL_TYPE = "AWS Service Event via CloudTrail"
SOURCE = "aws.s3"
Deliver = Callable[[dict[str, Any]], None]

log = logging.getLogger(__name__)


def job_event(job: Job, arn: str, *, account_id: str, region: str, now: dt.datetime) -> dict[str, Any]:
    """Return the event that tells of the status of *job*, as an EventBridge rule's target gets it."""
    moment = now.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": DETAIL_TYPE,
        "source": SOURCE,
        "account": account_id,
        "time": moment,
        "region": region,
        "resources": [],
        "detail": {
            "eventVersion": "1.05",
            "userIdentity": {"accountId": account_id, "invokedBy": "s3.amazonaws.com"},
            "eventTime": moment,
            "eventSource": "s3.amazonaws.com",
            "eventName": "JobCreated" if job.status == "New" else "JobStatusChanged",
            "awsRegion": region,
            "sourceIPAddress": "s3.amazonaws.com",
            "userAgent": "s3.amazonaws.com",
            "eventID": str(uuid.uuid4()),
            "readOnly": False,
            "eventType": "AwsServiceEvent",
            "serviceEventDetails": {
                "jobId": job.id,
                "jobArn": arn,
                "status": job.status,
                "jobEventId": uuid.uuid4().hex,
                "failureCodes": [job.failure.code] if job.failure else [],
                "statusChangeReason": [job.failure.reason] if job.failure else [],
            },
        },
    }


def to_event_bridge(client: Any, bus: str = "default", source: str = "emulated.s3") -> Deliver:
    """
    Return what delivers events through *client*, boto3's for EventBridge, to *bus*.

    They come from *source*: EventBridge, and MiniStack as well, keep sources that begin with ``aws.`` to AWS. A rule
    for S3's own jobs needs this one word changed. An event that the bus does not take is a `RuntimeError`.
    """

    def deliver(event: dict[str, Any]) -> None:
        entry = {"Source": source, "DetailType": event["detail-type"], "EventBusName": bus}
        reply = client.put_events(Entries=[{**entry, "Detail": json.dumps(event["detail"])}])
        if reply.get("FailedEntryCount"):
            failed = reply["Entries"][0]
            raise RuntimeError(f"bus {bus!r}: {failed.get('ErrorCode')} ({failed.get('ErrorMessage')})")

    return deliver


class EventLine:
    """
    Delivers events one after the other in a thread of its own. What a delivery raises is logged; the next one goes on.

    Attributes:
        events: all so far, delivered or not.
    """

    def __init__(self, deliver: Deliver | None) -> None:
        self.events: list[dict[str, Any]] = []
        self._deliver = deliver
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="s3batch-emulator-events", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def send(self, event: dict[str, Any]) -> None:
        """Take *event*; never waits."""
        self.events.append(event)
        self._queue.put(event)

    def flush(self) -> None:
        """Wait until all events so far are delivered."""
        self._queue.join()

    def close(self) -> None:
        """Deliver what is left, then end."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (event := self._queue.get()) is not None:
            try:
                if self._deliver is not None:
                    self._deliver(event)
            except Exception:
                log.exception("an event of the S3 Batch Operations emulator was not delivered")
            finally:
                self._queue.task_done()
        self._queue.task_done()
