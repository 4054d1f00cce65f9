"""What goes wrong with answers of the control API on purpose."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from airflow_s3batch.testing.emulator.answers import Refusal


@dataclass
class Mishap:
    """
    What happens to the next *times* requests of the call *api* (any call if empty).

    Attributes:
        refusal: the answer instead of the right one; without it there is none, and the connection is closed.
        is_executed: the request is executed all the same.
    """

    api: str
    refusal: Refusal | None
    is_executed: bool
    times: int

    def happen(self) -> None:
        """Raise the refusal, if it is one."""
        if self.refusal is not None:
            raise self.refusal


class Mishaps:
    """The mishaps to come, in order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._coming: list[Mishap] = []

    def add(self, mishap: Mishap) -> None:
        """Let *mishap* happen, after those before it."""
        with self._lock:
            self._coming.append(mishap)

    def clear(self) -> None:
        """Forget what is to come."""
        with self._lock:
            self._coming.clear()

    def next_for(self, api: str) -> Mishap | None:
        """Return what happens to a request of *api* now, and count it."""
        with self._lock:
            self._coming = [mishap for mishap in self._coming if mishap.times > 0]
            found = next((mishap for mishap in self._coming if mishap.api in ("", api)), None)
            if found is not None:
                found.times -= 1
            return found
