"""Which jobs share a rate at the moment, as seen from outside: from their signs of life, without touching anything."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from airflow_s3batch.core.layout import SHARED_RATES
from airflow_s3batch.engine.jobs.shards_seen import SILENT_S
from airflow_s3batch.engine.rates.shared_share import read_sharers

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.engine.files.storage import Storage, StoredFile


class RateSeen(NamedTuple):
    """
    A rate that somebody shares at the moment.

    Attributes:
        per_s: the limit that counts: the lowest that is stated.
        jobs: names of the jobs' folders, in order; *tasks* of them are at work.
    """

    name: str
    per_s: float
    jobs: tuple[str, ...]
    tasks: int

    def sentence(self) -> str:
        """Return ``rate 'lake': 3,500 requests/s, shared by 2 jobs (a, b), 12 tasks``."""
        who = "1 job" if len(self.jobs) == 1 else f"{len(self.jobs):,} jobs"
        verb = "taken by" if len(self.jobs) == 1 else "shared by"
        named = ", ".join(self.jobs[:5]) + (", …" if len(self.jobs) > 5 else "")
        return f"rate {self.name!r}: {self.per_s:,g} requests/s, {verb} {who} ({named}), {self.tasks:,} tasks"


def rates_seen(storage: Storage, jobs: S3Url, now: datetime) -> list[RateSeen]:
    """Return the rates that jobs below the ``job_url`` *jobs* share, by name: one listing."""
    base = jobs / f"{SHARED_RATES}/"
    by_name: dict[str, list[StoredFile]] = defaultdict(list)
    for file in storage.list(base):
        name, slash, _ = file.url.key[len(base.key) :].partition("/")
        if slash and file.last_modified >= now - timedelta(seconds=SILENT_S):
            by_name[name].append(file)
    found = []
    for name, files in sorted(by_name.items()):
        if sharers := read_sharers(files).values():
            limit = min(sharer.limit for sharer in sharers)
            found.append(RateSeen(name, limit, tuple(sorted({s.job for s in sharers})), len(sharers)))
    return found
