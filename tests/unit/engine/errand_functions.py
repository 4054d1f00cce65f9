"""Functions that tests of errands call, by name from other processes, too."""

from __future__ import annotations

import os
import signal
import sys
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


def unpicklable() -> Any:
    return lambda: None
