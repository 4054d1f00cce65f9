"""Starts the services in their order, keeps them running, and stops them in the reverse order."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from demo.processes import adopt_orphans, end, end_children
from stack.images import launch, volumes_elsewhere
from stack.places import Places
from stack.running import CREATED, EXITED, Folders, RunningService
from stack.state import ServiceState, StackState, started_at
from stack.topology import Service

POLL_S = 0.2
TAIL_LINES = 15
STARTING, UP, FAILED, STOPPING = "starting", "up", "failed", "stopping"


class Supervisor:
    """
    Runs *services* with all that they leave below *folder*.

    `look` has to be called again and again, a few times a second; it never waits.

    Args:
        any_ports: no port is the one of the compose file.
        tell: is called with each thing that happens, a line of text.

    Raises:
        StackError: a program is missing, or nothing stands for an image.
    """

    def __init__(
        self, services: Mapping[str, Service], folder: Path, *, any_ports: bool, tell: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._tell = tell
        self.places = Places(services, folder, volumes_elsewhere(folder), any_ports=any_ports)
        folders = Folders(folder / "logs", folder / "run")
        for one in folders:
            one.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._running = {
            name: RunningService(service, launch(service, self.places), self.places, folders)
            for name, service in services.items()
        }
        self._phase, self._why = STARTING, ""
        self._began, self._started = time.monotonic(), started_at()
        self._written: StackState | None = None
        adopt_orphans()
        self._write()

    @property
    def phase(self) -> str:
        """``starting``, ``up`` once all services were well at the same time, ``failed``, ``stopping``."""
        return self._phase

    @property
    def why(self) -> str:
        """Why it failed."""
        return self._why

    def look(self) -> None:
        """Start what can be started, take note of what has happened, and write the state down."""
        exits = [one.exits for one in self._running.values()]
        for one in self._running.values():
            if one.state == CREATED and self._may_start(one):
                one.start()
            if news := one.look():
                self._tell(f"{one.name} {news}")
        if exits != [one.exits for one in self._running.values()]:
            self._end_strays()
        if self._phase == STARTING:
            self._see_whether_it_is_up()
        self._write()

    def stop(self) -> None:
        """Stop everything; returns when nothing is left."""
        self._phase = STOPPING
        stopping: set[str] = set()
        while any(one.state != EXITED for one in self._running.values()):
            for one in self._running.values():
                if one.name not in stopping and self._may_stop(one):
                    stopping.add(one.name)
                    one.stop()
                one.look()
            self._write()
            time.sleep(POLL_S)
        end_children()

    def _may_start(self, one: RunningService) -> bool:
        return all(self._running[name].fulfils(condition) for name, condition in one.service.needs.items())

    def _may_stop(self, one: RunningService) -> bool:
        return all(other.state == EXITED for other in self._running.values() if one.name in other.service.needs)

    def _see_whether_it_is_up(self) -> None:
        failed = next((one for one in self._running.values() if one.has_failed), None)
        if failed is not None:
            tail = "\n".join(
                f"  | {line}" for line in failed.log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
            )
            self._phase = FAILED
            self._why = f"{failed.name} has ended with exit code {failed.exit_code}; the end of {failed.log}:\n{tail}"
        elif all(one.is_up for one in self._running.values()):
            self._phase = UP
            self._tell(f"all services are up after {time.monotonic() - self._began:.0f} s")

    def _end_strays(self) -> None:
        """End what has become a child of this process because the holder of its service was killed."""
        known = {one.container_pid for one in self._running.values()}
        known |= {one.watch.pid for one in self._running.values() if one.watch}
        strays = [child.pid for child in psutil.Process().children() if child.pid not in known]
        if strays:
            end(strays, grace_s=0)
        for pid in strays:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                continue

    def _write(self) -> None:
        states = tuple(self._state(one) for one in self._running.values())
        state = StackState(os.getpid(), self._started, self._phase, self._why, states)
        if state != self._written:
            state.write(self._folder)
            self._written = state

    def _state(self, one: RunningService) -> ServiceState:
        return ServiceState(
            service=one.name,
            pid=one.pid,
            container=one.container_pid,
            state=one.state,
            health=one.health,
            restarts=one.restarts,
            exit_code=one.exit_code,
            log=str(one.log),
            ports=self.places.ports_of(one.name),
        )
