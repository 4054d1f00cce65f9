"""Files in memory, for unit tests of what reads and writes a job's folder."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_s3batch.core.errors import AccessError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.files.storage import StoredFile

if TYPE_CHECKING:
    from pathlib import Path

Before = Callable[[str, S3Url], None]
Files = list[tuple[S3Url, bytes]]
_UNKNOWN = datetime(2006, 3, 14, tzinfo=UTC)


class MemoryStorage:
    """
    `Storage` in a dictionary; buckets need not be made first.

    Attributes:
        files: what is stored, by URL; tests may read and change it between calls.
        before: called with the verb (``read``, ``write``, ``list``, ``folders``, ``download``, ``upload``, ``delete``)
            and the URL before anything is done, without the lock held. What it raises, the caller sees: this is how
            tests inject faults.
        modified: when each file was written last, by *clock*; of a file that a test put into *files* nobody knows.
        clock: the store's, to the second as in S3's listings.
    """

    def __init__(self, before: Before | None = None, clock: Callable[[], datetime] | None = None) -> None:
        self.files: dict[S3Url, bytes] = {}
        self.modified: dict[S3Url, datetime] = {}
        self.before = before
        self.clock = clock or (lambda: datetime.now(UTC))
        self._lock = threading.Lock()

    def read(self, url: S3Url) -> bytes | None:  # noqa: D102 - the port's docstring holds
        self._announce("read", url)
        return self._get(url)

    def read_part(self, url: S3Url, first: int, size: int) -> bytes:  # noqa: D102
        self._announce("read", url)
        body = self._get(url)
        if body is None:
            raise AccessError(f"can't read {url}: there is no such object")
        return body[first : first + size]

    def write(self, url: S3Url, body: bytes, content_type: str = "application/octet-stream") -> str:  # noqa: ARG002, D102
        self._announce("write", url)
        return self._put(url, body)

    def list(self, prefix: S3Url) -> Iterator[StoredFile]:  # noqa: D102
        self._announce("list", prefix)
        for url, body in self._under(prefix):
            yield StoredFile(url, len(body), _e_tag(body), self.modified.get(url, _UNKNOWN))

    def folders(self, prefix: S3Url) -> Iterator[str]:  # noqa: D102
        self._announce("folders", prefix)
        base = S3Url(prefix.bucket, prefix.key.rstrip("/") + "/" if prefix.key else "")
        below = (url.key[len(base.key) :] for url, _ in self._under(base))
        yield from sorted({rest.partition("/")[0] for rest in below if "/" in rest})

    def download(self, url: S3Url, path: Path) -> None:  # noqa: D102
        self._announce("download", url)
        body = self._get(url)
        if body is None:
            raise AccessError(f"can't read {url}: there is no such object")
        path.write_bytes(body)

    def upload(  # noqa: D102
        self,
        path: Path,
        url: S3Url,
        content_type: str = "application/octet-stream",  # noqa: ARG002 - as in the port
        *,
        for_aws: bool = False,  # noqa: ARG002
    ) -> str:
        self._announce("upload", url)
        return self._put(url, path.read_bytes())

    def delete(self, url: S3Url) -> None:  # noqa: D102
        self._announce("delete", url)
        with self._lock:
            self.files.pop(url, None)

    def delete_all(self, urls: Sequence[S3Url]) -> None:  # noqa: D102
        for url in urls:
            self.delete(url)

    def _announce(self, verb: str, url: S3Url) -> None:
        if self.before is not None:
            self.before(verb, url)

    def _get(self, url: S3Url) -> bytes | None:
        with self._lock:
            return self.files.get(url)

    def _put(self, url: S3Url, body: bytes) -> str:
        with self._lock:
            self.files[url] = bytes(body)
            self.modified[url] = self.clock().replace(microsecond=0)
        return _e_tag(body)

    def _under(self, prefix: S3Url) -> Files:
        with self._lock:
            files = sorted(self.files.items())
        return [(url, body) for url, body in files if url.bucket == prefix.bucket and url.key.startswith(prefix.key)]


def _e_tag(body: bytes) -> str:
    """Return the ETag that S3 gives a plain PUT of *body*."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest()
