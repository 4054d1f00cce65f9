"""Processes that are started for a while, and that end with everything they have started themselves."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import psutil

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
GRACE_S = 3.0
TAIL_LINES = 20


class ComponentError(RuntimeError):
    """A component did not start, or ended on its own; the message shows the end of its log."""


class Component:
    """
    A program in a process group of its own, writing into a log file, which begins anew unless *keeps_log*.

    On Linux the kernel kills it when the thread that started it dies.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        folder: Path,
        log: Path,
        keeps_log: bool = False,
    ) -> None:
        self.name = name
        self.log = log
        with log.open("ab" if keeps_log else "wb") as out:
            self._process = subprocess.Popen(
                list(command),
                env=dict(env),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - only prctl
            )

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """``None`` while it runs."""
        return self._process.poll()

    def reap(self) -> None:
        """Take note of the end, so that the system can forget the process."""
        self._process.wait()

    def check(self) -> None:
        """
        Look whether it still runs.

        Raises:
            ComponentError: it does not.
        """
        if self.exit_code is not None:
            raise self.failure(f"ended with exit code {self.exit_code}")

    def failure(self, what: str) -> ComponentError:
        """Return the error that says *what* happened to this component."""
        lines = self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        tail = "\n".join(f"  | {line}" for line in lines)
        return ComponentError(f"{self.name} {what}; the end of {self.log}:\n{tail}")

    def wait(self, timeout_s: float) -> None:
        """
        Wait until it ends in order.

        Raises:
            ComponentError: it failed, or took longer than *timeout_s*.
        """
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise self.failure(f"did not end within {timeout_s:g} s") from None
        if code:
            raise self.failure(f"ended with exit code {code}")


def adopt_orphans() -> None:
    """Become the parent of descendants that lose theirs, so that `end` finds them; Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def end(pids: Iterable[int], *, grace_s: float = GRACE_S) -> None:
    """
    End the processes *pids* and all that they have started: SIGTERM, and SIGKILL after *grace_s*.

    Airflow's tasks leave their parent's process group, so the descendants are looked up.
    """
    roots = [process for pid in pids if (process := _find(pid))]
    seen = set(roots)
    for process in roots:
        seen.update(_descendants(process))
        with contextlib.suppress(psutil.Error):
            process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while time.monotonic() < deadline and any(map(is_alive, seen)):
        for process in list(seen):
            seen.update(_descendants(process))
        time.sleep(0.05)
    while alive := {process for process in seen if is_alive(process)}:
        for process in alive:
            seen.update(_descendants(process))
        for process in alive:
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(0.02)


def kill(pid: int) -> list[int]:
    """Kill one process and nothing else; return the ids of the descendants that it leaves behind."""
    process = psutil.Process(pid)
    process.suspend()  # it starts nothing while they are looked up
    left = [child.pid for child in _descendants(process)]
    process.kill()
    return left


def end_children() -> None:
    """End everything that this process has started, or adopted."""
    end([child.pid for child in psutil.Process().children()], grace_s=0)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


def _find(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        found: list[psutil.Process] = process.children(recursive=True)
    except psutil.Error:
        return []
    return found


def is_alive(process: psutil.Process) -> bool:
    """Return whether the process still does something; a zombie does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def die_with_parent() -> None:
    """Let the kernel kill this process when the thread that started it dies; Linux only."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
