"""The watcher of an inventory against a real queue that a real store's events go to."""

from __future__ import annotations

import asyncio
import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

import airflow_s3batch.triggers.s3_inventory as module
from airflow_s3batch.testing import write_inventory
from airflow_s3batch.triggers import S3InventoryTrigger

if TYPE_CHECKING:
    from airflow_s3batch.manifests.sources.arrivals import Told
    from airflow_s3batch.testing import Server

pytestmark = pytest.mark.integration

SUFFIX = {"Key": {"FilterRules": [{"Name": "suffix", "Value": "manifest.checksum"}]}}
ATTRIBUTE = {"AttributeNames": ["QueueArn", "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]}


class Kept:
    """What the watcher remembers."""

    told: Told | None = None

    def read(self) -> Told | None:
        return self.told

    def write(self, told: Told) -> None:
        self.told = told


class Post:
    """A store with an inventory, and a queue."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.s3 = server.client()
        self.suffix = secrets.token_hex(4)
        self.bucket = f"inventories-{self.suffix}"
        self.s3.create_bucket(Bucket=self.bucket)
        self.sqs = self.service("sqs")
        self.queue = self.sqs.create_queue(QueueName=f"deliveries-{self.suffix}")["QueueUrl"]
        self.arn = self.attributes()["QueueArn"]

    def service(self, name: str) -> Any:
        return self.server.session().client(name, endpoint_url=self.server.endpoint_url)

    def attributes(self) -> dict[str, str]:
        found: dict[str, str] = self.sqs.get_queue_attributes(QueueUrl=self.queue, **ATTRIBUTE)["Attributes"]
        return found

    @property
    def messages(self) -> int:
        return sum(int(self.attributes()[name]) for name in ATTRIBUTE["AttributeNames"][1:])

    def straight(self) -> None:
        """S3 → SQS."""
        self._notify(QueueConfigurations=[{"QueueArn": self.arn, "Events": ["s3:ObjectCreated:*"], "Filter": SUFFIX}])

    def through_sns(self, *, raw: bool = False) -> None:
        """S3 → SNS → SQS."""
        sns = self.service("sns")
        topic = sns.create_topic(Name=f"deliveries-{self.suffix}")["TopicArn"]
        attributes = {"RawMessageDelivery": str(raw).lower()}
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=self.arn, Attributes=attributes)
        self._notify(TopicConfigurations=[{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"], "Filter": SUFFIX}])

    def through_sns_raw(self) -> None:
        """S3 → SNS → SQS without SNS's envelope."""
        self.through_sns(raw=True)

    def through_event_bridge(self) -> None:
        """S3 → EventBridge → SQS."""
        events = self.service("events")
        pattern = {
            "source": ["aws.s3"],
            "detail-type": ["Object Created"],
            "detail": {"bucket": {"name": [self.bucket]}},
        }
        events.put_rule(Name=self.suffix, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=self.suffix, Targets=[{"Id": "queue", "Arn": self.arn}])
        self._notify(EventBridgeConfiguration={})

    def deliver(self, age: timedelta) -> str:
        created = datetime.now(UTC) - age
        rows = [{"key": "a b", "size": 1}]
        return write_inventory(self.s3, f"s3://{self.bucket}/my files", "lake", rows, created=created)

    def _notify(self, **configuration: Any) -> None:
        self.s3.put_bucket_notification_configuration(Bucket=self.bucket, NotificationConfiguration=configuration)


@pytest.mark.parametrize("way", [Post.straight, Post.through_sns, Post.through_sns_raw, Post.through_event_bridge])
def test_queue_tells_of_each_delivery_once_whatever_way_its_events_come(
    way: Any, lenient_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages about other files are deleted if the watcher may, and none is left."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_POST", lenient_server.airflow_connection_uri())
    kept = Kept()
    monkeypatch.setattr(module, "memory_of", lambda *_: kept)
    monkeypatch.setattr(module, "HAND_OVER_S", 0)
    monkeypatch.setattr("airflow_s3batch.triggers.inventory_watch._WAIT_S", 0)
    post = Post(lenient_server)
    known = post.deliver(timedelta(hours=9))
    way(post)
    trigger = S3InventoryTrigger(
        inventory=f"s3://{post.bucket}/my files/lake/daily",
        queue_url=post.queue,
        foreign_messages="delete",
        poll_interval_s=0,
        aws_conn_id="aws_post",
    )

    async def watched() -> list[str]:
        running = trigger.run()
        told = [(await anext(running)).payload["url"]]
        second = asyncio.ensure_future(anext(running))
        while not trigger._watch._has_looked:  # type: ignore[union-attr]
            await asyncio.sleep(0)
        urls = [post.deliver(timedelta(hours=hours)) for hours in (6, 3)]
        told += [(await second).payload["url"], (await anext(running)).payload["url"]]
        assert sorted(told) == [known, *urls]
        third = asyncio.ensure_future(anext(running))
        while post.messages:
            await asyncio.sleep(0.01)
        third.cancel()
        await asyncio.gather(third, return_exceptions=True)
        return told

    assert len(asyncio.run(asyncio.wait_for(watched(), 60))) == 3
