"""
Measures the unit costs that no other benchmark has: planning in groups, the size of files, the reporter.

Run by ``python -m benchmarks.scale_plan --measure``; takes ten minutes, most of them for the simulation of
the order of shards. Each cost comes from a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from airflow_s3batch.core.keys import encode_key
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine import Policy, run_shard
from airflow_s3batch.engine.files.storage import S3Storage
from airflow_s3batch.operations import DeleteObjectTagging
from airflow_s3batch.testing.servers import seaweedfs
from benchmarks.conditions import conditions
from benchmarks.contenders import access
from benchmarks.measuring import Cost, Spec, measured, measured_here
from benchmarks.objects import key, publish
from benchmarks.planning.contenders import MEMORY_LIMIT, THREADS
from benchmarks.planning.folder_storage import FolderStorage
from benchmarks.planning.inventories import BUCKET, CREATED, deliver
from benchmarks.scale_plan import group_orders
from benchmarks.scale_plan.model import GROUPS, PLANNED_ROWS
from benchmarks.servers import JOBS_BUCKET, OBJECTS_BUCKET, Endpoint, make_buckets, null_server

RANGES = 2_000
RANGE_ROWS = 250
FAILURES = 20_000


def measure(say: Callable[[str], None]) -> dict[str, Any]:
    """Return all figures by name, and under which conditions they were found."""
    found: dict[str, Any] = {}
    for file_format in ("Parquet", "CSV"):
        found |= _planning(file_format)
        say(f"planned {PLANNED_ROWS:,} rows of {file_format}")
    found |= _reporting()
    say(f"reported {RANGES:,} row ranges and {FAILURES:,} failures")
    return {"figures": found, "groups": list(group_orders.table()), "conditions": conditions()}


def _planning(file_format: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="s3batch-scale-") as name:
        root = Path(name)
        inventory = deliver(root, PLANNED_ROWS, file_format)
        size = sum(path.stat().st_size for path in inventory.paths)
        one = _child("plan", str(root), inventory.url, "1")
        several = _child("plan", str(root), inventory.url, str(GROUPS))
        (staged,) = _child("stage", str(root))
        shards = sum(path.stat().st_size for path in (root / BUCKET).rglob("job-1/**/*.parquet"))
    lower = file_format.lower()
    return {
        f"inventory_bytes_{lower}": size / PLANNED_ROWS,
        f"planning_us_{lower}": Cost(*one).us_per_object,
        f"planning_mb_{lower}": Cost(*one).peak_mb,
        f"groups_us_{lower}": Cost(*several).us_per_object,
        "staged_bytes": staged,
        "shard_bytes": shards / PLANNED_ROWS,
    }


def plan(root: str, url: str, groups: str) -> Cost:
    """Publish a manifest of all rows of the inventory at *url*, planned in so many groups."""
    from airflow_s3batch.manifests.planning.grouped import Planning
    from airflow_s3batch.manifests.planning.publish import publish_manifest
    from airflow_s3batch.manifests.planning.selection import Selection
    from airflow_s3batch.manifests.sources.inventory import Inventory

    storage, jobs, selection = FolderStorage(Path(root)), S3Url(BUCKET, "jobs"), Selection(Inventory.of(url), "TRUE")
    limits: dict[str, Any] = {"memory_limit": MEMORY_LIMIT, "threads": THREADS, "staging_dir": Path(root)}
    planning = Planning(storage, selection, CREATED, **limits)

    def work() -> None:
        if groups == "1":
            publish_manifest(storage, jobs, "job-1", selection, now=CREATED, **limits)
            return
        refs = planning.start(jobs, f"job-{groups}", int(groups))
        for ref in refs:
            planning.plan(ref)
        planning.publish(refs)

    return measured_here(PLANNED_ROWS, work)


def stage(root: str) -> tuple[float]:
    """Return the bytes that a selected row takes on local disk, on average over one shard."""
    import pyarrow.parquet as pq

    from airflow_s3batch.manifests.planning.cutting.stage_files import StageWriter

    shard = pq.read_table(next((Path(root) / BUCKET).rglob("job-1/**/*.parquet")))
    path = Path(root) / "staged.arrow"
    with StageWriter(path, shard.schema) as writer:
        for batch in shard.to_batches():
            writer.write(batch)
    return (path.stat().st_size / shard.num_rows,)


def _reporting() -> dict[str, float]:
    with seaweedfs() as server, null_server() as null:
        store = Endpoint.of(server)
        make_buckets(server)
        storage, rows = S3Storage(access(store)), RANGES * RANGE_ROWS
        publish(storage, job := f"s3://{JOBS_BUCKET}/ranges", rows, RANGE_ROWS)
        measured(Spec("run_shard", "tag", null.endpoint, store, rows, 64, job, "run"))
        ranges = _child("report", json.dumps(store), job, "run")
        entries = storage.read(S3Url(JOBS_BUCKET, "ranges/report/manifest.json")) or b""
        failing = f"s3://{JOBS_BUCKET}/failing"
        ref = publish(storage, failing, FAILURES)
        run_shard(
            ref,
            DeleteObjectTagging(),
            access=access(store),
            storage=storage,
            task_id="run",
            policy=Policy(keep_going=True),
            shares_store=True,
        )
        failures = _child("report", json.dumps(store), failing, "run")
    line = f"{OBJECTS_BUCKET},{encode_key(key(1))},,succeeded,200,,\n"
    return {
        "report_cpu_ms_range": 1000 * Cost(*ranges).cpu_s / RANGES,
        "report_mb": Cost(*ranges).peak_mb,
        "report_us_failure": 1e6 * Cost(*failures).cpu_s / FAILURES,
        "report_entry_bytes": len(entries) / RANGES,
        "result_bytes": len(line),
        "aws_manifest_bytes": len(f"{OBJECTS_BUCKET},{encode_key(key(1))}\n"),
    }


def report(store: str, job_url: str, task_id: str) -> Cost:
    """Make the completion report of the job at *job_url*."""
    from airflow_s3batch.reports.build import build_report

    storage = S3Storage(access(Endpoint(*json.loads(store))))
    return measured_here(1, lambda: build_report(storage, S3Url.parse(job_url), task_id, now=CREATED))


_CHILDREN: dict[str, Callable[..., Any]] = {"plan": plan, "stage": stage, "report": report}


def _child(name: str, *arguments: str) -> list[Any]:
    """Run the function *name* in a process of its own; return what it returned."""
    command = [sys.executable, "-m", "benchmarks.scale_plan.measure", name, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr.strip()[-2_000:]}")
    found: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    print(json.dumps(_CHILDREN[sys.argv[1]](*sys.argv[2:])))
