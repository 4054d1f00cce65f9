"""`up`: in the foreground, or as a process of its own that goes on."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from demo.single import only_one
from stack.errors import StackError
from stack.images import POSTGRES_USER, lacks_user, missing_programs
from stack.state import FILE, StackState, read_state
from stack.stopping import SUPERVISOR_LOG, delete_volumes_elsewhere
from stack.supervisor import FAILED, POLL_S, UP, Supervisor
from stack.topology import read_topology

PEOPLE_OPEN = {
    ("api-server", "8080"): ("Airflow", "you are the administrator, without a password"),
    ("s3", "8333"): ("S3", "access key s3batch, secret s3batch-secret"),
}

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Stopped(BaseException):
    """Somebody wants the stack to stop; nobody who handles errors on the way may keep it to himself."""


def run(asked: argparse.Namespace) -> int:
    """
    Start all services, keep them running until Ctrl-C or SIGTERM, and stop them.

    Raises:
        StackError: it runs already, something is not installed, or a service can't be started.
    """
    _check_machine()
    with only_one(asked.folder, _busy(asked.folder)):
        if not (asked.folder / FILE).exists():
            delete_volumes_elsewhere(asked.folder)  # of a folder that was deleted by hand, with all other volumes
        print(f"Starting the services of {asked.file} on 127.0.0.1 …", flush=True)
        supervisor = Supervisor(
            read_topology(os.environ, asked.file), asked.folder, any_ports=asked.any_ports, tell=_tell
        )
        try:
            with _stoppable():
                _keep_running(supervisor, asked.folder)
        except _Stopped:
            print("Stopping …", flush=True)
        finally:
            _hear_no_more()
            supervisor.stop()
            print("Stopped; nothing is left running.", flush=True)
    return 0


def detach(asked: argparse.Namespace) -> int:
    """
    Let another process do what `run` does; return when all services are up.

    Raises:
        StackError: they are not; the message says why.
    """
    _check_machine()
    if read_state(asked.folder) is not None:
        raise _busy(asked.folder)
    asked.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ports = ["--any-ports"] if asked.any_ports else []
    command = [sys.executable, "-m", "stack", "--folder", str(asked.folder), "up", "--file", str(asked.file), *ports]
    path = asked.folder / SUPERVISOR_LOG
    with path.open("wb") as log:
        supervisor = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    deadline = time.monotonic() + asked.timeout
    while time.monotonic() < deadline:
        if supervisor.poll() is not None:
            raise StackError(path.read_text().strip())
        state = read_state(asked.folder)
        if state is not None and state.supervisor == supervisor.pid and state.phase == UP:
            print(addresses(state, asked.folder))
            return 0
        time.sleep(POLL_S)
    raise StackError(
        f"Not all services were up after {asked.timeout:g} s, but they go on: `{this_command(asked.folder)} ps` shows "
        f"which, `{this_command(asked.folder)} down` stops them. See {path}."
    )


def addresses(state: StackState, folder: Path) -> str:
    """Return what to say once all is up: where it is, and how to stop it."""
    lines = [
        f"  {title:12} http://127.0.0.1:{found.ports[port]}  ({who})"
        for (name, port), (title, who) in PEOPLE_OPEN.items()
        if (found := state.service(name))
    ]
    command = this_command(folder)
    return "\n".join([*lines, f"  processes    {command} ps", f"  stop it      {command} down"])


def this_command(folder: Path) -> str:
    """Return how people call this program for the stack in *folder*."""
    python = Path(sys.executable)
    with contextlib.suppress(ValueError):
        python = python.relative_to(Path.cwd())
    is_default = folder.resolve() == (Path(__file__).parent.parent / ".stack").resolve()
    return f"{python} -m stack{'' if is_default else f' --folder {folder}'}"


def _busy(folder: Path) -> StackError:
    return StackError(f"A stack runs in {folder} already; `{this_command(folder)} down` stops it.")


def _keep_running(supervisor: Supervisor, folder: Path) -> None:
    was_up = False
    while True:
        supervisor.look()
        if supervisor.phase == FAILED:
            raise StackError(f"A service can't be started. {supervisor.why}")
        if supervisor.phase == UP and not was_up:
            was_up = True
            state = read_state(folder)
            assert state is not None
            print(addresses(state, folder), flush=True)
        time.sleep(POLL_S)


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of signal handlers
        _hear_no_more()
        raise _Stopped

    for one in STOP_SIGNALS:
        signal.signal(one, stop)
    yield


def _hear_no_more() -> None:
    for one in STOP_SIGNALS:
        signal.signal(one, signal.SIG_IGN)


def _check_machine() -> None:
    if sys.platform != "linux":
        raise StackError("The stack needs Linux, whose kernel ends the services when their supervisor is gone.")
    if missing := missing_programs():
        raise StackError(
            f"Not installed: {', '.join(missing)}. `make stack-packages`, as root, installs Debian's packages "
            "postgresql, redis-server and curl."
        )
    if lacks_user():
        raise StackError(
            f"PostgreSQL does not run as root, and this machine has no user {POSTGRES_USER!r} to run it as; start the "
            "stack as another user than root, or install Debian's package postgresql, which makes that one."
        )


def _tell(line: str) -> None:
    print(f"  {line}", flush=True)
