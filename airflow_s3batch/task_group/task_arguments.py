"""What Airflow is told of single tasks of a job: pool, queue, priority, retries, and how many at a time."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

from airflow.sdk import BaseOperator

from airflow_s3batch.operators.slots import slot_problems
from airflow_s3batch.task_group.store_arguments import STORE

MAPPED = ("group", "run", "verify")
"""The tasks of which there are many instances."""
_WIRED = frozenset({"task_id", "dag", "task_group", "params", "default_args", "trigger_rule", "inlets", "outlets"})
"""What the job sets itself."""


def tasks_of(planning_tasks: Any, approval: Any, rehearse: Any, verification: Any) -> tuple[str, ...]:
    """Return the names of a job's tasks, given what is asked for beside the work itself."""
    planned = () if planning_tasks is None else ("groups", "group")
    optional = (("approve", approval is not None), ("rehearse", rehearse is not None))
    before = [name for name, is_there in optional if is_there]
    return (*planned, "manifest", *before, "run", *(() if verification is False else ("verify",)), "report")


@cache
def airflow_arguments() -> frozenset[str]:
    """Return the arguments that Airflow takes for any task, those that the job sets itself left out."""
    return frozenset(inspect.signature(BaseOperator.__init__).parameters) - _WIRED - {"self", "kwargs"}


def arguments_by_task(
    tasks: Collection[str], task_args: Mapping[str, Mapping[str, Any]] | None, mapped: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return what Airflow is told of each of *tasks*: *task_args* by task, over what is for all *mapped* ones."""
    given = task_args or {}
    return {name: {**(mapped if name in MAPPED else {}), **given.get(name, {})} for name in tasks}


def task_args_problems(tasks: Collection[str], task_args: Any) -> list[str]:
    """Return all that is wrong with *task_args* of a job that has these *tasks*."""
    if task_args is None:
        return []
    if not isinstance(task_args, Mapping) or not all(isinstance(value, Mapping) for value in task_args.values()):
        return [f"task_args={task_args!r}: expected a dict of arguments by task, such as {{'run': {{'queue': 's3'}}}}"]
    found = []
    for task, arguments in task_args.items():
        if task not in tasks:
            found.append(f"task_args: this job has no task {task!r}; it has {', '.join(tasks)}")
        found.extend(f"task_args[{task!r}]: {clause}" for clause in _argument_problems(arguments))
    return found


def default_args_problems(default_args: Any, own: Collection[str]) -> list[str]:
    """Return all that is wrong with *default_args* of a job that has arguments of its *own*, which win over them."""
    if default_args is None:
        return []
    if not isinstance(default_args, Mapping):
        return [f"default_args={default_args!r}: expected a dict of Airflow's arguments, such as {{'queue': 's3'}}"]
    wired = _WIRED - {"params", "default_args"}
    heeded = airflow_arguments() | _WIRED | {*STORE, "deferrable"}
    return [
        *(f"default_args: {name}= is the job's own business" for name in default_args if name in wired),
        *(
            f"default_args: {name}= is the job's own: pass it to s3_batch_job"
            for name in default_args
            if name in own and name not in heeded
        ),
    ]


def _argument_problems(arguments: Mapping[str, Any]) -> list[str]:
    found = slot_problems(arguments)
    for name in arguments:
        if name in _WIRED:
            found.append(f"{name}= is the job's own business")
        elif name not in airflow_arguments():
            close = difflib.get_close_matches(str(name), airflow_arguments(), n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            found.append(f"Airflow takes no argument {name!r} for any task{hint}; other arguments belong to the job")
    return found
