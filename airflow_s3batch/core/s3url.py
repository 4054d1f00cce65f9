"""``s3://bucket/key`` as a value."""

from __future__ import annotations

from typing import NamedTuple

from airflow_s3batch.core.errors import ArgumentError


class S3Url(NamedTuple):
    """A place in S3: a bucket, and a key or key prefix without a leading slash (may be empty)."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, text: str, *, what: str = "url") -> S3Url:
        """
        Return the place that *text* names; *what* is the argument's name for the error.

        Raises:
            ArgumentError: *text* is not ``s3://bucket[/key]``.
        """
        scheme, separator, rest = text.partition("://")
        bucket, _, key = rest.partition("/")
        if scheme not in ("s3", "s3a") or not separator or not bucket:
            raise ArgumentError(f"{what}={text!r} is not an S3 URL; expected s3://bucket/key")
        return cls(bucket, key)

    def __truediv__(self, name: str) -> S3Url:
        """Return the place called *name* in this folder."""
        base = self.key.rstrip("/")
        return S3Url(self.bucket, f"{base}/{name}" if base else name)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"
