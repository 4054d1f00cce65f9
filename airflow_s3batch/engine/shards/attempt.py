"""An attempt at a shard: its name, and the files in which it says that it began and how it ended."""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Self

from airflow_s3batch.core.formats import ATTEMPT
from airflow_s3batch.core.iso_times import iso_now
from airflow_s3batch.core.layout import GenerationLayout
from airflow_s3batch.core.outcomes import Summary
from airflow_s3batch.engine.files.storage import Storage
from airflow_s3batch.engine.policy import Policy
from airflow_s3batch.engine.shards.evidence import SUMMARY_FORMAT
from airflow_s3batch.engine.shards.versions import versions


class Attempt(NamedTuple):
    """
    One attempt at one shard.

    Attributes:
        id: unique; later ones sort behind earlier ones.
        started: ISO time.
    """

    shard: int
    id: str
    started: str

    @classmethod
    def begin(cls, shard: int, try_number: int) -> Self:
        """Return a new attempt; *try_number* is Airflow's, from 1."""
        return cls(shard, f"{try_number:04d}-{int(time.time() * 1000):013d}-{secrets.token_hex(3)}", iso_now())

    def behind(self, others: Iterable[str]) -> Self:
        """Return the same attempt, named so that it sorts behind *others*: another task counts its own tries."""
        newest = max(others, default="")
        if newest < self.id:
            return self
        return self._replace(id=f"{int(newest.partition('-')[0]) + 1:04d}-{self.id.partition('-')[2]}")

    def announce(self, storage: Storage, generation: GenerationLayout, policy: Policy) -> None:
        """Write who works where since when, and what counts as failure from now on."""
        document = {
            "format": ATTEMPT,
            "attempt": self.id,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started": self.started,
            "policy": policy.to_json(),
            "versions": versions(),
        }
        storage.write(generation.attempt(self.shard, self.id), json.dumps(document).encode(), "application/json")

    def conclude(
        self, storage: Storage, generation: GenerationLayout, summary: Summary, more: Mapping[str, Any]
    ) -> None:
        """Write what the attempt did, as it ends in order; *more* is JSON-ready."""
        document = {
            "format": SUMMARY_FORMAT,
            "shard": self.shard,
            "attempt": self.id,
            "tally": summary.tally.to_json(),
            "requests": summary.requests,
            "retries": summary.retries,
            "slow_downs": summary.slow_downs,
            "duration_s": round(summary.duration_s, 3),
            "stopped": summary.stopped,
            **more,
            "started": self.started,
            "ended": iso_now(),
        }
        storage.write(generation.summary(self.shard, self.id), json.dumps(document).encode(), "application/json")
