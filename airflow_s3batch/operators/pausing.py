"""What operators do whose job somebody has paused: wait, in the triggerer or in place, and go on with what is left."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_s3batch.core.errors import InfrastructureError, PausedError
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.hooks.errors import airflow_errors
from airflow_s3batch.hooks.s3 import storage_on
from airflow_s3batch.operators.base import S3BatchOperator
from airflow_s3batch.triggers.job_control import POLL_INTERVAL_S, S3BatchJobControlTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_s3batch.engine.access import S3Access
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.hooks.s3 import StoreSettings


class PausableOperator(S3BatchOperator):
    """
    Base of the operators that work on a job's objects.

    Where `run` raises a `PausedError`, the task is deferred until the job may go on, then `run` is called again. That
    uses up no retries: ``try_number`` stays what it is. Airflow starts ``execution_timeout`` anew each time the task
    goes on, and a deferred task has no limit. A task that waits in place keeps its worker slot, and its time runs.

    Attributes:
        deferrable: wait in the triggerer; else in place.
    """

    deferrable: bool = True
    job_aws_conn_id: str | None = None
    _stop: threading.Event | None = None
    _is_killed = False
    _goes_on = False
    """This very attempt has done something before it was paused, so ``resume=False`` does not start over once more."""

    @property
    def paused_job(self) -> str:
        """URL of the folder of the job that this task works on."""
        raise NotImplementedError

    @property
    def job_store(self) -> StoreSettings:
        """The store of the job's files."""
        return self.store.with_connection(self.job_aws_conn_id)

    def execute(self, context: Context) -> Any:
        """Do the work; called by Airflow."""
        with airflow_errors():
            return self._run_or_wait(context)

    def go_on(self, context: Context, event: Mapping[str, Any]) -> Any:
        """Take over from the trigger: the job may go on."""
        self.log.info("%s", event.get("why", ""))
        self._goes_on = bool((event.get("carried") or {}).get("has_begun"))
        with airflow_errors():
            return self._run_or_wait(context)

    def job_storage(self, access: S3Access) -> Storage:
        """Return the store of the job's files: that of *access*, the objects', unless it has another connection."""
        return storage_on(access) if self.job_store == self.store else self.job_store.storage()

    @contextlib.contextmanager
    def stoppable(self) -> Iterator[threading.Event]:
        """Give an event that `on_kill` sets; it is set from the start if the task was killed before."""
        self._stop = stop = threading.Event()
        if self._is_killed:
            stop.set()
        try:
            yield stop
        finally:
            self._stop = None  # an event can't be copied, and Airflow copies operators

    def on_kill(self) -> None:
        """Let the engine record what is done, and end; called by Airflow on SIGTERM and on a timeout."""
        self._is_killed = True
        if self._stop is not None:
            self._stop.set()

    def _run_or_wait(self, context: Context) -> Any:
        while True:
            try:
                return self.run(context)
            except PausedError as paused:
                self.log.info("%s", paused)
                self._goes_on |= paused.has_begun
                rival = getattr(paused, "rival", None)
            if self.deferrable:
                self._wait_deferred(rival)
            self._wait_in_place(rival)

    def _wait_deferred(self, rival: Mapping[str, Any] | None = None) -> NoReturn:
        store = self.job_store
        trigger = S3BatchJobControlTrigger(
            job_url=self.paused_job,
            rival=rival,
            carried={"has_begun": self._goes_on},
            poll_interval_s=POLL_INTERVAL_S,
            aws_conn_id=store.aws_conn_id,
            region_name=store.region_name,
            verify=store.verify,
            botocore_config=store.botocore_config,
        )
        self.defer(trigger=trigger, method_name="go_on")

    def _wait_in_place(self, rival: Mapping[str, Any] | None) -> None:
        """
        Return once the job may go on, or, if it waits for a *rival*, once that is not at work any more.

        Raises:
            InfrastructureError: the task was asked to stop meanwhile.
        """
        from airflow_s3batch.engine.jobs.pause_watch import PauseWatch
        from airflow_s3batch.engine.jobs.rivalry import RivalWatch

        storage = self.job_store.storage()
        watch = RivalWatch(storage, rival) if rival else PauseWatch(storage, JobLayout(S3Url.parse(self.paused_job)))
        with self.stoppable() as stop:
            while not stop.wait(POLL_INTERVAL_S):
                if why := watch.look():
                    self.log.info("%s", why)
                    return
        raise InfrastructureError("the task was asked to stop while its job was paused; the next attempt does the rest")


def deferrable_problems(deferrable: Any) -> list[str]:
    """Return what is wrong with *deferrable*, which is known while a Dag is parsed."""
    return [] if isinstance(deferrable, bool) else [f"deferrable={deferrable!r} is not a bool"]
