"""The version: told in airflow_s3batch/version.py, and nowhere else in other words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from release.checking import ROOT

UNRELEASED = "unreleased"
_SECTION = re.compile(r"^## \[(?P<version>[^\]]+)\](?: - (?P<date>\S+))?$", re.MULTILINE)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_FORM = re.compile(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?(?:\.dev\d+)?")
_MENTION = re.compile(
    r"airflow[-_]provider[-_]s3batch(?:\[[a-z,]+\])?(?:==|-)"
    r"(\d+\.\d+\.\d+[0-9a-z.]*?)(?=-py3|\.tar|\.whl|[^0-9a-z.]|\.?$)"
)


def version() -> str:
    """Return the version that the package tells, read without importing it."""
    text = (ROOT / "airflow_s3batch/version.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    return found[1] if found else ""


def version_problems(*, final: bool) -> Iterator[str]:
    """Yield what is wrong with the version; *final* asks for one that is dated in the changelog, ready to be tagged."""
    now = version()
    if not _FORM.fullmatch(now):
        yield f"airflow_s3batch/version.py: {now!r} is no version such as 0.1.0, 0.2.0rc1 or 0.2.0.dev0"
    yield from _changelog_problems((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), now, final=final)


def _changelog_problems(text: str, now: str, *, final: bool) -> Iterator[str]:
    sections = list(_SECTION.finditer(text))
    if sections and sections[0]["version"].lower() == UNRELEASED and not final:
        sections.pop(0)
    if not sections:
        yield "CHANGELOG.md: it has no section '## [version] - date'"
        return
    top = sections[0]
    if top["version"] != now:
        yield (
            f"CHANGELOG.md: its first section is of {top['version']}, airflow_s3batch/version.py says {now}; head it "
            f"'## [{now}] - {UNRELEASED}', with the date instead once it is released"
        )
    date = top["date"] or ""
    if not (_DATE.fullmatch(date) or (date == UNRELEASED and not final)):
        yield f"CHANGELOG.md: {now} has no date but {date!r}; expected the day of the release, such as 2026-12-01"


def mention_problems(pages: list[Path]) -> Iterator[str]:
    """Yield where *pages* name another version of the package than the one there is."""
    now = version()
    for page in pages:
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
            for told in _MENTION.findall(line):
                if told != now:
                    yield f"{page.relative_to(ROOT)}:{number}: names version {told}, the version is {now}"
