"""A service of the stack lives and dies as a whole, as in a container."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from demo.processes import Component, end, is_alive
from stack.running import DEATH

REPOSITORY = Path(__file__).parents[3]
FAMILY = """
import os, signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
signal.signal(signal.SIGUSR1, lambda *_: sys.exit(3))
if "deaf" in sys.argv:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
print(child.pid, flush=True)
signal.pause()
"""


class Family:
    """A main process with a child in a session of its own, held together."""

    def __init__(self, folder: Path, *words: str, stop_signal: str = "SIGINT", grace_s: str = "60") -> None:
        self.pid_file = folder / "main.pid"
        options = ["--pid-file", str(self.pid_file), "--stop-signal", stop_signal, "--grace-s", grace_s]
        command = [sys.executable, "-m", "stack.container", *options, "--", sys.executable, "-c", FAMILY, *words]
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        self.holder = Component("family", command, env=environment, folder=folder, log=folder / "family.log")
        while not (text := self.holder.log.read_text()).endswith("\n"):
            self.holder.check()
        self.child = psutil.Process(int(text))
        self.main = psutil.Process(int(self.pid_file.read_text()))

    def end(self) -> int | None:
        self.holder.reap()
        assert not is_alive(self.child)
        assert not is_alive(self.main)
        return self.holder.exit_code


def test_a_killed_main_process_takes_all_others_with_it(tmp_path: Path) -> None:
    family = Family(tmp_path)
    family.main.kill()
    assert family.end() == DEATH + signal.SIGKILL


def test_an_orderly_end_of_the_main_process_ends_the_others(tmp_path: Path) -> None:
    family = Family(tmp_path)
    family.main.send_signal(signal.SIGUSR1)
    assert family.end() == 3


def test_sigterm_is_passed_on_as_the_service_s_stop_signal(tmp_path: Path) -> None:
    family = Family(tmp_path, stop_signal="SIGUSR1")
    os.kill(family.holder.pid, signal.SIGTERM)
    assert family.end() == 3


def test_what_does_not_stop_in_its_time_of_grace_is_killed(tmp_path: Path) -> None:
    family = Family(tmp_path, "deaf", grace_s="0.05")
    os.kill(family.holder.pid, signal.SIGTERM)
    assert family.end() == DEATH + signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's word that a parent has died")
def test_the_main_process_dies_with_its_holder(tmp_path: Path) -> None:
    """The rest becomes the supervisor's, which ends it."""
    family = Family(tmp_path)
    os.kill(family.holder.pid, signal.SIGKILL)
    family.holder.reap()
    psutil.wait_procs([family.main], timeout=30)
    end([family.child.pid], grace_s=0)
    assert not is_alive(family.main)
