"""What Airflow's database says of a run, read from its SQLite file."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple


class Course(NamedTuple):
    """
    How the shards of a run went.

    Attributes:
        expanded_s: from the end of the manifest task to the first start of a shard's.
        shards_s: from there to the end of the last one.
    """

    expanded_s: float
    shards_s: float


class Database:
    """The database at *path*, which Airflow works on meanwhile."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def rows(self) -> dict[str, int]:
        """Return the rows of each table."""
        tables = self._ask("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {name: self._ask(f'SELECT count(*) FROM "{name}"')[0][0] for (name,) in tables}

    def bytes(self) -> int:
        """Return the size of what is in use of the file."""
        used, size = (self._ask(f"PRAGMA {name}")[0][0] for name in ("page_count", "page_size"))
        return int(size * (used - self._ask("PRAGMA freelist_count")[0][0]))

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a run."""
        ((state,),) = self._ask("SELECT state FROM dag_run WHERE dag_id = ? AND run_id = ?", dag_id, run_id)
        return str(state)

    def course(self, dag_id: str, run_id: str) -> Course:
        """Return when the shards of a run went."""
        ((published,),) = self._ask(
            "SELECT max(end_date) FROM task_instance WHERE dag_id = ? AND run_id = ? AND task_id LIKE '%manifest'",
            dag_id,
            run_id,
        )
        ((first, last),) = self._ask(
            "SELECT min(start_date), max(end_date) FROM task_instance"
            " WHERE dag_id = ? AND run_id = ? AND task_id LIKE '%run' AND map_index >= 0",
            dag_id,
            run_id,
        )
        return Course(_seconds(published, first), _seconds(first, last))

    def xcom_bytes(self, dag_id: str, run_id: str) -> int:
        """Return the size of what the manifest task of a run returned."""
        ((size,),) = self._ask(
            "SELECT length(value) FROM xcom"
            " WHERE dag_id = ? AND run_id = ? AND task_id LIKE '%manifest' AND key = 'return_value'",
            dag_id,
            run_id,
        )
        return int(size)

    def _ask(self, sql: str, *values: str) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=30)) as connection:
            return connection.execute(sql, values).fetchall()


def _seconds(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()
