"""Health checks, run as their own processes so that nobody waits for them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from demo.processes import die_with_parent, end
from stack.topology import HealthCheck

STARTING, HEALTHY, UNHEALTHY = "starting", "healthy", "unhealthy"


class HealthWatch:
    """
    Looks again and again whether a service that was just started is well.

    Args:
        words: the command, as it is on this machine.
        log: gets what the last check said.

    Attributes:
        state: ``starting`` until a check succeeds, or as many fail in a row as are allowed after the period of start.
    """

    def __init__(
        self, check: HealthCheck, words: list[str], environment: Mapping[str, str], folder: Path, log: Path
    ) -> None:
        self.state = STARTING
        self._check = check
        self._words = words
        self._environment = dict(environment)
        self._folder = folder
        self._log = log
        self._began = self._last = time.monotonic()
        self._failures = 0
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id of the check that runs."""
        return None if self._running is None else self._running.pid

    def look(self) -> None:
        """Begin a check if it is time for one, or take note of the end of the one that runs."""
        now = time.monotonic()
        if self._running is None:
            if now - self._last >= self._pause_s(now):
                self._begin(now)
        elif (code := self._running.poll()) is not None:
            self._note(now, succeeded=code == 0)
        elif now - self._last > self._check.timeout_s:
            self._stop()
            self._note(now, succeeded=False)

    def end(self) -> None:
        """Look no more."""
        if self._running is not None:
            self._stop()
            self._running = None

    def _pause_s(self, now: float) -> float:
        in_start = self.state == STARTING and now - self._began < self._check.start_period_s
        return self._check.start_interval_s if in_start else self._check.interval_s

    def _begin(self, now: float) -> None:
        self._last = now
        with self._log.open("wb") as out:
            self._running = subprocess.Popen(
                self._words,
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - only prctl
            )

    def _stop(self) -> None:
        if self._running is not None:
            end([self._running.pid], grace_s=0)
            self._running.wait()

    def _note(self, now: float, *, succeeded: bool) -> None:
        began = self._last
        self._running, self._last = None, now
        if succeeded:
            self.state, self._failures = HEALTHY, 0
        elif self.state != STARTING or began - self._began >= self._check.start_period_s:
            self._failures += 1
            if self._failures >= self._check.retries:
                self.state = UNHEALTHY
