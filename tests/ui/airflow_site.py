"""A real Airflow API server below a path, on a seeded database; no scheduler, no S3, loopback only."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sqlite3
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import urlencode

import jwt
from seeded_jobs import Place
from serve_seeded_jobs import PLACES

from airflow_s3batch.testing.process import RunningProcess, free_ports, running

START_TIMEOUT_S = 120.0
POLL_S = 0.1
PATH = "/af"
PLUGIN = "from airflow_s3batch.ui.plugin import S3BatchPlugin\n"
ADMIN, PASSWORD = "admin", "admin"


@dataclass(frozen=True)
class Site:
    """
    The server.

    Attributes:
        origin: scheme, host and port.
        home: its ``AIRFLOW_HOME``.
        places: the seeded jobs by name.
        secret: what tokens are signed with.
    """

    origin: str
    home: Path
    places: Mapping[str, Place]
    secret: str

    @property
    def airflow(self) -> str:
        """Address of Airflow's own pages, with a slash at the end."""
        return f"{self.origin}{PATH}/"

    @property
    def page(self) -> str:
        """Address of the plugin's page."""
        return f"{self.airflow}s3batch/"

    def job_page(self, name: str, **more: str | int) -> str:
        """Return the address of a seeded job."""
        place = self.places[name]
        return f"{self.page}?{urlencode({'dag_id': place.dag_id, 'run_id': place.run_id, **more})}"

    def token(self, role: str | None = "admin") -> str:
        """Return a token of a user with *role*; ``None`` may nothing at all."""
        login = json.dumps({"username": ADMIN, "password": PASSWORD}).encode()
        request = urllib.request.Request(f"{self.airflow}auth/token", login, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as reply:
            token = json.load(reply)["access_token"]
        header = jwt.get_unverified_header(token)
        claims = jwt.decode(token, options={"verify_signature": False})
        return jwt.encode({**claims, "role": role}, self.secret, header["alg"], headers=header)

    @contextlib.contextmanager
    def changed_news(self, name: str, key: str) -> Iterator[Callable[..., None]]:
        """
        Yield what changes what the tasks of a seeded job have told last under XCom *key*, as if they had just told it.

        When the context ends all is as it was.
        """
        place = self.places[name]
        with contextlib.closing(sqlite3.connect(self.home / "airflow.db", timeout=20)) as database:
            sql = "SELECT rowid, value FROM xcom WHERE dag_id = ? AND run_id = ? AND key = ? AND value LIKE '%s3:%'"
            found = database.execute(sql, (place.dag_id, place.run_id, key)).fetchall()
            assert found, f"{name} has no XCom {key}"
            told = {rowid: json.loads(json.loads(value)) for rowid, value in found}

            def write(rows: Iterable[tuple[int, str]]) -> None:
                database.executemany("UPDATE xcom SET value = ?2 WHERE rowid = ?1", list(rows))
                database.commit()

            try:
                yield lambda **to: write((row, json.dumps(json.dumps({**news, **to}))) for row, news in told.items())
            finally:
                write(found)


@contextlib.contextmanager
def airflow_site(home: Path, *, shards: int = 200, many: int = 30) -> Iterator[Site]:
    """Seed a database in *home* and serve it; the server ends with the context."""
    (port,) = free_ports(1)
    origin, secret = f"http://127.0.0.1:{port}", secrets.token_hex(32)
    command = [sys.executable, str(Path(__file__).with_name("serve_seeded_jobs.py")), str(home), str(shards), str(many)]
    with running(command, env=_settings(home, origin, secret), folder=home) as process:
        _wait(process, f"{origin}{PATH}/api/v2/version")
        told = json.loads((home / PLACES).read_text())
        yield Site(origin, home, {name: Place(*place) for name, place in told.items()}, secret)


def _settings(home: Path, origin: str, secret: str) -> dict[str, str]:
    passwords = home / "passwords.json"
    passwords.write_text(json.dumps({ADMIN: PASSWORD}))
    plugins = home / "plugins"
    plugins.mkdir()
    if not any("airflow_s3batch" in entry.value for entry in entry_points(group="airflow.plugins")):
        plugins.joinpath("not_installed.py").write_text(PLUGIN)  # the tests run on a tree that is not installed
    return {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins),
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": origin.rpartition(":")[2],
        "AIRFLOW__API__BASE_URL": f"{origin}{PATH}",
        "AIRFLOW__API__SECRET_KEY": secret,
        "AIRFLOW__API_AUTH__JWT_SECRET": secret,
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }


def _wait(process: RunningProcess, url: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        assert process.is_alive, process.log_tail(40)
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(POLL_S)
    raise AssertionError(f"{url} does not answer\n{process.log_tail(40)}")
