"""What `make demo` shows of a run, and how long it waits for one."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.airflow_api import AirflowSilentError, TaskInstance
from demo.processes import ComponentError
from demo.show import Screen
from demo.watching import TIMEOUT_S, RunWatch

SHARDS = 6
SUMMARY = "put_object_tagging, shard 0: 16 of 478 objects failed (AccessDenied 16)"


class OneRun:
    """A stack with one run, of which a shard fails every *shard_s* seconds of a clock that only waiting moves."""

    def __init__(self, shard_s: float) -> None:
        self.api = self
        self.logs = Path("logs")
        self.now_s = 0.0
        self.silent_until_s = 0.0
        self._shard_s = shard_s

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def run_state(self, dag_id: str, run_id: str) -> str:
        if self.now_s < self.silent_until_s:
            raise AirflowSilentError("GET: Airflow has not answered for 30 s")
        return "failed" if self._ended() == SHARDS else "running"

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        states = ["failed" if shard < self._ended() else "running" for shard in range(SHARDS)]
        return [TaskInstance("job.run", shard, "", state, 1, None) for shard, state in enumerate(states)]

    def task_log(self, dag_id: str, run_id: str, task_id: str, map_index: int, try_number: int) -> list[str]:
        told = "TooManyFailuresError: what to do about it is in docs/operating/runbook.md#toomanyfailureserror"
        return ["::group::Pre Execute", SUMMARY, told, "Task failed with exception", "::endgroup::"]

    def check(self) -> None:
        """All components run."""

    def _ended(self) -> int:
        return min(int(self.now_s / self._shard_s), SHARDS)


@pytest.fixture
def shown() -> Iterator[io.StringIO]:
    with io.StringIO() as out:
        yield out


def watch(run: OneRun, out: io.StringIO) -> bool:
    return RunWatch(run, Screen(out), "dag", "run").until_end(clock=run.clock, sleep=run.sleep)  # type: ignore[arg-type]


def test_a_slow_machine_may_take_as_long_as_it_moves(shown: io.StringIO) -> None:
    run = OneRun(shard_s=TIMEOUT_S / 2)
    assert not watch(run, shown)
    assert run.now_s > 2 * TIMEOUT_S


def test_an_airflow_that_does_not_answer_for_a_moment_is_asked_again(shown: io.StringIO) -> None:
    run = OneRun(shard_s=1.0)
    run.silent_until_s = TIMEOUT_S / 2
    assert not watch(run, shown)
    run = OneRun(shard_s=1.0)
    run.silent_until_s = 2 * TIMEOUT_S
    with pytest.raises(ComponentError, match="has not moved"):
        watch(run, shown)


def test_a_run_that_does_not_move_is_given_up(shown: io.StringIO) -> None:
    with pytest.raises(ComponentError, match=f"has not moved for {TIMEOUT_S:g} s: 0 of 6 shards ended"):
        watch(OneRun(shard_s=2 * TIMEOUT_S), shown)


def test_what_ended_says_why_and_not_where_the_runbook_is(shown: io.StringIO) -> None:
    watch(OneRun(shard_s=1.0), shown)
    assert shown.getvalue().count(SUMMARY) == SHARDS
    assert "runbook" not in shown.getvalue()
