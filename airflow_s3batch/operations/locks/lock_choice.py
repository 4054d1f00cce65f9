"""Object Lock settings that a copy gets: as users declare them and as requests carry them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple, get_args

from airflow_s3batch.operations.fields import Column, choice_problems
from airflow_s3batch.operations.moments import moment_of, moment_problems
from airflow_s3batch.operations.types import LockMode, OnOff

MOST_HOLD_DAYS = 36_500
MOST_HOLD_YEARS = 100


class LockChoice(NamedTuple):
    """
    What an operation's lock fields say; ``None`` leaves it to the bucket.

    Source:
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_S3CopyObjectOperation.html
    """

    object_lock_mode: str | Column | None
    object_lock_retain_until_date: datetime | str | Column | None
    object_lock_legal_hold_status: str | Column | None
    object_lock_event_hold: str | Column | None
    object_lock_event_hold_days: int | str | Column | None
    object_lock_event_hold_years: int | str | Column | None

    @classmethod
    def of(cls, operation: Any) -> LockChoice:
        """Return the choice of an operation that has fields of these names."""
        return cls(*(getattr(operation, name) for name in cls._fields))

    def problems(self) -> list[str]:
        """Return what is wrong, a clause each."""
        found = choice_problems(get_args(LockMode), object_lock_mode=self.object_lock_mode)
        on_off = get_args(OnOff)
        found.extend(choice_problems(on_off, object_lock_legal_hold_status=self.object_lock_legal_hold_status))
        found.extend(choice_problems(on_off, object_lock_event_hold=self.object_lock_event_hold))
        found.extend(moment_problems(object_lock_retain_until_date=self.object_lock_retain_until_date))
        if (self.object_lock_mode is None) != (self.object_lock_retain_until_date is None):
            found.append("object_lock_mode and object_lock_retain_until_date go together")
        days, years = self.object_lock_event_hold_days, self.object_lock_event_hold_years
        found.extend(_count_problems("object_lock_event_hold_days", days, MOST_HOLD_DAYS))
        found.extend(_count_problems("object_lock_event_hold_years", years, MOST_HOLD_YEARS))
        if days is not None and years is not None:
            found.append("give object_lock_event_hold_days or object_lock_event_hold_years, not both")
        if (days is not None or years is not None) and self.object_lock_event_hold is None:
            found.append("object_lock_event_hold_days and _years go with object_lock_event_hold='ON'")
        return found

    def params(self) -> dict[str, Any]:
        """Return the parameters of a write for retention and legal hold."""
        params: dict[str, Any] = {}
        if self.object_lock_mode is not None:
            params["ObjectLockMode"] = self.object_lock_mode
        if self.object_lock_retain_until_date is not None:
            params["ObjectLockRetainUntilDate"] = moment_of(self.object_lock_retain_until_date)  # type: ignore[arg-type]
        if self.object_lock_legal_hold_status is not None:
            params["ObjectLockLegalHoldStatus"] = self.object_lock_legal_hold_status
        return params

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Return the headers of a write for event holds, which botocore does not know in all versions."""
        named = {
            "x-amz-object-lock-event-hold": self.object_lock_event_hold,
            "x-amz-object-lock-event-hold-duration-days": self.object_lock_event_hold_days,
            "x-amz-object-lock-event-hold-duration-years": self.object_lock_event_hold_years,
        }
        return tuple((name, str(value)) for name, value in named.items() if value is not None)

    def iam_actions(self) -> set[str]:
        """Return the IAM actions that such writes need."""
        has_hold = self.object_lock_legal_hold_status is not None
        has_retention = any(value is not None for value in (self.object_lock_mode, *self[3:]))
        found = {"s3:PutObjectLegalHold"} if has_hold else set()
        return found | ({"s3:PutObjectRetention"} if has_retention else set())


def _count_problems(name: str, value: Any, most: int) -> list[str]:
    if value is None or isinstance(value, Column):
        return []
    is_count = isinstance(value, (int, str)) and not isinstance(value, bool) and str(value).isdigit()
    return [] if is_count and 1 <= int(value) <= most else [f"{name}={value!r}: expected 1 to {most:,}"]
