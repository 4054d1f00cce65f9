"""What a running stack tells others: one JSON file, and process ids that are still those of the processes meant."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from demo.processes import is_alive

FILE = "state.json"
_START_TIME = 19
"""Which field of ``/proc/PID/stat``, counted from the one behind the command, tells when the process began."""


@dataclass(frozen=True, slots=True)
class ServiceState:
    """
    One service.

    Attributes:
        pid: of the main process, *container* of the one that holds the service together; ``None`` if it does not run.
        state: ``created`` (it waits for others), ``running``, ``restarting``, ``exited``.
        health: ``starting``, ``healthy``, ``unhealthy``; empty without a check.
        ports: port in the compose file → port on 127.0.0.1.
    """

    service: str
    pid: int | None
    container: int | None
    state: str
    health: str
    restarts: int
    exit_code: int | None
    log: str
    ports: dict[str, int] = field(default_factory=dict)

    def children(self) -> list[dict[str, Any]]:
        """Return the other processes of the service: ``pid`` and ``command``."""
        found = []
        for process in _descendants(self.container):
            if process.pid != self.pid:
                try:
                    found.append({"pid": process.pid, "command": " ".join(process.cmdline()) or process.name()})
                except psutil.Error:
                    continue
        return found

    def as_json(self) -> dict[str, Any]:
        """Return all of it, with the other processes as ``children``."""
        return {**asdict(self), "children": self.children()}


@dataclass(frozen=True, slots=True)
class StackState:
    """
    The whole stack.

    Attributes:
        supervisor: its process id, *started* when it began, as `started_at` tells it.
        phase: ``starting``, ``up``, ``failed``, ``stopping``.
        why: it failed; empty otherwise.
    """

    supervisor: int
    started: str
    phase: str
    why: str
    services: tuple[ServiceState, ...]

    def write(self, folder: Path) -> None:
        """Replace the file in *folder*."""
        new = folder / f"{FILE}.new"
        new.write_text(json.dumps(asdict(self), indent=1))
        new.rename(folder / FILE)

    def service(self, name: str) -> ServiceState | None:
        """Return one service."""
        return next((one for one in self.services if one.service == name), None)


def read_state(folder: Path) -> StackState | None:
    """Return the state of the stack that runs in *folder*; ``None`` if none does, or the file is in pieces."""
    try:
        found = json.loads((folder / FILE).read_text())
    except (FileNotFoundError, json.JSONDecodeError):  # replaced as a whole, it breaks with the machine only
        return None
    services = tuple(ServiceState(**one) for one in found.pop("services"))
    state = StackState(**found, services=services)
    return state if _is_running(state) else None


def started_at(pid: int | None = None) -> str:
    """
    Return when a process, this one if left out, began: clock ticks since the machine was started.

    Not a time of day, which is another one after somebody has set the clock.

    Raises:
        OSError: there is no such process.
    """
    stat = Path(f"/proc/{pid or os.getpid()}/stat").read_text(errors="replace")
    return stat.rpartition(")")[2].split()[_START_TIME]


def _is_running(state: StackState) -> bool:
    try:
        return is_alive(psutil.Process(state.supervisor)) and started_at(state.supervisor) == state.started
    except (psutil.Error, OSError):
        return False


def _descendants(pid: int | None) -> list[psutil.Process]:
    try:
        return [] if pid is None else list(psutil.Process(pid).children(recursive=True))
    except psutil.Error:
        return []
