"""Shows a Dag run while it runs: a line for each task instance that ends, with what its log says."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from demo.airflow_api import ENDED, AirflowSilentError, TaskInstance
from demo.airflow_stack import AirflowStack
from demo.processes import ComponentError
from demo.show import GREEN, RED, Screen

POLL_S = 0.5
TIMEOUT_S = 150.0
OVER = {"success", "failed", "upstream_failed", "skipped", "up_for_retry", "removed"}
NOISE = ("::", "Pushing xcom", "Task failed with exception", "AWS Connection", "Report: ", "selected ")
BESIDE = ("no cost estimate", "shards run at a time", "what to do about it is in")
"""In lines that come behind the one which says how it went."""
SHOWN_CHARACTERS = 150


class RunWatch:
    """One Dag run on *stack*, shown on *screen*. Each try of a task instance is shown once, by whichever call."""

    def __init__(self, stack: AirflowStack, screen: Screen, dag_id: str, run_id: str) -> None:
        self._stack = stack
        self._screen = screen
        self._dag_id = dag_id
        self._run_id = run_id
        self._shown: set[tuple[str, int, int]] = set()

    def until_end(
        self, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> bool:
        """
        Show the run until it ends; return whether it is green. A slow machine may take as long as it needs.

        Raises:
            ComponentError: a component of Airflow ended, or nothing has changed for `TIMEOUT_S`.
        """
        status, since = "", clock()
        state, instances = "", list[TaskInstance]()
        while True:
            with contextlib.suppress(AirflowSilentError):  # a busy machine may answer the next time
                state = self._stack.api.run_state(self._dag_id, self._run_id)
                instances = self._stack.api.task_instances(self._dag_id, self._run_id)
            for instance in instances:
                self._show(instance)
            if state in ENDED:
                self._screen.status("")
                return state == "success"
            if _status(instances) != status:
                status, since = _status(instances), clock()
            self._screen.status(status)
            self._stack.check()
            if clock() - since > TIMEOUT_S:
                raise ComponentError(
                    f"the run {self._run_id} has not moved for {TIMEOUT_S:g} s: {status}; "
                    f"the logs of Airflow's components are in {self._stack.logs}"
                )
            sleep(POLL_S)

    def _show(self, instance: TaskInstance) -> None:
        mark = (instance.task_id, instance.map_index, instance.try_number)
        if instance.state not in OVER or mark in self._shown:
            return
        self._shown.add(mark)
        log = self._stack.task_log(self._dag_id, self._run_id, *mark)
        said = [text.splitlines()[0] for text in log if _tells(text)]
        good = instance.state in ("success", "skipped")
        state = self._screen.paint(f"{instance.state:<8}", GREEN if good else RED)
        name = instance.task_id if instance.map_index < 0 else f"{instance.task_id} {instance.map_index}"
        # Of a later try the last line but one says what there was left to do.
        lines = said[-2:] if instance.try_number > 1 and instance.map_index >= 0 else said[-1:]
        first = _short(lines[0]) if lines else ""
        self._screen.mark(f"{name:<22} {state} {first}", good=good)
        for text in lines[1:]:
            self._screen.line(f"{'':<36}{_short(text)}")


def _tells(text: str) -> bool:
    return bool(text) and not text.startswith(NOISE) and not any(part in text for part in BESIDE)


def _status(instances: list[TaskInstance]) -> str:
    mapped = [one for one in instances if one.map_index >= 0]
    running = [one for one in instances if one.state == "running"]
    names = [f"shard {one.map_index}" if one.map_index >= 0 else one.task_id for one in running]
    parts = [f"{sum(one.state in OVER for one in mapped)} of {len(mapped)} shards ended"] if mapped else []
    parts.append(f"running: {', '.join(names)}" if names else "waiting for the scheduler")
    return " · ".join(parts)


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 1]}…"
