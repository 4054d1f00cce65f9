"""What a job of so many objects takes: tasks, hours, CPU, memory, disk, requests, money."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from airflow_s3batch.core.manifest import Manifest, ShardFile, ShardRef
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.planning.cutting.shards import range_rows_for, shard_sizes
from airflow_s3batch.manifests.planning.selection import SLOTS
from airflow_s3batch.manifests.sources.listing.source import MAX_CONCURRENCY
from airflow_s3batch.reports.accounts.shards import THREADS
from benchmarks.scale_plan.simulation import Course, Setting, simulated

SIZES = (10**6, 10**7, 10**8, 10**9, 2 * 10**10)
JOB_URL = "s3://ops/s3batch/tag-everything-2026-11-22t0000-0123456789ab"
SHARD_FILE = "manifest/groups-128-01234567/group-00127-shard-00007-01234567.parquet"
WINDOW = 128
"""Requests in flight in one task by default."""

PLANNED_ROWS = 2_000_000
GROUPS = 4
"""What planning in groups was measured with."""

Values = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Advice:
    """How to run a job of this size: the arguments that differ from their defaults, and the slots it needs."""

    planning_tasks: int
    max_shards: int
    slots: int


def advice_for(objects: int) -> Advice:
    """Return settings that finish within about a day where the store takes the rate."""
    if objects <= 10**7:
        return Advice(1, 200, SLOTS)
    if objects <= 10**8:
        return Advice(1, 200, 32)
    return Advice(16, 1_000, 64) if objects <= 10**9 else Advice(128, 1_024, 128)


@dataclass(frozen=True, slots=True)
class Plan:
    """A job of *objects* objects, all of them selected, that tags each with one request."""

    objects: int
    advice: Advice
    known: Values

    @property
    def shards(self) -> list[int]:
        """Rows of each shard."""
        return shard_sizes(self.objects, None, self.advice.max_shards, self.advice.slots)

    @property
    def range_rows(self) -> int:
        """Rows committed at once."""
        return range_rows_for(self.shards)

    @property
    def ranges(self) -> int:
        """Row ranges of all shards together."""
        range_rows = self.range_rows
        return sum(-(-rows // range_rows) for rows in self.shards)

    # planning

    def inventory_bytes(self, file_format: str) -> float:
        """Return the size of the inventory's data files."""
        return self.objects * self.known[f"inventory_bytes_{file_format}"]

    def planning_cpu_h(self, file_format: str) -> float:
        """Return core hours of selecting, and of cutting and writing the shards."""
        return self.objects * self.known[f"planning_us_{file_format}"] / 3.6e9

    def planning_h(self, file_format: str, tasks: int) -> float:
        """Return hours of the slowest of *tasks* on two cores each: computing or fetching, whichever takes longer."""
        computing = self.planning_cpu_h(file_format) / 2
        fetching = self.inventory_bytes(file_format) / (self.known["fetch_mb_s"] * 3.6e9)
        return max(computing, fetching) / tasks

    @property
    def staged_bytes(self) -> float:
        """Local disk that the selected rows take in one planning task."""
        return self.objects * self.known["staged_bytes"] / self.advice.planning_tasks

    @property
    def listing_h(self) -> float:
        """Hours in which one task lists all objects, waiting for pages only."""
        pages = self.objects / self.known["list_keys"]
        return pages * self.known["list_page_ms"] / MAX_CONCURRENCY / 3.6e6

    # the run

    @property
    def task_rate(self) -> float:
        """Requests a second of one task at the default window."""
        return WINDOW * self.known["rate_per_window"]

    def course(self, partitions: float) -> Course:
        """Return how the mapped tasks go if the objects lie on so many of the store's partitions."""
        setting = Setting(
            slots=self.advice.slots,
            starts_per_s=self.known["starts_per_s"],
            startup_s=self.known["task_start_s"] + self.known["shard_start_s"],
            ending_s=1.0,
            task_rate=self.task_rate,
            store_rate=partitions * self.known["prefix_rate"],
        )
        return simulated(self.shards, setting)

    @property
    def partitions_needed(self) -> int:
        """Partitions of the store at which the slots are the limit."""
        tasks = min(self.advice.slots, len(self.shards))
        return -int(-tasks * self.task_rate // self.known["prefix_rate"])

    @property
    def run_cpu_h(self) -> float:
        """Core hours of the workers."""
        return self.objects * self.known["run_us"] / 3.6e9

    @property
    def scheduling_s(self) -> float:
        """Seconds in which the scheduler starts all mapped tasks, if nothing else holds it back."""
        return (len(self.shards) + self.advice.planning_tasks) / self.known["starts_per_s"]

    # files

    @property
    def manifest(self) -> Manifest:
        """A manifest of this size, as it would be published."""
        url, rows = S3Url.parse(JOB_URL), self.shards
        digest = "0123456789abcdef" * 4
        size = int(self.known["shard_bytes"] * rows[0])
        shards = tuple(
            ShardFile(n, f"{url.key}/{SHARD_FILE}", many, many * 10**6, size, digest) for n, many in enumerate(rows)
        )
        return Manifest(url, self.objects, self.objects * 10**6, self.range_rows, (), shards, digest[:16])

    @property
    def manifest_bytes(self) -> int:
        """Size of ``manifest.json``."""
        return len(self.manifest.to_json())

    @property
    def xcom_bytes(self) -> int:
        """Size of what the manifest task returns."""
        return sum(len(str(ShardRef(JOB_URL, n, rows).to_xcom())) + 2 for n, rows in enumerate(self.shards))

    @property
    def job_writes(self) -> float:
        """Requests of the PUT kind on the job's own files."""
        beats = self.course(10**9).hours * 360 * min(self.advice.slots, len(self.shards))
        pages = -(-len(self.shards) // int(self.known["list_keys"]))
        failing = min(self.ranges, self.objects * self.known["failed_share"])
        return 2 * self.ranges + failing + 6 * len(self.shards) + beats * (1 + pages)

    @property
    def job_reads(self) -> float:
        """Requests of the GET kind on the job's own files."""
        return self.ranges + 8 * len(self.shards)

    @property
    def report_h(self) -> float:
        """Hours of the report task: of its CPU, or of waiting for one commit object per range, several at a time."""
        range_ms = max(self.known["report_cpu_ms_range"], self.known["latency_ms"] / THREADS)
        failures_us = self.objects * self.known["failed_share"] * self.known["report_us_failure"]
        return self.ranges * range_ms / 3.6e6 + failures_us / 3.6e9

    @property
    def report_manifest_bytes(self) -> float:
        """Size of ``report/manifest.json``: one entry per result file."""
        failing = min(self.ranges, self.objects * self.known["failed_share"])
        return (self.ranges + failing) * self.known["report_entry_bytes"]

    @property
    def results_bytes(self) -> float:
        """Size of all result files."""
        return self.objects * self.known["result_bytes"]

    @property
    def aws_disk_bytes(self) -> float:
        """Local disk on which the managed engine joins AWS's report with the manifest."""
        return 4 * self.objects * (self.known["aws_manifest_bytes"] + self.known["result_bytes"])

    # money

    def request_cost(self) -> float:
        """Return what the requests on the objects cost."""
        return self.objects / 1e6 * self.known["put"]

    def job_files_cost(self) -> float:
        """Return what the requests on the job's own files cost."""
        return self.job_writes / 1e6 * self.known["put"] + self.job_reads / 1e6 * self.known["get"]

    def worker_cost(self, file_format: str = "parquet") -> float:
        """Return what the workers' cores cost, planning and report included."""
        hours = self.planning_cpu_h(file_format) + self.run_cpu_h + self.report_h
        return hours * self.known["vcpu"]

    def aws_fee(self) -> float:
        """Return what S3 Batch Operations charges for its jobs, requests aside."""
        jobs = -int(-self.objects // self.known["aws_objects"])
        return jobs * self.known["aws_job"] + self.objects / 1e6 * self.known["aws_object"]

    def athena_cost(self) -> float:
        """Return what one query over the whole Parquet inventory costs."""
        return self.inventory_bytes("parquet") / 1e12 * self.known["athena"]

    def inventory_cost(self) -> float:
        """Return what the delivery of the inventory costs."""
        return self.objects / 1e6 * self.known["inventory"]

    def listing_cost(self) -> float:
        """Return what a listing costs instead."""
        return self.objects / self.known["list_keys"] / 1e6 * self.known["put"]
