"""Runs of Dags in this process, with Airflow's own ``dag.test()``."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sqlite3
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RED = ("failed", "upstream_failed")


def database(path: Path) -> None:
    """Make Airflow's database at *path*; a copy of it is kept, by version, for the next time."""
    from airflow import __version__

    kept = Path(tempfile.gettempdir()) / f"s3batch-tests-airflow-{__version__}-{os.getuid()}.db"
    if kept.exists():
        shutil.copy(kept, path)
        return
    from airflow.utils.db import initdb

    initdb()
    unfinished = kept.with_suffix(f".{secrets.token_hex(4)}")
    with contextlib.closing(sqlite3.connect(path)) as source, contextlib.closing(sqlite3.connect(unfinished)) as copy:
        source.backup(copy)  # a plain copy would miss what is in SQLite's write-ahead log
    unfinished.replace(kept)


@dataclass
class Run:
    """A Dag run that has ended."""

    dag: Any
    dag_run: Any

    @property
    def is_green(self) -> bool:
        """Whether Airflow calls the run a success."""
        return str(self.dag_run.state) == "success"

    @property
    def states(self) -> dict[str, Any]:
        """The state of each task; of mapped ones a list by map index."""
        found: dict[str, Any] = {}
        for ti in sorted(self._instances(), key=lambda ti: ti.map_index):
            state = str(ti.state)
            if ti.map_index < 0:
                found[ti.task_id] = state
            else:
                found.setdefault(ti.task_id, []).append(state)
        return found

    @property
    def labels(self) -> list[str]:
        """What the grid calls the mapped instances."""
        mapped = [ti for ti in self._instances() if ti.map_index >= 0]
        return [ti.rendered_map_index for ti in sorted(mapped, key=lambda ti: ti.map_index)]

    def xcom(self, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """Return what the task pushed."""
        from airflow.models.xcom import XComModel
        from airflow.utils.session import create_session

        with create_session() as session:
            query = XComModel.get_many(
                key=key, task_ids=task_id, dag_ids=self.dag.dag_id, run_id=self.dag_run.run_id, map_indexes=map_index
            )
            statement = getattr(query, "statement", query)
            row = session.execute(statement).scalars().first()
            return None if row is None else XComModel.deserialize_value(row)

    def events(self, asset: str) -> list[dict[str, Any]]:
        """Return what this run's tasks told of *asset*."""
        from airflow.models.asset import AssetEvent, AssetModel
        from airflow.utils.session import create_session
        from sqlalchemy import select

        of_run = AssetEvent.source_run_id == self.dag_run.run_id, AssetEvent.source_dag_id == self.dag.dag_id
        with create_session() as session:
            found = select(AssetEvent.extra).join(AssetModel, AssetModel.id == AssetEvent.asset_id)
            return list(session.scalars(found.where(*of_run, AssetModel.name == asset)))

    def clear(self, *task_ids: str, only_failed: bool = False) -> None:
        """Clear tasks as the UI does, and run what is to be run again."""
        from airflow.models.dagrun import DagRun
        from airflow.models.taskinstance import clear_task_instances
        from airflow.sdk.definitions.dag import _run_task
        from airflow.utils.session import create_session

        with create_session() as session:
            dag_run = session.get(DagRun, self.dag_run.id)
            cleared = [
                ti
                for ti in dag_run.get_task_instances(session=session)
                if ti.task_id in task_ids and (not only_failed or ti.state in RED or ti.map_index < 0)
            ]
            clear_task_instances(cleared, session)
        with create_session() as session:
            dag_run = session.get(DagRun, self.dag_run.id)
            dag_run.dag = _scheduler_dag(self.dag)
            dag_run.set_state("running")
            session.commit()
            while str(dag_run.state) == "running":
                session.expire_all()
                dag_run.dag = _scheduler_dag(self.dag)
                schedulable, _ = dag_run.update_state(session=session)
                for ti in schedulable:
                    ti.try_number += 1
                    ti.state = "scheduled"
                session.commit()
                for ti in dag_run.get_task_instances(session=session):
                    if ti.state == "scheduled":
                        _run_task(ti=ti, task=self.dag.task_dict[ti.task_id], run_triggerer=True)
            session.commit()
            self.dag_run = dag_run

    def _instances(self) -> list[Any]:
        from airflow.models.dagrun import DagRun
        from airflow.utils.session import create_session

        with create_session() as session:
            instances = session.get(DagRun, self.dag_run.id).get_task_instances(session=session)
            session.expunge_all()
            return list(instances)


def _scheduler_dag(dag: Any) -> Any:
    try:
        from airflow.serialization.serialized_objects import DagSerialization as Serialization
    except ImportError:  # Airflow 3.1
        from airflow.serialization.serialized_objects import SerializedDAG as Serialization
    return Serialization.deserialize_dag(Serialization.serialize_dag(dag))


@dataclass(frozen=True)
class DagFolder:
    """Airflow's Dag folder, holding one Dag file at a time."""

    folder: Path

    def run(self, source: str | Path, *, logical_date: Any = None, conf: dict[str, Any] | None = None) -> Run:
        """Run the Dag of *source*, a file or its text, as a run without a logical date unless told otherwise."""
        dag = self.load(source)
        return Run(dag, dag.test(logical_date=logical_date, run_conf=conf))

    def load(self, source: str | Path) -> Any:
        """Return the Dag of *source*."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        text = source.read_text() if isinstance(source, Path) else source
        path = self.folder / f"dag_{secrets.token_hex(4)}.py"
        path.write_text(text)
        bag = _read(path)
        assert not bag.import_errors, bag.import_errors
        (dag,) = bag.dags.values()
        return dag


def _read(path: Path) -> Any:
    """Return Airflow's bag of the Dag file *path*, having written it to the database as the Dag processor does."""
    try:
        from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    except ImportError:  # Airflow 3.1
        from airflow.models.dagbag import DagBag, sync_bag_to_db
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(str(path), bundle_path=path.parent)
    sync_bag_to_db(bag, "dags-folder", None)
    return bag
