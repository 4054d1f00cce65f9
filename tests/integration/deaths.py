"""Attempts in forked processes that die where a test says, and an operation that must not be done twice."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from server_jobs import TASK, ServerJob, access_of, client_of

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine import run_shard
from airflow_s3batch.engine.files.storage import S3Storage
from airflow_s3batch.operations import Call, Operation, Replay, Request, RunContext
from airflow_s3batch.operations.requests import Steps
from airflow_s3batch.testing import Server
from airflow_s3batch.testing.process import PR_SET_PDEATHSIG

HANG_S = 60.0
PLACES = {
    "operation": "/operation.json",
    "verdict": "/verdict.json",
    "announcement": "/attempt-",
    "claim": ".claim.json",
    "succeeded part": ".succeeded.csv",
    "failed part": ".failed.csv",
    "commit": ".commit.json",
    "summary": "/summary-",
}
"""What an attempt writes, in this order, and what its key holds."""

Hook = Callable[[str, str], None]


def die() -> None:
    """End this process as ``kill -9`` does, and do not go on until that has happened."""
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()


class HookedStorage(S3Storage):
    """Calls *hook* with ``before`` or ``after`` and the place, around each write to one of `PLACES`."""

    def __init__(self, server: Server, hook: Hook) -> None:
        super().__init__(access_of(server))
        self._hook = hook

    def write(self, url: S3Url, body: bytes, content_type: str = "application/octet-stream") -> str:
        place = next((name for name, part in PLACES.items() if part in f"/{url.key}"), "")
        if not place:
            return super().write(url, body, content_type)
        self._hook("before", place)
        e_tag = super().write(url, body, content_type)
        self._hook("after", place)
        return e_tag


def dying_at(when: str, place: str, *, nth: int = 1) -> Hook:
    """Return a hook that dies at the *nth* write (from 1) to *place*."""
    seen: Counter[tuple[str, str]] = Counter()
    lock = threading.Lock()

    def hook(*what: str) -> None:
        with lock:
            seen[what[0], what[1]] += 1
            if what == (when, place) and seen[when, place] == nth:
                die()

    return hook


class Ending(NamedTuple):
    """
    How a forked attempt ended.

    Attributes:
        signal: that killed it, 0 if it ended by itself.
        error: name of the exception that it ended with, empty if it returned.
        told: what it returned, or the exception's message.
    """

    signal: int
    error: str = ""
    told: Any = None


@dataclass
class Child:
    """A forked process; its words come through a pipe, one JSON document a line."""

    pid: int
    pipe: int
    ending: Ending | None = None
    _rest: bytes = b""

    def hear(self, timeout_s: float = HANG_S) -> Any:
        """Return the next thing that the child says; ``None`` when it has ended, or says nothing for *timeout_s*."""
        while b"\n" not in self._rest:
            if not select.select([self.pipe], [], [], timeout_s)[0]:
                return None
            chunk = os.read(self.pipe, 65_536)
            if not chunk:
                return None
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        said = json.loads(line)
        if isinstance(said, dict) and "error" in said:
            self.ending = Ending(0, said["error"], said["told"])
        return said

    def kill(self, number: int = signal.SIGKILL) -> None:
        os.kill(self.pid, number)

    def end(self) -> Ending:
        """Wait for its end."""
        while self.hear() is not None:
            pass
        deadline = time.monotonic() + HANG_S
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                break
            assert time.monotonic() < deadline, "the attempt hangs"
            time.sleep(0.01)
        os.close(self.pipe)
        if self.ending is None and os.WIFSIGNALED(status):
            return Ending(os.WTERMSIG(status))
        assert self.ending is not None, f"ended with status {status} and no word"
        return self.ending

    def discard(self) -> None:
        """Kill it if it is still there."""
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            self.kill()
            os.waitpid(self.pid, 0)


def fork(work: Callable[[Callable[[Any], None]], Any]) -> Child:
    """
    Call *work* in a forked process, which dies with this one; it is given a function that says something to us.

    No connection may be shared with the child: clients are made there.
    """
    out, into = os.pipe()
    pid = os.fork()
    if pid:
        os.close(into)
        return Child(pid, out)
    status = 1
    try:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.close(out)

        def say(something: Any) -> None:
            os.write(into, json.dumps(something).encode() + b"\n")

        try:
            say({"error": "", "told": work(say)})
        except Exception as error:  # noqa: BLE001 - the parent asserts on it
            say({"error": type(error).__name__, "told": str(error)})
        status = 0
    finally:
        os._exit(status)
    raise AssertionError


@contextlib.contextmanager
def attempt(
    job: ServerJob, operation: Operation, hook: Hook = lambda *_: None, *, try_number: int = 1, **arguments: Any
) -> Iterator[Child]:
    """Begin an attempt at the job's shard in a forked process; it is dead and gone when the context ends."""

    def work(say: Callable[[Any], None]) -> Any:
        storage = HookedStorage(job.server, hook)
        access = access_of(job.server)
        arguments.setdefault("access", access)
        found = run_shard(job.ref, operation, storage=storage, task_id=TASK, try_number=try_number, **arguments)
        return {"objects": found.objects, "succeeded": found.succeeded, "earlier": found.earlier}

    child = fork(work)
    try:
        yield child
    finally:
        child.discard()


def killed_attempt(job: ServerJob, operation: Operation, hook: Hook, **arguments: Any) -> None:
    """Run an attempt that *hook*, or *operation*, kills."""
    with attempt(job, operation, hook, **arguments) as child:
        ending = child.end()
    assert ending == Ending(signal.SIGKILL), ending


@dataclass(frozen=True)
class LeaveReceipt(Operation):
    """Put an object below ``receipts/`` for each object: in a versioned bucket the versions count the executions."""

    name = "leave_receipt"
    replay = Replay.UNSAFE
    call: ClassVar[Call] = Call("PutObject")

    def problems(self) -> list[str]:
        return []

    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:
        response = yield Request(self.call, obj.bucket, f"receipts/{obj.key}", body=b"done")
        return response.outcome()

    def probe(self, scratch: S3Object, sample: S3Object) -> Steps[dict[str, str]]:
        yield from ()
        return {}

    def iam_actions(self) -> set[str]:
        return {"s3:PutObject"}


def executions(server: Server, objects: Sequence[S3Object]) -> list[int]:
    """Return how often `LeaveReceipt` was executed on each of *objects*, as it tells; keys end in four digits."""
    prefix = objects[0].key[:-4]
    pages = client_of(server).get_paginator("list_object_versions")
    found: Counter[str] = Counter()
    for page in pages.paginate(Bucket=objects[0].bucket, Prefix=f"receipts/{prefix}"):
        found.update(version["Key"].removeprefix("receipts/") for version in page.get("Versions", ()))
    return [found[obj.key] for obj in objects]
