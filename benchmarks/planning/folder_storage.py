"""`Storage` in a local folder, so that what is measured is the planner, not an S3 server on the same processor."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from airflow_s3batch.core.errors import AccessError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.files.storage import StoredFile

_CHUNK = 1024**2


class FolderStorage:
    """Files below *root*, at ``bucket/key``. Downloads and uploads copy, as those of a store do."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, url: S3Url) -> Path:
        """Return where the file of *url* lies."""
        return self._root / url.bucket / url.key

    def read(self, url: S3Url) -> bytes | None:  # noqa: D102 - the port's docstring holds
        path = self.path(url)
        return path.read_bytes() if path.is_file() else None

    def read_part(self, url: S3Url, first: int, size: int) -> bytes:  # noqa: D102
        with self.path(url).open("rb") as stream:
            stream.seek(first)
            return stream.read(size)

    def write(self, url: S3Url, body: bytes, content_type: str = "application/octet-stream") -> str:  # noqa: ARG002, D102
        path = self.path(url)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        return "e"

    def list(self, prefix: S3Url) -> Iterator[StoredFile]:  # noqa: D102
        bucket = self._root / prefix.bucket
        for path in sorted(bucket.rglob("*")):
            key = path.relative_to(bucket).as_posix()
            if path.is_file() and key.startswith(prefix.key):
                found = path.stat()
                yield StoredFile(
                    S3Url(prefix.bucket, key), found.st_size, "e", datetime.fromtimestamp(found.st_mtime, UTC)
                )

    def folders(self, prefix: S3Url) -> Iterator[str]:  # noqa: D102
        folder = self.path(prefix)
        yield from sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else ()

    def download(self, url: S3Url, path: Path) -> None:  # noqa: D102
        if not self.path(url).is_file():
            raise AccessError(f"can't read {url}: there is no such object")
        _copy(self.path(url), path)

    def upload(  # noqa: D102
        self,
        path: Path,
        url: S3Url,
        content_type: str = "application/octet-stream",  # noqa: ARG002 - as in the port
        *,
        for_aws: bool = False,  # noqa: ARG002
    ) -> str:
        target = self.path(url)
        target.parent.mkdir(parents=True, exist_ok=True)
        _copy(path, target)
        return "e"

    def delete(self, url: S3Url) -> None:  # noqa: D102
        self.path(url).unlink(missing_ok=True)

    def delete_all(self, urls: Sequence[S3Url]) -> None:  # noqa: D102
        for url in urls:
            self.delete(url)


def _copy(source: Path, target: Path) -> None:
    """Copy through memory, as bytes that come from a socket do, not by the kernel alone."""
    with source.open("rb") as reader, target.open("wb") as writer:
        shutil.copyfileobj(reader, writer, _CHUNK)
