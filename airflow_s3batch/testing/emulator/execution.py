"""Executes a job's tasks with the worker engine."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import botocore.exceptions

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.engine.access import S3Access
from airflow_s3batch.engine.batch import run_batch
from airflow_s3batch.engine.policy import Policy
from airflow_s3batch.operations.base import Operation
from airflow_s3batch.operations.managed_forms import operation_from_create_job
from airflow_s3batch.testing.emulator.book import JobBook
from airflow_s3batch.testing.emulator.jobs import Job, JobFailure
from airflow_s3batch.testing.emulator.tasks import Task, spelling_of

THRESHOLD_FROM = 1_000
LOCKING = frozenset({"S3PutObjectRetention", "S3PutObjectLegalHold"})
NO_LOCK_CODES = ("ObjectLockConfigurationNotFoundError", "ObjectLockConfigurationNotFound")
NO_VERSION = Outcome(400, "InvalidRequest", "Task failed due to missing VersionId")
NO_BUCKET = Outcome(404, "NoSuchBucket", "The specified bucket does not exist")
NO_LOCK = Outcome(400, "InvalidRequest", "Bucket is missing Object Lock Configuration")
NO_ACLS = Outcome(400, "AccessControlListNotSupported", "The bucket does not allow ACLs")
NO_RULES = Outcome(400, "SrcBucketReplicationConfigMissing", "The source bucket has no replication configuration")

Record = Callable[[Task, Outcome], None]
Settle = Callable[[S3Object, Outcome], None]
Execute = Callable[[Iterator[S3Object], Operation, str, Settle], None]
"""Runs an operation on objects for the job of that id; tells each object's outcome."""


def worker_engine(access: S3Access, policy: Policy) -> Execute:
    """Return what runs operations on the store that *access* reaches; no share of failures stops it."""
    chosen = dataclasses.replace(policy, keep_going=True, replay_unsafe=True)

    def execute(objects: Iterator[S3Object], operation: Operation, job_id: str, settle: Settle) -> None:
        run_batch(
            objects,
            operation,
            session=access.session,
            endpoint_url=access.endpoint_url,
            region_name=access.region_name,
            verify=access.verify,
            botocore_config=access.config,
            endpoints=dict(access.endpoints),
            policy=chosen,
            on_outcome=settle,
            job_id=job_id,
        )

    return execute


class TaskRun:
    """
    Runs tasks until there are no more, or until the job is to be cancelled, paused or held.

    Args:
        client: boto3's for S3.
        record: told each task's outcome, in the order in which they end.
    """

    def __init__(self, job: Job, book: JobBook, client: Any, execute: Execute, record: Record) -> None:
        self._job = job
        self._book = book
        self._client = client
        self._execute = execute
        self._record = record
        self._operation = operation_from_create_job(job.request["Operation"])
        self._is_done = False
        self._is_lost = False
        self._refusal: Outcome | None = None
        self._has_looked = False

    def run(self, source: Iterator[Task]) -> bool:
        """
        Run tasks of *source*; return whether it is used up.

        Raises:
            JobFailure: more than half of the tasks failed, from `THRESHOLD_FROM` on.
            S3BatchError: the store does not do what the operation needs, or can't be reached.
        """
        objects = self._objects(source, self._book.held_after(self._job))
        first = next(objects, None)
        if first is not None:
            self._execute(itertools.chain([first], objects), self._operation, self._job.id, self._settle)
        if self._is_lost:
            told = f"{self._job.failed} of {self._job.done} tasks failed, more than 50%"
            raise JobFailure("FailureThresholdExceeded", f"Job failed: {told}")
        return self._is_done

    def _objects(self, source: Iterator[Task], most: int | None) -> Iterator[S3Object]:
        """Yield the objects of tasks that the engine has to do; at most *most* tasks are begun."""
        begun = 0
        while not self._is_lost and not self._book.interrupts(self._job) and begun != most:
            task = next(source, None)
            if task is None:
                self._is_done = True
                return
            begun += 1
            refusal = NO_VERSION if task.lacks_version else self._refused(task.bucket)
            if refusal is None:
                yield task.to_object()
            else:
                self._count(task, refusal)

    def _settle(self, obj: S3Object, outcome: Outcome) -> None:
        self._count(Task(obj.bucket, spelling_of(obj), obj.version_id or ""), outcome)

    def _count(self, task: Task, outcome: Outcome) -> None:
        self._record(task, outcome)
        done = self._job.done
        self._is_lost = self._is_lost or (done >= THRESHOLD_FROM and self._job.failed / done > 0.5)

    def _refused(self, bucket: str) -> Outcome | None:
        """Return what becomes of all tasks if *bucket* does not allow any."""
        if not self._has_looked:
            self._has_looked = True
            self._refusal = self._look(bucket)
        return self._refusal

    def _look(self, bucket: str) -> Outcome | None:
        client, name = self._client, self._operation.managed_name
        if _fails_as(client.head_bucket, bucket, "404", "NoSuchBucket"):
            return NO_BUCKET
        if name in LOCKING and _fails_as(client.get_object_lock_configuration, bucket, *NO_LOCK_CODES):
            return NO_LOCK
        if name == "S3PutObjectAcl" and _ownership(client, bucket) == "BucketOwnerEnforced":
            return NO_ACLS
        if self._operation.runs_on_workers:
            return None
        if _fails_as(client.get_bucket_replication, bucket, "ReplicationConfigurationNotFoundError"):
            return NO_RULES
        return Outcome(501, "NotImplemented", "The emulator does not replicate by a bucket's rules")


def _fails_as(method: Any, bucket: str, *codes: str) -> bool:
    try:
        method(Bucket=bucket)
    except botocore.exceptions.ClientError as error:
        return error.response["Error"].get("Code") in codes
    return False


def _ownership(client: Any, bucket: str) -> str:
    try:
        rules = client.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    except botocore.exceptions.ClientError:
        return ""
    return str(rules[0]["ObjectOwnership"]) if rules else ""
