"""When a run, or the whole job, has failed so often that going on only does damage."""

from __future__ import annotations

from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.core.verdicts import is_transient
from airflow_s3batch.engine.jobs.job_news import Failures
from airflow_s3batch.engine.policy import Policy


class Threshold:
    """
    Counts outcomes and says whether to go on.

    Attributes:
        reason: a sentence once the run has to stop, else empty.
        is_job_lost: it has to stop for what happened in the job's other shards, too.
    """

    def __init__(self, policy: Policy, *, earlier: int = 0) -> None:
        """*earlier* objects of the shard have succeeded in earlier attempts."""
        self._policy = policy
        self._earlier = earlier
        self._done = 0
        self._failed = 0
        self._lasting = 0
        self._is_suspect = False
        self._has_begun = False
        self.reason = ""
        self.is_job_lost = False

    def begin(self) -> None:
        """Say that from now on objects are worked on."""
        self._has_begun = True

    def count(self, outcome: Outcome) -> None:
        """Count one outcome; tolerated codes are not failures."""
        self._done += 1
        if not outcome.error_code or outcome.error_code in self._policy.tolerate:
            return
        self._failed += 1
        self._lasting += not is_transient(outcome.error_code)
        if self._is_beyond(self._failed, self._done) and not self.reason:
            self.reason = (
                f"{self._failed:,} of {self._done:,} objects failed ({self._failed / self._done:.0%}), more than "
                f"failure_threshold={self._policy.failure_threshold:g}; the last one with {outcome.error_code}"
            )

    def told(self) -> tuple[int, int]:
        """Return what other shards should know: objects done, and failures that another attempt won't change."""
        lasting = self._lasting  # first: the other thread counts on, and more failed than done would be no news
        return self._earlier + self._done, lasting

    def hear(self, elsewhere: Failures) -> None:
        """
        Stop if, with what other shards have told, the job is lost. Called by another thread than `count`.

        Counts of shards at work are some seconds old, so it takes two times in a row; before the first object, once.
        """
        done, failed = self.told()
        done, failed = done + elsewhere.done, failed + elsewhere.failed
        was_suspect = self._is_suspect or not self._has_begun
        self._is_suspect = bool(elsewhere.done) and self._is_beyond(failed, done)
        if not (self._is_suspect and was_suspect) or self.reason:
            return
        self.is_job_lost = True
        self.reason = (
            f"the job is lost: {failed:,} of its {done:,} objects so far failed ({failed / done:.0%}, more than "
            f"failure_threshold={self._policy.failure_threshold:g}), {elsewhere.failed:,} of them in "
            f"{elsewhere.shards:,} other shards, whose logs say why"
        )
        if not self._has_begun:
            self.reason += "; nothing was attempted here"

    def keep_going(self) -> bool:
        """Return whether new objects may be started."""
        return not self.reason

    def _is_beyond(self, failed: int, done: int) -> bool:
        policy = self._policy
        return done >= Policy.THRESHOLD_FROM and failed / done > policy.failure_threshold and not policy.keep_going
