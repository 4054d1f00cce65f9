"""CPU time of Airflow's components, and of the tasks that its executor runs."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from demo.airflow_stack import AirflowStack

SCHEDULER, TASKS = "scheduler", "tasks"
WHOLE = ("api-server", "dag-processor", "triggerer")
"""Components that count with all processes that they start; those of the scheduler are the executor's tasks."""


def component_cpu_s(stack: AirflowStack) -> dict[str, float]:
    """Return the CPU seconds, user and system, of each component so far."""
    scheduler = psutil.Process(stack.pid(SCHEDULER))
    found = {SCHEDULER: _own_s(scheduler), TASKS: sum(map(_with_ended_s, scheduler.children(recursive=True)))}
    for name in WHOLE:
        process = psutil.Process(stack.pid(name))
        found[name] = _with_ended_s(process) + sum(map(_with_ended_s, process.children(recursive=True)))
    return found


def _own_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _with_ended_s(process: psutil.Process) -> float:
    """Return the CPU seconds of a process, and of those that it has started and that have ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0
