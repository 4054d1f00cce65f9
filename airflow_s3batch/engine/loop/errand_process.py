"""
A process of our own in which errands run: a fresh interpreter, for nothing of ours survives a fork.

Not `multiprocessing`: its processes run the parent's main program again, and workers of Celery may not have any.
Messages are pickles, each after its length. What functions print goes to standard error, where Airflow takes it for the
task's log. A process ends as soon as its parent does, whatever it is doing.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import queue
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import IO, Any

_LENGTH = struct.Struct(">Q")
_BEGUN = b"begun"
_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); "
    "from airflow_s3batch.engine.loop.errand_process import serve; serve()"
)


class ProcessDiedError(Exception):
    """The process ended before it answered; the message says how."""


class RemoteError(Exception):
    """The function, or its result, could not be handed over; the message names the exception."""


class ErrandProcess:
    """One process, started at the first call, and anew after it died. For one thread, but for `kill` and `close`."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._is_closed = False

    def call(self, function: Callable[..., Any], args: tuple[Any, ...], on_begun: Callable[[], None]) -> Any:
        """
        Return what *function*, which is pickled by its name, returns for *args*.

        *on_begun* is called when the process is up and has imported what it needs.

        Raises:
            ProcessDiedError: the process ended.
            PicklingError: *function* or *args* can't be pickled.
            RemoteError: the function raised, or what it returned can't be pickled.
        """
        message = _pickled((function, args), "the function, or its argument,")
        process = self._running()
        try:
            _send(process.stdin, message)
            answer = _receive(process.stdout)
            if answer == _BEGUN:
                on_begun()
                answer = _receive(process.stdout)
        except (OSError, ValueError):
            answer = None
        if answer is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1.0)  # its end of the pipe is closed a little before it has ended
            process.kill()
            raise ProcessDiedError(f"its process {_ending(process.wait())}")
        is_error, value = pickle.loads(answer)  # noqa: S301 - from our own process
        if is_error:
            raise RemoteError(value)
        return value

    def _running(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._is_closed:
                raise ProcessDiedError("the run is over")
            if self._process is None or self._process.poll() is not None:
                self._release()
                paths = json.dumps([path or os.getcwd() for path in sys.path])  # noqa: PTH109 - as the import system
                self._process = subprocess.Popen(  # noqa: S603 - our own program
                    [sys.executable, "-P", "-c", _PROGRAM, paths], stdin=subprocess.PIPE, stdout=subprocess.PIPE
                )
            return self._process

    def kill(self) -> None:
        """End the process at once; the call under way raises."""
        with self._lock:
            if self._process is not None:
                self._process.kill()

    def close(self) -> None:
        """Kill the process for good; never waits long."""
        with self._lock:
            self._is_closed = True
            if self._process is not None:
                self._process.kill()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(1.0)

    def _release(self) -> None:
        if self._process is not None and self._process.stdin and self._process.stdout:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
            self._process.stdout.close()


def serve() -> None:
    """Be the process: call what comes through standard input until that ends."""
    source = os.fdopen(os.dup(0), "rb")
    target = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    pipes = source.fileno(), target.fileno()
    os.register_at_fork(after_in_child=lambda: [os.dup2(null, pipe) for pipe in pipes])  # they tell that we are gone
    calls: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def listen() -> None:
        while (message := _receive(source)) is not None:
            calls.put(message)
        os._exit(0)  # the parent is gone

    threading.Thread(target=listen, daemon=True).start()
    while True:
        _send(target, _answer(calls.get(), lambda: _send(target, _BEGUN)))


def _answer(message: bytes, on_begun: Callable[[], None]) -> bytes:
    try:
        function, args = pickle.loads(message)  # noqa: S301 - from our own parent
        on_begun()
        return _pickled((False, function(*args)), "what the function returned")
    except KeyboardInterrupt:  # it was not for the function
        raise
    except BaseException as error:  # noqa: BLE001 - whatever it is, the parent is told
        return pickle.dumps((True, described(error)))


def _pickled(value: Any, what: str) -> bytes:
    """
    Return the pickle of *value*.

    Raises:
        PicklingError: there is none; Python says so with a class and in words that differ from version to version.
    """
    try:
        return pickle.dumps(value)
    except Exception as error:  # noqa: BLE001 - by version, value and place it is one of three classes
        raise pickle.PicklingError(f"{what} can't be pickled ({described(error)})") from None


def described(error: BaseException) -> str:
    """Return name and text of *error*, whose own code may fail to tell it."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - its name has to do
        return type(error).__name__


def _send(pipe: IO[bytes] | None, message: bytes) -> None:
    if pipe is not None:
        pipe.write(_LENGTH.pack(len(message)) + message)
        pipe.flush()


def _receive(pipe: IO[bytes] | None) -> bytes | None:
    """Return the next message; ``None`` if the other end is gone."""
    head = pipe.read(_LENGTH.size) if pipe is not None else b""
    if pipe is None or len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    message = pipe.read(length)
    return message if len(message) == length else None


def _ending(status: int) -> str:
    return f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
