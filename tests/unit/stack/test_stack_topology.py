"""What is read from a compose file, and how it is moved to processes of one machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from stack.errors import StackError
from stack.images import launch
from stack.interpolation import interpolated
from stack.places import Places
from stack.topology import COMPLETED, HEALTHY, read_topology, seconds

COMPOSE = """
x-common: &common
  image: airflow-s3batch:local
  restart: unless-stopped
  environment:
    WHERE: http://server:8080/x
    DATABASE: postgresql://user:${PASSWORD:-secret}@server:5432/air
    DAGS: /opt/dags/more
    OWN_PORT: 7
services:
  worker:
    <<: *common
    command: celery worker --name a@worker
    stop_grace_period: 1m30s
    depends_on:
      server: {condition: service_healthy}
    volumes:
      - ${DAGS:-../dags}:/opt/dags:ro
      - logs:/opt/dags-logs
    configs:
      - {source: users, target: /etc/users.json}
  server:
    <<: *common
    command: serve --host 0.0.0.0 --port 8080 -grpc.port=9333 -off.port=0 -users=/etc/users.json -dir=/opt/dags-logs
    ports: ["127.0.0.1:8080:8080"]
    volumes: ["logs:/opt/dags-logs"]
    configs:
      - {source: users, target: /etc/users.json}
    healthcheck:
      test: ["CMD-SHELL", "curl http://127.0.0.1:8080 $${HOME}"]
      interval: 10s
      start_period: 1m
      start_interval: 500ms
volumes: {logs: }
configs:
  users:
    content: "{\\"secret\\": \\"${PASSWORD:-secret}\\"}"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "docker").mkdir()
    path = tmp_path / "docker" / "compose.yaml"
    path.write_text(COMPOSE)
    return path


def test_variables_have_their_values_or_defaults() -> None:
    """``:-`` takes the default for an empty one, too."""
    found = interpolated({"a": ["${A}|${B:-b}|${C-c}|${D:-d}|$${E}", 1]}, {"A": "x", "C": "", "D": ""})
    assert found == {"a": ["x|b||d|${E}", 1]}
    with pytest.raises(StackError, match=r"\$\{A:\?no"):
        interpolated("${A:?no}", {})


def test_services_come_after_what_they_need(file: Path) -> None:
    services = read_topology({"PASSWORD": "p"}, file)
    assert list(services) == ["server", "worker"]
    server, worker = services.values()
    assert server.health is not None
    assert server.health.test == ("/bin/sh", "-c", "curl http://127.0.0.1:8080 ${HOME}")
    assert (server.health.start_period_s, server.health.start_interval_s, server.health.timeout_s) == (60, 0.5, 30)
    assert (server.published, server.restarts_after(0, 99), server.stop_grace_s) == ((8080,), True, 10)
    assert (worker.needs, worker.stop_grace_s, worker.health) == ({"server": HEALTHY}, 90, None)
    assert worker.configs == {"/etc/users.json": '{"secret": "p"}'}


def test_services_that_wait_for_one_another_are_an_error(file: Path) -> None:
    file.write_text(COMPOSE.replace("    ports:", "    depends_on: {worker: {condition: service_started}}\n    ports:"))
    with pytest.raises(StackError, match="server, worker wait for one another"):
        read_topology({}, file)


def test_a_folder_that_compose_would_take_for_a_volume_is_an_error(file: Path) -> None:
    """And not an empty volume, in which nobody's Dags are."""
    assert read_topology({"DAGS": "./mine"}, file)["worker"].mounts["/opt/dags"] == str(file.parent / "mine")
    with pytest.raises(StackError, match=r"'mine', mounted at /opt/dags, is none .* /mine, or as \./mine if"):
        read_topology({"DAGS": "mine"}, file)


def test_a_duration_is_told_in_units() -> None:
    assert [seconds(text, 7) for text in (None, "1m30s", "250ms", "2h")] == [7, 90, 0.25, 7200]
    with pytest.raises(StackError, match="'90' is no duration"):
        seconds("90", 1)


def test_only_ports_hosts_and_paths_differ(file: Path, tmp_path: Path) -> None:
    services = read_topology({}, file)
    places = Places(services, tmp_path / "stack", {"logs": tmp_path / "elsewhere"}, any_ports=True)
    server, worker = services.values()
    port, grpc = places.port("server", 8080), places.port("server", 9333)
    assert 8080 not in (port, grpc)
    home = tmp_path / "stack" / "homes" / "server"
    assert places.words(server, server.command) == [
        *("serve", "--host", "127.0.0.1", "--port", str(port), f"-grpc.port={grpc}", "-off.port=0"),
        *(f"-users={home / 'users.json'}", f"-dir={tmp_path / 'elsewhere'}"),
    ]
    assert places.words(worker, worker.command) == list(worker.command)
    environment = places.environment(worker)
    assert environment["WHERE"] == f"http://127.0.0.1:{port}/x"
    assert environment["DATABASE"] == f"postgresql://user:secret@127.0.0.1:{places.port('server', 5432)}/air"
    assert environment["DAGS"] == f"{tmp_path / 'dags'}/more"
    assert environment["OWN_PORT"] == str(places.port("worker", 7))


def test_secrets_in_configs_are_for_this_user_alone(file: Path, tmp_path: Path) -> None:
    services = read_topology({}, file)
    places = Places(services, tmp_path / "stack", {}, any_ports=True)
    places.write_configs(services["server"])
    path = tmp_path / "stack" / "homes" / "server" / "users.json"
    assert path.read_text() == '{"secret": "secret"}'
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_image_that_nothing_stands_for_is_named(file: Path, tmp_path: Path) -> None:
    file.write_text(COMPOSE.replace("airflow-s3batch:local", "nginx:1.27"))
    services = read_topology({}, file)
    with pytest.raises(StackError, match=r"nothing stands for the image 'nginx' of server"):
        launch(services["server"], Places(services, tmp_path, {}, any_ports=True))


def test_every_service_of_the_repository_is_watched_and_starts_again() -> None:
    """All but the one that makes the database."""
    services = read_topology({})
    init = services.pop("init")
    assert init.health is None
    assert [init.restarts_after(*end) for end in ((0, 0), (1, 4), (1, 5))] == [False, True, False]
    assert {service.restart for service in services.values()} == {"unless-stopped"}
    assert [name for name, service in services.items() if service.health is None] == []
    assert {service.needs["init"] for service in services.values() if "init" in service.needs} == {COMPLETED}


@pytest.mark.parametrize(
    ("text", "why"), [(None, "No such file"), ("a: [", "expected"), ("volumes: {a: }", "has no services")]
)
def test_a_file_that_is_none_is_told_with_its_path(tmp_path: Path, text: str | None, why: str) -> None:
    path = tmp_path / "compose.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(StackError, match=f"(?s)compose file {path} .*{why}"):
        read_topology({}, path)
