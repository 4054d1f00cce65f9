"""`S3BatchEmulator`: AWS S3 Batch Operations on the loopback interface, in front of any S3 store."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from botocore.config import Config

from airflow_s3batch.engine.access import S3Access
from airflow_s3batch.engine.policy import Policy
from airflow_s3batch.testing.emulator.answers import Refusal
from airflow_s3batch.testing.emulator.book import JobBook
from airflow_s3batch.testing.emulator.calls import Calls
from airflow_s3batch.testing.emulator.events import Deliver, EventLine, job_event
from airflow_s3batch.testing.emulator.execution import worker_engine
from airflow_s3batch.testing.emulator.jobs import REPORT, STATUSES, Hold, Job
from airflow_s3batch.testing.emulator.mishaps import Mishap, Mishaps
from airflow_s3batch.testing.emulator.running import JobRun, RunSettings, no_task
from airflow_s3batch.testing.emulator.server import ControlServer
from airflow_s3batch.testing.emulator.tasks import Task
from airflow_s3batch.testing.servers import Server


class S3BatchEmulator:
    """
    The calls on jobs of the ``s3control`` API, and what becomes of the jobs. A context manager.

    Requests are checked against botocore's model. A job really runs: its manifest is read from *store*, its operation
    is executed there by the worker engine, and AWS's completion report is written there. Nothing outlives the
    emulator. Many clients may use it at once.

    Where AWS publishes no text or code of a failure, the emulator has one of its own.

    Args:
        store: where manifests, objects and reports are: a server of `airflow_s3batch.testing`, or any store. Of a
            server, the Lambda service is taken to be at the same URL.
        account_id: the only one that has jobs.
        clock: what time it is, for all times that the API shows and for deadlines of days.
        pace_s: seconds of real time that a job stays in each state at least; 0 goes as fast as it can.
        active_jobs: how many are active at the same time; others wait by priority, or make room.
        on_event: called with each EventBridge event, one after the other, in a thread of its own.
        policy: limits of the worker engine.
        rows_per_file: of a result file of a report at most.
    """

    def __init__(
        self,
        store: Server | S3Access,
        *,
        account_id: str = "123456789012",
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        pace_s: float = 0.0,
        active_jobs: int = 4,
        on_event: Deliver | None = None,
        policy: Policy | None = None,
        rows_per_file: int = 100_000,
    ) -> None:
        self._access = _access_of(store)
        self._region = self._access.region_name or "us-east-1"
        self._account_id = account_id
        self._events = EventLine(on_event)
        self._book = JobBook(clock, pace_s, active_jobs, self._tell)
        self._calls = Calls(self._book, account_id, self._region, self._start)
        self._mishaps = Mishaps()
        self._settings = RunSettings(
            self._access.client(),
            worker_engine(self._access, policy or Policy(max_concurrency=32, give_up_s=10.0)),
            rows_per_file,
        )
        self._server = ControlServer(account_id, self._calls.answer, self._mishaps)
        self._threads: list[threading.Thread] = []
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        self._events.start()
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self._book.close()
        for thread in self._threads:
            thread.join()
        self._events.close()

    @property
    def endpoint_url(self) -> str:
        """
        The URL for ``endpoint_url=`` of s3control clients, and for Airflow connections.

        botocore puts ``{AccountId}.`` in front of the host, whatever its settings say. The user name in this URL takes
        that up: ``http://123456789012.s3control@127.0.0.1:port`` still leads to 127.0.0.1.
        """
        return f"http://s3control@{self._host}"

    @property
    def _host(self) -> str:
        return f"127.0.0.1:{self._server.port}"

    @property
    def account_id(self) -> str:
        """The account that has the jobs."""
        return self._account_id

    @property
    def region(self) -> str:
        """The Region of job ARNs and events; the store's."""
        return self._region

    @property
    def events(self) -> list[dict[str, Any]]:
        """All events so far, oldest first, as a rule's target would get them."""
        return list(self._events.events)

    def client(self, **config: Any) -> Any:
        """Return a boto3 s3control client; *config* goes to botocore's ``Config``."""
        return replace(self.access(), config=Config(**config) if config else None).client("s3control")

    def access(self) -> S3Access:
        """Return how to reach the store, and with it this control API."""
        others = tuple(pair for pair in self._access.endpoints if pair[0] != "s3control")
        return replace(self._access, endpoints=(*others, ("s3control", self.endpoint_url)))

    def airflow_connection_uri(self) -> str:
        """
        Return an Airflow connection of type ``aws`` to store and emulator, as ``AIRFLOW_CONN_<ID>`` takes it.

        Tasks that ask STS for their account are told `account_id`.
        """
        session = self._access.session
        credentials = session.get_credentials() if session is not None else None
        services = {
            **dict(self._access.endpoints),
            "s3": self._access.endpoint,
            "s3control": self.endpoint_url,
            "sts": f"http://{self._host}",
        }
        return json.dumps(
            {
                "conn_type": "aws",
                "login": credentials.access_key if credentials else "test",
                "password": credentials.secret_key if credentials else "test",
                "extra": {
                    "region_name": self._region,
                    "service_config": {name: {"endpoint_url": url} for name, url in services.items()},
                },
            }
        )

    # -- what tests steer ---------------------------------------------------------------------

    def hold(self, status: str, *, job_id: str | None = None, after_tasks: int = 0) -> None:
        """
        Keep jobs in *status* until `release`; only *job_id* if given. Cancelling lets a job go all the same.

        ``Active`` begins with no task run, or once *after_tasks* have. ``Report`` holds the writing of reports: jobs
        end without, and it is written when released.
        """
        if status not in (*STATUSES, REPORT):
            raise ValueError(f"status={status!r}: expected one of {', '.join((*STATUSES, REPORT))}")
        self._book.hold(Hold(status, job_id, after_tasks))

    def release(self, status: str | None = None) -> None:
        """Let go jobs that are held in *status*, or all."""
        self._book.release(status)

    def wait(self, job_id: str, *statuses: str, timeout_s: float = 60.0) -> dict[str, Any]:
        """
        Wait until a job is in one of *statuses* (by default: has ended), and return it as DescribeJob does.

        A job that has ended isn't waited for any more, whatever it ended as.

        Raises:
            TimeoutError: it does not come to it.
        """
        with self._book.lock:
            job = self._book.jobs[job_id]
            if not self._book.lock.wait_for(lambda: job.is_over or job.status in statuses, timeout_s):
                raise TimeoutError(f"job {job_id} is still {job.status} after {timeout_s} s")
            return self._calls.descriptor(job)

    def wait_for_tasks(self, job_id: str, number: int, *, timeout_s: float = 60.0) -> None:
        """
        Wait until *number* tasks of a job have an outcome.

        Raises:
            TimeoutError: it does not come to it.
        """
        with self._book.lock:
            job = self._book.jobs[job_id]
            if not self._book.lock.wait_for(lambda: job.done >= number, timeout_s):
                raise TimeoutError(f"job {job_id} has run {job.done} tasks after {timeout_s} s")

    def wait_for_report(self, job_id: str, *, timeout_s: float = 60.0) -> None:
        """
        Wait until the report of a job is written; not for one that was never to be.

        Raises:
            TimeoutError: it does not come to it.
        """
        with self._book.lock:
            job = self._book.jobs[job_id]
            if not self._book.lock.wait_for(lambda: job.has_report, timeout_s):
                raise TimeoutError(f"job {job_id} has no report after {timeout_s} s")

    def flush_events(self) -> None:
        """Wait until all events so far were delivered."""
        self._events.flush()

    def forget_tokens(self) -> None:
        """Forget all ClientRequestTokens, as S3 does after a time: the same request then makes another job."""
        with self._book.changing():
            self._book.tokens.clear()

    def omit_from_reports(self, omits: Callable[[Task], bool]) -> None:
        """Leave the rows of tasks out of reports from now on for which *omits* says so."""
        self._settings.omits = omits

    def fail(
        self,
        api: str = "",
        *,
        status: int = 503,
        code: str = "SlowDown",
        message: str = "Please reduce your request rate.",
        times: int = 1,
        executed: bool = False,
    ) -> None:
        """Answer the next *times* requests of *api* (any call if empty) with an error, *executed* or not."""
        self._mishaps.add(Mishap(api, Refusal(status, code, message), executed, times))

    def lose_answer(self, api: str = "", *, times: int = 1, executed: bool = True) -> None:
        """Close the connection instead of answering the next *times* requests of *api*, *executed* or not."""
        self._mishaps.add(Mishap(api, None, executed, times))

    def calm(self) -> None:
        """Forget all mishaps, holds and omissions."""
        self._mishaps.clear()
        self._settings.omits = no_task
        self._book.release(None)

    def _start(self, job: Job) -> None:
        run = JobRun(self._book, job, self._settings)
        thread = threading.Thread(target=run.run, name=f"s3batch-job-{next(self._numbers)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _tell(self, job: Job) -> None:
        arn, now = self._calls.arn(job), self._book.clock()
        self._events.send(job_event(job, arn, account_id=self._account_id, region=self._region, now=now))


def _access_of(store: Server | S3Access) -> S3Access:
    if isinstance(store, S3Access):
        return store
    access = store.access(Config(s3={"addressing_style": "path"}))
    return replace(access, endpoints=(*access.endpoints, ("lambda", store.endpoint_url)))
