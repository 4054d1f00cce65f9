"""Jobs that somebody pauses, resumes, slows down and speeds up while they run; a scripted store has their objects."""

from __future__ import annotations

import bisect
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from scripted_server import Fault, ScriptedS3, Seen
from server_jobs import ServerJob, access_of, publish

from airflow_s3batch.core.control import PAUSE, Control
from airflow_s3batch.core.errors import PausedError
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Summary
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine import Policy, S3Access
from airflow_s3batch.engine.files.storage import S3Storage
from airflow_s3batch.operations import PutObjectTagging
from airflow_s3batch.testing import Server

TAGGING = PutObjectTagging({"by": "job"})
WATCHFUL = Policy(pulse_every_s=0.4, control_every_s=0.05, progress_every_s=0.1, max_concurrency=8)
PAUSED = Control(PAUSE, by="ann@laptop", at="2026-11-22T12:00:00Z", reason="the store is slow")


class LookedStorage(S3Storage):
    """Counts the looks at ``control.json``."""

    def __init__(self, server: Server) -> None:
        super().__init__(access_of(server))
        self.looks = 0
        self.reads = self.written = 0
        self.looked = threading.Condition()

    def read(self, url: S3Url) -> bytes | None:
        self.reads += 1
        body = super().read(url)
        if url.key.endswith("/control.json"):
            with self.looked:
                self.looks += 1
                self.looked.notify_all()
        return body

    def wait_for_looks(self, number: int = 2) -> None:
        """Return after so many more looks have begun and ended: the last one saw what was there at the call."""
        with self.looked:
            wanted = self.looks + number
            assert self.looked.wait_for(lambda: self.looks >= wanted, 30), "nobody looks at control.json"


class ControlledJob:
    """A job of several shards; keys are ``<shard>/<row>``."""

    def __init__(self, server: Server, s3: ScriptedS3, ops: str, folder: Path, *, shards: int, rows: int) -> None:
        objects = [S3Object("data", f"{n // rows}/{n % rows:05d}", size=1) for n in range(shards * rows)]
        self.s3 = s3
        self.rows = shards * rows
        self.storage = LookedStorage(server)
        self.job: ServerJob = publish(
            server, f"s3://{ops}/job-{next(_numbers)}", objects, folder, range_rows=50, shards=shards
        )
        self.layout = JobLayout(self.job.manifest.job_url)
        self.access = S3Access(boto3.session.Session("key", "secret", region_name="us-east-1"), s3.endpoint_url)
        self.lines: list[str] = []
        self.told: list[Any] = []
        self.times: list[float] = []
        self._at: dict[int, list[Callable[[], object]]] = {}
        self._tries = itertools.count(1)
        self._lock = threading.Lock()
        s3.fault = self._serve

    def attempt(self, shard: int = 0, policy: Policy = WATCHFUL, **arguments: Any) -> Summary:
        arguments = {"progress": self.lines.append, "tell": self.told.append, "storage": self.storage, **arguments}
        return self.job.attempt(
            TAGGING,
            shard,
            access=self.access,
            policy=policy,
            shares_store=False,
            try_number=next(self._tries),
            **arguments,
        )

    def ask(self, control: Control | bytes | None) -> None:
        """Put *control* where the workers look; ``None`` takes the file away."""
        if control is None:
            self.storage.delete(self.layout.control)
        else:
            self.storage.write(self.layout.control, control if isinstance(control, bytes) else control.to_bytes())

    def asked(self, control: Control | bytes | None) -> None:
        """Ask, and return once the attempt that runs has heard it."""
        self.ask(control)
        self.storage.wait_for_looks()

    def at(self, request: int, *acts: Callable[[], object]) -> None:
        """Call *acts* when so many requests have come, before that one or any other is answered."""
        self._at[request] = list(acts)

    def until_done(self, shard: int = 0, policy: Policy = WATCHFUL, *, wait: Callable[[], object]) -> int:
        """Do the shard as a task does, which calls *wait* while it is paused; return how often it was."""
        for pauses in itertools.count():
            try:
                self.attempt(shard, policy)
            except PausedError:
                wait()
            else:
                return pauses
        raise AssertionError

    @property
    def sent(self) -> int:
        return len(self.s3.seen)

    def repeated(self) -> Counter[str]:
        """Return the objects that were sent more than one request, and how many."""
        return Counter({key: number for key, number in self.s3.sent().items() if number > 1})

    def most_within(self, seconds: float, *, since: int = 0) -> int:
        """Return the largest number of requests within any *seconds*, from the request number *since* on."""
        times = self.times[since:]
        return max((bisect.bisect_left(times, at + seconds) - i for i, at in enumerate(times)), default=0)

    def accounted(self) -> Counter[str]:
        """Return the rows of the report by code, having seen that each object has exactly one."""
        rows = self.job.report_rows()
        assert len({row.key for row in rows}) == len(rows) == self.rows
        return Counter(row.error_code for row in rows)

    def _serve(self, _: Seen) -> Fault:
        with self._lock:
            self.times.append(time.monotonic())
            for act in self._at.pop(len(self.times), []):
                act()
        return None


_numbers = itertools.count(1)
