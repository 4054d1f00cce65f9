"""The word that a verification is asked for: without it, a report could not tell that one is missing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.core.iso_times import iso_now

if TYPE_CHECKING:
    from airflow_s3batch.core.layout import OperationLayout
    from airflow_s3batch.engine.files.storage import Storage

FORMAT = "airflow-s3batch-verification/1"


class Asked(NamedTuple):
    """How many objects of the job are to be looked at again; ``None`` for all that succeeded."""

    objects: int | None


def ask(storage: Storage, task: OperationLayout, objects: int | None) -> None:
    """Leave word that a verification of *objects*, or of all, is asked for."""
    document = {"format": FORMAT, "objects": objects, "asked": iso_now()}
    storage.write(task.verification_asked, json.dumps(document).encode(), "application/json")


def asked_for(storage: Storage, task: OperationLayout) -> Asked | None:
    """
    Return what was asked for last, ``None`` if nothing was.

    Raises:
        JobDamagedError: the file is not one of ours.
    """
    url = task.verification_asked
    body = storage.read(url)
    if body is None:
        return None
    try:
        document = json.loads(body)
        if document["format"] != FORMAT or not isinstance(document["objects"], (int, type(None))):
            raise JobDamagedError(f"{url}: not in format {FORMAT!r}")
        return Asked(document["objects"])
    except (ValueError, KeyError, TypeError) as error:
        raise JobDamagedError(f"{url}: not of this package ({error!r})") from None
