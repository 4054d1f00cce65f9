"""
A second look at what an operation has left: which rows succeeded, are they as they should be?

Verdicts are recorded like outcomes, in a folder of their own: rows that are as they should be as successes, all others
as failures. An attempt that was killed loses what it had not committed; a later one looks at what has no verdict, and
once more at what differed. All requests go through an executor that can only read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.core.layout import JobLayout, OperationLayout
from airflow_s3batch.core.outcomes import Summary, Tally
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.checks.verification_asked import ask
from airflow_s3batch.engine.jobs.job_manifest import published_manifest
from airflow_s3batch.engine.policy import Policy
from airflow_s3batch.engine.shards.shard_look import ShardLook

if TYPE_CHECKING:
    from airflow_s3batch.core.objects import S3Object
    from airflow_s3batch.engine.access import S3Access
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.operations.base import Operation


def everything(_: S3Object) -> bool:
    """Return that any object is meant."""
    return True


@dataclass(frozen=True, kw_only=True)
class Verification:
    """
    Second looks at the objects of one job.

    Attributes:
        job_url: folder of the job; *task_id* is the operation task's.
        operation: that was done.
        folders: of each shard that was ever started, by index: where the attempts that count have left their files.
        access: the store that holds the objects.
        storage: where the job's files are.
        objects: look at so many, of the whole job; ``None`` looks at all that succeeded.
        concerns: whether an object of a shard is meant; the others are somebody else's.
        policy: limits; what it says of failures is not looked at.
        progress: takes lines for the log.
        stop: once set, no new object is looked at.
    """

    job_url: S3Url
    task_id: str
    operation: Operation
    folders: Mapping[int, S3Url]
    access: S3Access
    storage: Storage
    objects: int | None = None
    concerns: Callable[[S3Object], bool] = everything
    policy: Policy = field(default_factory=Policy)
    progress: Callable[[str], None] = lambda _: None
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def task(self) -> OperationLayout:
        """Where the operation task keeps its files."""
        return JobLayout(self.job_url).operation(self.task_id)

    def ask(self) -> None:
        """Leave word that this verification is asked for, so that a report that lacks it can say so."""
        ask(self.storage, self.task, self.objects)

    def look_at_shard(self, index: int, try_number: int = 1) -> Summary:
        """
        Look at what is left of shard *index*; every verdict is committed.

        Returns the verdicts of this attempt; in ``stopped`` why rows are left, if any are.

        Raises:
            JobDamagedError: the job's files are not as they were written.
            AccessError: the store refuses.
            PausedError: the job is paused by its ``control.json``.
            InfrastructureError: the store misbehaved for long.
        """
        manifest = published_manifest(self.storage, JobLayout(self.job_url))
        if not 0 <= index < len(manifest.shards):
            raise JobDamagedError(f"{JobLayout(self.job_url).manifest}: there is no shard {index}")
        folder = self.folders.get(index)
        if folder is None:
            return Summary(Tally())
        return ShardLook(self, manifest, manifest.shards[index], folder, try_number).run()
