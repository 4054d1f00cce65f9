"""What S3 tells of new objects, in each of the forms in which a queue may receive it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from airflow_s3batch.core.s3url import S3Url


class S3Message(NamedTuple):
    """
    What one message of a queue says.

    Attributes:
        created: the objects that were created, in the message's order; empty if it tells of something else.
        is_test: S3 sent it to try the way, when the notification was set up; it tells of nothing.
    """

    created: tuple[S3Url, ...] = ()
    is_test: bool = False


def read_message(body: str) -> S3Message:
    """
    Return what the message *body* says; nothing at all, if it is not S3's.

    S3 may have sent it straight to the queue, through an SNS topic (with raw delivery or without) or through
    EventBridge. S3's own notifications spell keys as HTML forms do. Of EventBridge's events AWS does not say how they
    spell them, so both readings of a key are returned where they differ.

    Source:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
        https://docs.aws.amazon.com/sns/latest/dg/sns-sqs-as-subscriber.html
    """
    try:
        data = json.loads(body)
        if isinstance(data, Mapping) and data.get("Type") == "Notification":
            data = json.loads(data["Message"])
        return _s3_message(data)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return S3Message()


def _s3_message(data: Mapping[str, Any]) -> S3Message:
    if data.get("Event") == "s3:TestEvent":
        return S3Message(is_test=True)
    if data.get("source") == "aws.s3" and data.get("detail-type") == "Object Created":
        bucket, key = data["detail"]["bucket"]["name"], data["detail"]["object"]["key"]
        return S3Message(tuple(S3Url(bucket, reading) for reading in dict.fromkeys([key, unquote_plus(key)])))
    return S3Message(tuple(_created(record) for record in data.get("Records", ()) if _tells_of_creation(record)))


def _tells_of_creation(record: Mapping[str, Any]) -> bool:
    is_s3 = record.get("eventSource") == "aws:s3"
    return is_s3 and str(record["eventName"]).removeprefix("s3:").startswith("ObjectCreated:")


def _created(record: Mapping[str, Any]) -> S3Url:
    return S3Url(record["s3"]["bucket"]["name"], unquote_plus(record["s3"]["object"]["key"]))
