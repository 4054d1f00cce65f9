"""The key that an object is copied to: a prefix in front of its own, or what columns of the manifest say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from airflow_s3batch.core.errors import ArgumentError, ManifestError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.operations.bodies.sources import HEAD_SOURCE
from airflow_s3batch.operations.fields import Column, columns_in
from airflow_s3batch.operations.probing import HEAD_MAYBE
from airflow_s3batch.operations.requests import Request, RunContext, Steps

TargetKey = Column | Sequence[str | Column]


def own_value(value: Any, obj: S3Object, operation: str) -> Any:
    """
    Return *value*, or the column's for *obj* if it is one.

    Raises:
        ManifestError: the manifest has no such column.
    """
    if not isinstance(value, Column):
        return value
    try:
        return value.value_of(obj)
    except KeyError as error:
        raise ManifestError(f"{operation}: the manifest has no column {error}; add it to columns=") from None


def target_key_problems(target_key: Any, prefix: Any) -> Iterator[str]:
    """Yield what is wrong with the fields that say where copies go, a clause each."""
    if isinstance(prefix, str) and prefix.startswith("/"):
        yield f"target_key_prefix={prefix!r} starts with a slash"
    if target_key is None:
        return
    if prefix:
        yield "give target_key_prefix or target_key, not both"
    if isinstance(target_key, Column):
        return
    is_list = isinstance(target_key, (list, tuple))
    if not is_list or not all(isinstance(part, (str, Column)) for part in target_key):
        yield f"target_key={target_key!r}: expected a Column, or a list of texts and columns"
    elif not columns_in(target_key):
        yield f"target_key={target_key!r} has no Column, so all objects would be copied to one key"


def key_from_columns(target_key: TargetKey, obj: S3Object, operation: str) -> str:
    """
    Return the key that *target_key* says for *obj*.

    Raises:
        ArgumentError: a value is null, or all are empty.
        ManifestError: the manifest has no such column.
    """
    parts = [target_key] if isinstance(target_key, Column) else target_key
    values = [own_value(part, obj, operation) for part in parts]
    if None in values:
        names = ", ".join(part.name for part, value in zip(parts, values, strict=True) if value is None)  # type: ignore[union-attr]
        raise ArgumentError(f"{operation}: target_key: column {names} is null")
    key = "".join(map(str, values))
    if not key:
        raise ArgumentError(f"{operation}: target_key is empty")
    return key


def may_be_respelled(obj: S3Object, copy: Any, target: str, context: RunContext) -> bool:
    """
    Return whether the key *target* of *copy*'s bucket may be *obj* itself to a store that keeps objects in folders.

    Such stores take ``a//b`` and ``/a/b`` for ``a/b``; AWS does not.
    """
    if context.capabilities.is_aws or copy.target_bucket != obj.bucket:
        return False
    return _path(target) == _path(obj.key)


def is_respelled(obj: S3Object, copy: Any, target: str) -> Steps[bool]:
    """Return whether the store shows one object under both keys."""
    there = yield Request(HEAD_MAYBE, str(copy.target_bucket), target)
    own = yield Request(HEAD_SOURCE, obj.bucket, obj.key, obj.version_id)
    shown = [[head.headers.get(name) for name in ("etag", "last-modified", "content-length")] for head in (there, own)]
    return there.is_success and own.is_success and shown[0] == shown[1]


def _path(key: str) -> list[str]:
    return [part for part in key.split("/") if part not in ("", ".")]
