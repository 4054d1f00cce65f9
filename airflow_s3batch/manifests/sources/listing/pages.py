"""
Reads one answer to ListObjectsV2 or ListObjectVersions: the entries as columns of text, and where the next page begins.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import unquote

from airflow_s3batch.manifests.sources.listing.xml import ENTRIES, Column, PageError, parts_of


class Entries(NamedTuple):
    """Entries of one kind, in the order of the answer: a list of texts for each name in `FIELDS`."""

    columns: Mapping[str, Column]
    keys: Sequence[str]


class Page(NamedTuple):
    """
    One answer.

    Attributes:
        objects: current objects, or versions.
        markers: delete markers; always empty for current objects.
        following: query parameters of the next page; empty on the last one.
    """

    objects: Entries
    markers: Entries
    following: tuple[tuple[str, str], ...]

    @property
    def kinds(self) -> tuple[tuple[Entries, bool], ...]:
        """Both kinds of entries, and whether they are delete markers."""
        return (self.objects, False), (self.markers, True)

    @property
    def first(self) -> str | None:
        """The key that comes first in UTF-8 order, ``None`` if there is none."""
        return min((entries.keys[0] for entries in (self.objects, self.markers) if entries.keys), default=None)


class Tail(NamedTuple):
    """
    The last key of a page and its versions there.

    Some stores begin the next page with what they are asked to begin behind (MiniStack 1.5, of versions).
    """

    key: str | None
    versions: frozenset[str | None]

    @classmethod
    def of(cls, page: Page) -> Tail:
        """Return the tail of *page*; one without entries has none."""
        last = max((entries.keys[-1] for entries, _ in page.kinds if entries.keys), default=None)
        ids: set[str | None] = set()
        for entries, _ in page.kinds:
            for number in range(len(entries.keys) - 1, -1, -1):
                if entries.keys[number] != last:
                    break
                ids.add(entries.columns["version_id"][number])
        return cls(last, frozenset(ids))

    def repeated(self, entries: Entries) -> int:
        """Return how many entries at the beginning of the next page were on this one already."""
        versions = entries.columns["version_id"]
        pairs = enumerate(zip(entries.keys, versions, strict=True))
        return next((n for n, (key, v) in pairs if key != self.key or v not in self.versions), len(versions))


NO_TAIL = Tail(None, frozenset())


def parse_page(body: bytes) -> Page:
    """
    Return what *body* lists; keys are raw, whatever their encoding on the way.

    Raises:
        PageError: it is cut off, or no listing.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise PageError(f"it is not UTF-8 ({error})") from None
    parts = parts_of(text)
    decode = _url_decoded if parts.other("EncodingType") == "url" else str
    try:
        objects, versions, markers = (_entries(parts.entries[name], decode) for name in ENTRIES)
        following = _following(parts.other, decode)
    except UnicodeDecodeError as error:
        raise PageError(f"a key is not UTF-8 ({error})") from None
    return Page(objects if objects.keys else versions, markers, following)


def _following(other: Callable[[str], str | None], decode: Callable[[str], str]) -> tuple[tuple[str, str], ...]:
    if other("IsTruncated") != "true":
        return ()
    if token := other("NextContinuationToken"):
        return (("continuation-token", token),)
    if (key := other("NextKeyMarker")) is not None:
        version = other("NextVersionIdMarker")
        return ("key-marker", decode(key)), *([("version-id-marker", version)] if version else [])
    raise PageError("it says that there is more, but not where that begins")


def _entries(columns: Mapping[str, Column], decode: Callable[[str], str]) -> Entries:
    keys = columns["key"]
    if None in keys:
        raise PageError("an entry has no key")
    if decode is not str:
        keys = _all_decoded(keys)  # type: ignore[arg-type, assignment]
    return Entries({**columns, "key": keys}, keys)  # type: ignore[arg-type]


def _all_decoded(keys: Sequence[str]) -> Sequence[str]:
    """Return all *keys* decoded: together, for one by one takes ten times as long."""
    found = _url_decoded("\n".join(keys)).split("\n")
    return found if len(found) == len(keys) else [_url_decoded(key) for key in keys]


def _url_decoded(text: str) -> str:
    """Return the key; as in a form, a plus is a space."""
    text = text.replace("+", " ")
    return unquote(text, errors="strict") if "%" in text else text
