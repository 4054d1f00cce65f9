"""Failures of a run by code while it goes on, with the URLs of the first few objects. Of bounded size."""

from __future__ import annotations

from airflow_s3batch.core.keys import encode_key
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import DRY_RUN, Outcome


class Failures:
    """
    Counts failures by code; belongs to the thread that counts.

    What a dry run would do is no failure.

    Attributes:
        MOST_CODES: codes beyond so many different ones are counted together, as ``OTHER``.
        number: of all failures.
    """

    MOST_CODES = 50
    EXAMPLES = 3
    OTHER = "OtherCodes"

    def __init__(self) -> None:
        self.number = 0
        self._codes: dict[str, tuple[int, tuple[str, ...]]] = {}

    def count(self, obj: S3Object, outcome: Outcome) -> None:
        """Count *outcome* if it is a failure."""
        code = outcome.error_code
        if not code or code == DRY_RUN:
            return
        self.number += 1
        if code not in self._codes and len(self._codes) >= self.MOST_CODES:
            code = self.OTHER
        number, urls = self._codes.get(code, (0, ()))
        if len(urls) < self.EXAMPLES:
            urls = (*urls, f"s3://{obj.bucket}/{encode_key(obj.key)}")
        self._codes[code] = (number + 1, urls)

    def by_code(self) -> dict[str, tuple[int, tuple[str, ...]]]:
        """Return how many there were of each code, and the URLs of the first few, keys encoded."""
        return dict(self._codes)
