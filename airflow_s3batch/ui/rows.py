"""What the page asks of Airflow's database. Every query is bounded in rows, and every value in bytes."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from airflow.models.dagrun import DagRun
from airflow.models.hitl import HITLDetail
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import Text, and_, cast, func, or_, select
from sqlalchemy.orm import Session

from airflow_s3batch.core.news import PLAN_KEY, PROGRESS_KEY
from airflow_s3batch.core.news.parts import PARTS

MOST_TASKS = 40_000
"""Rows of tasks, by state, of all jobs: about five for each."""
MOST_BYTES = 65_536
"""A larger XCom is none of ours, and is not fetched."""
MOST_CHARACTERS = 64_000_000
"""Of all XComs that one query fetches: some five times what thousands of ours take."""
_AT_ONCE = 500
_RUNS_AT_ONCE = 50
_ASKING = ("ApprovalOperator", "HITLOperator", "HITLBranchOperator", "HITLEntryOperator")
"""Airflow's own operators that may stand before a job's operation."""

Where = tuple[str, str]
"""Dag id and run id."""


class TaskRow(NamedTuple):
    """
    The instances of one task in one run.

    Attributes:
        states: how many instances are in each state; ``none`` is Airflow's null.
        started: of the first that has begun; *ended* of the last that has ended.
    """

    operator: str
    states: Mapping[str, int]
    started: datetime | None
    ended: datetime | None

    @property
    def instances(self) -> int:
        """How many there are."""
        return sum(self.states.values())


class Run(NamedTuple):
    """A Dag run: its row's id, its state, when it may begin, and its tasks that are ours, by id."""

    id: int
    state: str
    run_after: datetime
    tasks: dict[str, TaskRow]


class Instance(NamedTuple):
    """One task instance; *label* is what the grid calls it."""

    task_id: str
    map_index: int
    state: str
    try_number: int
    started: datetime | None
    ended: datetime | None
    label: str


class Told(NamedTuple):
    """An XCom: whose, its value as JSON, and the state of the task instance that it is of."""

    run_id: int
    task_id: str
    map_index: int
    key: str
    text: str
    ti_state: str


class Request(NamedTuple):
    """What people are asked by a task."""

    run_id: int
    task_id: str
    state: str
    subject: str
    created: datetime | None
    responded: datetime | None
    by: Any
    chosen: Any
    deadline: datetime | None


_OF_RUN = and_(DagRun.dag_id == TaskInstance.dag_id, DagRun.run_id == TaskInstance.run_id)


def dags_with_jobs(session: Session, since: datetime) -> set[str]:
    """Return the Dags that have a task of ours in a run since *since*, or in one that goes on."""
    statement = select(TaskInstance.dag_id).join(DagRun, _OF_RUN).where(_is_ours(), _is_recent(since)).distinct()
    told = (
        select(XComModel.dag_id)
        .join(DagRun, DagRun.id == XComModel.dag_run_id)
        .where(XComModel.key.in_((PLAN_KEY, PROGRESS_KEY)), _is_recent(since))
        .distinct()
    )
    return set(session.scalars(statement)) | set(session.scalars(told))


def runs_since(session: Session, dag_ids: Iterable[str], since: datetime) -> tuple[dict[Where, Run], bool]:
    """Return the runs of *dag_ids* that have tasks of ours, the latest first; and whether there are still more."""
    statement = (
        _tasks_by_state()
        .where(_is_ours(*_ASKING), _is_recent(since), TaskInstance.dag_id.in_(sorted(dag_ids)))
        .order_by(DagRun.run_after.desc(), DagRun.id)
        .limit(MOST_TASKS + 1)
    )
    rows = session.execute(statement).all()
    return _runs(rows[:MOST_TASKS]), len(rows) > MOST_TASKS


