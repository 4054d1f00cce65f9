"""
What the files of a job say they are, and what becomes of a file that says something else.

Each file names its format and a number, ``airflow-s3batch-manifest/1``. The number goes up when an older release
would misread the file, not when something is added that an older release may leave out.
"""

from __future__ import annotations

import re

from airflow_s3batch.core.errors import JobDamagedError, LaterReleaseError
from airflow_s3batch.core.visible import visible
from airflow_s3batch.version import __version__

JOB = "airflow-s3batch-job/1"
"""``job.json``."""
ATTEMPT = "airflow-s3batch-attempt/1"
"""What an attempt at a shard writes when it starts."""
SERIES = "airflow-s3batch-series/1"
"""What a run of a task leaves for the next."""

_FORM = re.compile(r"(airflow-s3batch-[a-z-]+)/([1-9][0-9]{0,5})")


def check_format(found: object, ours: str, *, place: str, remedy: str = "") -> None:
    """
    Check that the file at *place*, which says that its format is *found*, is of the format *ours*.

    *remedy* is a clause on what to do with a file of another format.

    Raises:
        LaterReleaseError: it is of a later form of the same format.
        JobDamagedError: it is of another format, or of none.
    """
    if found == ours:
        return
    shown = visible(repr(found))[:80]
    if is_later(found, ours):
        raise LaterReleaseError(
            f"{place}: format is {shown}, of a later release of airflow-provider-s3batch; this version reads {ours!r}. "
            f"Nothing was done with it; upgrade where this runs ({__version__})"
        )
    raise JobDamagedError(f"{place}: format is {shown}; this version reads {ours!r}{remedy and f'; {remedy}'}")


def is_later(found: object, ours: str) -> bool:
    """Return whether *found* is a later form of the format *ours*."""
    then, now = _FORM.fullmatch(str(found)), _FORM.fullmatch(ours)
    return bool(then and now and then[1] == now[1] and int(then[2]) > int(now[2]))
