"""Programs are found or named, and processes end with their context."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from airflow_s3batch.testing.process import ServerMissingError, find_program, free_ports, running

if TYPE_CHECKING:
    from pathlib import Path


def program(folder: Path, name: str) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_named_folder_is_looked_at_before_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named, on_path = program(tmp_path / "named", "serve"), program(tmp_path / "path", "serve")
    monkeypatch.setenv("PATH", str(on_path.parent))
    assert find_program("serve", "serve-bin") == on_path
    monkeypatch.setenv("S3BATCH_SERVERS_BIN", str(named.parent))
    assert find_program("serve", "serve-bin") == named


def test_a_missing_program_names_the_package_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerMissingError, match=r"'no-such-server' is not installed; run `pip install some-bin`"):
        find_program("no-such-server", "some-bin")


def test_ports_are_different_and_free() -> None:
    ports = free_ports(20, with_grpc=True)
    assert len(set(ports)) == 20
    for port in ports:
        for one in (port, port + 10_000):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", one))


def test_leaving_the_context_ends_the_whole_process_group(tmp_path: Path) -> None:
    """The shell and its child hold the pipe open; only when both are gone does reading it end."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with running(["sh", "-c", "exec 3>pipe; echo up >&3; sleep 600; true"], env={}, folder=tmp_path) as process:
        reader = pipe.open()
        assert reader.readline() == "up\n"
        assert process.is_alive
    assert reader.read() == ""
    assert not process.is_alive


def test_the_log_tail_is_what_the_process_said_last(tmp_path: Path) -> None:
    with running(["sh", "-c", "echo first; echo $GREETING >&2"], env={"GREETING": "last"}, folder=tmp_path) as process:
        process._process.wait()
        assert process.log_tail(lines=1) == "last"
        assert process.log_tail() == "first\nlast"
