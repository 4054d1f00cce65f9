"""
Moves libcurl's transfers on: two ways to find out which connections have something to say.

`Sweep` looks at all of them each time, inside libcurl. Up to some sixty connections nothing is cheaper. `Watch` asks
the kernel, at a price per request but none per connection, and without `select`'s limit of 1,024 descriptors.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from typing import Any, Protocol

import pycurl

_SWEEP_MOST = 64
_SELECT_LIMIT = 1_024
_NO_DESCRIPTOR_S = 0.05
_CAN_READ = int(pycurl.CSELECT_IN)


class Drive(Protocol):
    """What moves the transfers of a ``CurlMulti``."""

    def push(self) -> None:
        """Send what was added; never waits."""

    def wait(self, timeout_s: float) -> None:
        """Move data for at most *timeout_s*, less if something happens."""

    def wake_on(self, descriptor: int) -> None:
        """End `wait`, too, as long as *descriptor*, which is not libcurl's, can be read."""

    def close(self) -> None:
        """Give descriptors back; the multi is closed already."""


def drive_for(multi: pycurl.CurlMulti, connections: int) -> Drive:
    """Return the cheaper way to move up to *connections* transfers at a time."""
    if connections <= _SWEEP_MOST and _next_descriptor() + 3 * connections < _SELECT_LIMIT // 2:
        return Sweep(multi)
    return Watch(multi)


def _next_descriptor() -> int:
    """Return the number that the process's next socket will have, or one near it."""
    descriptor = os.open(os.devnull, os.O_RDONLY)
    os.close(descriptor)
    return descriptor


class Sweep:
    """libcurl's own loop."""

    def __init__(self, multi: pycurl.CurlMulti) -> None:
        self._multi = multi
        self._alarm = -1

    def push(self) -> None:
        """Move everything that can be moved."""
        self._multi.perform()

    def wait(self, timeout_s: float) -> None:
        """Wait for any connection, then do as `push` does; without time to wait `push` has done all there is."""
        if not timeout_s:
            return
        due_ms = self._multi.timeout()
        if due_ms >= 0:
            timeout_s = min(timeout_s, due_ms / 1000)
        if self._alarm >= 0:
            readers, writers, others = self._multi.fdset()
            select.select([*readers, self._alarm], writers, others, timeout_s)
        elif timeout_s and not self._multi.select(timeout_s) and not any(self._multi.fdset()):
            time.sleep(min(timeout_s, _NO_DESCRIPTOR_S))  # without descriptors select does not wait
        self._multi.perform()

    def wake_on(self, descriptor: int) -> None:
        """Look at *descriptor*, too."""
        self._alarm = descriptor

    def close(self) -> None:
        """Do nothing: there is nothing to give back."""


class Watch:
    """
    ``socket_action`` with epoll, or poll where there is none.

    libcurl lets go of a socket after each request and takes it up for the next. What it wants is therefore noted, and
    the kernel is told just before waiting. A socket that nobody wants stays registered until it has something to say.
    """

    def __init__(self, multi: pycurl.CurlMulti) -> None:
        self._multi = multi
        self._is_epoll = hasattr(select, "epoll")
        self._poll: Any = select.epoll() if self._is_epoll else select.poll()
        self._in, self._out = (select.EPOLLIN, select.EPOLLOUT) if self._is_epoll else (select.POLLIN, select.POLLOUT)
        self._masks = {
            pycurl.POLL_IN: self._in,
            pycurl.POLL_OUT: self._out,
            pycurl.POLL_INOUT: self._in | self._out,
            pycurl.POLL_NONE: 0,
        }
        self._noted: dict[int, int] = {}
        self._unwanted: set[int] = set()
        self._alarm = -1
        multi.setopt(pycurl.M_SOCKETFUNCTION, self._note)

    def push(self) -> None:
        """Begin what was added, and do what is due."""
        if self._multi.timeout() == 0:  # asking is cheaper than being told by libcurl, twice per request
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)

    def wait(self, timeout_s: float) -> None:
        """Wait for sockets that libcurl wants, and let it have them."""
        due_ms = self._multi.timeout()
        if due_ms >= 0:
            timeout_s = min(timeout_s, due_ms / 1000)
        ready = self._ready(timeout_s)
        for descriptor, readiness in ready:
            self._multi.socket_action(descriptor, readiness)
        if not ready:
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)

    def wake_on(self, descriptor: int) -> None:
        """Have the kernel watch *descriptor*; it is kept among those that libcurl does not want."""
        self._alarm = descriptor
        self._unwanted.add(descriptor)
        self._poll.register(descriptor, self._in)

    def close(self) -> None:
        """Give epoll's descriptor back."""
        if self._is_epoll:
            self._poll.close()

    def _note(self, what: int, descriptor: int, *_: object) -> None:
        """Take note of what libcurl wants of *descriptor*: its socket callback, twice per request."""
        self._noted[descriptor] = what

    def _ready(self, timeout_s: float) -> list[tuple[int, int]]:
        """Return ``(descriptor, CSELECT bits)``, waiting at most *timeout_s*."""
        modify, unwanted, masks = self._poll.modify, self._unwanted, self._masks
        for descriptor, what in self._noted.items():
            if what == pycurl.POLL_REMOVE:
                unwanted.add(descriptor)
                continue
            unwanted.discard(descriptor)
            try:
                modify(descriptor, masks[what])
            except OSError:  # a new socket, maybe under the number of one that was closed
                self._poll.register(descriptor, masks[what])
        self._noted.clear()
        ready: list[tuple[int, int]] = []
        for descriptor, mask in self._poll.poll(timeout_s if self._is_epoll else timeout_s * 1000):
            if descriptor in unwanted:
                self._forget(descriptor)
            else:
                ready.append((descriptor, _CAN_READ if mask == self._in else self._bits(mask)))
        return ready

    def _forget(self, descriptor: int) -> None:
        if descriptor == self._alarm:
            return
        self._unwanted.discard(descriptor)
        with contextlib.suppress(OSError, KeyError):  # closed already
            self._poll.unregister(descriptor)

    def _bits(self, mask: int) -> int:
        bits = (pycurl.CSELECT_IN if mask & self._in else 0) | (pycurl.CSELECT_OUT if mask & self._out else 0)
        return bits if not mask & ~(self._in | self._out) else bits | pycurl.CSELECT_IN | pycurl.CSELECT_ERR
