"""The tasks of a job on local disk: what its manifest lists, in the manifest's own spelling."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.core.keys import decode_key
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.testing.emulator.jobs import JobFailure

INVALID_CONTENT = "InvalidManifestContent"
MOST_KEY_CHARACTERS = 1024
_SPELLING = "manifest key"


class Task(NamedTuple):
    """
    One row of a manifest.

    Attributes:
        spelled_key: as the manifest spells it.
        version_id: empty if the row names none.
        lacks_version: the manifest names versions, but not in this row.
    """

    bucket: str
    spelled_key: str
    version_id: str = ""
    lacks_version: bool = False

    def to_object(self) -> S3Object:
        """Return the object as the engine takes it; `spelling_of` gives the manifest's spelling back."""
        columns = {_SPELLING: self.spelled_key}
        return S3Object(self.bucket, decode_key(self.spelled_key), self.version_id or None, columns=columns)


def spelling_of(obj: S3Object) -> str:
    """Return how the manifest spells the key of *obj*, which `Task.to_object` made."""
    return str(obj.columns[_SPELLING])


class TaskFile:
    """The tasks of one job in a file; written once, read once."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, tasks: Iterable[Task]) -> int:
        """
        Write *tasks*; return how many there are.

        Raises:
            JobFailure: a job can't have such tasks.
        """
        count, first = 0, ""
        with self._path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            for count, task in enumerate(tasks, start=1):
                first = first or task.bucket
                _check(task, first, count)
                writer.writerow((task.bucket, task.spelled_key, task.version_id, "x" if task.lacks_version else ""))
        if not count:
            raise JobFailure(INVALID_CONTENT, "Invalid Manifest Content: it lists no objects")
        return count

    def __iter__(self) -> Iterator[Task]:
        with self._path.open(encoding="utf-8", newline="") as file:
            for bucket, key, version_id, lacks in csv.reader(file):
                yield Task(bucket, key, version_id, bool(lacks))


def _check(task: Task, first_bucket: str, row: int) -> None:
    if task.bucket != first_bucket:
        told = f"row {row} is in bucket {task.bucket!r}, row 1 in {first_bucket!r}; a job has one bucket, and no header"
        raise JobFailure(INVALID_CONTENT, f"Invalid Manifest Content: {told}")
    try:
        characters = len(decode_key(task.spelled_key))
    except ManifestError as error:
        raise JobFailure(INVALID_CONTENT, f"Invalid Manifest Content: row {row}: {error}") from None
    if not 1 <= characters <= MOST_KEY_CHARACTERS:
        told = f"row {row} has a key of {characters} characters; 1-{MOST_KEY_CHARACTERS} are possible"
        raise JobFailure(INVALID_CONTENT, f"Invalid Manifest Content: {told}")
