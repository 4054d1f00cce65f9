"""`kill` and `down` touch what belongs to the stack, and nothing else."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stack.errors import StackError
from stack.state import ServiceState, StackState, read_state, started_at
from stack.stopping import kill_service, restart_service, stop_stack
from stack.upping import run


def ended_process() -> int:
    """Return the id of a process that there is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def write_state(folder: Path, *, supervisor: int, started: str, pid: int | None = None) -> None:
    """Write down a stack with one service."""
    folder.mkdir(exist_ok=True)
    one = ServiceState("redis", pid, pid, "running", "", 0, None, str(folder / "redis.log"))
    StackState(supervisor, started, "up", "", (one,)).write(folder)


@pytest.mark.parametrize(
    "stop",
    [lambda folder: kill_service(folder, "redis", "KILL"), lambda folder: restart_service(folder, "redis")],
    ids=["kill", "restart"],
)
def test_a_service_that_has_just_died_is_told_in_a_sentence(tmp_path: Path, stop: Callable[[Path], int]) -> None:
    """Its id stands in the file until the supervisor looks again."""
    write_state(tmp_path, supervisor=os.getpid(), started=started_at(), pid=ended_process())
    with pytest.raises(StackError, match="redis does not run"):
        stop(tmp_path)


def test_down_deletes_nothing_that_the_stack_has_not_written(tmp_path: Path) -> None:
    """Somebody may have named a folder of theirs by mistake."""
    mine = tmp_path / "thesis.txt"
    mine.write_text("years of work")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "mine.log").touch()
    stop_stack(tmp_path, with_volumes=True)
    assert (tmp_path / "logs" / "mine.log").exists(), "no stack was ever in this folder"
    write_state(tmp_path, supervisor=ended_process(), started=started_at())
    (tmp_path / "volumes" / "redis").mkdir(parents=True)
    stop_stack(tmp_path, with_volumes=True)
    assert list(tmp_path.iterdir()) == [mine]


def test_another_process_with_the_same_id_is_not_taken_for_the_supervisor(tmp_path: Path) -> None:
    """Nor does a clock that was set make anybody forget the stack: the start is told in the kernel's own count."""
    write_state(tmp_path, supervisor=os.getpid(), started=started_at())
    assert read_state(tmp_path) is not None
    write_state(tmp_path, supervisor=os.getpid(), started="1")
    assert read_state(tmp_path) is None


def test_a_stack_whose_folder_was_deleted_by_hand_begins_with_an_empty_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root's PostgreSQL keeps its files elsewhere; what Airflow knew there is of objects that are gone."""
    database = tmp_path / "elsewhere"
    file = tmp_path / "compose.yaml"
    file.write_text("services: {one: {image: x, healthcheck: {test: [NONE]}}}")  # refused before anything is started
    monkeypatch.setattr("stack.stopping.volumes_elsewhere", lambda _: {"postgres": database})
    monkeypatch.setattr("stack.upping._check_machine", lambda: None)
    for was_there in (True, False):
        folder = tmp_path / f"stack-{was_there}"
        database.mkdir(exist_ok=True)
        if was_there:
            write_state(folder, supervisor=ended_process(), started="1")
        with pytest.raises(StackError, match="health check"):
            run(argparse.Namespace(folder=folder, file=file, any_ports=True))
        assert database.exists() == was_there
