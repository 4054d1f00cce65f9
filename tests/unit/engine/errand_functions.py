"""Functions that tests of errands call, by name from other processes, too."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any


def add(one: int, other: int) -> int:
    return one + other


def refuse(message: str) -> None:
    raise ValueError(message)


def leave(status: int) -> None:
    os._exit(status)


def resign(status: int) -> None:
    sys.exit(status)


def signal_itself(number: int) -> None:
    os.kill(os.getpid(), number)
    signal.pause()


def own_pid() -> int:
    return os.getpid()


def say(text: str) -> str:
    """Write to both outputs, as functions of users do."""
    print(text)  # noqa: T201 - that is what is tested
    sys.stdout.flush()
    os.write(1, text.encode())
    return text


def wait_for_signal(*_: Any) -> None:
    """Hang."""
    signal.pause()


def leave_a_child(folder: str) -> None:
    """End as if killed, while a process that was forked lives on."""
    pid = os.fork()
    if pid:
        Path(folder, str(pid)).touch()
        os._exit(3)
    signal.pause()


class Fatal(BaseException):
    """What libraries raise that nobody is meant to catch."""


def panic(*_: Any) -> None:
    raise Fatal("at the disco")


class UntellableError(Exception):
    """Can't say what it is."""

    def __str__(self) -> str:
        raise self


def mumble(*_: Any) -> None:
    raise UntellableError


class DiesBeforeItIsCalled:
    """Takes its process with it while that unpacks it, as an import may, if *marker* is not there or *always*."""

    def __init__(self, marker: str, *, always: bool = False) -> None:
        self.marker = marker
        self.always = always

    def __call__(self) -> str:
        return "called"

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ = state
        if self.always or not Path(self.marker).exists():
            Path(self.marker).touch()
            os._exit(3)


def unpicklable() -> Any:
    return lambda: None
