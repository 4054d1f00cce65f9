"""A job, its states, and how it may end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

TERMINAL = frozenset({"Complete", "Cancelled", "Failed"})
STATUSES = (
    "New",
    "Preparing",
    "Suspended",
    "Ready",
    "Active",
    "Pausing",
    "Paused",
    "Completing",
    "Complete",
    "Cancelling",
    "Cancelled",
    "Failing",
    "Failed",
)
REPORT = "Report"
"""Name under which the writing of reports is held; not a status."""
NEXT = {
    "New": {"Preparing", "Failing", "Cancelling"},
    "Preparing": {"Suspended", "Ready", "Failing", "Cancelling"},
    "Suspended": {"Ready", "Failed", "Cancelling"},
    "Ready": {"Active", "Cancelling"},
    "Active": {"Pausing", "Completing", "Failing", "Cancelling"},
    "Pausing": {"Paused", "Cancelling"},
    "Paused": {"Active", "Cancelling"},
    "Completing": {"Complete", "Failing", "Cancelling"},
    "Cancelling": {"Cancelled"},
    "Failing": {"Failed"},
}
"""Which status may follow which."""


class JobFailure(Exception):  # noqa: N818 - it is what becomes of a job
    """A job ends as Failed: *code* and *reason* go to its ``FailureReasons``."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Cancelled(Exception):  # noqa: N818 - it is what becomes of a job
    """Somebody asked for the job's end."""


class Closed(Exception):  # noqa: N818 - it is what becomes of the emulator
    """The emulator ends; nothing is written any more."""


@dataclass(eq=False)
class Job:
    """
    One job. Fields change under `JobBook.lock` only.

    Attributes:
        request: CreateJob's parameters as botocore names them.
        number: order of creation.
        active_s: seconds in Active so far, by the emulator's clock.
        wants_cancel: it is to be cancelled as soon as possible.
        wants_pause: it is to make room for one of higher priority.
        has_report: the completion report is written, or there is none to write.
    """

    id: str
    number: int
    request: Mapping[str, Any]
    created: dt.datetime
    priority: int
    status: str = "New"
    tags: list[dict[str, str]] = field(default_factory=list)
    total: int = 0
    succeeded: int = 0
    failed: int = 0
    active_s: float = 0.0
    active_since: dt.datetime | None = None
    suspended: dt.datetime | None = None
    terminated: dt.datetime | None = None
    update_reason: str = ""
    failure: JobFailure | None = None
    generated: dict[str, Any] | None = None
    wants_cancel: bool = False
    wants_pause: bool = False
    has_report: bool = False

    @property
    def done(self) -> int:
        """How many tasks have an outcome."""
        return self.succeeded + self.failed

    @property
    def is_over(self) -> bool:
        """Whether the job has ended."""
        return self.status in TERMINAL


class Hold(NamedTuple):
    """What a test holds: jobs in *status*, only *job_id* if given, and in Active once *after_tasks* have run."""

    status: str
    job_id: str | None
    after_tasks: int

    def is_about(self, job: Job, status: str) -> bool:
        """Return whether *job* may not leave *status*."""
        return self.status == status and self.job_id in (None, job.id) and job.done >= self.after_tasks
