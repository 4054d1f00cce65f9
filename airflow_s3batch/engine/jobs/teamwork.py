"""What an attempt has to do with others and with people: it shares the limit, and heeds a lost or a paused job."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Self

from airflow_s3batch.core.layout import JobLayout, shared_rates
from airflow_s3batch.engine.jobs.pulse import Heart
from airflow_s3batch.engine.loop.progress import Load
from airflow_s3batch.engine.rates.rate import Cap, FairShare, TokenBucket
from airflow_s3batch.engine.rates.shared_pulse import SharedPulse
from airflow_s3batch.engine.rates.shared_share import SharedShare, job_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_s3batch.core.control import Control
    from airflow_s3batch.core.layout import GenerationLayout
    from airflow_s3batch.core.manifest import Manifest
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.engine.jobs.job_news import JobNews
    from airflow_s3batch.engine.loop.executor import Executor
    from airflow_s3batch.engine.loop.steering import Steering
    from airflow_s3batch.engine.loop.threshold import Threshold
    from airflow_s3batch.engine.policy import Policy
    from airflow_s3batch.engine.shards.attempt import Attempt
    from airflow_s3batch.engine.shards.shard_state import ShardState


class Teamwork:
    """
    One attempt among the others of its job. A context manager: the others hear of it while it is entered.

    A shard's first attempt heeds all that the others have told; a later one only what failed since it began, so that a
    clear after the cause was lifted does not stop at old news.

    Attributes:
        heed: takes what people ask for each time that changes, in the thread that works.
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
        steering: Steering,
    ) -> None:
        self._executor = executor
        self._threshold = threshold
        self._steering = steering
        self.heed: Callable[[Control], None] = lambda _: None
        self._own_limit = policy.max_requests_per_s
        self._heeds_old = state.is_fresh
        every_s = policy.pulse_every_s
        self._bucket = executor.pace.limiter or TokenBucket(1.0, time.monotonic())
        caps: list[Cap] = []
        self._share = FairShare(Cap(self._bucket, caps), self._limit, len(manifest.shards), every_s, time.monotonic)
        self._shared, beside = self._sharing(Cap(self._bucket, caps), storage, manifest, attempt.id, policy)
        if self._shared is not None:
            executor.pace.limiter = self._bucket
        self.keep_going()
        self._heart = Heart(
            storage,
            generation,
            manifest,
            attempt.shard,
            attempt.id,
            every_s=every_s,
            told=threshold.told,
            hear=self._hear,
            look=self._look,
            look_every_s=policy.control_every_s,
            beside=beside,
        )

    def _sharing(
        self, cap: Cap, storage: Storage, manifest: Manifest, attempt: str, policy: Policy
    ) -> tuple[SharedShare | None, SharedPulse | None]:
        """Return the attempt's share of a rate that several jobs share, and what beats for it; if there is one."""
        rate = policy.shared_rate
        if rate is None:
            return None, None
        folder = JobLayout(manifest.job_url)
        job = job_name(folder.name)
        share = SharedShare(
            cap,
            rate.name,
            rate.per_s,
            job,
            attempt,
            shards=len(manifest.shards),
            every_s=policy.pulse_every_s,
            clock=time.monotonic,
            sent=lambda: self._executor.requests,
        )
        return share, SharedPulse(storage, shared_rates(folder.jobs, rate.name), job, attempt, share)

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
            retries=self._executor.retries,
        )
        if pace.limiter is None:
            return load
        self._share.check()
        load = load._replace(allowed_per_s=pace.limiter.rate, job_per_s=self._share.limit, sharers=self._share.sharers)
        if self._shared is None:
            return load
        self._shared.check()
        return load._replace(shared=self._shared.view)

    def account(self) -> dict[str, Any]:
        """Return how fast the attempt was allowed to be, for its summary file."""
        pace, control = self._executor.pace, self._steering.control
        return {
            "max_requests_per_s": self._share.limit if self._share.limit < math.inf else None,
            **({"shared_rate": self._shared.view._asdict()} if self._shared else {}),
            "max_concurrency": pace.window.most,
            "least_window": round(pace.window.least, 1),
            **({} if control.is_default else {"control": control.to_json()}),
        }

    def keep_going(self) -> bool:
        """Take over what people ask for; return whether new objects may be begun. For the thread that works."""
        return self._steering.obey(self._set_pace)

    def _set_pace(self, control: Control) -> None:
        pace = self._executor.pace
        pace.narrow(control.max_concurrency)
        pace.limiter = self._bucket if self._shared or control.max_requests_per_s or self._own_limit else None
        self.heed(control)

    @property
    def is_paused(self) -> bool:
        """Whether people have paused the job."""
        return self._steering.pause is not None

    @property
    def _limit(self) -> float:
        """The job's limit: what people ask for, else what the Dag says; infinite without any."""
        return self._steering.control.max_requests_per_s or self._own_limit or math.inf

    def _look(self) -> None:
        self._steering.look()
        if self._limit != self._share.limit:
            self._share.change(self._limit)

    def _hear(self, news: JobNews) -> None:
        self._share.hear(news)
        if self._shared is not None:
            self._shared.limit_to(self._share.limit / self._share.sharers)
        self._threshold.hear(news.elsewhere(heeds_old=self._heeds_old))
