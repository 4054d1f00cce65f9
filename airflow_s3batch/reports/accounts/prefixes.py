"""Where in the key space the failures are: counted by prefix, in memory that no job and no key makes grow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

DEPTHS = (3, 2, 1, 0)
"""Folders of a key that make a prefix, deepest first."""

MOST_KEPT = 1_000
MOST_TOLD = 50
MOST_CODES = 3
_TELLING = 20
_SHARE_TOLD = 0.9
_MOST_CHARACTERS = 120

Failures = Counter[tuple[str, str]]
"""Failures by code and prefix, which is ``bucket/folder/folder/``, encoded."""


def prefix_of(bucket: str, path: str, depth: int = DEPTHS[0]) -> str:
    """Return bucket and first *depth* folders of the encoded *path*, each cut to `_MOST_CHARACTERS`."""
    folders = path.split("/", depth)[:depth] if path else []
    return "/".join([bucket, *map(_short, folders), ""])


def _short(folder: str) -> str:
    return folder if len(folder) <= _MOST_CHARACTERS else folder[: _MOST_CHARACTERS - 1] + "…"


class _Level:
    """
    The failures by code and prefix of one depth: the frequent ones are kept, with counts that are never too high.

    *lost* is how much too low a count may be. The method is that of Misra and Gries, for counts that come in sums.
    """

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.counts: Failures = Counter()
        self.lost = 0

    def add(self, failures: Mapping[tuple[str, str], int]) -> None:
        for (code, prefix), number in failures.items():
            self.counts[code, _shallow(prefix, self.depth)] += number
            if len(self.counts) > 2 * MOST_KEPT:
                self._prune()

    def _prune(self) -> None:
        least = sorted(self.counts.values(), reverse=True)[MOST_KEPT]
        self.counts = Counter({key: number - least for key, number in self.counts.items() if number > least})
        self.lost += least

    def by_prefix(self) -> list[tuple[str, int]]:
        """Return the prefixes with their failures, most frequent first."""
        sums: Counter[str] = Counter()
        for (_, prefix), number in self.counts.items():
            sums[prefix] += number
        return sorted(sums.items(), key=lambda item: (-item[1], item[0]))

    def codes_of(self, prefix: str) -> dict[str, int]:
        found = {code: number for (code, name), number in self.counts.items() if name == prefix}
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0]))[:MOST_CODES])


def _shallow(prefix: str, depth: int) -> str:
    bucket, *folders = prefix.split("/")[:-1]
    return "/".join([bucket, *folders[:depth], ""])


class PrefixCount:
    """Counts failures by prefix, at several depths at once."""

    def __init__(self) -> None:
        self._levels = [_Level(depth) for depth in DEPTHS]
        self._total = 0

    def add(self, failures: Failures) -> None:
        """Add the *failures* of some rows."""
        self._total += failures.total()
        for level in self._levels:
            level.add(failures)

    def to_json(self) -> tuple[dict[str, Any], ...]:
        """
        Return ``prefix`` (a URL), ``failed``, ``codes`` and ``is_exact`` of up to 50 prefixes, most failures first.

        They are as deep as a few of them can be that stand for nearly all failures. Where there were too many prefixes
        to count each (``is_exact`` is false), as many have failed at least.
        """
        level = self._telling_level()
        return tuple(
            {
                "prefix": f"s3://{prefix}",
                "failed": number,
                "codes": level.codes_of(prefix),
                "is_exact": not level.lost,
            }
            for prefix, number in level.by_prefix()[:MOST_TOLD]
        )

    def _telling_level(self) -> _Level:
        for level in self._levels:
            if sum(number for _, number in level.by_prefix()[:_TELLING]) >= _SHARE_TOLD * self._total:
                return level
        return self._levels[-1]


def by_prefix(folders: Failures, *, without: Collection[str] = ()) -> Failures:
    """Return failures by code and prefix, of those by code and ``bucket/folder/…`` of any depth; *without* codes."""
    found: Failures = Counter()
    for (code, place), number in folders.items():
        if code not in without:
            bucket, _, path = place.partition("/")
            found[code, prefix_of(bucket, path)] += number
    return found
