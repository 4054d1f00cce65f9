"""The rows of a commit's failures that count, as its result file has them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from airflow_s3batch.core.commits import Commit, Spans, ordinals_in
from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.core.s3url import S3Url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_s3batch.engine.files.storage import Storage


def failed_lines(storage: Storage, bucket: str, commit: Commit, kept: Spans) -> Iterator[str]:
    """
    Yield the lines of *commit*'s failures whose ordinals are in *kept*, without line feeds; *bucket* is the job's.

    Raises:
        JobDamagedError: the file is missing or altered.
    """
    part = commit.failed_file
    if part is None or not kept:
        return
    url = S3Url(bucket, part.key)
    body = storage.read(url)
    if body is None or hashlib.md5(body, usedforsecurity=False).hexdigest() != part.md5:
        raise JobDamagedError(f"{url}: missing or altered since it was written: its MD5 is not {part.md5}")
    wanted = set(ordinals_in(kept))
    # messages hold no line feeds; other characters that str.splitlines would split at are theirs to hold
    lines = body.decode().removesuffix("\n").split("\n")
    for ordinal, line in zip(ordinals_in(commit.failed), lines, strict=True):
        if ordinal in wanted:
            yield line
