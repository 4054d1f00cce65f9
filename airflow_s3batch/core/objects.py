"""The object that an operation works on."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

NO_COLUMNS: Mapping[str, Any] = MappingProxyType({})


class S3Object(NamedTuple):
    """
    One object (or object version) of a manifest.

    Attributes:
        bucket: bucket name.
        key: the raw key, not encoded.
        version_id: ``None`` stands for whatever version is current; ``"null"`` for the null version.
        size: bytes, ``None`` if the source of the manifest did not say.
        e_tag: without quotes, ``None`` if unknown.
        storage_class: as S3 names it, ``None`` if unknown.
        is_latest: whether *version_id* was the current version when the manifest was made; ``None`` if unknown.
        columns: the extra columns of the manifest, by name, for `Column`.
    """

    bucket: str
    key: str
    version_id: str | None = None
    size: int | None = None
    e_tag: str | None = None
    storage_class: str | None = None
    is_latest: bool | None = None
    columns: Mapping[str, Any] = NO_COLUMNS

    @property
    def url(self) -> str:
        """For people; keys with control characters must be escaped by whoever prints it."""
        return f"s3://{self.bucket}/{self.key}"
