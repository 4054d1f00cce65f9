"""When a job was worked on, and how many requests that took."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_s3batch.core.iso_times import iso_time
from airflow_s3batch.reports.accounts.timeline import RangeWork, Timeline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.engine.shards.evidence import ShardEvidence


@dataclass(slots=True)
class Work:
    """
    Requests and times over all attempts at all shards.

    Attributes:
        announcements: of each shard that was started, what its newest attempt wrote then: its start in ms, and the URL.
        spans: first request and last outcome, by shard and attempt.
        timeline: outcomes over time.
        commits: how many were read and checked.
    """

    requests: int = 0
    retries: int = 0
    slow_downs: int = 0
    announcements: list[tuple[int, S3Url]] = field(default_factory=list)
    spans: dict[tuple[int, str], tuple[datetime, datetime]] = field(default_factory=dict)
    timeline: Timeline = field(default_factory=Timeline)
    commits: int = 0

    def add_attempts(self, evidence: ShardEvidence) -> None:
        """Add what the attempts at a shard said when they ended in order, and where the newest said that it started."""
        newest = max(evidence.announcements, default="")
        if newest:
            self.announcements.append((int(newest.split("-")[1]), evidence.announcements[newest]))
        for summary in evidence.summaries.values():
            self.requests += summary.requests
            self.retries += summary.retries
            self.slow_downs += summary.slow_downs

    def add_times(self, shard: int, worked: Mapping[str, RangeWork]) -> None:
        """Add what attempts did, and when, in one range of *shard*."""
        for attempt, done in worked.items():
            self.timeline.add(done)
            self.commits += 1
            first, last = datetime.fromisoformat(done.started), datetime.fromisoformat(done.ended)
            known = self.spans.get((shard, attempt), (first, last))
            self.spans[shard, attempt] = (min(first, known[0]), max(last, known[1]))

    @property
    def started(self) -> str | None:
        """ISO time of the very first request."""
        return _iso(min((first for first, _ in self.spans.values()), default=None))

    @property
    def ended(self) -> str | None:
        """ISO time of the very last outcome."""
        return _iso(max((last for _, last in self.spans.values()), default=None))

    @property
    def duration_s(self) -> float:
        """Seconds in which at least one shard was at work."""
        total, until = 0.0, None
        for first, last in sorted(self.spans.values()):
            begin = first if until is None else max(first, until)
            if last > begin:
                total += (last - begin).total_seconds()
            until = last if until is None else max(until, last)
        return round(total, 3)


def _iso(moment: datetime | None) -> str | None:
    return iso_time(moment) if moment else None
