"""Inventory deliveries start Dags on a real scheduler and triggerer: seen in the folder, and told of by a queue."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow_s3batch.testing import write_inventory

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_s3batch.testing import Server
    from demo.airflow_stack import AirflowStack

TIMEOUT_S = 120.0
WAYS = ("polled", "queued")
SENDS = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "*"}
POLICY = {"Version": "2012-10-17", "Statement": [SENDS]}
DAGS = """
from airflow.sdk import Asset, dag

from airflow_s3batch import InventoryToManifestOperator, delivered_url, inventory_asset

WAYS = {{"polled": {{}}, "queued": {{"queue_url": {queue!r}, "foreign_messages": "delete"}}}}


def watching(way):
    asset = inventory_asset(f"s3://inventories/watched/{{way}}", poll_interval_s=1, aws_conn_id="aws_root", **WAYS[way])

    @dag(dag_id=way, schedule=asset)
    def started_by_delivery():
        InventoryToManifestOperator(
            task_id="manifest",
            inventory=delivered_url(asset),
            where="TRUE",
            job_url="s3://ops/watched",
            outlets=[Asset(f"{{way}}_manifests")],
        )

    started_by_delivery()


for way in WAYS:
    watching(way)
"""


class Lake:
    """A bucket whose inventory is watched."""

    def __init__(self, server: Server) -> None:
        self.client = server.client()
        self.client.create_bucket(Bucket="watched")
        self.sqs = server.session().client("sqs", endpoint_url=server.endpoint_url)
        self.queue = self.sqs.create_queue(QueueName="deliveries", Attributes={"Policy": json.dumps(POLICY)})[
            "QueueUrl"
        ]

    def notify(self) -> None:
        """Have S3 tell the queue of what is complete."""
        arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        rule = {"FilterRules": [{"Name": "suffix", "Value": "manifest.checksum"}]}
        told = {"QueueArn": arn, "Events": ["s3:ObjectCreated:*"], "Filter": {"Key": rule}}
        self.client.put_bucket_notification_configuration(
            Bucket="inventories", NotificationConfiguration={"QueueConfigurations": [told]}
        )

    def deliver(self, age_h: int, objects: int) -> dict[str, str]:
        """Deliver both inventories; return their URLs."""
        rows = [{"key": f"{number}", "size": 1} for number in range(objects)]
        created = datetime.now(UTC) - timedelta(hours=age_h)
        place = "s3://inventories"
        return {
            way: write_inventory(self.client, place, "watched", rows, config_id=way, created=created) for way in WAYS
        }

    def messages(self) -> int:
        """Return how many messages the queue holds, those included that somebody is at work on."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)


def test_each_delivery_starts_each_dag_once(stack: AirflowStack, server: Server) -> None:
    """What was there before the Dags is told, then each new one; the run works on the delivery that has started it."""
    lake = Lake(server)
    told = [lake.deliver(age_h=3, objects=3)]
    dags = stack.home / "dags" / "watching.py"
    dags.write_text(DAGS.format(queue=lake.queue))
    wait_for(stack, told)

    lake.notify()
    told.append(lake.deliver(age_h=2, objects=4))
    wait_for(stack, told, and_then=lambda: lake.messages() == 0)
    for way in WAYS:
        events = stack.api.call("GET", "/assets/events", source_dag_id=way)["asset_events"]
        assert [event["extra"]["rows"] for event in events] == [3, 4]
    dags.unlink()  # the watchers would go on looking beside the other tests


def sources(stack: AirflowStack, dag_id: str) -> list[str]:
    """Return the deliveries that the Dag's runs have worked on, in their order."""
    if not stack.api.has_dag(dag_id):
        return []
    runs = stack.api.call("GET", f"/dags/{dag_id}/dagRuns", order_by="run_after")["dag_runs"]
    found: list[str] = [
        stack.api.xcom(dag_id, run["dag_run_id"], "manifest", key="manifest")["source"]
        for run in runs
        if run["state"] == "success"
    ]
    assert not [run for run in runs if run["state"] == "failed"]
    return found


def wait_for(stack: AirflowStack, told: list[dict[str, str]], and_then: Callable[[], bool] = lambda: True) -> None:
    """Wait until both Dags have worked on what was *told*."""
    deadline = time.monotonic() + TIMEOUT_S
    while not (all(sources(stack, way) == [urls[way] for urls in told] for way in WAYS) and and_then()):
        stack.check()
        assert not stack.api.import_errors()
        assert time.monotonic() < deadline, f"waited in vain: {[sources(stack, way) for way in WAYS]}"
        time.sleep(0.3)
