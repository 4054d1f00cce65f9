"""Names of the files below a job's folder. The only place that spells them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.identity import series_id
from airflow_s3batch.core.s3url import S3Url

SHARED_RATES = "shared-rates"
RUNNING = "running"
OF_ALL_JOBS = frozenset({"series", "cleanup", SHARED_RATES, RUNNING})
"""Folders beside those of the jobs. No job is called so: its name ends with twelve hex digits."""


_OF_JOB = frozenset(
    {"manifest", "report", "source", "job.json", "control.json", "cost.json", "approval.json", "", ".", ".."}
)


def task_id_problems(task_id: str) -> list[str]:
    """Return why an operation task can't be called *task_id*, a clause: its files would lie among others."""
    if task_id not in _OF_JOB:
        return []
    return [f"task_id={task_id!r} is the name of other files in the job's folder; call the task {task_id + '_run'!r}"]


class JobLayout(NamedTuple):
    """Where the files of the job at *url* lie."""

    url: S3Url

    @property
    def jobs(self) -> S3Url:
        """The ``job_url`` that the job was started with, where all jobs' files lie."""
        return S3Url(self.url.bucket, self.url.key.rpartition("/")[0])

    @property
    def name(self) -> str:
        """The job's id, with its number if it was started over: the folder's name."""
        return self.url.key.rpartition("/")[2]

    @property
    def job(self) -> S3Url:
        """Selection, pinned source, Dag run, versions, fingerprint."""
        return self.url / "job.json"

    @property
    def control(self) -> S3Url:
        """What people ask of the job while it runs: pause, go on, how fast. There is none until somebody asks."""
        return self.url / "control.json"

    @property
    def manifest(self) -> S3Url:
        """Totals and shards; its presence means that the manifest is published."""
        return self.url / "manifest/manifest.json"

    @property
    def cost(self) -> S3Url:
        """What the job was expected to cost when its manifest was published; absent if nobody could tell."""
        return self.url / "cost.json"

    @property
    def approval(self) -> S3Url:
        """Who was asked whether the job may run, with which figures, and what was answered; absent if nobody was."""
        return self.url / "approval.json"

    @property
    def source(self) -> S3Url:
        """Folder of what the source itself wrote, such as a listing; `job` says which of it counts."""
        return self.url / "source"

    @property
    def buckets(self) -> S3Url:
        """Which buckets the manifest is about, and in which shards their rows are."""
        return self.url / "manifest/buckets.json"

    def shard(self, index: int, sha256: str) -> S3Url:
        """Rows of one shard; the digest in the name keeps two planners from mixing their files."""
        return self.url / f"manifest/shard-{index:05d}-{sha256[:8]}.parquet"

    def operation(self, task_id: str) -> OperationLayout:
        """
        Where the operation task *task_id* keeps its files.

        Raises:
            ArgumentError: other files of the job have that name, or it is no name of a folder.
        """
        if problems := task_id_problems(task_id):
            raise ArgumentError.of("operation task", problems)
        return OperationLayout(self.url / task_id)

    @property
    def report(self) -> S3Url:
        """Folder of the completion report."""
        return self.url / "report"


def shared_rates(jobs: S3Url, name: str) -> S3Url:
    """Folder of the signs of life of all attempts, below the ``job_url`` *jobs*, that share the rate *name*."""
    return jobs / f"{SHARED_RATES}/{name}"


def running_jobs(jobs: S3Url) -> S3Url:
    """Folder of a small file for each job below the ``job_url`` *jobs* that is at work, or was when it was killed."""
    return jobs / RUNNING


def cleanup_note(jobs: S3Url) -> S3Url:
    """Where the last cleanup below the ``job_url`` *jobs* tells what it did."""
    return jobs / "cleanup/last.json"


class SeriesLayout(NamedTuple):
    """Where the jobs of one task, run after run, leave word for the next."""

    url: S3Url

    @classmethod
    def of(cls, jobs: S3Url, about: Mapping[str, Any]) -> SeriesLayout | None:
        """Return the series of the task that *about* names, below the folder of *jobs*; ``None`` if none is named."""
        dag_id, task_id, map_index = about.get("dag_id"), about.get("task_id"), about.get("map_index")
        if not dag_id or not task_id:
            return None
        name = series_id(str(dag_id), str(task_id), map_index if isinstance(map_index, int) else -1)
        return cls(jobs / f"series/{name}")

    @property
    def published(self) -> S3Url:
        """What the last published manifest was like."""
        return self.url / "published.json"

    @property
    def reported(self) -> S3Url:
        """Which job was the last to be reported on."""
        return self.url / "reported.json"

    @property
    def history(self) -> S3Url:
        """Folder of what each report leaves: one small file a job, whose names sort by time."""
        return self.url / "history"


