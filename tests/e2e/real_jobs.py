"""Jobs that run on a real Airflow, and what they leave in S3."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from airflow_s3batch.reports import read_report
from airflow_s3batch.testing import write_inventory
from demo.airflow_api import ENDED

if TYPE_CHECKING:
    import pandas as pd

    from airflow_s3batch.testing import Server
    from demo.airflow_stack import AirflowStack

TIMEOUT_S = 90.0
THREADS = 8
RETRY_DELAY_S = 10
DAG = """
import os
import signal
import time
from datetime import timedelta
from pathlib import Path

from airflow.sdk import dag

from airflow_s3batch import s3_batch_job
from airflow_s3batch.managed import new_job
from airflow_s3batch.operations import PutObjectTagging


def die_unrecorded(context):
    ti = context["ti"]
    if (ti.task_id, ti.try_number) == ("job.run", 1):
        new_job.write_job = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)


def hold_first_try(context, result):
    ti = context["ti"]
    if (ti.task_id, ti.map_index, ti.try_number) == ("job.run", 0, 1):
        Path("{held}").write_text(str(os.getpid()))
        time.sleep({hold_s})


@dag(schedule=None)
def {name}():
    s3_batch_job(
        "job",
        inventory="s3://inventories/{bucket}/daily",
        where="TRUE",
        operation=PutObjectTagging({{"state": "{tag}"}}),
        job_url="s3://ops/s3batch",
        objects_per_shard={objects_per_shard},
        default_args={{
            "retry_delay": timedelta(seconds={retry_delay_s}),
            "pre_execute": {pre_execute},
            "post_execute": {post_execute},
        }},
        **{engine},
    )


