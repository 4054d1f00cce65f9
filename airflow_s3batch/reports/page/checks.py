"""What was said before the work and looked at after it: approval, rehearsal, cost, verification."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_s3batch.core import amounts
from airflow_s3batch.reports.evidence.verification_text import verification_sentence
from airflow_s3batch.reports.page import words

if TYPE_CHECKING:
    from airflow_s3batch.reports.summary import JobSummary

_ABSENT = {
    "Approval": "Nobody was asked.",
    "Rehearsal": "There was none.",
    "Expected cost": "Not estimated.",
    "Verification": "The objects were not looked at again afterwards.",
}
_TIMES = frozenset({"at", "asked", "deadline", "started", "ended"})


class Check(NamedTuple):
    """A part of the page: its *title*, what there is to say in a *sentence*, and *facts* by label."""

    title: str
    sentence: str
    facts: Mapping[str, str]


def checks(summary: JobSummary) -> tuple[list[Check], dict[str, str]]:
    """Return what there was of them, and of the others that there was none."""
    there = {
        "Approval": summary.approval,
        "Rehearsal": summary.rehearsal,
        "Expected cost": summary.cost,
        "Verification": summary.verification,
    }
    found = [_check(title, data) for title, data in there.items() if data]
    if summary.verification:
        found[-1] = found[-1]._replace(sentence=verification_sentence(summary.verification))
    return found, {title: text for title, text in _ABSENT.items() if not there[title]}


def _check(title: str, data: Mapping[str, Any]) -> Check:
    shown = {name: _value(name, value) for name, value in data.items() if name != "sentence"}
    return Check(title, str(data.get("sentence", "")), words.facts(shown))


def _value(name: str, value: Any) -> Any:
    if name in _TIMES and isinstance(value, str):
        return amounts.moment(value)
    return amounts.size(value) if name == "bytes" and isinstance(value, (int, float)) else value
