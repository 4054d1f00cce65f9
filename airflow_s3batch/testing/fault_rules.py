"""When a fault strikes: a share, a number, a while, a condition; and switches to turn it off and on in mid-run."""

from __future__ import annotations

import hashlib
import threading
import time
from types import TracebackType
from typing import Self

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.testing.fault_requests import ProxiedRequest, When
from airflow_s3batch.testing.faults import ConnectionFault, Fault


class Injection:
    """
    A fault that is in force; `FaultProxy.inject` makes it. A context manager that ends with the block.

    All methods may be called from any thread while requests are under way.

    Attributes:
        fault: what happens.
        happened: how often it did so far.
    """

    def __init__(
        self, fault: Fault | ConnectionFault, share: float, when: When | None, count: int | None, seed: int
    ) -> None:
        problems = []
        if not 0 <= share <= 1:
            problems.append(f"share={share!r} is not between 0 and 1")
        if count is not None and count < 0:
            problems.append(f"count={count!r} is below 0")
        if when is not None and isinstance(fault, ConnectionFault):
            problems.append(f"{fault.name} happens before there is a request, so it takes no when=")
        if problems:
            raise ArgumentError.of("inject", problems)
        self.fault = fault
        self.happened = 0
        self._share = share
        self._when = when
        self._count = count
        self._seed = seed
        self._until = float("inf")
        self._is_on = True
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.off()

    @property
    def is_on(self) -> bool:
        """Whether it may still strike."""
        is_used_up = self._count is not None and self.happened >= self._count
        return self._is_on and not is_used_up and time.monotonic() < self._until

    def off(self) -> None:
        """Stop; requests that it has struck already (and that hang) stay struck."""
        self._is_on = False

    def on(self, *, for_s: float = float("inf")) -> None:
        """Strike (again), for *for_s* seconds from now; *count* goes on where it was."""
        self._until = time.monotonic() + for_s
        self._is_on = True

    def strikes(self, request: ProxiedRequest) -> bool:
        """Decide about *request*, and count it if so; called once per request by the proxy."""
        if not self.is_on or not isinstance(self.fault, Fault) or (self._when is not None and not self._when(request)):
            return False
        return self.chance(f"{request.method} {request.target} {request.number}") < self._share and self._take()

    def strikes_connection(self, number: int) -> bool:
        """Decide about the *number*-th connection, and count it if so; called once per connection by the proxy."""
        if not self.is_on or not isinstance(self.fault, ConnectionFault):
            return False
        return self.chance(f"connection {number}") < self._share and self._take()

    def chance(self, text: str) -> float:
        """Return a number from 0 to below 1 that depends on *text* and the seed alone."""
        digest = hashlib.blake2b(f"{self._seed} {self.fault.name} {text}".encode(), digest_size=7).digest()
        return int.from_bytes(digest) / 2**56

    def _take(self) -> bool:
        with self._lock:
            if self._count is not None and self.happened >= self._count:
                return False
            self.happened += 1
            return True
