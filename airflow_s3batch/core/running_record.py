"""The file that a job at work leaves below its ``job_url``, so that others which touch the same objects notice it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

from airflow_s3batch.core.formats import check_format
from airflow_s3batch.core.identity import fingerprint

FORMAT = "airflow-s3batch-running/1"
MOST_MARKS = 40
ANY = "many"
"""Stands for the buckets of a job that has more than `MOST_MARKS`."""

_NAME = re.compile(r"([A-Za-z0-9.-]{1,150})_([0-9a-f]{8})_(\d{13,15})_([0-9a-f]{6}(?:-[0-9a-f]{6})*|many)", re.ASCII)


class RunningName(NamedTuple):
    """
    What the file's name tells, so that most files need not be read.

    Attributes:
        job: name of the job's folder, or what stands for it.
        task: stands for the operation task and the start from scratch.
        since: Unix milliseconds at which that began to work, by its worker's clock.
        marks: each stands for a bucket; `ANY` for all.
    """

    job: str
    task: str
    since: int
    marks: frozenset[str]

    @classmethod
    def read(cls, name: str) -> RunningName | None:
        """Return what *name* tells; ``None`` if it is not one of ours."""
        match = _NAME.fullmatch(name)
        return match and cls(match[1], match[2], int(match[3]), frozenset(match[4].split("-")))

    def __str__(self) -> str:
        return f"{self.job}_{self.task}_{self.since:013d}_{'-'.join(sorted(self.marks))}"

    def may_touch(self, marks: Collection[str]) -> bool:
        """Whether the job may be about one of the buckets that *marks* stand for."""
        return ANY in self.marks or ANY in marks or not self.marks.isdisjoint(marks)


def bucket_marks(buckets: Collection[str]) -> frozenset[str]:
    """Return what stands for *buckets* in a file's name; for none, which is not known, `ANY`."""
    if not 0 < len(buckets) <= MOST_MARKS:
        return frozenset({ANY})
    return frozenset(hashlib.sha256(bucket.encode()).hexdigest()[:6] for bucket in buckets)


def task_mark(task_id: str, generation: str) -> str:
    """Return what stands for an operation task and a start from scratch of it in a file's name."""
    return fingerprint([task_id, generation])[:8]


@dataclass(frozen=True, slots=True)
class RunningRecord:
    """
    What the file holds.

    Attributes:
        job_url: folder of the job; *generation* the folder in it where the task works.
        task_id: of the operation task.
        operation: its name; *what* stands for all of its declaration.
        rows: stands for what the job asks of its source's rows, whichever delivery that is; empty if not known.
        dag_id: whose run it is; *run_id* likewise.
        is_managed: AWS does the work.
    """

    job_url: str
    generation: str
    task_id: str
    operation: str
    what: str
    rows: str = ""
    dag_id: str = ""
    run_id: str = ""
    is_managed: bool = False

    def to_bytes(self) -> bytes:
        """Return the file's body."""
        return (json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n").encode()

    @classmethod
    def read(cls, body: bytes | None, *, place: str) -> Self | None:
        """Return what *body* holds; ``None`` if it is gone by now, foreign, or of a later release."""
        try:
            document: Mapping[str, Any] = json.loads(body or b"")
            check_format(document["format"], FORMAT, place=place)
            values = {name: document[name] for name in cls.__dataclass_fields__}
            return cls(**values) if _has_types(values) else None
        except Exception:  # noqa: BLE001 - anybody may write here; what can't be read is nobody's
            return None

    def is_same_work(self, other: RunningRecord) -> bool:
        """Whether *other* does the same to what is selected in the same way."""
        return bool(self.rows) and (self.rows, self.what) == (other.rows, other.what)


def _has_types(values: Mapping[str, Any]) -> bool:
    flag = values["is_managed"]
    return isinstance(flag, bool) and all(isinstance(v, str) for name, v in values.items() if name != "is_managed")
