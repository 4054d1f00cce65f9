"""Lambda functions on MiniStack, which runs them: their code, as they would be deployed, and how they get there."""

from __future__ import annotations

import importlib.metadata
import io
import itertools
import os
import zipfile
from collections.abc import Iterable
from pathlib import Path

from server_jobs import access_of

from airflow_s3batch.testing import Server

_numbers = itertools.count(1)

PLAIN = """
import json
from urllib.parse import unquote_plus

def handler(event, context):
    task = event["tasks"][0]
    key = unquote_plus(task["s3Key"])
    if key == "raises":
        raise RuntimeError("boom")
    if key == "babbles":
        return "no results"
    code, _, text = key.partition("/") if "Failure/" in key else ("Succeeded", "", json.dumps(event))
    results = [] if key == "forgotten" else [{"taskId": task["taskId"], "resultCode": code, "resultString": text}]
    return {
        "invocationSchemaVersion": event["invocationSchemaVersion"],
        "treatMissingKeysAs": "PermanentFailure",
        "invocationId": event["invocationId"],
        "results": results,
    }
"""
"""Does what the key says."""

WITH_POWERTOOLS = """
from aws_lambda_powertools.utilities.data_classes import (
    S3BatchOperationEvent,
    S3BatchOperationResponse,
    event_source,
)

@event_source(data_class=S3BatchOperationEvent)
def handler(event, context):
    response = S3BatchOperationResponse(event.invocation_schema_version, event.invocation_id, "PermanentFailure")
    task = event.task
    team = (event.job.user_arguments or {}).get("team", "nobody")
    if task.s3_key.startswith("late"):
        result = task.build_task_batch_response("TemporaryFailure", "come back")
    elif task.s3_key.startswith("bad"):
        result = task.build_task_batch_response("PermanentFailure", "no such luck")
    else:
        told = f"{task.s3_bucket}/{task.s3_key} version {task.s3_version_id} for {team}"
        result = task.build_task_batch_response("Succeeded", told)
    response.add_result(result)
    return response.asdict()
"""
"""Written with a public helper library for S3 Batch Operations; it knows nothing of this package."""

RECEIPTS = """
import urllib.request

def handler(event, context):
    task = event["tasks"][0]
    url = f"ENDPOINT/{task['s3Bucket']}/receipts/{task['s3Key']}"
    urllib.request.urlopen(urllib.request.Request(url, data=b"done", method="PUT")).read()
    result = {"taskId": task["taskId"], "resultCode": "Succeeded", "resultString": ""}
    return {"invocationSchemaVersion": "2.0", "invocationId": event["invocationId"], "results": [result]}
"""
"""Puts an object below ``receipts/`` of ENDPOINT: in a versioned bucket the versions count the executions."""


def deploy(server: Server, source: str, *, packages: Iterable[str] = (), name: str = "") -> str:
    """Make a function of *source*, with *packages* (distributions installed here) in its zip; return its ARN."""
    client = access_of(server).client("lambda")
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("function.py", source.replace("ENDPOINT", server.endpoint_url))
        for distribution in packages:
            for file in importlib.metadata.files(distribution) or ():
                path = Path(str(file.locate()))
                if file.suffix == ".py" and ".." not in file.parts and path.exists():
                    archive.write(path, str(file))
    reply = client.create_function(
        FunctionName=name or f"function-{os.getpid()}-{next(_numbers)}",
        Runtime="python3.11",
        Role="arn:aws:iam::000000000000:role/test",
        Handler="function.handler",
        Code={"ZipFile": package.getvalue()},
        Timeout=60,
    )
    return str(reply["FunctionArn"])