def add_tasks(session: Session, runs: Mapping[Where, Run], task_ids: Mapping[Where, Collection[str]]) -> None:
    """Add to *runs* the tasks *task_ids*, whatever their operators."""
    asked = list(task_ids.items())
    for start in range(0, len(asked), _RUNS_AT_ONCE):
        places = [
            and_(TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id, TaskInstance.task_id.in_(sorted(names)))
            for (dag_id, run_id), names in asked[start : start + _RUNS_AT_ONCE]
        ]
        found = _runs(session.execute(_tasks_by_state().where(or_(*places)).limit(MOST_TASKS)).all())
        for where, run in found.items():
            runs[where].tasks.update(run.tasks)


def runs_by_row(session: Session, row_ids: Sequence[int], dag_ids: Iterable[str]) -> dict[Where, Run]:
    """Return the runs of *dag_ids* with these rows' ids, at most some hundred, without tasks."""
    columns = (DagRun.dag_id, DagRun.run_id, DagRun.id, DagRun.state, DagRun.run_after)
    statement = select(*columns).where(DagRun.id.in_(row_ids[:_AT_ONCE]), DagRun.dag_id.in_(sorted(dag_ids)))
    return {(row[0], row[1]): Run(row[2], str(row[3] or ""), row[4], {}) for row in session.execute(statement)}


def one_run(session: Session, dag_id: str, run_id: str) -> Run | None:
    """Return one run with its tasks of ours, ``None`` if there is no such run."""
    found = session.execute(
        select(DagRun.id, DagRun.state, DagRun.run_after).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)
    ).first()
    if found is None:
        return None
    statement = _tasks_by_state().where(TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id, _is_ours())
    runs = _runs(session.execute(statement.limit(MOST_TASKS)).all())
    return runs.get((dag_id, run_id), Run(found[0], str(found[1]), found[2], {}))


def instances_of(session: Session, dag_id: str, run_id: str, task_id: str, most: int) -> list[Instance]:
    """Return the instances of a task, at most so many."""
    columns = (
        TaskInstance.task_id,
        TaskInstance.map_index,
        TaskInstance.state,
        TaskInstance.try_number,
        TaskInstance.start_date,
        TaskInstance.end_date,
        TaskInstance._rendered_map_index,  # noqa: SLF001 - the column; the property needs a whole object
    )
    statement = (
        select(*columns)
        .where(TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id, TaskInstance.task_id == task_id)
        .order_by(TaskInstance.map_index)
        .limit(most)
    )
    return [
        Instance(*row[:2], _state(row[2]), row[3] or 0, *row[4:6], row[6] or "") for row in session.execute(statement)
    ]


def told_since(
    session: Session, dag_ids: Iterable[str], keys: Sequence[str], since: datetime, most: int
) -> Iterator[Told]:
    """Yield the XComs under *keys* of recent runs of *dag_ids*, the latest first; of tasks that are not mapped."""
    statement = (
        _xcoms(keys)
        .join(DagRun, DagRun.id == XComModel.dag_run_id)
        .where(_is_recent(since), XComModel.dag_id.in_(sorted(dag_ids)), XComModel.map_index == -1)
        .order_by(XComModel.timestamp.desc())
        .limit(most)
    )
    return _told(session.execute(statement.execution_options(yield_per=_AT_ONCE)))


def told_in(
    session: Session,
    run_ids: Sequence[int],
    keys: Sequence[str],
    most: int,
    *,
    map_index: int | None = None,
    task_ids: Collection[str] | None = None,
) -> Iterator[Told]:
    """Yield the XComs under *keys* of the runs with these rows' ids; of one *map_index*, of *task_ids* if given."""
    left = most
    for start in range(0, len(run_ids), _AT_ONCE):
        statement = _xcoms(keys).where(XComModel.dag_run_id.in_(run_ids[start : start + _AT_ONCE]))
        if map_index is not None:
            statement = statement.where(XComModel.map_index == map_index)
        if task_ids is not None:
            statement = statement.where(XComModel.task_id.in_(sorted(task_ids)))
        for told in _told(session.execute(statement.limit(left))):
            left -= 1
            yield told
        if left <= 0:
            return


