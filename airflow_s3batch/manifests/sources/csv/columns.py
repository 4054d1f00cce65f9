"""Which columns CSV files have, and whether their first lines are headers: from arguments and first lines together."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from airflow_s3batch.core.errors import InventoryError
from airflow_s3batch.manifests.columns import TYPES
from airflow_s3batch.manifests.sources.row_values import IGNORED, check_columns, column_name, column_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.manifests.sources.csv.heads import Head

_AWS_FIELDS = (("bucket", "key"), ("bucket", "key", "version_id"))
"""Columns of AWS's CSV manifests, which have no header."""


class Asked(NamedTuple):
    """
    What the user says on the columns.

    Attributes:
        fields: their names, in file order; ``None`` if the files themselves tell.
        bucket: that all objects are in; empty if a column tells.
        has_header: ``None`` if each file's first line tells.
    """

    fields: tuple[str, ...] | None
    bucket: str
    has_header: bool | None


class Layout(NamedTuple):
    """Names of the columns (``ignore``: passed over), whether the first line is a header, and how lines end."""

    names: tuple[str, ...]
    has_header: bool
    line_end: str = ""


def layout_of(url: S3Url, head: Head, asked: Asked) -> Layout:
    """
    Return the layout of the file at *url*, which begins with *head*.

    A first line that names the columns key and, unless all objects are in one bucket, bucket is a header if nothing
    else is said. So the object ``key`` in a bucket called ``bucket`` needs ``has_header=False`` if it comes first.

    Raises:
        InventoryError: the columns can't be told, or the header contradicts what was asked for.
    """
    is_header = asked.has_header
    if is_header is None:
        is_header = _names_columns(head.fields, asked)
    if is_header and head.starts_blank:
        raise InventoryError(f"{url}: it begins with a blank line, but a header must be the first line")
    if asked.fields is not None:
        names = column_names(asked.fields)
        if len(head.fields) != len(names) and not _ends_empty(head.fields, names):
            raise InventoryError(
                f"{url}: its first line has {len(head.fields)} columns, but fields= names {len(names)}: "
                f"{', '.join(asked.fields)}; name all of them, 'Ignore' for those that are of no use"
            )
        if is_header:
            _check_header(url, head.fields, names)
    else:
        names = column_names(head.fields) if is_header else _unnamed(url, head.fields, asked)
        check_columns(names, asked.bucket, where=f"{url}: it")
    return Layout(names, is_header, head.line_end)


def _names_columns(fields: Sequence[str], asked: Asked) -> bool:
    needed = {"key"} if asked.bucket else {"bucket", "key"}
    return needed <= set(column_names(fields))


def _ends_empty(fields: Sequence[str], names: Sequence[str]) -> bool:
    return len(fields) == len(names) + 1 and not fields[-1]


def _check_header(url: S3Url, header: Sequence[str], names: Sequence[str]) -> None:
    """Refuse a header that tells known columns in another order than fields= does."""
    for number, (written, name) in enumerate(zip(header, names, strict=False), start=1):
        told = column_name(written, number)
        if told in TYPES and name not in (told, IGNORED):
            raise InventoryError(
                f"{url}: its header calls column {number} {written!r}, but fields= calls it {name!r}; leave out "
                "fields= to go by the header, or set it right"
            )


def _unnamed(url: S3Url, fields: Sequence[str], asked: Asked) -> tuple[str, ...]:
    known = (("key",),) if asked.bucket else _AWS_FIELDS
    for names in known:
        if len(names) == len(fields):
            return names
    expected = "a column of keys (bucket= is given)" if asked.bucket else "Bucket,Key or Bucket,Key,VersionId"
    shown = ",".join(fields)[:80]
    raise InventoryError(
        f"{url}: its first line has {len(fields)} columns and is no header ({shown!r}); without fields= and without a "
        f"header {expected} was expected. Name the columns with fields=, 'Ignore' for those that are of no use"
    )
