"""Whether a job of AWS that was begun is about the list of objects that is asked for now."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import JobChangedError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.managed.new_job import find_job
from airflow_s3batch.managed.round_files import read_round

if TYPE_CHECKING:
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.managed.control import JobControl
    from airflow_s3batch.managed.lone_job import LoneJob
    from airflow_s3batch.managed.round_files import RoundFiles, StoredRequest

_ABOUT_THE_FILE = frozenset({"EnableManifestOutput", "ManifestOutputLocation"})
"""What of a manifest generator does not say which objects are meant."""


def check_list(
    asked: LoneJob, number: int, files: RoundFiles, storage: Storage, control: JobControl, *, resume: bool
) -> None:
    """
    Check that the rounds up to *number*, the newest, whose files are *files*, are about the list that is asked for.

    What has succeeded in one list says nothing of another. A request that AWS has refused is no beginning.

    Raises:
        JobChangedError: they are about another one.
        AccessError: the caller may not list jobs, so there is no telling whether one was made.
    """
    if files.request is None or (files.harvested and not resume):
        return
    was, now = _list_of_rounds(asked, number, storage), _list_of(asked.manifest_url, asked.settings.manifest_generator)
    if was in (None, now):
        return
    goes_on = resume and is_rest(asked, files.request)
    if files.job or files.harvested or goes_on or find_job(control, files.request):
        raise JobChangedError(
            f"{files.place.url}: this job was begun on another list of objects: it was {_short(was)}, and is "
            f"{_short(now)}; restore it, or, once AWS's job is over, pass resume=False to start over with the new one"
        )


def is_rest(asked: LoneJob, stored: StoredRequest) -> bool:
    """Return whether *stored* is about what an earlier round has left, and not about the list that somebody gave."""
    return stored.manifest is not None and str(stored.manifest.url).startswith(f"{asked.folder}/round-")


def _list_of_rounds(asked: LoneJob, number: int, storage: Storage) -> Any:
    for earlier in range(number, 0, -1):
        stored = read_round(storage, asked.place(earlier)).request
        if stored is not None and not is_rest(asked, stored):
            generator = stored.request.get("ManifestGenerator", {}).get("S3JobManifestGenerator")
            return _list_of(str(stored.manifest.url) if stored.manifest else "", generator)
    return None


def _list_of(manifest_url: str, generator: Mapping[str, Any] | None) -> Any:
    """Return what tells lists apart, JSON-ready; ``None`` if there is neither."""
    if manifest_url:
        return str(S3Url.parse(manifest_url, what="manifest_url"))
    document = json.loads(json.dumps(generator, default=lambda moment: moment.isoformat()))
    return document and {name: value for name, value in document.items() if name not in _ABOUT_THE_FILE}


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 300 else f"{text[:299]}…"
