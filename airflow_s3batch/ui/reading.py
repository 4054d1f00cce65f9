"""Reads the XComs of manifest tasks and report tasks; those that don't change are read once."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import NamedTuple

from airflow_s3batch.core.news import PLAN_KEY, PlanNews, ReportNews
from airflow_s3batch.ui.rows import Told, value_of

MOST_KEPT = 4_096
MOST_KEPT_CHARACTERS = 4_000
"""Of one text: with `MOST_KEPT` it bounds what is kept to some 30 MB in each process of the API server."""


class OfRun(NamedTuple):
    """What the manifest tasks and the report tasks of a run have told, by task."""

    plans: dict[str, PlanNews]
    reports: dict[str, ReportNews]


def plans_and_reports(told: Iterable[Told], *, is_brief: bool = False) -> dict[int, OfRun]:
    """Return what manifest tasks and report tasks have told, by run's row; mapped tasks are none of them."""
    found: dict[int, OfRun] = {}
    for xcom in told:
        if xcom.map_index >= 0:
            continue
        of_run = found.setdefault(xcom.run_id, OfRun({}, {}))
        read = _kept if is_brief and len(xcom.text) <= MOST_KEPT_CHARACTERS else _read
        news = read(xcom.key, xcom.text, is_brief)
        if isinstance(news, PlanNews):
            of_run.plans[xcom.task_id] = news
        elif news is not None:
            of_run.reports[xcom.task_id] = news
    return found


def _read(key: str, text: str, is_brief: bool) -> PlanNews | ReportNews | None:  # noqa: FBT001 - cached by position
    kind = PlanNews if key == PLAN_KEY else ReportNews
    return kind.from_json(value_of(text), is_brief=is_brief)


_kept = functools.lru_cache(MOST_KEPT)(_read)
