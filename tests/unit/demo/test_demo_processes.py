"""What the demo starts, it ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil
import pytest

from demo.processes import Component, ComponentError, end, is_alive

GRANDCHILD = """
import os, signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
print(child.pid, flush=True)
signal.pause()
"""


def component(tmp_path: Path, program: str) -> Component:
    return Component(
        "part", [sys.executable, "-c", program], env=dict(os.environ), folder=tmp_path, log=tmp_path / "part.log"
    )


def test_descendants_in_groups_of_their_own_end_too(tmp_path: Path) -> None:
    """Even if they, or their parent, ignore SIGTERM."""
    part = component(tmp_path, GRANDCHILD)
    while not (text := part.log.read_text()).endswith("\n"):
        part.check()
    grandchild = psutil.Process(int(text))
    end([part.pid], grace_s=0)
    part.reap()
    assert part.exit_code == -9
    assert not is_alive(grandchild)


def test_a_part_that_fails_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    """Only the last lines, and where the rest is."""
    part = component(tmp_path, "for n in range(100): print('line', n)\nraise SystemExit(3)")
    with pytest.raises(
        ComponentError, match=r"(?s)part ended with exit code 3; the end of .*part\.log:.*line 99"
    ) as caught:
        part.wait(30)
    assert "line 50" not in str(caught.value)
    with pytest.raises(ComponentError, match="exit code 3"):
        part.check()
