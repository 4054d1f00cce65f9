"""Child processes that never outlive the test that started them."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

FOLDER_VARIABLE = "S3BATCH_SERVERS_BIN"
PR_SET_PDEATHSIG = 1
GRPC_OFFSET = 10_000


class ServerMissingError(RuntimeError):
    """The program of a server is not installed."""


def find_program(name: str, package: str) -> Path:
    """
    Return where the program *name* is: in the folder that ``S3BATCH_SERVERS_BIN`` names, beside Python, or on ``PATH``.

    Raises:
        ServerMissingError: in none of them; the message names the PyPI *package* to install.
    """
    beside_python = str(Path(sys.executable).parent)
    for folders in (os.environ.get(FOLDER_VARIABLE), beside_python, os.environ.get("PATH")):
        found = shutil.which(name, path=folders) if folders else None
        if found:
            return Path(found)
    raise ServerMissingError(
        f"{name!r} is not installed; run `pip install {package}` (best in an environment of its own) and set "
        f"{FOLDER_VARIABLE} to the folder that holds {name!r}"
    )


def free_ports(count: int, *, with_grpc: bool = False) -> list[int]:
    """
    Return *count* different loopback ports that nobody listens on; *with_grpc* also wants port + 10,000 of each free.

    All stay bound until the last is found, so that none comes twice. Another process may still be faster afterwards.
    """
    with contextlib.ExitStack() as held:
        ports: list[int] = []
        while len(ports) < count:
            port = _bind(held, 0)
            if port is not None and (not with_grpc or _bind(held, port + GRPC_OFFSET) is not None):
                ports.append(port)
        return ports


def _bind(held: contextlib.ExitStack, port: int) -> int | None:
    """Return the loopback port that was bound, ``None`` if *port* is taken or out of range; *held* closes it."""
    one = held.enter_context(socket.socket())
    try:
        one.bind(("127.0.0.1", port))
    except (OSError, OverflowError):
        return None
    return int(one.getsockname()[1])


@contextlib.contextmanager
def running(command: Sequence[str], *, env: Mapping[str, str], folder: Path) -> Iterator[RunningProcess]:
    """
    Run *command* in *folder* and a process group of its own; kill the whole group when the context ends.

    On Linux the kernel also kills it when the thread that started it dies without getting there.
    """
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603 - a list of arguments, no shell
            list(command),
            cwd=folder,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent(),  # noqa: PLW1509 - calls nothing but prctl
        )
    try:
        yield RunningProcess(process, log)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class RunningProcess:
    """A started process and its log."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        """The process's id, which is its group's as well."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def log_tail(self, lines: int = 15) -> str:
        """Return the last *lines* that it wrote."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])


def _die_with_parent() -> Callable[[], None] | None:
    """Return what the child calls before it becomes the server, ``None`` where the kernel offers no such thing."""
    if sys.platform != "linux":
        return None
    return functools.partial(ctypes.CDLL(None).prctl, PR_SET_PDEATHSIG, signal.SIGKILL)
