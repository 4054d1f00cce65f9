"""
How many instances of a job's mapped tasks Airflow runs at a time: our default, and which of Airflow's limits holds.

A job must leave the rest of an Airflow room to run, whatever its size: ``docs/pools.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.news.parts import OPERATION
from airflow_s3batch.hooks.airflow_names import conf
from airflow_s3batch.manifests.planning.selection import SLOTS
from airflow_s3batch.operators.job_tasks import jobs_of

if TYPE_CHECKING:
    from collections.abc import Iterator

OPTION = "max_active_tis_per_dagrun"
"""Airflow's argument of tasks, and our option of the same name in Airflow's configuration, section ``[s3batch]``."""

PARALLELISM = 32
"""Airflow's own default of ``[core] parallelism``."""
DEFAULT_POOL = "default_pool"


class Slots(NamedTuple):
    """So many instances run at a time at most; *by* says which limit does that, as people would look for it."""

    number: int
    by: str

    def sentence(self, shards: int, pool: str = DEFAULT_POOL) -> str:
        """Return what to say of a job of so many *shards*; empty if all of them may run at once."""
        may_be_fewer = "" if pool == DEFAULT_POOL else f"; fewer where pool {pool!r} has fewer slots"
        if shards <= self.number:
            return ""
        return f"{self.number:,} of {shards:,} shards run at a time: {self.by}{may_be_fewer}"


def default_slots() -> int:
    """
    Return how many instances of a mapped task of ours run at a time where a Dag does not say.

    ``[s3batch] max_active_tis_per_dagrun`` if that is set; else `SLOTS`, but no more than half of ``[core]
    parallelism``, so that one job never holds all slots of an Airflow.

    Raises:
        ArgumentError: the option is no number above 0.
    """
    told = conf.get("s3batch", OPTION, fallback="").strip()
    if not told:
        return max(1, min(SLOTS, _parallelism() // 2))
    if not told.isdigit() or int(told) < 1:
        raise ArgumentError(
            f"[s3batch] {OPTION} = {told} in Airflow's configuration is not a number above 0; "
            f"say how many shards of a job may run at a time, or leave it empty for {SLOTS}"
        )
    return int(told)


def slots_of(task: Any) -> Slots:
    """Return how many instances of *task*, a mapped one in its Dag, run at a time at most, its pool aside."""
    return min(_limits(task), key=lambda limit: limit.number)


def slots_for(manifest: Any) -> dict[str, Slots]:
    """
    Return how many shards of each operation on what the task *manifest* publishes run at a time, by task id.

    A report may name a task that does not exist: that is for the report to tell.
    """
    dag = manifest.get_dag()
    operations = [job[OPERATION] for job in jobs_of(manifest) if OPERATION in job]
    return {name: slots_of(dag.get_task(name)) for name in operations if dag.has_task(name)}


def slot_problems(limits: Any) -> list[str]:
    """Return what is wrong with limits of Airflow's among *limits*, arguments of a task by name."""
    found = []
    for name in ("max_active_tis_per_dag", OPTION, "pool_slots"):
        value = limits.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            found.append(f"{name}={value!r}: expected a number above 0; with less nothing would ever start")
    return found


def _limits(task: Any) -> Iterator[Slots]:
    """Yield all limits, those that are easiest to change first."""
    for name in (OPTION, "max_active_tis_per_dag"):
        if (limit := getattr(task, name, None)) is not None:
            yield Slots(int(limit), f"{name}={limit} of task {task.task_id}")
    dag = task.get_dag()
    if dag is not None:
        yield Slots(int(dag.max_active_tasks), f"max_active_tasks={dag.max_active_tasks} of the Dag")
    yield Slots(_parallelism(), f"[core] parallelism = {_parallelism()}")


def _parallelism() -> int:
    return int(conf.getint("core", "parallelism", fallback=PARALLELISM))
