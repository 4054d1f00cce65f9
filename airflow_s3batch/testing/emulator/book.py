"""All jobs of an emulator, and the gates between their states."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from airflow_s3batch.testing.emulator.jobs import NEXT, TERMINAL, Cancelled, Closed, Hold, Job, JobFailure


class JobBook:
    """
    All jobs, their order, and the gates between their states. Safe to use from many threads.

    Args:
        clock: what time it is; job times are taken from it.
        pace_s: seconds of real time that a job stays in each of its states at least.
        active_jobs: how many jobs are active at the same time.
        on_change: called with each job that is new or has changed its status, with the lock held.
    """

    SUSPENDED_FOR = dt.timedelta(days=30)
    KEPT_FOR = dt.timedelta(days=90)

    def __init__(
        self,
        clock: Callable[[], dt.datetime],
        pace_s: float,
        active_jobs: int,
        on_change: Callable[[Job], None],
    ) -> None:
        self.lock = threading.Condition(threading.RLock())
        self.clock = clock
        self.jobs: dict[str, Job] = {}
        self.tokens: dict[str, tuple[Mapping[str, Any], str]] = {}
        self._pace_s = pace_s
        self._slots = active_jobs
        self._on_change = on_change
        self._holds: list[Hold] = []
        self._is_closing = False

    def add(self, job: Job) -> None:
        """Enter a new job."""
        with self.lock:
            self.jobs[job.id] = job
            self._on_change(job)
            self.lock.notify_all()

    def move(self, job: Job, status: str) -> None:
        """Change the status of *job*; a step that `NEXT` does not have is a bug."""
        with self.lock:
            if status not in NEXT.get(job.status, ()):
                raise AssertionError(f"job {job.id} can't go from {job.status} to {status}")
            now = self.clock()
            if job.active_since is not None:
                job.active_s += (now - job.active_since).total_seconds()
            job.active_since = now if status == "Active" else None
            if status == "Suspended":
                job.suspended = now
            if status in TERMINAL:
                job.terminated = now
            job.status = status
            self._on_change(job)
            self._make_room()
            self.lock.notify_all()

    def hold(self, hold: Hold) -> None:
        """Let no job pass that *hold* is about."""
        with self.lock:
            self._holds.append(hold)

    def release(self, status: str | None) -> None:
        """Forget the holds of *status*, all without one."""
        with self.lock:
            self._holds = [hold for hold in self._holds if status not in (None, hold.status)]
            self._make_room()
            self.lock.notify_all()

    def is_held(self, job: Job, status: str) -> bool:
        """Return whether *job* may not leave *status* now."""
        with self.lock:
            return any(hold.is_about(job, status) for hold in self._holds)

    def held_after(self, job: Job) -> int | None:
        """Return after how many more tasks *job* will be held in Active, if it will."""
        with self.lock:
            counts = [
                h.after_tasks - job.done for h in self._holds if h._replace(after_tasks=0).is_about(job, "Active")
            ]
            return min((count for count in counts if count > 0), default=None)

    def pass_gate(self, job: Job, status: str, *, can_cancel: bool = True) -> None:
        """
        Wait until *job* may leave *status*.

        Raises:
            Cancelled: it is to be cancelled instead; not unless *can_cancel*.
            Closed: the emulator ends.
        """
        with self.lock:
            if self._pace_s:
                self.lock.wait_for(lambda: self._is_closing or (can_cancel and job.wants_cancel), self._pace_s)
            self.lock.wait_for(
                lambda: self._is_closing or (can_cancel and job.wants_cancel) or not self.is_held(job, status)
            )
            self._check(job, can_cancel=can_cancel)

    def wait_for_confirmation(self, job: Job) -> bool:
        """Wait until *job* is not suspended any more; return whether it goes on."""
        with self.lock:
            self.lock.wait_for(lambda: self._is_closing or job.wants_cancel or job.status != "Suspended")
            self._check(job)
            return not job.is_over

    def take_slot(self, job: Job) -> None:
        """Wait until *job* is the next one that may be active, and make it so."""
        with self.lock:
            while True:
                self._check(job)
                if not self.is_held(job, job.status) and self._is_next(job):
                    job.wants_pause = False
                    self.move(job, "Active")
                    return
                self.lock.wait()

    def interrupts(self, job: Job) -> bool:
        """Return whether *job* should run no more tasks for now."""
        with self.lock:
            return self._is_closing or job.wants_cancel or job.wants_pause

    def check(self, job: Job) -> None:
        """
        Check that *job* may go on.

        Raises:
            Cancelled: it is to be cancelled instead.
            Closed: the emulator ends.
        """
        with self.lock:
            self._check(job)

    def sweep(self) -> None:
        """End what waited too long for its confirmation, forget what ended long ago."""
        with self.lock:
            now = self.clock()
            for job in list(self.jobs.values()):
                if job.status == "Suspended" and job.suspended and now - job.suspended >= self.SUSPENDED_FOR:
                    job.failure = JobFailure("JobNotConfirmed", "The job was not confirmed within 30 days")
                    self.move(job, "Failed")
                if job.terminated and now - job.terminated >= self.KEPT_FOR:
                    del self.jobs[job.id]

    def close(self) -> None:
        """Wake all who wait, with `Closed`."""
        with self.lock:
            self._is_closing = True
            self.lock.notify_all()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Change fields of jobs within."""
        with self.lock:
            yield
            self._make_room()
            self.lock.notify_all()

    def _check(self, job: Job, *, can_cancel: bool = True) -> None:
        if self._is_closing:
            raise Closed
        if can_cancel and job.wants_cancel:
            raise Cancelled

    def _is_next(self, job: Job) -> bool:
        return self._first_waiting() is job and len(self._busy()) < self._slots

    def _make_room(self) -> None:
        """Ask an active job to pause where a more important one waits for its place."""
        first, busy = self._first_waiting(), self._busy()
        if first is None or len(busy) < self._slots or any(job.wants_pause for job in busy):
            return
        lesser = [job for job in busy if job.status == "Active" and job.priority < first.priority]
        if lesser:
            min(lesser, key=lambda job: (job.priority, -job.number)).wants_pause = True

    def _first_waiting(self) -> Job | None:
        waiting = [job for job in self.jobs.values() if job.status in ("Ready", "Paused")]
        waiting = [job for job in waiting if not job.wants_cancel and not self.is_held(job, job.status)]
        return max(waiting, key=lambda job: (job.priority, -job.number), default=None)

    def _busy(self) -> list[Job]:
        return [job for job in self.jobs.values() if job.status in ("Active", "Pausing", "Completing")]
