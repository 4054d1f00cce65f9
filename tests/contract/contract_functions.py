"""Code of users, as the contract's cases run it: a Python function, and the source of a Lambda function."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from airflow_s3batch.core.objects import S3Object


def greet(obj: S3Object, params: dict[str, Any]) -> str:
    """Return what the report shows of *obj*."""
    return f"{params['word']} {quote(obj.key)}"


LAMBDA_SOURCE = """
from urllib.parse import quote, unquote_plus

def handler(event, context):
    task = event["tasks"][0]
    word = event["job"].get("userArguments", {}).get("word", "hello")
    greeting = word + " " + quote(unquote_plus(task["s3Key"]))
    result = {"taskId": task["taskId"], "resultCode": "Succeeded", "resultString": greeting}
    return {
        "invocationSchemaVersion": event["invocationSchemaVersion"],
        "treatMissingKeysAs": "PermanentFailure",
        "invocationId": event["invocationId"],
        "results": [result],
    }
"""
