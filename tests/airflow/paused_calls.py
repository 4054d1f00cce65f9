"""A function that objects are given to, and in whose midst somebody pauses the job."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

CALLS: Counter[str] = Counter()
FROM = 10
"""The call that pauses the job."""

noticed = threading.Event()
pause: list[Callable[[], Any]] = []
_lock = threading.Lock()


def reset(act: Callable[[], Any]) -> None:
    """Forget all calls; *act* is what the call `FROM` does first."""
    CALLS.clear()
    noticed.clear()
    pause[:] = [act]


def touch(obj: Any, _: Mapping[str, Any]) -> str:
    """Count the call; those from `FROM` on return once the pause was noticed."""
    with _lock:
        CALLS[obj.key] += 1
        number = CALLS.total()
    if number == FROM:
        pause[0]()
    if number >= FROM and not noticed.wait(60):
        raise TimeoutError("nobody has noticed the pause")
    return "touched"
