"""`kill` and `down` touch what belongs to the stack, and nothing else."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from stack.commands import main
from stack.errors import StackError
from stack.images import volumes_elsewhere
from stack.state import ServiceState, StackState, read_state, started_at
from stack.stopping import kill_service, restart_service, stop_stack
from stack.topology import COMPOSE_FILE
from stack.upping import detach, run


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


def test_stacks_in_two_folders_never_share_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or one of them would delete the other's."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("stack.images.pwd.getpwnam", lambda _: SimpleNamespace(pw_dir="/home/postgres"))
    folders = ("/a/b-c", "/a-b/c", "/a/b/c", "/a-/b", "/a/-b")
    volumes = [volumes_elsewhere(Path(folder))["postgres"] for folder in folders]
    assert {volume.parent for volume in volumes} == {Path("/home/postgres")}
    assert len(set(volumes)) == len(volumes)


def test_a_second_stack_in_the_background_leaves_the_log_of_the_first_one_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stack.upping._check_machine", lambda: None)
    write_state(tmp_path, supervisor=os.getpid(), started=started_at())
    (tmp_path / "supervisor.log").write_text("the first one's")
    with pytest.raises(StackError, match=r"runs in .* already"):
        detach(argparse.Namespace(folder=tmp_path, file=tmp_path / "compose.yaml", any_ports=True, timeout=0.0))
    assert (tmp_path / "supervisor.log").read_text() == "the first one's"


def test_a_state_that_a_crash_has_left_in_pieces_is_no_running_stack(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"supervisor": ')
    assert read_state(tmp_path) is None
    stop_stack(tmp_path, with_volumes=True)
    assert not tmp_path.exists()


def test_a_folder_of_another_user_is_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody has run it as root before."""

    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied", str(tmp_path / "lock"))

    monkeypatch.setattr("demo.single.os.open", refuse)
    assert main(["--folder", str(tmp_path), "down", "--volumes"]) == 1
    assert f"{tmp_path / 'lock'}: Permission denied; it belongs to another user" in capsys.readouterr().err


def test_who_is_impatient_does_not_keep_a_stack_that_has_failed_from_stopping_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while it stops is not heard any more, whatever it stops for."""
    stopped = []

    class Failed:
        def __init__(self, *_: object, **__: object) -> None:
            self.phase, self.why = "failed", "init has ended"

        def look(self) -> None:
            """It has failed already."""

        def stop(self) -> None:
            signal.raise_signal(signal.SIGINT)
            stopped.append(True)

    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    monkeypatch.setattr("stack.upping._check_machine", lambda: None)
    monkeypatch.setattr("stack.upping.Supervisor", Failed)
    try:
        with pytest.raises(StackError, match="init has ended"):
            run(argparse.Namespace(folder=tmp_path, file=COMPOSE_FILE, any_ports=True))
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    assert stopped


def test_root_without_a_user_for_its_database_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else PostgreSQL would be started again and again, for ever."""

    def unknown(name: str) -> None:
        raise KeyError(name)

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("stack.upping.missing_programs", list)
    monkeypatch.setattr("stack.images.pwd.getpwnam", unknown)
    with pytest.raises(StackError, match="no user 'postgres'"):
        run(argparse.Namespace(folder=tmp_path, file=tmp_path / "compose.yaml", any_ports=True))
