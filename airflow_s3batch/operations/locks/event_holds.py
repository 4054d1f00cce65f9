"""
Event-based holds of Object Lock: a version is kept until an event, and from then on for a time.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_S3Retention.html
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple, get_args

from airflow_s3batch.operations.fields import Column, choice_problems, is_day_count
from airflow_s3batch.operations.locks.lock_choice import MOST_HOLD_DAYS, MOST_HOLD_YEARS
from airflow_s3batch.operations.types import OnOff

_MEMBERS = frozenset({"EventHold", "EventHoldDuration"})


class EventHold(NamedTuple):
    """What an operation's three fields on event holds say together."""

    status: Any
    days: Any
    years: Any

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said."""
        return self.status is None and self.days is None and self.years is None

    def problems(self) -> list[str]:
        """Return what is wrong, a clause each; columns are checked per object."""
        found = choice_problems(get_args(OnOff), event_hold=self.status)
        for name, value, most in (("days", self.days, MOST_HOLD_DAYS), ("years", self.years, MOST_HOLD_YEARS)):
            if not is_day_count(value, most):
                found.append(f"event_hold_{name}={value!r}: expected a whole number from 1 to {most:,}")
        if self.days is not None and self.years is not None and not isinstance(self.days, Column):
            found.append("give either event_hold_days or event_hold_years")
        if self.status is None and not self.is_empty:
            found.append("event_hold_days and event_hold_years go with event_hold")
        return found

    def params(self) -> dict[str, Any]:
        """Return the members of a retention, the same in S3's own API and in CreateJob."""
        params: dict[str, Any] = {} if self.status is None else {"EventHold": self.status}
        lasting = {"Days": self.days, "Years": self.years}
        duration = {name: int(str(value)) for name, value in lasting.items() if value is not None}
        return {**params, "EventHoldDuration": duration} if duration else params

    def shown(self) -> dict[str, str]:
        """Return the elements that GetObjectRetention shows of it, by name."""
        named = {"EventHold": self.status, "Days": self.days, "Years": self.years}
        return {name: str(value) for name, value in named.items() if value is not None}


def event_hold_of(retention: Mapping[str, Any]) -> EventHold:
    """Return the inverse of `EventHold.params`."""
    duration = retention.get("EventHoldDuration") or {}
    return EventHold(retention.get("EventHold"), duration.get("Days"), duration.get("Years"))


@functools.cache
def knows_event_holds() -> bool:
    """Return whether the installed botocore has them in S3's model; reading that takes a tenth of a second."""
    import botocore.session

    model = botocore.session.Session().get_service_model("s3").operation_model("PutObjectRetention")
    return set(model.input_shape.members["Retention"].members) >= _MEMBERS  # type: ignore[union-attr]
