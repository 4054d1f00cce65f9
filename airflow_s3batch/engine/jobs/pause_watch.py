"""Whether a paused job may go on: for whoever waits until somebody resumes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_s3batch.core.control import read_control
from airflow_s3batch.core.errors import AccessError, S3BatchError

if TYPE_CHECKING:
    from airflow_s3batch.core.layout import JobLayout
    from airflow_s3batch.engine.files.storage import Storage

PATIENCE = 30
"""Looks in a row that may be refused before the one who waits is sent on: the task that waits may see more."""


class PauseWatch:
    """
    Looks at the ``control.json`` of a job that is paused. Not for several threads at once.

    Attributes:
        trouble: a sentence on what kept the last look from telling anything; empty if nothing did.
    """

    def __init__(self, storage: Storage, job: JobLayout, *, patience: int = PATIENCE) -> None:
        self._storage = storage
        self._job = job
        self._patience = patience
        self._refusals = 0
        self.trouble = ""

    def look(self) -> str:
        """
        Return why not to wait any longer, a sentence; empty if the job is still paused. Never raises.

        A file that is broken, or a store that misbehaves, leaves the job paused; so do a few refusals. Many of them
        are a reason to go on: whoever can't read the file never learns that it is gone.
        """
        place = self._job.control
        try:
            control = read_control(self._storage.read(place), place=str(place))
        except AccessError as error:
            self._refusals += 1
            self.trouble = f"whether the job may go on can't be seen: {error}"
            return self.trouble if self._refusals >= self._patience else ""
        except S3BatchError as error:
            self.trouble = f"the job stays paused: {error}"
            return ""
        self._refusals, self.trouble = 0, ""
        return "" if control.is_paused else f"{place}: {control.sentence()}"
