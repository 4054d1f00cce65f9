"""Why shards of a job have not started yet: which of Airflow's limits they wait for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from airflow.models.pool import Pool
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_s3batch.core.news import PlanNews, clean
from airflow_s3batch.core.news.parts import OPERATION
from airflow_s3batch.ui.job import Found
from airflow_s3batch.ui.work import AT_WORK

WAITING = "scheduled"
"""Airflow's state of an instance that may run as soon as there is a slot for it."""


class PoolLook(NamedTuple):
    """
    The pool of shards that wait, each of which takes *wanted* of its slots.

    Attributes:
        slots: how many there are; infinite ones are -1, ``None`` if there is no such pool.
        taken: how many of them are in use.
    """

    name: str
    wanted: int
    slots: int | None
    taken: int

    def sentence(self) -> str:
        """Return why the pool holds shards back; empty if it does not."""
        name = clean.visible(self.name, 250)
        if self.slots is None:
            return f"pool '{name}' does not exist. Make it (Admin → Pools), or name another one in the Dag"
        if self.slots == -1:
            return ""
        if self.wanted > self.slots:
            return (
                f"each takes {self.wanted:,} slots of pool '{name}', which has {self.slots:,}, so none can start. "
                "Make the pool larger (Admin → Pools), or pool_slots smaller"
            )
        if self.wanted > self.slots - self.taken:
            return f"pool '{name}' is full: {self.taken:,} of its {self.slots:,} slots are taken"
        return ""


def waiting(session: Session, job: Found) -> str:
    """Return what holds shards of *job* back, in a sentence; empty if nothing does, or not that we know."""
    row = job.operation_row
    if row is None or not row.states.get(WAITING):
        return ""
    look = _pool_of_waiting(session, job)
    return told(row.states, job.parts.plan, look.sentence() if look else "")


def told(states: Mapping[str, int], plan: PlanNews | None, pool: str) -> str:
    """Return what to say where shards in these *states* wait; *pool* is what is to be said of their pool."""
    shards, waiting_ones = sum(states.values()), states[WAITING]
    at_work = sum(number for state, number in states.items() if state in AT_WORK | {"queued"})
    if pool:
        return f"{waiting_ones:,} of {shards:,} shards wait: {pool}."
    if plan is not None and plan.slots and at_work >= plan.slots:
        return f"{plan.slots:,} of {shards:,} shards run at a time: {plan.slots_by}."
    return ""


def _pool_of_waiting(session: Session, job: Found) -> PoolLook | None:
    found = session.execute(
        select(TaskInstance.pool, TaskInstance.pool_slots)
        .where(
            TaskInstance.dag_id == job.dag_id,
            TaskInstance.run_id == job.run_id,
            TaskInstance.task_id == job.parts.task_id(OPERATION),
            TaskInstance.state == WAITING,
        )
        .limit(1)
    ).first()
    if found is None:
        return None
    name, wanted = found
    pool = session.scalars(select(Pool).where(Pool.pool == name).limit(1)).first()
    if pool is None:
        return PoolLook(name, wanted, None, 0)
    return PoolLook(name, wanted, pool.slots, int(pool.occupied_slots(session=session)))
