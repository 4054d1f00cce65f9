"""What the shards of a job have told, added up."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_s3batch.core.news import ProgressNews, clean
from airflow_s3batch.core.outcomes import DRY_RUN

WAITS = frozenset({"none", "scheduled", "queued"})
"""States of instances whose news, if any, are of an attempt before they were cleared."""
AT_WORK = frozenset({"running", "deferred", "restarting", "up_for_reschedule"})
STALE_S = 900.0
"""News of a task at work are not believed for longer as far as its speed is concerned."""
EXAMPLES = 3


@dataclass
class Work:
    """
    Sums over shards.

    Attributes:
        done: objects with an outcome that will stay; *failed* of them.
        rows: objects of the shards that have told.
        rate: objects a second, ``None`` if nobody at work has told.
        paused: shards that are; *working* are those at work, paused or not.
        updated: time of the latest news, ISO 8601.
        notice: what a shard at work says of other jobs.
        codes: failures by code with examples.
    """

    done: int = 0
    failed: int = 0
    rows: int = 0
    rate: float | None = None
    slow_downs: int = 0
    paused: int = 0
    working: int = 0
    updated: str | None = None
    operation: str = ""
    engine: str = ""
    job: str = ""
    dry_run: bool = False
    control: Mapping[str, Any] | None = None
    notice: str = ""
    codes: dict[str, tuple[int, tuple[str, ...]]] = field(default_factory=dict)

    def add(self, news: ProgressNews, ti_state: str, now: dt.datetime) -> None:
        """Add what a shard has told, whose task instance is in this state."""
        counted = settled(news, ti_state)
        self.done += counted.done
        self.failed += counted.failed
        self.rows += news.rows
        self.operation = self.operation or news.operation
        self.engine = self.engine or news.engine
        self.job = self.job or news.job
        self.dry_run |= news.dry_run
        for code, (number, urls) in counted.codes.items():
            if not (news.dry_run and code == DRY_RUN):
                known, examples = self.codes.get(code, (0, ()))
                self.codes[code] = (known + number, tuple(dict.fromkeys((*examples, *urls)))[:EXAMPLES])
        if ti_state not in WAITS:
            self.slow_downs += news.slow_downs
        if ti_state in AT_WORK:
            self.working += 1
            self.paused += news.state == "paused"
            self.notice = news.notice or self.notice
            rate = rate_of(news, now)
            self.rate = self.rate if rate is None else (self.rate or 0.0) + rate
        if news.at and (self.updated is None or news.at > self.updated):
            self.updated, self.control = news.at, news.control or self.control


def settled(news: ProgressNews, ti_state: str) -> ProgressNews:
    """Return *news* without what a cleared task will do again: its failures."""
    if ti_state not in WAITS:
        return news
    return ProgressNews(job=news.job, shard=news.shard, rows=news.rows, done=news.succeeded, dry_run=news.dry_run)


def rate_of(news: ProgressNews, now: dt.datetime) -> float | None:
    """Return objects a second of a shard that is at work, ``None`` if it has not told lately."""
    told = parsed(news.at)
    if news.state != "running" or told is None or (now - told).total_seconds() > STALE_S:
        return 0.0 if news.state == "paused" else None
    if news.rate is not None or len(news.history) < 2:
        return news.rate
    (earlier, before, *_), (later, done, *_) = news.history[0], news.history[-1]
    return clean.positive(round((done - before) / (later - earlier), 2))


def added_up(told: Iterable[tuple[ProgressNews, str]], now: dt.datetime) -> Work:
    """Return the sums over news and the states of their task instances."""
    work = Work()
    for news, ti_state in told:
        work.add(news, ti_state, now)
    return work


def parsed(moment: str | None) -> dt.datetime | None:
    """Return the ISO time *moment*, as news hold it."""
    return None if moment is None else dt.datetime.fromisoformat(moment)
