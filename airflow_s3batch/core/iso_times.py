"""Times as the job's files and the news have them: ISO 8601, in UTC, to the millisecond, with a Z."""

from __future__ import annotations

from datetime import UTC, datetime


def iso_time(moment: datetime) -> str:
    """Return *moment*, which has a time zone."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_now() -> str:
    """Return the time."""
    return iso_time(datetime.now(UTC))
