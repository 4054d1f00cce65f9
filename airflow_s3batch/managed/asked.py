"""What `begin_round` was asked for, as all of its phases need it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from airflow_s3batch.core.layout import GenerationLayout, JobLayout, OperationLayout
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.files.storage import Storage
from airflow_s3batch.engine.policy import Policy
from airflow_s3batch.engine.shards.attempt import Attempt
from airflow_s3batch.managed.buckets import BucketRef
from airflow_s3batch.managed.control import JobControl
from airflow_s3batch.managed.round import Round
from airflow_s3batch.managed.round_files import StoredRequest
from airflow_s3batch.managed.settings import ManagedSettings
from airflow_s3batch.operations.base import Operation, Replay


@dataclass(frozen=True, slots=True)
class Asked:
    """
    The arguments of `begin_round`.

    Attributes:
        attempt: of the task, new; its name is given to the outcomes of a job that it makes.
        say: takes a line for each thing done.
    """

    ref: BucketRef
    operation: Operation
    storage: Storage
    control: JobControl
    task_id: str
    settings: ManagedSettings
    policy: Policy
    attempt: Attempt
    say: Callable[[str], None]

    @property
    def name(self) -> str:
        """For log lines and errors."""
        return f"{self.operation.name}, bucket {self.ref.bucket}"

    @property
    def layout(self) -> JobLayout:
        """Where our job's files are."""
        return JobLayout(S3Url.parse(self.ref.job_url, what="job"))

    @property
    def task(self) -> OperationLayout:
        """Where the operation task's files are."""
        return self.layout.operation(self.task_id)

    @property
    def forbids_replay(self) -> bool:
        """Whether what may have been done must not be done again."""
        return self.operation.replay is Replay.UNSAFE and not self.policy.replay_unsafe

    def round(self, generation: GenerationLayout, number: int, rows: int, job_id: str) -> Round:
        """Return the round *number* whose AWS job is *job_id*."""
        start = int(generation.url.key.rpartition("/g")[2])
        account, region = self.settings.account_id, self.settings.region
        return Round(self.ref, self.task_id, self.operation.name, start, number, rows, account, region, job_id)

    def announce(self, generation: GenerationLayout, stored: StoredRequest) -> None:
        """Write into the shards' folders that their rows are worked on, and what counts as failure from now on."""
        for shard in stored.shards:
            Attempt(shard, stored.attempt, self.attempt.started).announce(self.storage, generation, self.policy)
