"""When a run has failed so often that going on only does damage."""

from __future__ import annotations

from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.engine.policy import Policy


class Threshold:
    """
    Counts outcomes and says whether to go on.

    Attributes:
        reason: a sentence once the run has to stop, else empty.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._done = 0
        self._failed = 0
        self.reason = ""

    def count(self, outcome: Outcome) -> None:
        """Count one outcome; tolerated codes are not failures."""
        self._done += 1
        if not outcome.error_code or outcome.error_code in self._policy.tolerate:
            return
        self._failed += 1
        share = self._failed / self._done
        if self._done >= Policy.THRESHOLD_FROM and share > self._policy.failure_threshold and not self.reason:
            self.reason = (
                f"{self._failed:,} of {self._done:,} objects failed ({share:.0%}), more than "
                f"failure_threshold={self._policy.failure_threshold:g}; the last one with {outcome.error_code}"
            )

    def keep_going(self) -> bool:
        """Return whether new objects may be started."""
        return not self.reason
