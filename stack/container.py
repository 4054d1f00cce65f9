"""
What a container's first process does, for a service that is plain processes. `python -m stack.container … -- COMMAND`.

The service's main process is its child. Processes that lose their parent become its children too, and when the main
process ends, however it does, all that are left are killed: a service is dead or alive as a whole.

| signal | what it does |
|---|---|
| SIGTERM | passes the service's stop signal on, and kills what is left when the time of grace is over |
| SIGHUP | kills everything at once; sent by the kernel when whoever supervises is gone |
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
DEATH = 128
"""A shell's way, and Docker's, to tell of a signal: its number is added to this."""


def host_name() -> str:
    """Return the name of the service, which is that of its container; Airflow's ``hostname_callable``."""
    return os.environ["HOSTNAME"]


def main(arguments: list[str]) -> int:
    """Run the command to its end; return its exit code, or 128 and the signal that it died of."""
    parser = argparse.ArgumentParser(prog="python -m stack.container", description=__doc__.splitlines()[1])
    parser.add_argument("--pid-file", type=Path, required=True, help="gets the id of the main process")
    parser.add_argument("--stop-signal", default="SIGTERM")
    parser.add_argument("--grace-s", type=float, default=10.0)
    parser.add_argument("--signals-group", action="store_true", help="the stop signal goes to all processes")
    parser.add_argument("command", nargs="+")
    asked = parser.parse_args(arguments)

    from demo.processes import adopt_orphans, die_with_parent, end_children

    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGHUP)
    adopt_orphans()
    process = subprocess.Popen(asked.command, start_new_session=True, preexec_fn=die_with_parent)  # noqa: PLW1509 - only prctl
    signal.signal(signal.SIGTERM, lambda *_: _stop(process.pid, asked))
    signal.signal(signal.SIGALRM, lambda *_: _signal(process.pid, signal.SIGKILL))
    signal.signal(signal.SIGHUP, lambda *_: _signal(process.pid, signal.SIGKILL))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _tell(asked.pid_file, process.pid)
    if os.getppid() != parent:
        process.kill()
    try:
        code = _wait(process.pid)
    finally:
        end_children()
    return code


def _stop(pid: int, asked: argparse.Namespace) -> None:
    number = signal.Signals[asked.stop_signal]
    if asked.signals_group:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, number)
    else:
        _signal(pid, number)
    signal.setitimer(signal.ITIMER_REAL, asked.grace_s)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _tell(path: Path, pid: int) -> None:
    new = path.with_suffix(".new")
    new.write_text(str(pid))
    new.rename(path)


def _wait(pid: int) -> int:
    """Reap whatever ends until the main process does."""
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else DEATH - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
