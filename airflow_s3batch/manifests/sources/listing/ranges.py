"""
Ranges of keys that are listed side by side: what is known of each, and where to cut one in two.

A cut is a guess: nobody knows how the keys are spread before they are listed. It is made between the last key that was
seen and the end of the range, either halfway in numbers, with the characters that keys were seen to have as digits; or
past everything that begins like the last key, which finds the end of a long common beginning in a few steps.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from airflow_s3batch.manifests.sources.listing.pages import NO_TAIL

if TYPE_CHECKING:
    from airflow_s3batch.operations.requests import Call

_DIGITS = 16
_MOST_CHARACTERS = 512
_HIGHEST = "\U0010ffff"


class Order(NamedTuple):
    """
    In which order a store lists keys: that of *rank* of each, by code points, which is that of UTF-8 bytes.

    Attributes:
        key: from a rank back to the key.
    """

    name: str
    rank: Callable[[str], str]
    key: Callable[[str], str]


def _itself(key: str) -> str:
    return key


BINARY = Order("UTF-8 binary order", _itself, _itself)
"""What S3 does."""

BY_FOLDER = Order("folder by folder", lambda key: key.replace("/", "\0"), lambda rank: rank.replace("\0", "/"))
"""What stores do that keep objects in a file system: ``a/b`` comes before ``a-b``."""


class Target(NamedTuple):
    """What is listed: all keys in *bucket* that begin with *prefix*, by *call*."""

    bucket: str
    prefix: str
    call: Call
    has_versions: bool


class Seam:
    """
    Where one range ends and the next begins: after the rank *at*.

    If the first key that the lower one saw beyond it is the very key with which the upper one began, nothing lies
    between the two, whatever order the store lists in.

    Attributes:
        below: the last rank that the lower range has seen, or where it began.
        met: what ``lower`` and ``upper`` saw; ``None`` stands for the end of the listing.
    """

    def __init__(self, target: Target, at: str) -> None:
        self.target = target
        self.at = at
        self.below = ""
        self.met: dict[str, str | None] = {}

    @property
    def is_open(self) -> bool:
        """Whether both sides are known, and differ."""
        return len(self.met) == 2 and self.met["lower"] != self.met["upper"]


class KeyRange:
    """
    The keys of a target whose rank is above *after*, up to and with *upto*.

    Attributes:
        last: rank of the last key seen; *after* in the beginning.
        page: ranks of the first and last key of the latest page, which had *page_keys* keys.
        high: no key of the range is known to be above.
        begins: the seam to the range before; ``None`` at the beginning of the listing. Likewise *ends*.
        left: how many keys are to come, an estimate.
        probes: guesses that the store is being asked about.
        tail: of the latest page.
    """

    def __init__(self, target: Target, after: str, upto: str | None, high: str, begins: Seam | None) -> None:
        self.target = target
        self.after = self.last = after
        self.upto = upto
        self.high = high
        self.begins = begins
        self.ends: Seam | None = None
        self.page = ("", "")
        self.page_keys = 0
        self.has_begun = self.is_over = False
        self.left = 0.0
        self.probes: set[str] = set()
        self.tries = 0
        self.tail = NO_TAIL

    @classmethod
    def whole(cls, target: Target, order: Order) -> KeyRange:
        """Return the range of all keys of *target*."""
        prefix = order.rank(target.prefix)
        return cls(target, "", None, after_all(prefix) if prefix else _HIGHEST, None)

    def cut(self, at: str) -> KeyRange:
        """End this range at *at*, and return the range from there to where it ended."""
        seam = Seam(self.target, at)
        upper = KeyRange(self.target, at, self.upto, self.high, seam)
        upper.ends, self.ends = self.ends, seam
        self.upto = self.high = at
        self.tries = 0
        return upper

    def holds(self, target: Target, rank: str) -> bool:
        """Return whether *rank* of *target* is still to be listed here."""
        return self.target is target and not self.is_over and self.last < rank < self.high

    def estimate(self, alphabet: Alphabet) -> None:
        """Say anew how many keys are *left*, if they lie as densely as on the latest page."""
        first, last = self.page
        start = _shared(first, self.high)
        begin, now, end = (alphabet.number(text[start:]) for text in (first, last, self.high))
        self.left = self.page_keys * (end - now) / max(1, now - begin)

    def guess(self, alphabet: Alphabet, order: Order) -> str | None:
        """Return a rank between *last* and *high* to cut at, another one than *probes*; ``None`` if there is none."""
        self.tries += 1
        share = _share(len(self.probes) + 1)
        shared = _shared(self.last, self.high)
        steady = _shared(*self.page)
        candidates = [alphabet.between(self.last, self.high, share)]
        if steady > shared + 1:
            past = after_all(self.last[: shared + 1 + int((steady - shared - 1) * share)])
            candidates.insert(self.tries % 2, past)
        for found in (order.rank(order.key(text)) for text in candidates if text):
            if self.last < found < self.high and found not in self.probes:
                return found
        return None


class Alphabet:
    """The characters that keys were seen to have; texts are numbers with these as digits."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._sorted: list[str] = []

    def learn(self, texts: Iterable[str]) -> None:
        """Take note of the characters of *texts*."""
        more = set().union(*texts) - self._seen
        if more and len(self._seen) < _MOST_CHARACTERS:
            self._seen |= more
            self._sorted = sorted(self._seen)

    def number(self, text: str) -> int:
        """Return the number that the first characters of *text* stand for; a greater text never has a smaller one."""
        base, value = len(self._sorted) + 2, 0
        for place, character in enumerate(text[:_DIGITS], 1):
            position = bisect_left(self._sorted, character)
            if character not in self._seen:  # above all that begin with the character before it
                return int((value * base + position + 1) * base ** (_DIGITS - place)) - 1
            value = value * base + position + 1
        return int(value * base ** max(0, _DIGITS - len(text)))

    def between(self, low: str, high: str, share: float) -> str | None:
        """Return a short text between *low* and *high*, *share* of the way; ``None`` if they are too near."""
        start = _shared(low, high)
        begin, end = self.number(low[start:]), self.number(high[start:])
        found = low[:start]
        for digit in self._digits(begin + int((end - begin) * share)):
            if low < found < high or not self._sorted:
                break
            found += self._sorted[min(max(digit, 1), len(self._sorted)) - 1]
        return found if low < found < high else None

    def _digits(self, value: int) -> Sequence[int]:
        base, digits = len(self._sorted) + 2, []
        for _ in range(_DIGITS):
            value, digit = divmod(value, base)
            digits.append(digit)
        return digits[::-1]


def after_all(prefix: str) -> str:
    """Return the least text above all that begin with *prefix*, which is not empty."""
    code = ord(prefix[-1]) + 1
    if 0xD800 <= code <= 0xDFFF:  # not characters
        code = 0xE000
    if code > 0x10FFFF:
        return prefix + _HIGHEST
    return prefix[:-1] + chr(code)


def _shared(one: str, other: str) -> int:
    """Return how many characters two texts have in common from the beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((number for number, (mine, theirs) in pairs if mine != theirs), min(len(one), len(other)))


def _share(number: int) -> float:
    """Return the *number*-th (from 1) of 1/2, 1/4, 3/4, 1/8, 5/8, …: each as far from the others as can be."""
    share, part = 0.0, 0.5
    while number:
        number, bit = divmod(number, 2)
        share += part * bit
        part /= 2
    return share
