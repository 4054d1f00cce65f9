"""An emulator whose store is a dictionary and whose tasks are done by a function, with a clock that stands still."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import botocore.exceptions
from emulator_requests import create_job

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import SUCCESS, Outcome
from airflow_s3batch.engine.access import S3Access
from airflow_s3batch.operations.base import Operation
from airflow_s3batch.testing import S3BatchEmulator
from airflow_s3batch.testing.emulator import emulator as emulator_module

START = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
DENIED = Outcome(403, "AccessDenied", "Access Denied")


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> dt.datetime:
        return self.now

    def forward(self, **duration: float) -> None:
        self.now += dt.timedelta(**duration)


class Store:
    """As much of boto3's S3 client as a job needs, in a dictionary by (bucket, key)."""

    def __init__(self) -> None:
        self.files: dict[tuple[str, str], bytes] = {}
        self.refuses: dict[str, str] = {}
        """Error code by method name."""
        self.ownership = "ObjectWriter"

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> dict[str, str]:  # noqa: N803
        self._check("put_object")
        self.files[Bucket, Key] = Body
        return {"ETag": e_tag(Body)}

    def get_object(self, *, Bucket: str, Key: str, VersionId: str = "") -> dict[str, Any]:  # noqa: N803
        self._check("get_object")
        if (Bucket, Key) not in self.files:
            raise self._error("get_object", "NoSuchKey")
        body = self.files[Bucket, Key]
        return {"Body": io.BytesIO(body), "ETag": e_tag(body)}

    def head_bucket(self, *, Bucket: str) -> None:  # noqa: N803
        self._check("head_bucket")

    def get_object_lock_configuration(self, *, Bucket: str) -> None:  # noqa: N803
        self._check("get_object_lock_configuration")

    def get_bucket_ownership_controls(self, *, Bucket: str) -> dict[str, Any]:  # noqa: N803
        return {"OwnershipControls": {"Rules": [{"ObjectOwnership": self.ownership}]}}

    def get_bucket_replication(self, *, Bucket: str) -> None:  # noqa: N803
        self._check("get_bucket_replication")

    def _check(self, method: str) -> None:
        if code := self.refuses.get(method):
            raise self._error(method, code)

    def _error(self, method: str, code: str) -> botocore.exceptions.ClientError:
        return botocore.exceptions.ClientError({"Error": {"Code": code, "Message": ""}}, method)


def e_tag(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'


@dataclass(frozen=True)
class StoreAccess(S3Access):
    """Gives the store for S3, and boto3's own client for the rest."""

    store: Any = None

    def client(self, service: str = "s3") -> Any:
        return self.store if service == "s3" else super().client(service)


@dataclass
class Bench:
    """
    What tests of the state machine work with.

    Attributes:
        outcome_of: what becomes of each object.
        done: keys of objects in the order in which they were done.
    """

    emulator: S3BatchEmulator
    client: Any
    clock: Clock
    store: Store
    delivered: list[dict[str, Any]]
    outcome_of: Callable[[S3Object], Outcome] = lambda obj: SUCCESS
    done: list[str] = field(default_factory=list)

    def execute(
        self,
        objects: Iterator[S3Object],
        operation: Operation,
        job_id: str,
        settle: Callable[[S3Object, Outcome], None],
    ) -> None:
        for obj in objects:
            self.done.append(obj.key)
            settle(obj, self.outcome_of(obj))

    def manifest(
        self, text: str, key: str = "manifest.csv", fields: tuple[str, ...] = ("Bucket", "Key")
    ) -> dict[str, Any]:
        """Store *text* and return CreateJob's ``Manifest`` of it."""
        body = text.encode()
        tag = self.store.put_object(Bucket="ops", Key=key, Body=body)["ETag"]
        return {
            "Spec": {"Format": "S3BatchOperations_CSV_20180820", "Fields": list(fields)},
            "Location": {"ObjectArn": f"arn:aws:s3:::ops/{key}", "ETag": tag},
        }

    def create(self, *keys: str, **changes: Any) -> str:
        """Create a job that tags *keys* of bucket ``lake``; return its id."""
        changes.setdefault("ClientRequestToken", f"token-{len(self.statuses_of())}-{len(self.emulator.events)}")
        if "Manifest" not in changes:
            name = changes["ClientRequestToken"]
            changes["Manifest"] = self.manifest("".join(f"lake,{key}\n" for key in keys or ("a",)), name)
        operation = changes.pop("Operation", {"S3DeleteObjectTagging": {}})
        request = create_job(operation, **{"Tags": None, **changes})
        return str(self.client.create_job(**request)["JobId"])

    def describe(self, job_id: str) -> dict[str, Any]:
        job: dict[str, Any] = self.client.describe_job(AccountId=self.emulator.account_id, JobId=job_id)["Job"]
        return job

    def status(self, job_id: str) -> str:
        return str(self.describe(job_id)["Status"])

    def set_status(self, job_id: str, status: str, **more: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.update_job_status(
            AccountId=self.emulator.account_id, JobId=job_id, RequestedJobStatus=status, **more
        )
        return answer

    def statuses_of(self, job_id: str = "") -> list[str]:
        """Return the statuses that events tell of, in order."""
        details = [event["detail"]["serviceEventDetails"] for event in self.emulator.events]
        return [detail["status"] for detail in details if job_id in ("", detail["jobId"])]

    def failure(self, **changes: Any) -> tuple[str, str]:
        """Create a job that is to fail; return code and text of its failure."""
        job = self.emulator.wait(self.create(**changes))
        assert job["Status"] == "Failed", job
        (reason,) = job["FailureReasons"]
        return reason["FailureCode"], reason["FailureReason"]


def bench(**options: Any) -> Iterator[Bench]:
    """Yield a bench; *options* go to the emulator."""
    clock, store = Clock(), Store()
    delivered: list[dict[str, Any]] = []
    made: list[Bench] = []

    def engine(access: S3Access, policy: Any) -> Any:
        def execute(*arguments: Any) -> None:
            made[0].execute(*arguments)

        return execute

    with mock.patch.object(emulator_module, "worker_engine", engine):
        access = StoreAccess(session=_session(), region_name="us-east-1", store=store)
        emulator = S3BatchEmulator(access, clock=clock, on_event=delivered.append, **options)
    with emulator:
        made.append(Bench(emulator, emulator.client(), clock, store, delivered))
        yield made[0]


@functools.cache
def _session() -> Any:
    """Return a session with made-up credentials; it keeps botocore's models, which take long to load."""
    import boto3

    return boto3.session.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
