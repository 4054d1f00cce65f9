"""Airflow's REST API, as far as it is needed here."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

TIMEOUT_S = 30.0
PAGE = 100
ENDED = ("success", "failed")


class AirflowApiError(RuntimeError):
    """Airflow refused a request."""


class AirflowSilentError(AirflowApiError):
    """Airflow did not answer in time: the machine is busy, or a component hangs."""


@dataclass(frozen=True, slots=True)
class TaskInstance:
    """
    What Airflow says of one task instance.

    Attributes:
        map_index: -1 if the task is not mapped.
        label: what the grid calls a mapped instance; empty before it has run.
        state: empty before it is scheduled.
        try_number: from 1; 0 before the first try.
    """

    task_id: str
    map_index: int
    label: str
    state: str
    try_number: int
    pid: int | None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TaskInstance:
        """Return the instance that the API describes."""
        return cls(
            data["task_id"],
            data["map_index"],
            data.get("rendered_map_index") or "",
            data["state"] or "",
            data["try_number"],
            data.get("pid"),
        )


class AirflowApi:
    """
    A user's way to the API server at *url*; logs in with the first request.

    Without a *user* it is one of those for whom everybody is an administrator.
    """

    def __init__(self, url: str, user: str = "", password: str = "") -> None:
        self.url = url
        self._user = user
        self._password = password
        self._token = ""
        # A proxy of the environment is not for the loopback interface.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def health(self) -> dict[str, str]:
        """Return the status of each component, ``healthy`` if it is; empty while the server does not answer."""
        try:
            found = self._send("GET", "/api/v2/monitor/health", None, {})
        except (OSError, AirflowApiError):
            return {}
        return {name: (entry or {}).get("status") or "" for name, entry in found.items()}

    def has_dag(self, dag_id: str) -> bool:
        """Return whether the Dag was parsed and stored."""
        found = self.call("GET", "/dags", dag_id_pattern=dag_id)
        return any(entry["dag_id"] == dag_id for entry in found["dags"])

    def import_errors(self) -> list[str]:
        """Return why Dag files can't be parsed."""
        return [entry["stack_trace"] for entry in self.call("GET", "/importErrors")["import_errors"]]

    def unpause(self, dag_id: str) -> None:
        """Let the scheduler make runs of the Dag."""
        self.call("PATCH", f"/dags/{quote(dag_id)}", {"is_paused": False})

    def trigger(self, dag_id: str) -> str:
        """Start a run without a logical date; return its id."""
        run: dict[str, Any] = self.call("POST", f"/dags/{quote(dag_id)}/dagRuns", {"logical_date": None})
        return str(run["dag_run_id"])

    def first_run(self, dag_id: str) -> str | None:
        """Return the id of the Dag's oldest run."""
        runs = self.call("GET", f"/dags/{quote(dag_id)}/dagRuns", order_by="id", limit=1)["dag_runs"]
        return str(runs[0]["dag_run_id"]) if runs else None

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return ``queued``, ``running``, ``success`` or ``failed``."""
        return str(self.call("GET", _run(dag_id, run_id))["state"])

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        """Return all task instances of the run."""
        found: list[TaskInstance] = []
        while True:
            page = self.call("GET", f"{_run(dag_id, run_id)}/taskInstances", limit=PAGE, offset=len(found))
            found.extend(map(TaskInstance.from_json, page["task_instances"]))
            if len(found) >= page["total_entries"] or not page["task_instances"]:
                return found

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", *, map_index: int = -1) -> Any:
        """Return what the task pushed; an instance of a mapped one has a *map_index*."""
        path = f"{_run(dag_id, run_id)}/taskInstances/{quote(task_id)}/xcomEntries/{quote(key)}"
        return self.call("GET", path, deserialize="true", map_index=map_index)["value"]

    def clear(self, dag_id: str, run_id: str, *, task_ids: Sequence[str] = (), only_failed: bool = True) -> int:
        """Clear task instances of the run, of all tasks or of *task_ids*, as the UI does; return how many."""
        body = {"dag_run_id": run_id, "dry_run": False, "only_failed": only_failed, "reset_dag_runs": True}
        if task_ids:
            body |= {"task_ids": list(task_ids), "include_downstream": True}
        return int(self.call("POST", f"/dags/{quote(dag_id)}/clearTaskInstances", body)["total_entries"])

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """
        Return the JSON answer of the API's *path*.

        Raises:
            AirflowApiError: Airflow answers with an error.
        """
        if not self._token:
            login = {"username": self._user, "password": self._password}
            how, body_of_login = ("POST", login) if self._user else ("GET", None)
            self._token = self._send(how, "/auth/token", body_of_login, {})["access_token"]
        text = f"?{urlencode(query)}" if query else ""
        return self._send(method, f"/api/v2{path}{text}", body, {"Authorization": f"Bearer {self._token}"})

    def _send(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.url}{path}", data, {"Content-Type": "application/json", **headers}, method=method
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            text = error.read(2_000).decode(errors="replace")
            raise AirflowApiError(f"{method} {path}: {error.code} {text}") from None
        except TimeoutError:
            raise AirflowSilentError(f"{method} {path}: Airflow has not answered for {TIMEOUT_S:g} s") from None


def _run(dag_id: str, run_id: str) -> str:
    return f"/dags/{quote(dag_id)}/dagRuns/{quote(run_id, safe='')}"
