"""A job of very many objects on the topology, and the books of what became of each."""

from __future__ import annotations

import base64
import csv
import io
import json
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote, unquote

from fleet import Fleet

from airflow_s3batch import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.engine import Policy, run_batch
from airflow_s3batch.operations import Call, Operation, Replay, Request, RunContext
from airflow_s3batch.operations.requests import Steps
from airflow_s3batch.testing import Server

BUCKET = "fleet-lake"
FOLDERS = 20
DAG_ID = "fleet"
RUN_TASK = "job.run"
OBJECTS_PER_SHARD = 20_000
DAG = """
from datetime import timedelta

from airflow.sdk import dag

from airflow_s3batch import s3_batch_job
from airflow_s3batch.operations import PutObjectTagging
from airflow_s3batch.sources import CsvManifest


@dag(schedule=None, is_paused_upon_creation=False)
def fleet():
    s3_batch_job(
        "job",
        source=CsvManifest("s3://ops/objects.csv"),
        where="TRUE",
        operation=PutObjectTagging({{"state": "done"}}),
        job_url="s3://ops/s3batch",
        job_aws_conn_id="aws_job",
        objects_per_shard={objects_per_shard},
        max_active_tis_per_dagrun=4,
        max_concurrency=32,
        pool="s3batch",
        default_args={{"retries": 3, "retry_delay": timedelta(seconds=1)}},
    )


fleet()
"""


@dataclass(frozen=True)
class PutNothing(Operation):
    """Store an empty object under each key."""

    name = "put_nothing"
    replay = Replay.SAFE
    call: ClassVar[Call] = Call("PutObject")

    def problems(self) -> list[str]:
        return []

    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:
        response = yield Request(self.call, obj.bucket, obj.key, body=b"")
        return response.outcome()

    def probe(self, scratch: S3Object, sample: S3Object) -> Steps[dict[str, str]]:
        yield from ()
        return {}

    def iam_actions(self) -> set[str]:
        return {"s3:PutObject"}


def keys(count: int) -> Iterator[str]:
    """Yield the keys of all objects, with a character that has to be encoded."""
    for number in range(count):
        yield f"folder-{number % FOLDERS:02d}/object {number:06d}.csv"


def make_objects(server: Server, count: int) -> None:
    """Put *count* objects on the server, and the CSV manifest that names them."""
    client = server.client()
    client.create_bucket(Bucket=BUCKET)
    client.create_bucket(Bucket="ops")
    summary = run_batch(
        (S3Object(BUCKET, key) for key in keys(count)),
        PutNothing(),
        session=server.session(),
        endpoint_url=server.endpoint_url,
        policy=Policy(max_concurrency=32),
    )
    assert summary.succeeded == count
    lines = "".join(f"{BUCKET},{quote(key, safe='/')}\n" for key in keys(count))
    client.put_object(Bucket="ops", Key="objects.csv", Body=lines.encode())


class JobFiles:
    """What the job has left in its folder so far."""

    def __init__(self, server: Server) -> None:
        self._client = server.client()

    def names(self) -> list[str]:
        """Return the keys of all files of the run task, sorted."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket="ops", Prefix=f"s3batch/{DAG_ID}-")
        return sorted(entry["Key"] for page in pages for entry in page.get("Contents", ()))

    def json(self, key: str) -> Any:
        """Return a JSON file."""
        return json.loads(self._client.get_object(Bucket="ops", Key=key)["Body"].read())

    def attempts_at_work(self, fleet: Fleet) -> dict[str, tuple[str, int]]:
        """Return the attempts that have committed something and go on: id → worker and shard."""
        names = self.names()
        ended = {name.rpartition("/summary-")[2].removesuffix(".json") for name in names if "/summary-" in name}
        committed = {name.rpartition("/")[2][13:].removesuffix(".commit.json") for name in names if ".commit." in name}
        found = {}
        for name in names:
            attempt = name.rpartition("/attempt-")[2].removesuffix(".json")
            if "/attempt-" in name and attempt in committed - ended:
                worker = fleet.worker_of(self.json(name)["pid"])
                if worker:
                    found[attempt] = worker, int(name.rpartition("/shard-")[2][:5])
        return found

    def report_rows(self) -> Iterator[tuple[str, str, str, str]]:
        """Yield bucket, key, status and error code of each row of the report, read as AWS documents its reports."""
        (manifest,) = (name for name in self.names() if name.endswith("/report/manifest.json"))
        for result in self.json(manifest)["Results"]:
            body = self._client.get_object(Bucket=result["Bucket"], Key=result["Key"])["Body"].read()
            for bucket, key, _, status, _, code, _ in csv.reader(io.StringIO(body.decode(), newline="")):
                yield bucket, unquote(key), status, code

    def read(self, key: str) -> bytes:
        """Return a file."""
        return bytes(self._client.get_object(Bucket="ops", Key=key)["Body"].read())


def stored_tags(fleet: Fleet) -> dict[str, dict[str, str]]:
    """Return the tags of all objects as the server keeps them in its own database, past its S3 interface."""
    found = {}
    for folder in range(FOLDERS):
        for entry in _entries(fleet.port("s3", 8888), f"/buckets/{BUCKET}/folder-{folder:02d}/"):
            key = entry["FullPath"].removeprefix(f"/buckets/{BUCKET}/")
            marks = entry["Extended"] or {}
            found[key] = {
                name.removeprefix("X-Amz-Tagging-"): base64.b64decode(value).decode()
                for name, value in marks.items()
                if name.startswith("X-Amz-Tagging-")
            }
    return found


def _entries(port: int, folder: str) -> Iterator[dict[str, Any]]:
    last, more = "", True
    while more:
        url = f"http://127.0.0.1:{port}{folder}?limit=5000&lastFileName={quote(last)}"
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": "application/json"})) as answer:
            page = json.load(answer)
        yield from page["Entries"] or ()
        last, more = page["LastFileName"], page["ShouldDisplayLoadMore"]


def check_books(fleet: Fleet, count: int) -> None:
    """Look whether manifest, report and server agree about every single object."""
    wanted = set(keys(count))
    files = JobFiles(fleet.s3)
    (manifest,) = (name for name in files.names() if name.endswith("/manifest/manifest.json"))
    assert files.json(manifest)["rows"] == count
    rows = Counter(files.report_rows())
    assert set(rows.values()) == {1}, rows.most_common(3)
    assert rows.keys() == {(BUCKET, key, "succeeded", "") for key in wanted}
    tags = stored_tags(fleet)
    assert tags.keys() == wanted
    assert all(found == {"state": "done"} for found in tags.values()), Counter(map(str, tags.values()))