class OperationLayout(NamedTuple):
    """Where the files of one operation task lie."""

    url: S3Url

    def generation(self, number: int) -> GenerationLayout:
        """Where the *number*-th start from scratch (from 1 on) keeps its files."""
        return GenerationLayout(self.url / f"g{number:04d}")

    @property
    def refusals(self) -> S3Url:
        """Folder of what shards leave that were told to resume with another operation, until they are resumed."""
        return self.url / "refused"

    @property
    def restores(self) -> S3Url:
        """Which objects of a restore job were seen to be readable."""
        return self.url / "restores.json"

    @property
    def verification(self) -> S3Url:
        """Folder of what second looks at the objects have shown; in it a folder for each generation looked at."""
        return self.url / "verification"

    @property
    def verification_asked(self) -> S3Url:
        """That a second look is asked for, and at how many objects."""
        return self.verification / "asked.json"

    def second_looks(self, generation: str) -> GenerationLayout:
        """Where second looks at what the generation of that folder name has done leave their files."""
        return GenerationLayout(self.verification / generation)

    def refusal(self, shard: int) -> S3Url:
        """Written when an attempt at *shard* is refused, deleted when a later one goes on."""
        return self.refusals / f"shard-{shard:05d}.json"

    def bucket_refusal(self, folder: str) -> S3Url:
        """Likewise for the AWS job of the rows that *folder* stands for."""
        return self.refusals / f"bucket-{folder}.json"


class GenerationLayout(NamedTuple):
    """Where the files of one generation lie: everything that was done with one operation, unchanged."""

    url: S3Url

    @property
    def operation(self) -> S3Url:
        """The operation and its fingerprint."""
        return self.url / "operation.json"

    @property
    def verdict(self) -> S3Url:
        """What the preflight found out about the store."""
        return self.url / "verdict.json"

    @property
    def scratch(self) -> S3Url:
        """Folder of the preflight's scratch objects."""
        return self.url / "scratch"

    @property
    def rehearsals(self) -> S3Url:
        """Folder of what rehearsals tell of themselves: which attempts were theirs, and how they ended."""
        return self.url / "rehearsal"

    def rehearsal(self, name: str) -> S3Url:
        """Written when the rehearsal *name* begins, and once more when it ends."""
        return self.rehearsals / f"{name}.json"

    @property
    def pulses(self) -> S3Url:
        """Folder of what running attempts tell one another: advice, never evidence."""
        return self.url / "pulse"

    def pulse(self, shard: int, attempt: str, done: int, failed: int, state: str) -> S3Url:
        """Written anew every few seconds while an attempt works; *state* is ``runs`` or ``ended``."""
        return self.pulses / f"shard-{shard:05d}_{attempt}_{done}_{failed}_{state}"

    def shard(self, index: int) -> S3Url:
        """Folder of one shard: attempts, result parts, commits."""
        return self.url / f"shard-{index:05d}"

    def attempt(self, shard: int, attempt: str) -> S3Url:
        """Written when an attempt starts: who, where, when, and what counts as failure from now on."""
        return self.shard(shard) / f"attempt-{attempt}.json"

    def part(self, shard: int, range_index: int, attempt: str, status: str) -> S3Url:
        """Rows of one status, completion-report form; *status* is ``succeeded`` or ``failed``."""
        return self.shard(shard) / f"range-{range_index:06d}-{attempt}.{status}.csv"

    def claim(self, shard: int, range_index: int, attempt: str) -> S3Url:
        """Written before a range is begun, where the operation forbids a replay."""
        return self.shard(shard) / f"range-{range_index:06d}-{attempt}.claim.json"

    def commit(self, shard: int, range_index: int, attempt: str) -> S3Url:
        """Written after the parts of a range; names them with their checksums."""
        return self.shard(shard) / f"range-{range_index:06d}-{attempt}.commit.json"

    def summary(self, shard: int, attempt: str) -> S3Url:
        """Written when an attempt ends in order."""
        return self.shard(shard) / f"summary-{attempt}.json"

    @property
    def managed(self) -> S3Url:
        """Folder of what the managed engine keeps, a folder for each AWS job's kind of rows."""
        return self.url / "managed"

    def bucket_rounds(self, folder: str) -> S3Url:
        """Folder of the AWS jobs for the rows that *folder* stands for."""
        return self.managed / folder

    def round(self, folder: str, number: int) -> RoundLayout:
        """Where the *number*-th AWS job (from 1 on) for what a bucket's *folder* stands for keeps its files."""
        return RoundLayout(self.bucket_rounds(folder) / f"round-{number:04d}")


class RoundLayout(NamedTuple):
    """Where the files of one AWS job lie."""

    url: S3Url

    def manifest(self, sha256: str) -> S3Url:
        """AWS's CSV manifest; the digest in the name keeps two attempts from mixing their files."""
        return self.url / f"manifest-{sha256[:16]}.csv"

    @property
    def request(self) -> S3Url:
        """CreateJob's request, stored before it is sent."""
        return self.url / "request.json"

    @property
    def job(self) -> S3Url:
        """The JobId, stored after CreateJob."""
        return self.url / "job.json"

    @property
    def aws_report(self) -> S3Url:
        """Folder below which AWS writes its completion report."""
        return self.url / "report"

    @property
    def harvested(self) -> S3Url:
        """Counts and the job's end; its presence means that all outcomes of the job are committed."""
        return self.url / "harvested.json"
