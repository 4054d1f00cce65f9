"""What a report says of a verification, and when it is red for it."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_s3batch.reports.evidence.verification_text import is_verified, verification_sentence

RIGHT: dict[str, Any] = {
    "asked": None,
    "has_begun": True,
    "of": 1_204_511,
    "checked": 1_204_511,
    "differ": 0,
    "counted": 0,
    "unread": 0,
    "missing": 0,
    "codes": {},
    "examples": {},
    "differences_url": None,
    "reasons_url": None,
}
LISTS = {"differences_url": "s3://j/report/differences.csv", "reasons_url": "s3://j/report/differences-reasons.csv"}
DIFFER = {
    **RIGHT,
    **LISTS,
    "differ": 3,
    "counted": 3,
    "codes": {"ChangedSince": 1, "TagsDiffer": 2},
    "examples": {"ChangedSince": ["s3://b/x"], "TagsDiffer": ["s3://b/y"]},
}


@pytest.mark.parametrize(
    ("verification", "is_green", "said"),
    [
        (None, True, ""),
        (RIGHT, True, "1,204,511 succeeded objects were looked at again: all are as they should be."),
        (
            {**RIGHT, "asked": 1_000, "checked": 1_000},
            True,
            "1,000 of 1,204,511 succeeded objects were looked at again (a random sample): all are as they should be.",
        ),
        (
            DIFFER,
            False,
            "First: s3://b/y (TagsDiffer). They are listed in s3://j/report/differences.csv, the reasons in s3://j/",
        ),
        ({**DIFFER, "counted": 2}, False, "3 differ (TagsDiffer 2, ChangedSince 1); 2 count."),
        ({**DIFFER, "counted": 0}, True, "3 differ (TagsDiffer 2, ChangedSince 1); 0 count."),
        (
            {**RIGHT, **LISTS, "checked": 5, "unread": 2, "codes": {"AccessDenied": 2}},
            False,
            "2 more could not be looked at (AccessDenied 2), see s3://j/report/differences-reasons.csv.",
        ),
        ({**RIGHT, "missing": 7}, False, "The verification did not finish: 7 objects are left; clear its task."),
        ({**RIGHT, "of": 0, "checked": 0}, True, "Nothing has succeeded, so there was nothing to look at again."),
        ({**RIGHT, "has_begun": False}, False, "A verification was asked for and has not begun: clear its task."),
    ],
)
def test_the_sentence_says_what_was_seen_and_what_to_do(verification: Any, is_green: bool, said: str) -> None:
    assert is_verified(verification) is is_green
    assert said in verification_sentence(verification)


def test_where_nothing_could_be_looked_at_nothing_is_as_it_should_be() -> None:
    for told in ({"missing": 7}, {"unread": 7, "codes": {"AccessDenied": 7}, **LISTS}):
        assert "as they should be" not in verification_sentence({**RIGHT, "of": 7, "checked": 0, **told})
