"""Client CPU per object: this package, a bare libcurl loop and peers at the same jobs, on a null and a real server."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from airflow_s3batch.engine.files.storage import S3Storage
from airflow_s3batch.testing.servers import seaweedfs
from benchmarks.contenders import CONTENDERS, access
from benchmarks.jobs import JOBS
from benchmarks.measuring import Cost, Spec, measured
from benchmarks.objects import publish, store_objects
from benchmarks.programs import PROGRAMS
from benchmarks.results import CpuResult
from benchmarks.scope import WINDOW, Scope
from benchmarks.servers import JOBS_BUCKET, Endpoint, make_buckets, null_server

NULL, REAL = "null", "SeaweedFS"
Say = Callable[[str], None]

_OURS = ("run_shard", "run_batch", "bare")
_NULL_ENTRIES = [(job, name) for job in ("tag", "copy", "delete", "bulk") for name in _OURS]
_KEEPING_ENTRIES = [
    ("tag", "run_shard"),
    ("tag", "run_batch"),
    ("tag", "bare"),
    ("tag", "boto3"),
    *(("copy", name) for name in ("run_shard", "bare", "boto3", "s5cmd run", "rclone")),
]
_DESTROYING_ENTRIES = [
    *(("delete", name) for name in ("run_shard", "bare", "boto3", "s5cmd run", "rclone")),
    ("bulk", "run_shard"),
    ("bulk-unconditional", "run_shard"),
    ("bulk", "bare"),
    ("bulk", "boto3"),
    ("bulk", "s5cmd rm"),
]
_SLOW = {"boto3", "s5cmd run", "rclone"}


class _Entry(NamedTuple):
    job: str
    contender: str
    objects: int


def on_null_server(scope: Scope, say: Say) -> list[CpuResult]:
    """Compare this package with the bare loop where the server costs nothing."""
    entries = [_Entry(job, name, scope.null_objects) for job, name in _NULL_ENTRIES]
    with seaweedfs() as store, null_server() as null:
        make_buckets(store)
        stage = _Stage(NULL, null.endpoint, Endpoint.of(store))
        return _in_turn(stage, entries, scope.null_rounds, say)


def on_real_server(scope: Scope, say: Say) -> list[CpuResult]:
    """Compare this package with the bare loop and with peers on SeaweedFS."""
    results = []
    for named in (_KEEPING_ENTRIES, _DESTROYING_ENTRIES):
        entries = [_Entry(job, name, _objects(scope, job, name)) for job, name in named]
        with seaweedfs() as store:
            make_buckets(store)
            endpoint = Endpoint.of(store)
            if named is _KEEPING_ENTRIES:
                store_objects(access(endpoint), max(entry.objects for entry in entries))
            results += _in_turn(_Stage(REAL, endpoint, endpoint), entries, scope.real_rounds, say)
    return results


def _objects(scope: Scope, job: str, contender: str) -> int:
    objects = scope.real_objects[job.partition("-")[0]]
    return min(objects, scope.peer_objects) if contender in _SLOW and job != "bulk" else objects


class _Stage:
    """A server with its objects, and the jobs that were published for it."""

    def __init__(self, name: str, endpoint: Endpoint, storage: Endpoint) -> None:
        self.name = name
        self._endpoint = endpoint
        self._storage = storage
        self._published: set[int] = set()

    def cost(self, entry: _Entry) -> Cost:
        """Run one contender once; what start-up costs a foreign program is measured apart and taken off."""
        if entry.contender in CONTENDERS:
            return self._run_python(entry)
        whole = self._run_program(entry)
        start_up = self._run_program(entry._replace(objects=1))
        return whole._replace(cpu_s=whole.cpu_s - start_up.cpu_s)

    def _run_python(self, entry: _Entry) -> Cost:
        job_url = f"s3://{JOBS_BUCKET}/{self.name}-{entry.objects}"
        if entry.contender == "run_shard" and entry.objects not in self._published:
            publish(S3Storage(access(self._storage)), job_url, entry.objects)
            self._published.add(entry.objects)
        return measured(self._prepared(entry)._replace(job_url=job_url))

    def _run_program(self, entry: _Entry) -> Cost:
        with tempfile.TemporaryDirectory(prefix="s3batch-bench-") as folder:
            return PROGRAMS[entry.contender, entry.job].run(self._prepared(entry), Path(folder))

    def _prepared(self, entry: _Entry) -> Spec:
        if self._endpoint == self._storage and JOBS[entry.job].destroys:
            store_objects(access(self._endpoint), entry.objects)
        run = f"{entry.contender.replace(' ', '-')}-{uuid.uuid4().hex[:8]}"
        return Spec(entry.contender, entry.job, self._endpoint, self._storage, entry.objects, WINDOW, "", run)


def _in_turn(stage: _Stage, entries: Iterable[_Entry], rounds: int, say: Say) -> list[CpuResult]:
    """Run each contender of a job once a round, one after the other; jobs one after the other as well."""
    by_job: dict[str, list[_Entry]] = {}
    for entry in entries:
        by_job.setdefault(entry.job.partition("-")[0], []).append(entry)
    results = []
    for of_job in by_job.values():
        costs: dict[_Entry, list[Cost]] = {entry: [] for entry in of_job}
        for _ in range(rounds):
            for entry, found in costs.items():
                found.append(stage.cost(entry))
                say(f"{stage.name}, {entry.job}, {entry.contender}: {found[-1].us_per_object:.1f} µs/object")
        results += [_result(stage.name, entry, found) for entry, found in costs.items()]
    return results


def _result(server: str, entry: _Entry, costs: list[Cost]) -> CpuResult:
    return CpuResult(
        server,
        entry.job,
        entry.contender,
        entry.objects,
        [cost.us_per_object for cost in costs],
        [cost.rate for cost in costs],
    )
