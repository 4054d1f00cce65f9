"""A real Airflow on the loopback interface: api-server, scheduler, dag-processor and triggerer on one SQLite file."""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from airflow_s3batch.testing.process import free_ports
from demo.airflow_api import AirflowApi
from demo.processes import Component, ComponentError, end, kill

START_TIMEOUT_S = 150.0
DAG_TIMEOUT_S = 60.0
POLL_S = 0.3
USER = "admin"
# What the scheduler and the triggerer would serve logs with listens on every interface.
COMMANDS = {
    "api-server": ("api-server", "--workers", "1"),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
HEALTH_NAMES = ("metadatabase", "scheduler", "triggerer", "dag_processor")


class AirflowStack:
    """
    Airflow with a home, a Dag folder and a port of its own.

    `prepare` makes the database; entering the context starts the components, leaving it ends them and all they have
    started. Nothing of the environment's own Airflow or AWS settings reaches it, and it reports to nobody.

    Args:
        home: ``AIRFLOW_HOME``; what an earlier stack has left there is used again.
        dags: the Dag folder.
        settings: more environment variables: connections, variables, ``AIRFLOW__…``.
        parallelism: task processes at the same time.
    """

    def __init__(
        self, home: Path, *, dags: Path, settings: Mapping[str, str] | None = None, parallelism: int = 4
    ) -> None:
        self.home = home
        self.logs = home / "components"
        self.logs.mkdir(parents=True, exist_ok=True)
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self.password = secrets.token_urlsafe(9)
        self.api = AirflowApi(self.url, USER, self.password)
        self._env = {**_clean_environment(), **self._settings(dags, port, parallelism), **(settings or {})}
        self._components: list[Component] = []

    def add_settings(self, settings: Mapping[str, str]) -> None:
        """Add environment variables for the components that are started from now on."""
        self._env |= settings

    def prepare(self) -> None:
        """Make the database, or bring it up to date."""
        self.begin_prepare().wait(START_TIMEOUT_S)

    def begin_prepare(self) -> Component:
        """Begin with the database; the caller waits for the end."""
        return self._start("database", ("db", "migrate"))

    def __enter__(self) -> Self:
        try:
            self._components = [self._start(name, command) for name, command in COMMANDS.items()]
            self._wait_until_healthy()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def check(self) -> None:
        """
        Look whether all components still run.

        Raises:
            ComponentError: one does not.
        """
        for component in self._components:
            component.check()

    def pid(self, name: str) -> int:
        """Return the id of a component's process."""
        return self._component(name).pid

    def kill(self, name: str) -> list[int]:
        """
        Kill a component as ``kill -9`` does; `start` starts it again.

        Returns:
            the ids of the processes that it leaves behind, which nobody ends.
        """
        component = self._component(name)
        left = kill(component.pid)
        component.reap()
        self._components.remove(component)
        return left

    def start(self, name: str) -> None:
        """Start a component that was killed."""
        self._components.append(self._start(name, COMMANDS[name]))

    def wait_for_dag(self, dag_id: str) -> None:
        """
        Wait until the Dag can be run.

        Raises:
            ComponentError: its file can't be parsed, or the dag-processor does not find it.
        """
        deadline = time.monotonic() + DAG_TIMEOUT_S
        while not self.api.has_dag(dag_id):
            self.check()
            if errors := self.api.import_errors():
                raise ComponentError(f"the Dag {dag_id} can't be parsed:\n{errors[0]}")
            if time.monotonic() > deadline:
                raise self._component("dag-processor").failure(f"has not found the Dag {dag_id}")
            time.sleep(POLL_S)

    def task_log(self, dag_id: str, run_id: str, task_id: str, map_index: int, try_number: int) -> list[str]:
        """Return the messages in the log of a task instance's try; empty if there is none yet."""
        mapped = [f"map_index={map_index}"] if map_index >= 0 else []
        folder = self.home.joinpath("logs", f"dag_id={dag_id}", f"run_id={run_id}", f"task_id={task_id}", *mapped)
        path = folder / f"attempt={try_number}.log"
        if not path.exists():
            return []
        return [_message(line) for line in path.read_text(errors="replace").splitlines()]

    def run_page(self, dag_id: str, run_id: str) -> str:
        """Return the address of the run in the UI."""
        return f"{self.url}/dags/{quote(dag_id)}/runs/{quote(run_id, safe='')}"

    def _settings(self, dags: Path, port: int, parallelism: int) -> dict[str, str]:
        passwords = self.home / "passwords.json"
        passwords.touch(mode=0o600)
        passwords.write_text(json.dumps({USER: self.password}))
        return {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": str(parallelism),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home}/airflow.db",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.home / "logs"),
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
            # How late a supervisor may notice the end of its task; five seconds by default.
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "10",
            "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        }

    def _start(self, name: str, command: tuple[str, ...]) -> Component:
        whole = [sys.executable, "-m", "airflow", *command]
        return Component(name, whole, env=self._env, folder=self.home, log=self.logs / f"{name}.log")

    def _component(self, name: str) -> Component:
        return next(component for component in self._components if component.name == name)

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            health = self.api.health()
            missing = [name for name in HEALTH_NAMES if health.get(name) != "healthy"]
            if not missing:
                return
            self.check()
            if time.monotonic() > deadline:
                name = missing[0].replace("_", "-") if health else "api-server"
                late = next((one for one in self._components if one.name == name), self._components[0])
                raise late.failure(f"was not healthy after {START_TIMEOUT_S:g} s")
            time.sleep(POLL_S)

    def _stop(self) -> None:
        end([component.pid for component in self._components])
        for component in self._components:
            component.reap()
        self._components = []


def _clean_environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "AWS_"))}
    loopback = "127.0.0.1,localhost"
    return {**kept, "NO_PROXY": loopback, "no_proxy": loopback, "NO_COLOR": "1", "SCARF_NO_ANALYTICS": "true"}


def _message(line: str) -> str:
    """Return the message of a line of a task log, which is JSON by default."""
    try:
        return str(json.loads(line)["event"])
    except (ValueError, KeyError, TypeError):
        return line
