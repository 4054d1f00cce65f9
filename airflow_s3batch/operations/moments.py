"""Points in time as operations take them: aware datetimes, or texts in ISO 8601 as Jinja and columns give them."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from airflow_s3batch.operations.fields import Column


def moment_of(value: datetime | str) -> datetime:
    """
    Return *value* as an aware datetime in UTC; without an offset it is UTC.

    Raises:
        ValueError: *value* is no such point in time.
    """
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def iso_text(value: datetime | str) -> str:
    """Return *value* as AWS's JSON and XML spell it, e.g. ``2027-01-31T00:00:00Z``."""
    return moment_of(value).isoformat().replace("+00:00", "Z")


def http_date(value: datetime | str) -> str:
    """Return *value* as HTTP headers spell it, to the second."""
    return format_datetime(moment_of(value), usegmt=True)


def moment_problems(**values: Any) -> list[str]:
    """Return a clause for each of *values* that is no point in time; ``None`` and columns are fine."""
    return [
        f"{name}={value!r}: expected a datetime, or a text like '2027-01-31T00:00:00Z'"
        for name, value in values.items()
        if value is not None and not isinstance(value, Column) and not _is_moment(value)
    ]


def _is_moment(value: Any) -> bool:
    try:
        moment_of(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True
