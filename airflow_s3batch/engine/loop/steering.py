"""
What people ask of a job while it runs, as one run of the engine sees it: pause, and how fast.

It is read from ``control.json`` before the first request, then again and again by a thread that has time. Nothing about
an object ever comes from it, and no trouble with it ends a run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow_s3batch.core.control import Control, read_control
from airflow_s3batch.core.errors import AccessError, JobDamagedError, LaterReleaseError, PausedError

if TYPE_CHECKING:
    from airflow_s3batch.core.layout import JobLayout
    from airflow_s3batch.engine.files.storage import Storage

log = logging.getLogger(__name__)


class Steering:
    """
    Watches a job's ``control.json``.

    A file that can't be read, is foreign or broken leaves what was known before, and is complained of once. Before
    anything is known, that is "run as the Dag says"; only a store that misbehaves then is an error, for nobody knows
    whether the job is paused.

    Attributes:
        control: what is asked for, as far as is known.
        pause: what stopped this run; ``None`` as long as it may go on. A run that was stopped stays so.
    """

    def __init__(self, storage: Storage, job: JobLayout, *, say: Callable[[str], None] = lambda _: None) -> None:
        """*say* takes a line for each change, in the thread that calls `obey`."""
        self._storage = storage
        self._job = job
        self._say = say
        self._has_complained = False
        self._obeyed = self.control = Control()
        self.pause: Control | None = None

    def begin(self, name: str) -> None:
        """
        Read the file for the first time; *name* is what is about to begin.

        Raises:
            PausedError: the job is paused; nothing of it was touched.
            LaterReleaseError: a later release has asked something that this one does not know, maybe a pause.
            InfrastructureError: the store does not tell.
        """
        try:
            self._take(self._storage.read(self._job.control))
        except LaterReleaseError:
            raise
        except (AccessError, JobDamagedError) as error:
            self._complain(error)
        if self.pause is not None:
            raise self.paused(f"{name}: nothing was begun")

    def look(self) -> None:
        """Read the file once more. For another thread than that of `obey`; never raises."""
        try:
            self._take(self._storage.read(self._job.control))
        except Exception as error:  # noqa: BLE001 - advice only: the run goes on with what it knows
            self._complain(error)

    def obey(self, change: Callable[[Control], None]) -> bool:
        """
        Return whether new objects may be begun; *change* is called first if something else is asked for than before.

        For the thread that works; cheap, to be called often.
        """
        control = self.control
        if control is not self._obeyed:
            self._obeyed = control
            change(control)
            self._say(f"{self._job.control}: {control.sentence()}")
        return self.pause is None

    def paused(self, how_far: str, *, has_begun: bool = False) -> PausedError:
        """Return what is to be raised where the run was stopped; *how_far* is a clause on what was done."""
        asked = self.pause or self.control
        error = PausedError(
            f"{how_far}; the job is {asked.sentence()}. To go on with what is left: s3batch resume {self._job.url}"
        )
        error.has_begun = has_begun
        return error

    def _take(self, body: bytes | None) -> None:
        told = read_control(body, place=str(self._job.control))
        if told != self.control:
            self.control = told
        if told.is_paused and self.pause is None:
            self.pause = told

    def _complain(self, error: Exception) -> None:
        if not self._has_complained:
            self._has_complained = True
            log.warning("the job goes on as it was asked to last (%s): %s", self.control.sentence(), error)
