"""What the attempts at a job's shards have to do with one another: they share its limit, and stop when it is lost."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self

from airflow_s3batch.engine.progress import Load
from airflow_s3batch.engine.pulse import Heart
from airflow_s3batch.engine.rate import FairShare

if TYPE_CHECKING:
    from airflow_s3batch.core.layout import GenerationLayout
    from airflow_s3batch.core.manifest import Manifest
    from airflow_s3batch.engine.attempt import Attempt
    from airflow_s3batch.engine.executor import Executor
    from airflow_s3batch.engine.job_news import JobNews
    from airflow_s3batch.engine.policy import Policy
    from airflow_s3batch.engine.shard_state import ShardState
    from airflow_s3batch.engine.storage import Storage
    from airflow_s3batch.engine.threshold import Threshold


class Teamwork:
    """
    One attempt among the others of its job. A context manager: the others hear of it while it is entered.

    A shard's first attempt heeds all that the others have told; a later one only what failed since it began, so that a
    clear after the cause was lifted does not stop at old news.
    """

    def __init__(
        self,
        storage: Storage,
        generation: GenerationLayout,
        manifest: Manifest,
        attempt: Attempt,
        state: ShardState,
        policy: Policy,
        executor: Executor,
        threshold: Threshold,
    ) -> None:
        self._executor = executor
        self._threshold = threshold
        self._heeds_old = not state.attempts
        every_s = policy.pulse_every_s
        limiter, limit = executor.pace.limiter, policy.max_requests_per_s
        self._share = (
            FairShare(limiter, limit, len(manifest.shards), every_s, time.monotonic) if limiter and limit else None
        )
        self._heart = Heart(
            storage,
            generation,
            manifest,
            attempt.shard,
            attempt.id,
            every_s=every_s,
            told=threshold.told,
            hear=self._hear,
        )

    def __enter__(self) -> Self:
        self._heart.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._heart.__exit__(*exception)

    def load(self) -> Load:
        """Return what the attempt asks of the store at the moment; take a smaller share if the others are silent."""
        pace = self._executor.pace
        load = Load(
            self._executor.requests,
            self._executor.in_flight,
            pace.window.slow_downs,
            pace.window.size,
            pace.window.most,
        )
        if self._share is None or pace.limiter is None:
            return load
        self._share.check()
        return load._replace(allowed_per_s=pace.limiter.rate, job_per_s=self._share.limit, sharers=self._share.sharers)

    def account(self) -> dict[str, Any]:
        """Return how fast the attempt was allowed to be, for its summary file."""
        window = self._executor.pace.window
        return {
            "max_requests_per_s": self._share.limit if self._share else None,
            "max_concurrency": window.most,
            "least_window": round(window.least, 1),
        }

    def _hear(self, news: JobNews) -> None:
        if self._share is not None:
            self._share.hear(news)
        self._threshold.hear(news.elsewhere(heeds_old=self._heeds_old))
