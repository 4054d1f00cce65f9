"""Amounts read the same wherever they are shown."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airflow_s3batch.core.amounts import duration, moment, number, share, size, time_of


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (number(1_204_511), "1,204,511"),
        (number(None), "–"),
        (size(0), "0 bytes"),
        (size(1), "1 byte"),
        (size(1023), "1,023 bytes"),
        (size(131_072), "128 KiB"),
        (size(1.5 * 1024**5), "1.5 PiB"),
        (size(1024**7), "1,024 EiB"),
        (share(1, 3), "33.33 %"),
        (share(1, 10**9), "below 0.01 %"),
        (share(0.99999), "over 99.99 %"),
        (share(1), "100.00 %"),
        (share(0), "0.00 %"),
        (share(0, 0), "–"),
        (duration(-2), "0.0 s"),
        (duration(59.5), "59.5 s"),
        (duration(3_599.6), "1 h 00 min"),
        (duration(61), "1 min 01 s"),
        (duration(47 * 3_600), "47 h 00 min"),
        (duration(3 * 86_400 + 3_600), "3 d 01 h"),
        (moment("2026-11-22T10:00:00+01:00"), "2026-11-22 09:00:00 UTC"),
        (moment("no time"), "no time"),
        (moment(None), ""),
    ],
)
def test_amounts_read_well(shown: str, expected: str) -> None:
    assert shown == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22T10:00:00", datetime(2026, 11, 22, 10, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        (7, None),
    ],
)
def test_times_of_others_are_in_utc_or_none(text: object, expected: datetime | None) -> None:
    assert time_of(text) == expected
