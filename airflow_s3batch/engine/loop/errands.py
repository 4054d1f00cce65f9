"""
Errands: what an operation has done beside the loop, on threads or in processes of their own.

Threads, processes and the pipe that wakes the loop are made when the first errand comes, as Airflow forks. Threads are
daemons, since nothing can end a function that hangs: whoever ends the run leaves them behind. Processes are killed.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from airflow_s3batch.core.errors import InfrastructureError
from airflow_s3batch.engine.loop.errand_process import ErrandProcess, ProcessDiedError, RemoteError, described
from airflow_s3batch.engine.wire.transport import UnsentError
from airflow_s3batch.operations.requests import Errand, Response

LOST = "FunctionLost"
"""ErrorCode of errands whose process died: how far the function came is not known."""

NOT_CALLED = "FunctionNotCalled"
"""ErrorCode of errands whose process died twice before it came to the function."""

TIMED_OUT = "FunctionTimedOut"
"""ErrorCode of errands that were given up."""

ABANDONED = "FunctionAbandoned"
"""ErrorCode of errands that were under way when the run ended."""

UNCLEAR = frozenset({LOST, TIMED_OUT})
"""Codes of errands that may have done their work all the same."""

_MOST_HANGING = 64


class Errands:
    """
    The errands of one executor. Belongs to the thread that made it.

    Args:
        watch: called once with a descriptor that can be read as soon as an errand is over.
        clock: monotonic seconds.
    """

    def __init__(self, watch: Callable[[int], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._watch = watch
        self._clock = clock
        self._crews: dict[tuple[bool, int], _Crew] = {}
        self._bell: _Bell | None = None
        self._jobs: dict[_Job, _Job] = {}
        self._hanging: list[threading.Thread] = []

    def __len__(self) -> int:
        """Return the number of errands that were not handed back."""
        return len(self._jobs)

    def start(self, tag: Any, errand: Errand) -> None:
        """Have *errand* done as soon as one of its workers is free; `finished` hands *tag* back with the response."""
        if self._bell is None:
            self._bell = _Bell()
            self._watch(self._bell.descriptor)
        kind = (errand.in_processes, errand.workers)
        if kind not in self._crews:
            self._crews[kind] = _Crew(self._bell, self._clock, in_processes=errand.in_processes)
        job = _Job(tag, errand)
        self._jobs[job] = job
        self._crews[kind].take(job)

    def finished(self) -> list[tuple[Any, Response]]:
        """
        Return tag and response of the errands that are over; those that are late among them.

        Raises:
            InfrastructureError: too many functions hang.
        """
        if self._bell is None:
            return []
        found = []
        for job, response in self._bell.answers():
            if self._jobs.pop(job, None) is not None:  # else it was late, and given up
                found.append((job.tag, response))
        for job in self._late():
            del self._jobs[job]
            found.append((job.tag, Response(0, {}, b"", TIMED_OUT, f"not done after {job.timeout_s:g} s")))
        return found

    def _late(self) -> list[_Job]:
        now = self._clock()
        late = [job for job in self._jobs if job.timeout_s and job.worker and now - job.began >= job.timeout_s]
        for job in late:
            worker = job.worker
            if worker is not None and worker.give_up(job):
                self._hanging = [thread for thread in self._hanging if thread.is_alive()]
                self._hanging.append(worker.thread)
        if len(self._hanging) > _MOST_HANGING:
            raise InfrastructureError(
                f"{len(self._hanging)} calls did not return within their time limit and still run; "
                "in_processes=True lets them be killed"
            )
        return late

    def withdraw(self) -> list[Any]:
        """Take back the errands that nobody has begun; return their tags."""
        taken = {job for crew in self._crews.values() for job in crew.withdraw()}
        for job in taken:
            self._jobs.pop(job, None)
        return [job.tag for job in taken]

    def abandon(self) -> list[Any]:
        """Listen to no errand any more; return the tags of those that were begun."""
        self.withdraw()
        jobs, self._jobs = self._jobs, {}
        return [job.tag for job in jobs]

    def close(self) -> None:
        """Kill processes, leave threads alone; nothing is handed back any more."""
        self._jobs.clear()
        if self._bell is not None:
            self._bell.close()
            self._bell = None
        for crew in self._crews.values():
            crew.close()


class NoErrands:
    """Stands for the errands of an executor that changes nothing: it has neither threads nor processes to do any."""

    def __len__(self) -> int:
        """Return 0: none is ever under way."""
        return 0

    def start(self, tag: Any, errand: Errand) -> None:  # noqa: ARG002 - as that of `Errands`
        """
        Refuse *errand*.

        Raises:
            UnsentError: always.
        """
        raise UnsentError

    def finished(self) -> list[tuple[Any, Response]]:
        """Return nothing."""
        return []

    def withdraw(self) -> list[Any]:
        """Return nothing."""
        return []

    def abandon(self) -> list[Any]:
        """Return nothing."""
        return []

    def close(self) -> None:
        """Do nothing."""


class _Job:
    """An errand under way; *worker* and *began* are set when its function is called."""

    __slots__ = ("began", "errand", "tag", "timeout_s", "worker")

    def __init__(self, tag: Any, errand: Errand) -> None:
        self.tag = tag
        self.errand = errand
        self.timeout_s = errand.timeout_s
        self.worker: _Worker | None = None
        self.began = 0.0


class _Bell:
    """Takes what workers hand in, and wakes the loop for it."""

    def __init__(self) -> None:
        self.descriptor, self._into = os.pipe()
        os.set_blocking(self.descriptor, False)
        os.set_blocking(self._into, False)
        self._answers: deque[tuple[_Job, Response]] = deque()
        self._lock = threading.Lock()
        self._is_closed = False

    def hand_in(self, job: _Job, response: Response) -> None:
        with self._lock:
            if self._is_closed:  # the descriptor may be somebody else's by now
                return
            self._answers.append((job, response))
            with contextlib.suppress(BlockingIOError):  # full of bells that were not heard yet
                os.write(self._into, b"!")

    def answers(self) -> list[tuple[_Job, Response]]:
        with contextlib.suppress(BlockingIOError):
            os.read(self.descriptor, 4_096)
        found = []
        while self._answers:
            found.append(self._answers.popleft())
        return found

    def close(self) -> None:
        with self._lock:
            if not self._is_closed:
                os.close(self.descriptor)
                os.close(self._into)
            self._is_closed = True


class _Crew:
    """
    Workers of one kind, as many as errands are waiting for them, up to ``errand.workers``.

    An errand waits until its worker says that it is not idle any more: the queue's own length tells less.
    """

    def __init__(self, bell: _Bell, clock: Callable[[], float], *, in_processes: bool) -> None:
        self.bell = bell
        self.clock = clock
        self.in_processes = in_processes
        self.queue: SimpleQueue[_Job | None] = SimpleQueue()
        self.lock = threading.Lock()
        self.workers: set[_Worker] = set()
        self.idle = 0
        self.waiting = 0

    def take(self, job: _Job) -> None:
        with self.lock:
            is_short = self.idle <= self.waiting and len(self.workers) < job.errand.workers
            self.waiting += 1
        if is_short:
            self.add_worker()
        self.queue.put(job)

    def add_worker(self) -> None:
        worker = _Worker(self)
        with self.lock:
            self.workers.add(worker)
        worker.thread.start()

    def withdraw(self) -> list[_Job]:
        jobs = []
        with contextlib.suppress(Empty):
            while True:
                if (job := self.queue.get_nowait()) is not None:
                    jobs.append(job)
        with self.lock:
            self.waiting -= len(jobs)
        return jobs

    def close(self) -> None:
        self.withdraw()
        with self.lock:
            workers = list(self.workers)
        for worker in workers:
            worker.dismiss()
            self.queue.put(None)


class _Worker:
    """A thread that does one errand after the other, by itself or through a process that it owns."""

    def __init__(self, crew: _Crew) -> None:
        self._crew = crew
        self._job: _Job | None = None
        self._process = ErrandProcess() if crew.in_processes else None
        self._is_dismissed = False
        self.thread = threading.Thread(target=self._work, name="s3batch-errand", daemon=True)

    def give_up(self, job: _Job) -> bool:
        """Do not wait for *job* any longer; return whether its function goes on all the same."""
        crew = self._crew
        with crew.lock:
            if self._job is not job:
                return False
            if self._process is not None:
                self._process.kill()  # the thread notices, and goes on with the next errand
                return False
            self._is_dismissed = True
            crew.workers.discard(self)
        crew.add_worker()
        return True

    def dismiss(self) -> None:
        """End after the errand at hand; a process ends at once."""
        self._is_dismissed = True
        if self._process is not None:
            self._process.close()

    def _work(self) -> None:
        crew = self._crew
        while not self._is_dismissed:
            with crew.lock:
                crew.idle += 1
            job = crew.queue.get()
            with crew.lock:
                crew.idle -= 1
                crew.waiting -= job is not None
                self._job = job
            if job is None:
                break
            response = self._response(job)
            with crew.lock:
                self._job = None
            crew.bell.hand_in(job, response)
        if self._process is not None:
            self._process.close()

    def _response(self, job: _Job) -> Response:
        try:
            value = self._value(job)
        except ProcessDiedError as error:
            return Response(0, {}, b"", LOST if job.worker else NOT_CALLED, str(error))
        except RemoteError as error:
            return Response(0, {}, b"", str(error).partition(":")[0], str(error)[:500])
        except BaseException as error:  # noqa: BLE001 - SystemExit, too, is an answer: the thread must go on
            return Response(0, {}, b"", type(error).__name__, described(error)[:500])
        return Response(200, {}, b"", value=value)

    def _value(self, job: _Job) -> Any:
        """Return what the function of *job* returns; raises what it raises, or that its process died."""
        function, args = job.errand.function, job.errand.args

        def begin() -> None:
            job.began = self._crew.clock()
            job.worker = self

        if self._process is None:
            begin()
            return function(*args)
        try:
            return self._process.call(function, args, begin)
        except ProcessDiedError:
            if job.worker or self._is_dismissed:
                raise
        return self._process.call(function, args, begin)  # the one before was killed for another errand's sake
