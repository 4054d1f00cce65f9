"""What a queue's messages say, in all forms that S3's events come in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.sources.s3_events import S3Message, read_message

CHECKSUM = S3Url("inv", "daily/my lake/a+b/2026-01-31T01-00Z/manifest.checksum")
NOTIFICATION = {
    "Records": [
        {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {
                "bucket": {"name": "inv"},
                "object": {"key": "daily/my+lake/a%2Bb/2026-01-31T01-00Z/manifest.checksum"},
            },
        }
    ]
}
EVENT = {
    "version": "0",
    "source": "aws.s3",
    "detail-type": "Object Created",
    "detail": {"bucket": {"name": "inv"}, "object": {"key": CHECKSUM.key}, "reason": "PutObject"},
}
TEST = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "inv", "Time": "2026-01-31T01:00:00.000Z"}


def through_sns(message: Any) -> dict[str, Any]:
    return {"Type": "Notification", "TopicArn": "arn:aws:sns:::t", "Message": json.dumps(message)}


@pytest.mark.parametrize("message", [NOTIFICATION, EVENT], ids=["S3", "EventBridge"])
@pytest.mark.parametrize("way", [dict, through_sns], ids=["as it is", "through SNS"])
def test_created_object_is_told_however_the_event_came(message: Any, way: Any) -> None:
    """Straight from S3 or through EventBridge, with or without SNS's envelope; keys are decoded where S3 encodes."""
    assert read_message(json.dumps(way(message))).created[0] == CHECKSUM


def test_key_in_an_event_of_event_bridge_may_be_encoded_or_not() -> None:
    """Nobody says which; an inventory's folder is found in either spelling."""
    encoded = json.loads(json.dumps(EVENT).replace("a+b", "a%2Bb"))
    assert CHECKSUM in read_message(json.dumps(encoded)).created
    plain = {**EVENT, "detail": {"bucket": {"name": "inv"}, "object": {"key": "a/b"}}}
    assert read_message(json.dumps(plain)).created == (S3Url("inv", "a/b"),)


@pytest.mark.parametrize("way", [dict, through_sns], ids=["as it is", "through SNS"])
def test_s3s_test_message_is_known(way: Any) -> None:
    """S3 sends it once, when the notification is set up."""
    assert read_message(json.dumps(way(TEST))) == S3Message(is_test=True)


@pytest.mark.parametrize(
    "message",
    [
        {"Records": [{**NOTIFICATION["Records"][0], "eventName": "ObjectRemoved:Delete"}]},
        {"Records": [{**NOTIFICATION["Records"][0], "eventSource": "aws:sqs"}]},
        {**EVENT, "detail-type": "Object Deleted"},
        {**EVENT, "source": "my.app"},
        {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put"}]},
        {"Type": "Notification", "Message": "hello"},
        {"Records": None},
        [],
        None,
        "text",
        7,
    ],
    ids=str,
)
def test_anything_else_tells_of_nothing(message: Any) -> None:
    """Whatever lies in the queue, reading it is no error."""
    assert read_message(json.dumps(message)) == S3Message()


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    read_message(text)
