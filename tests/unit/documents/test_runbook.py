"""The runbook has a section for every error and code of ours, and quotes sentences that the package really says."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from pathlib import Path

import pytest
from own_texts import HOLE, own_codes, texts

from airflow_s3batch.core import errors, outcomes
from airflow_s3batch.core.verdicts import CODE_VERDICTS, UNREACHABLE, Verdict
from airflow_s3batch.core.verdicts.statuses import STATUS_NAMES
from airflow_s3batch.core.verdicts.transport import TRANSPORT, UNKNOWN
from airflow_s3batch.hooks.errors import RUNBOOK
from airflow_s3batch.operations.verification import DIFFERENCES

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "operating" / "runbook.md").read_text()
CLASSES = [
    name
    for name, found in inspect.getmembers(errors, inspect.isclass)
    if issubclass(found, errors.S3BatchError) and found is not errors.S3BatchError
]
OURS = {
    outcomes.NOT_ATTEMPTED,
    outcomes.OUTCOME_UNKNOWN,
    outcomes.DRY_RUN,
    outcomes.OTHER_CODES,
    UNKNOWN[0],
    *(name for name, _ in TRANSPORT.values()),
    *UNREACHABLE,
    *STATUS_NAMES.values(),
    *DIFFERENCES,
}
SHORTEST = 8
"""Fragments of quoted sentences that are shorter than this prove nothing."""


def sections() -> dict[str, str]:
    """Return the page's sections by heading."""
    parts = re.split(r"^#{1,3} (.+)$", PAGE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def codes_of(section: str) -> list[str]:
    """Return the codes that *section* is about."""
    lines = re.findall(r"^Codes: (.*)$", section, re.MULTILINE)
    return [code for line in lines for code in re.findall(r"`([^`]+)`", line)]


def fragments() -> list[str]:
    """Return what quoted sentences have between their holes; clauses are quoted without the stops around them."""
    quoted = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    parts = (part.strip(" ;:.,()") for block in quoted for line in block.splitlines() for part in line.split(HOLE))
    return sorted({part for part in parts if len(part) >= SHORTEST})


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_of_errors_has_a_section(name: str) -> None:
    section = sections()[name]
    assert all(f"**{word}.**" in section for word in ("Why", "Do", "Check")), section


def test_the_log_points_to_a_page_that_is_there() -> None:
    assert (ROOT / RUNBOOK).read_text() == PAGE


def test_every_code_that_we_write_or_know_is_in_one_section() -> None:
    """A new code, or one whose verdict is new, needs a place there, and a sentence on what to do."""
    told = Counter(code for section in sections().values() for code in codes_of(section))
    known = own_codes() | OURS | set(CODE_VERDICTS)
    assert (sorted(known - set(told)), sorted(set(told) - known)) == ([], [])
    assert [code for code, number in told.items() if number > 1] == []


def test_what_a_later_attempt_may_cure_is_not_told_as_final() -> None:
    final = codes_of(sections()["Whatever else the store refuses"])
    assert [code for code in final if CODE_VERDICTS.get(code, Verdict.FAIL) is not Verdict.FAIL] == []


def test_the_sentences_are_those_of_the_package() -> None:
    assert [fragment for fragment in fragments() if fragment not in texts()] == []


def test_every_section_says_what_to_do() -> None:
    rules = ("Runbook", "Errors that end a task", "What goes wrong around the tasks", "Codes in reports")
    assert [name for name, text in sections().items() if "**Do.**" not in text and name not in rules] == []