{name}()
"""
DONE = {"state": "done"}


class RealJob:
    """
    A bucket, an inventory of it, and a Dag called *name* that tags every object.

    Args:
        holds_first_try: the first shard's first try, when it has done everything, waits before Airflow pushes its
            result: `held` names the file that it leaves then, with its process id.
        managed: arguments for AWS's engine; without, Airflow workers do the work.
        dies_unrecorded: the first try with AWS's engine is killed once AWS has made the job, before it notes its id.

    Attributes:
        keys: of the objects, in the order of the inventory.
    """

    def __init__(
        self,
        name: str,
        stack: AirflowStack,
        server: Server,
        *,
        objects: int,
        objects_per_shard: int,
        max_concurrency: int = 32,
        max_requests_per_s: float | None = None,
        retry_delay_s: int = RETRY_DELAY_S,
        holds_first_try: bool = False,
        managed: Mapping[str, Any] | None = None,
        dies_unrecorded: bool = False,
        key: str = "folder {0}/ü+{0}.bin",
    ) -> None:
        self.name = name
        self.stack = stack
        self.server = server
        self.client = server.client(max_pool_connections=THREADS)
        self.bucket = name.replace("_", "-")
        self.keys = [key.format(number) for number in range(objects)]
        self.run_id = ""
        self.held = stack.home / f"{name}.held"
        self._arguments = {
            "objects_per_shard": objects_per_shard,
            "engine": {"engine": "managed", **managed}
            if managed
            else {"max_concurrency": max_concurrency, "max_requests_per_s": max_requests_per_s},
            "retry_delay_s": retry_delay_s,
            "pre_execute": "die_unrecorded" if dies_unrecorded else None,
            "post_execute": "hold_first_try" if holds_first_try else None,
        }
        self.write_dag(tag="done")
        self.client.create_bucket(Bucket=self.bucket)
        self.each(self.keys, lambda key: self.client.put_object(Bucket=self.bucket, Key=key, Body=b"x"))
        rows = [{"key": key, "size": 1, "encryption_status": "NOT-SSE"} for key in self.keys]
        write_inventory(
            self.client, "s3://inventories", self.bucket, rows, created=datetime.now(UTC) - timedelta(hours=1)
        )

    def write_dag(self, *, tag: str) -> None:
        """Write the Dag file; the operation sets the tag ``state`` to *tag*."""
        names = {"name": self.name, "bucket": self.bucket, "tag": tag}
        text = DAG.format(**names, held=self.held, hold_s=TIMEOUT_S, **self._arguments)
        (self.stack.home / "dags" / f"{self.name}.py").write_text(text)

    def start(self) -> None:
        """Start a run."""
        self.stack.wait_for_dag(self.name)
        self.run_id = self.stack.api.trigger(self.name)

    def clear(self, **arguments: Any) -> int:
        """Clear task instances of the run; return how many."""
        return self.stack.api.clear(self.name, self.run_id, **arguments)

    def end(self) -> bool:
        """Wait for the end of the run; return whether it is green."""
        api = self.stack.api
        self.wait_for(lambda: api.run_state(self.name, self.run_id) in ENDED, f"the end of {self.name}")
        return api.run_state(self.name, self.run_id) == "success"

    def wait_for(self, is_there: Callable[[], Any], what: str) -> None:
        """Wait until *is_there*."""
        deadline = time.monotonic() + TIMEOUT_S
        while not is_there():
            self.stack.check()
            assert time.monotonic() < deadline, f"waited in vain for {what}: {self.states()}"
            time.sleep(0.2)

    def pid(self, shard: int) -> int:
        """Wait until the first attempt at *shard* has begun; return its process id."""
        within = f"shard-{shard:05d}/attempt-0001"
        self.wait_for(lambda: self.files(".json", within=within), f"an attempt at shard {shard}")
        (announced,) = self.files(".json", within=within)
        return int(self.json(announced)["pid"])

    def pid_after_commit(self, shard: int) -> int:
        """Wait until something of *shard* is committed; return the process id of its first attempt."""
        self.wait_for(lambda: self.committed(shard), f"a committed range of shard {shard}")
        return self.pid(shard)

    def committed(self, shard: int) -> set[str]:
        """Return the keys that commits of *shard* name as succeeded."""
        commits = self.files(".commit.json", within=f"shard-{shard:05d}")
        return {key for commit in commits for key in self.succeeded_in(self.json(commit))}

    def check_report(self) -> None:
        """Look whether each object is in the report once, as succeeded, and tagged."""
        report = self.report()
        assert sorted(report["key"]) == sorted(self.keys)
        assert set(report["task_status"]) == {"succeeded"}

    def states(self) -> dict[str, str | list[str]]:
        """Return the state of each task; of mapped ones a list by map index."""
        found: dict[str, Any] = {}
        instances = self.stack.api.task_instances(self.name, self.run_id) if self.run_id else []
        for instance in sorted(instances, key=lambda one: one.map_index):
            if instance.map_index < 0:
                found[instance.task_id] = instance.state
            else:
                found.setdefault(instance.task_id, []).append(instance.state)
        return found

    def log(self, task_id: str, try_number: int, map_index: int = -1) -> str:
        """Return the raw log of a try."""
        mapped = f"/map_index={map_index}" if map_index >= 0 else ""
        path = f"logs/dag_id={self.name}/run_id={self.run_id}/task_id={task_id}{mapped}/attempt={try_number}.log"
        return (self.stack.home / path).read_text()

    def report(self) -> pd.DataFrame:
        """Return the completion report."""
        (url,) = self.files("report/manifest.json")
        return read_report(f"s3://ops/{url}", session=self.server.session(), endpoint_url=self.server.endpoint_url)

    def files(self, ending: str, *, within: str = "") -> list[str]:
        """Return the keys of the job's files that end so, sorted."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket="ops", Prefix=f"s3batch/{self.bucket}")
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        return sorted(key for key in keys if key.endswith(ending) and within in key)

    def read(self, key: str) -> bytes:
        """Return one of the job's files."""
        return self.client.get_object(Bucket="ops", Key=key)["Body"].read()

    def json(self, key: str) -> Any:
        """Return one of the job's JSON files."""
        return json.loads(self.read(key))

    def succeeded_in(self, commit: Mapping[str, Any]) -> list[str]:
        """Return the keys that a commit names as succeeded."""
        part = commit["files"]["succeeded"]
        lines = self.read(part["key"]).decode().splitlines() if part else []
        return [unquote(line.split(",")[1]) for line in lines]

    def tag(self, keys: Iterable[str], tags: Mapping[str, str]) -> None:
        """Replace the tags of *keys*, as the bucket's owner."""
        tag_set = [{"Key": key, "Value": value} for key, value in tags.items()]
        self.each(
            keys,
            lambda key: self.client.put_object_tagging(Bucket=self.bucket, Key=key, Tagging={"TagSet": tag_set}),
        )

    def tags(self) -> dict[str, dict[str, str]]:
        """Return the tags of all objects."""
        return dict(zip(self.keys, self.each(self.keys, self._tags), strict=True))

    def _tags(self, key: str) -> dict[str, str]:
        found = self.client.get_object_tagging(Bucket=self.bucket, Key=key)["TagSet"]
        return {tag["Key"]: tag["Value"] for tag in found}

    @staticmethod
    def each(keys: Iterable[str], work: Callable[[str], Any]) -> list[Any]:
        """Call *work* for each key, several at a time."""
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(work, keys))
