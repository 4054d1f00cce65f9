"""A service that runs, is started again when it dies, and is stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import NamedTuple

from demo.processes import Component
from stack.container import DEATH
from stack.health import HEALTHY, HealthWatch
from stack.images import Launch
from stack.places import Places
from stack.topology import COMPLETED, Service
from stack.topology import HEALTHY as MUST_BE_HEALTHY

CREATED, RUNNING, RESTARTING, EXITED = "created", "running", "restarting", "exited"
FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 10.0
STEADY_S = 10.0


class Folders(NamedTuple):
    """Where the logs of services lie, and files of the supervisor's own."""

    logs: Path
    run: Path


class RunningService:
    """
    One service's life: created, running, restarting, exited.

    A service that dies is started again after 0.1 seconds, twice as long each time, at most 10; from the beginning once
    it has run for 10 seconds.

    Attributes:
        restarts: how often it was started again; *exits* how often it has ended.
        exit_code: of its last end; 128 and the signal's number if it died of one; ``None`` before.
    """

    def __init__(self, service: Service, launch: Launch, places: Places, folders: Folders) -> None:
        self.service = service
        self.state = CREATED
        self.restarts = self.exits = 0
        self.exit_code: int | None = None
        self.watch: HealthWatch | None = None
        self._launch = launch
        self._places = places
        self._folders = folders
        self._component: Component | None = None
        self._pid_file = folders.run / f"{service.name}.pid"
        self._delay_s = FIRST_DELAY_S
        self._began = self._due = 0.0
        self._stopping = False

    @property
    def name(self) -> str:
        """The service's name."""
        return self.service.name

    @property
    def log(self) -> Path:
        """Where it writes, from one start to the next."""
        return self._folders.logs / f"{self.name}.log"

    @property
    def container_pid(self) -> int | None:
        """The id of the process that holds the service together."""
        return self._component.pid if self._component else None

    @property
    def pid(self) -> int | None:
        """The id of the main process."""
        if self._component is None:
            return None
        try:
            return int(self._pid_file.read_text())
        except FileNotFoundError:
            return None

    @property
    def health(self) -> str:
        """``starting``, ``healthy`` or ``unhealthy``; empty if it does not run, or has no check."""
        return self.watch.state if self.watch else ""

    def fulfils(self, condition: str) -> bool:
        """Return whether those that wait for *condition* of this service may be started."""
        if condition == COMPLETED:
            return self.state == EXITED and self.exit_code == 0
        return self.health == HEALTHY if condition == MUST_BE_HEALTHY else self.state == RUNNING

    @property
    def is_up(self) -> bool:
        """Whether it is as it should be: completed, healthy, or running if it has no check."""
        return self.fulfils(COMPLETED) or (self.state == RUNNING and self.health in ("", HEALTHY))

    @property
    def has_failed(self) -> bool:
        """Whether it has ended in an error and is not started again."""
        return self.state == EXITED and self.exit_code != 0

    def start(self) -> None:
        """Start it."""
        self._pid_file.unlink(missing_ok=True)
        self._places.write_configs(self.service)
        service, launch = self.service, self._launch
        options = ["--pid-file", str(self._pid_file), "--stop-signal", service.stop_signal]
        options += ["--grace-s", str(service.stop_grace_s), *(["--signals-group"] if launch.signals_group else [])]
        command = [sys.executable, "-m", "stack.container", *options, "--", *launch.command]
        self._component = Component(
            self.name, command, env=launch.environment, folder=launch.folder, log=self.log, keeps_log=True
        )
        self.state, self._began = RUNNING, time.monotonic()
        self.watch = self._new_watch()

    def look(self) -> str:
        """Take note of an end, start it again if it is time to, look at its health; return what there is to tell."""
        if self.state == RESTARTING and time.monotonic() >= self._due:
            self.restarts += 1
            self.start()
        if self._component is None:
            return ""
        code = self._component.exit_code
        if code is not None:
            return self._ended(code)
        if self.watch is not None:
            before = self.watch.state
            self.watch.look()
            if self.watch.state != before:
                return f"is {self.watch.state} after {time.monotonic() - self._began:.1f} s"
        return ""

    def stop(self) -> None:
        """Begin to stop it for good."""
        self._stopping = True
        if self.watch is not None:
            self.watch.end()
            self.watch = None
        if self._component is None:
            self.state = EXITED
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._component.pid, signal.SIGTERM)

    def _ended(self, code: int) -> str:
        if self.watch is not None:
            self.watch.end()
        self._component = self.watch = None
        self.exits += 1
        self.exit_code = code if code >= 0 else DEATH - code
        if self._stopping or not self.service.restarts_after(self.exit_code, self.restarts):
            self.state = EXITED
            return f"has ended with exit code {self.exit_code}"
        if time.monotonic() - self._began >= STEADY_S:
            self._delay_s = FIRST_DELAY_S
        self.state, self._due = RESTARTING, time.monotonic() + self._delay_s
        self._delay_s = min(2 * self._delay_s, LONGEST_DELAY_S)
        return f"has ended with exit code {self.exit_code} and is started again"

    def _new_watch(self) -> HealthWatch | None:
        check = self.service.health
        if check is None:
            return None
        words = self._places.words(self.service, check.test)
        log = self._folders.logs / f"{self.name}.health.log"
        return HealthWatch(check, words, self._launch.environment, self._launch.folder, log)