def requests_in(session: Session, run_ids: Sequence[int], *, is_open: bool = False) -> list[Request]:
    """Return what people are asked in the runs with these rows' ids; only what is not answered, if *is_open*."""
    found: list[Request] = []
    for start in range(0, len(run_ids), _AT_ONCE):
        statement = (
            select(
                DagRun.id,
                TaskInstance.task_id,
                TaskInstance.state,
                func.substr(HITLDetail.subject, 1, 2_000),
                HITLDetail.created_at,
                HITLDetail.responded_at,
                HITLDetail.responded_by,
                HITLDetail.chosen_options,
                TaskInstance.trigger_timeout,
            )
            .join(TaskInstance, TaskInstance.id == HITLDetail.ti_id)
            .join(DagRun, _OF_RUN)
            .where(DagRun.id.in_(run_ids[start : start + _AT_ONCE]))
            .limit(2_000)
        )
        if is_open:
            statement = statement.where(HITLDetail.responded_at.is_(None))
        found += [Request(row[0], row[1], _state(row[2]), *row[3:]) for row in session.execute(statement)]
    return found


def _is_ours(*more: str) -> Any:
    return TaskInstance.operator.in_(sorted({*PARTS, *more}))


def _is_recent(since: datetime) -> Any:
    return or_(DagRun.run_after >= since, DagRun.state.in_(("running", "queued")))


def _tasks_by_state() -> Any:
    by = (
        DagRun.id,
        DagRun.state,
        DagRun.run_after,
        TaskInstance.dag_id,
        TaskInstance.run_id,
        TaskInstance.task_id,
        TaskInstance.operator,
        TaskInstance.state,
    )
    counts = func.count(), func.min(TaskInstance.start_date), func.max(TaskInstance.end_date)
    return select(*by, *counts).join(DagRun, _OF_RUN).group_by(*by)


def _runs(rows: Iterable[Any]) -> dict[Where, Run]:
    runs: dict[Where, Run] = {}
    for row_id, run_state, run_after, dag_id, run_id, task_id, operator, state, number, started, ended in rows:
        run = runs.setdefault((dag_id, run_id), Run(row_id, str(run_state or ""), run_after, {}))
        known = run.tasks.get(task_id, TaskRow(operator or "", {}, None, None))
        states = {**known.states, _state(state): number}
        run.tasks[task_id] = TaskRow(
            known.operator, states, _first(min, known.started, started), _first(max, known.ended, ended)
        )
    return runs


def _first(choose: Any, *moments: datetime | None) -> datetime | None:
    there = [moment for moment in moments if moment is not None]
    return choose(there) if there else None


def _state(state: Any) -> str:
    return "none" if state is None else str(getattr(state, "value", state))


def _xcoms(keys: Sequence[str]) -> Any:
    text = cast(XComModel.value, Text)
    of_instance = and_(
        TaskInstance.dag_id == XComModel.dag_id,
        TaskInstance.run_id == XComModel.run_id,
        TaskInstance.task_id == XComModel.task_id,
        TaskInstance.map_index == XComModel.map_index,
    )
    columns = (
        XComModel.dag_run_id,
        XComModel.task_id,
        XComModel.map_index,
        XComModel.key,
        text,
        TaskInstance.state,
    )
    return (
        select(*columns).join(TaskInstance, of_instance).where(XComModel.key.in_(keys), func.length(text) <= MOST_BYTES)
    )


def _told(rows: Iterable[Any]) -> Iterator[Told]:
    left = MOST_CHARACTERS
    for run_id, task_id, map_index, key, text, state in rows:
        left -= len(text or "")
        if left < 0:
            return
        yield Told(run_id, task_id, map_index, key, text or "", _state(state))


def value_of(text: Any) -> Any:
    """Return the value of an XCom that is stored as *text*: JSON, or JSON in a JSON text; ``None`` if it is neither."""
    try:
        value = json.loads(text)
        return json.loads(value) if isinstance(value, str) else value
    except (ValueError, TypeError, RecursionError):
        return None
