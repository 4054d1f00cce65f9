"""`kill`, `restart` and `down`."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path

from demo.single import LOCK, only_one
from stack.errors import StackError
from stack.images import volumes_elsewhere
from stack.looking import service_of
from stack.state import FILE, read_state

POLL_S = 0.1
TIMEOUT_S = 180.0
SUPERVISOR_LOG = "supervisor.log"
FOLDERS = ("homes", "logs", "run", "volumes")
"""All that a stack makes in its folder, beside files."""


def kill_service(folder: Path, name: str, signal_name: str) -> int:
    """
    Send a signal to the service's main process; all of the service dies with it, and it is started again.

    Raises:
        StackError: it does not run, or there is no such signal.
    """
    number = _signal(signal_name)
    service = service_of(folder, name)
    if service.pid is None:
        raise StackError(f"{name} does not run: it is {service.state}.")
    _send(service.pid, number, name)
    return 0


def restart_service(folder: Path, name: str) -> int:
    """
    Stop the service in order, within its time of grace; return when it has been started again.

    Raises:
        StackError: it does not run, or is not started again.
    """
    before = service_of(folder, name)
    if before.container is None:
        raise StackError(f"{name} does not run: it is {before.state}.")
    _send(before.container, signal.SIGTERM, name)
    deadline = time.monotonic() + TIMEOUT_S
    while (now := service_of(folder, name)).restarts == before.restarts or now.pid is None:
        if time.monotonic() > deadline or now.state == "exited":
            raise StackError(f"{name} was stopped, but is {now.state} now; its log is {now.log}.")
        time.sleep(POLL_S)
    return 0


def stop_stack(folder: Path, *, with_volumes: bool) -> int:
    """
    Stop all services; it is no error if none runs.

    Raises:
        StackError: they don't end.
    """
    state = read_state(folder)
    if state is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(state.supervisor, signal.SIGTERM)
        deadline = time.monotonic() + TIMEOUT_S
        while read_state(folder) is not None:
            if time.monotonic() > deadline:
                raise StackError(
                    f"The stack has not ended within {TIMEOUT_S:g} s; its supervisor is {state.supervisor}."
                )
            time.sleep(POLL_S)
    if with_volumes:
        with only_one(folder, StackError(f"A stack runs in {folder}.")):
            delete_volumes_elsewhere(folder)
            _delete_files(folder)
    return 0


def delete_volumes_elsewhere(folder: Path) -> None:
    """Delete the volumes of the stack in *folder* that can't lie there."""
    for volume in volumes_elsewhere(folder).values():
        shutil.rmtree(volume, ignore_errors=True)


def _delete_files(folder: Path) -> None:
    """Delete what a stack has written to *folder*, and the folder if nothing else is in it."""
    if (folder / FILE).exists():
        for name in FOLDERS:
            shutil.rmtree(folder / name, ignore_errors=True)
        for name in (f"{FILE}.new", SUPERVISOR_LOG, FILE):
            (folder / name).unlink(missing_ok=True)
    (folder / LOCK).unlink()
    with contextlib.suppress(OSError):  # something of somebody else's is in it
        folder.rmdir()


def _send(pid: int, number: signal.Signals, name: str) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        raise StackError(f"{name} does not run: it has just ended; see `python -m stack ps`.") from None


def _signal(name: str) -> signal.Signals:
    text = name.upper()
    for number in signal.Signals:
        if text in (number.name, number.name.removeprefix("SIG"), str(number.value)):
            return number
    raise StackError(f"{name!r} is no signal; write SIGTERM, TERM or 15.")
