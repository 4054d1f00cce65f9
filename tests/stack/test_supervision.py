"""`python -m stack` on a small compose file: what dies is started again, and nothing outlives the supervisor."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from fleet import Fleet, wait_for

from demo.processes import is_alive

COMPOSE = """
services:
  second:
    image: redis:7.4-bookworm
    restart: unless-stopped
    command: redis-server --port 6379 --bind 0.0.0.0 --dir /data --appendonly yes
    stop_grace_period: 20s
    depends_on:
      first: {condition: service_healthy}
    volumes: ["second:/data"]
  first:
    image: redis:7.4-bookworm
    restart: unless-stopped
    command: redis-server --port 6379 --bind 0.0.0.0 --dir /data
    volumes: ["first:/data"]
    healthcheck:
      test: ["CMD", "redis-cli", "-u", "redis://first:6379/0", "ping"]
      interval: 500ms
      retries: 2
volumes:
  first:
  second:
"""


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """Two services, up."""
    file = tmp_path / "compose.yaml"
    file.write_text(COMPOSE)
    fleet = Fleet(tmp_path / "stack", {})
    said = fleet.command("up", "--detach", "--file", str(file), "--timeout", "60")
    assert f"--folder {fleet.folder} down" in said
    yield fleet
    fleet.command("down")


def shown(fleet: Fleet) -> dict[str, dict[str, Any]]:
    """Return what ``ps --json`` says, by service."""
    return {one["service"]: one for one in json.loads(fleet.command("ps", "--json"))}


@pytest.mark.parametrize(
    "end",
    [
        lambda fleet, _: fleet.command("kill", "first"),
        lambda _, service: os.kill(service["pid"], signal.SIGTERM),
        lambda _, service: os.kill(service["container"], signal.SIGKILL),
        lambda fleet, _: fleet.command("restart", "first"),
    ],
    ids=["kill", "sigterm", "holder", "restart"],
)
def test_a_service_that_dies_is_started_again(fleet: Fleet, end: Callable[[Fleet, dict[str, Any]], Any]) -> None:
    """However it dies; the other one does not notice."""
    before = shown(fleet)
    end(fleet, before["first"])
    wait_for(lambda: fleet.service("first").restarts == 1 and fleet.is_healthy("first"), "the first service")
    after = shown(fleet)
    assert after["first"]["pid"] != before["first"]["pid"]
    assert not psutil.pid_exists(before["first"]["pid"])
    assert after["second"] == before["second"]
    assert "Ready to accept connections" in fleet.command("logs", "first")


def test_nothing_outlives_the_supervisor_and_a_new_one_takes_over_what_was_kept(fleet: Fleet) -> None:
    """Even if it is killed; volumes go only when that is asked for."""
    services = shown(fleet)
    processes = [psutil.Process(one["pid"]) for one in services.values()]
    os.kill(fleet.state().supervisor, signal.SIGKILL)
    psutil.wait_procs(processes, timeout=30)
    assert not any(map(is_alive, processes))
    assert (fleet.folder / "volumes" / "second" / "appendonlydir").exists()
    fleet.command("down", "--volumes")
    assert not fleet.folder.exists()
