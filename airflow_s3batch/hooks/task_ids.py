"""Checks of the task ids that an operator is given, once the Dag is whole."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any

from airflow_s3batch.hooks.arguments import raise_for


def check_task_ids(operator: Any, context: Mapping[str, Any], *names: str) -> None:
    """
    Check that the attributes *names* of *operator* are ids of tasks in the Dag of *context*, if Airflow tells it.

    Raises:
        ArgumentError: lists those that are not, with ids that may be meant.
    """
    dag = context.get("dag")
    if dag is None:
        return
    known = list(dag.task_ids)
    given = {name: getattr(operator, name) for name in names}
    raise_for(
        type(operator).__name__,
        [_no_such_task(name, value, known) for name, value in given.items() if value not in known],
    )


def _no_such_task(name: str, value: str, known: Collection[str]) -> str:
    close = [task_id for task_id in known if task_id.endswith(f".{value}")] or difflib.get_close_matches(value, known)
    meant = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
    return f"{name}={value!r}: the Dag has no such task{meant}"
