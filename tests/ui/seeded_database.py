"""Rows of Airflow's metadata database (runs, task instances, XComs, requests to people), without running a task."""

from __future__ import annotations

import json
import shutil
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any


@dataclass
class Task:
    """
    One task instance.

    Attributes:
        operator: name of its class.
        state: ``None`` is one that nobody has scheduled.
        start: *end* likewise; ``None`` if it has not begun, or ended.
        xcoms: values by key; a text that begins with ``raw:`` is stored as it stands behind that.
        request: to people, by column of ``hitl_detail``.
    """

    task_id: str
    operator: str
    state: str | None = None
    map_index: int = -1
    try_number: int = 1
    start: datetime | None = None
    end: datetime | None = None
    label: str | None = None
    xcoms: dict[str, Any] = field(default_factory=dict)
    request: dict[str, Any] | None = None


def sync_dags(folder: Path, source: str) -> None:
    """Write *source* as a Dag file to *folder*, and its Dags to the database, as the Dag processor does."""
    try:
        from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    except ImportError:  # Airflow 3.1
        from airflow.models.dagbag import DagBag, sync_bag_to_db
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = folder / "seeded_dags.py"
    path.write_text(source)
    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(str(path), bundle_path=folder)
    assert not bag.import_errors, bag.import_errors
    sync_bag_to_db(bag, "dags-folder", None)


class Seeder:
    """Adds Dag runs with their task instances; the Dags are in the database."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self._versions: dict[str, Any] = {}

    def run(self, dag_id: str, run_id: str, state: str, began: datetime, tasks: list[Task], *, is_over: bool) -> None:
        """Add a run of *dag_id* and its *tasks*."""
        from airflow.models.dagrun import DagRun
        from airflow.models.taskinstance import TaskInstance
        from airflow.models.xcom import XComModel
        from sqlalchemy import insert

        ends = [task.end for task in tasks if task.end]
        version = self._version(dag_id)
        run = DagRun(dag_id, run_id, run_after=began, start_date=began, state=state, run_type="manual")
        run.created_dag_version_id = version
        run.end_date = max(ends) if is_over and ends else None
        self.session.add(run)
        self.session.flush()
        ids = [str(uuid.uuid4()) for _ in tasks]
        self.session.execute(
            insert(TaskInstance.__table__),
            [
                {**_instance(task), "id": _uuid(TaskInstance, key), "dag_id": dag_id, "run_id": run_id}
                | {"dag_version_id": version}
                for key, task in zip(ids, tasks, strict=True)
            ],
        )
        xcoms = [
            {
                "dag_run_id": run.id,
                "dag_id": dag_id,
                "run_id": run_id,
                "task_id": task.task_id,
                "map_index": task.map_index,
                "key": key,
                "value": value[4:] if isinstance(value, str) and value.startswith("raw:") else json.dumps(value),
                "timestamp": task.end or task.start or began,
            }
            for task in tasks
            for key, value in task.xcoms.items()
        ]
        if xcoms:
            self.session.execute(insert(XComModel.__table__), xcoms)
        self._add_requests(ids, tasks)

    def _add_requests(self, ids: list[str], tasks: list[Task]) -> None:
        from airflow.models.hitl import HITLDetail
        from sqlalchemy import insert

        for key, task in zip(ids, tasks, strict=True):
            if task.request is not None:
                row = {"options": ["Approve", "Reject"], "multiple": False, "params": {}, "params_input": {}}
                self.session.execute(
                    insert(HITLDetail.__table__).values(ti_id=_uuid(HITLDetail, key, "ti_id"), **row, **task.request)
                )

    def _version(self, dag_id: str) -> Any:
        from airflow.models.dag_version import DagVersion

        if dag_id not in self._versions:
            self._versions[dag_id] = DagVersion.get_latest_version(dag_id, session=self.session).id
        return self._versions[dag_id]


def _uuid(model: Any, text: str, column: str = "id") -> Any:
    """Return the id as the column's type takes it, which differs between versions of Airflow."""
    python_type = getattr(model, column).type.python_type
    return uuid.UUID(text) if python_type is uuid.UUID else text


def _instance(task: Task) -> dict[str, Any]:
    duration = (task.end - task.start) / timedelta(seconds=1) if task.start and task.end else None
    return {
        "task_id": task.task_id,
        "map_index": task.map_index,
        "operator": task.operator,
        "state": task.state,
        "try_number": task.try_number if task.start else 0,
        "max_tries": 3,
        "start_date": task.start,
        "end_date": task.end,
        "duration": duration,
        "rendered_map_index": task.label,
        "pool": "default_pool",
        "pool_slots": 1,
        "queue": "default",
        "priority_weight": 1,
        "hostname": "worker-1",
        "unixname": "airflow",
        "executor_config": {},
        "queued_dttm": task.start,
    }
