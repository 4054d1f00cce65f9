"""``failed.csv``: the failed objects as a manifest in AWS's form, ready to be run again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.engine.files.storage import Storage


class FailedManifest:
    """
    Collects failed objects in a local file, then publishes them as ``S3BatchOperations_CSV_20180820``.

    The VersionId column is there for all rows or for none: it is written if any failed object has a version.
    ``null`` stands only where the manifest of the job said so; an object that was named without a version next to
    others with one has an empty field, which AWS would refuse.

    Source:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/specify-batchjob-manifest.html
    """

    def __init__(self, folder: Path) -> None:
        """*folder* is a local one with room for the file, twice."""
        self._path = folder / "failed.csv"
        self._file = self._path.open("w", encoding="utf-8", newline="")
        self._rows = 0
        self._has_versions = False

    def add(self, objects: Iterable[str]) -> None:
        """Append *objects*, each as ``bucket,key,version_id`` with the key encoded."""
        for text in objects:
            self._rows += 1
            self._has_versions = self._has_versions or not text.endswith(",")
            self._file.write(text + "\n")

    def publish(self, storage: Storage, url: S3Url) -> S3Url | None:
        """Write the file to *url*; when nothing failed, delete an earlier one there and return ``None``."""
        path = self.finished()
        if not self._rows:
            storage.delete(url)
            return None
        storage.upload(path, url, "text/csv")
        return url

    def finished(self) -> Path:
        """Return the local file, after the last object was added."""
        self._file.close()
        return self._path if self._has_versions else self._without_versions()

    def _without_versions(self) -> Path:
        path = self._path.with_suffix(".short.csv")
        with self._path.open(encoding="utf-8", newline="") as lines, path.open("w", encoding="utf-8") as short:
            short.writelines(_shortened(lines))
        return path


def _shortened(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield line.removesuffix(",\n") + "\n"
