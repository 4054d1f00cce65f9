"""The files of a round: what is read of them, and how they are written. The only place that knows their forms."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.core.formats import check_format
from airflow_s3batch.core.layout import GenerationLayout, RoundLayout
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.files.storage import Storage
from airflow_s3batch.managed.request import CsvManifest

REQUEST_FORMAT = "airflow-s3batch-request/1"
JOB_FORMAT = "airflow-s3batch-aws-job/1"
HARVEST_FORMAT = "airflow-s3batch-harvest/1"


class StoredRequest(NamedTuple):
    """
    A request that is about to be sent, or was.

    Attributes:
        attempt: name under which the outcomes are committed.
        manifest: the objects; ``None`` if AWS makes the manifest.
        shards: that the objects are of.
        request: CreateJob's, word for word.
        forbids_replay: what may have been done without an outcome must not be done again.
    """

    attempt: str
    manifest: CsvManifest | None
    shards: tuple[int, ...]
    request: Mapping[str, Any]
    forbids_replay: bool = False

    @property
    def rows(self) -> int:
        """How many objects the job is made for."""
        return self.manifest.rows if self.manifest else 0


class RoundFiles(NamedTuple):
    """What the folder of a round holds; ``None`` for what is not there (yet)."""

    place: RoundLayout
    request: StoredRequest | None = None
    job: Mapping[str, Any] | None = None
    harvested: Mapping[str, Any] | None = None


def newest_round(storage: Storage, generation: GenerationLayout, folder: str) -> int:
    """Return the number of the newest round of a bucket's *folder*, 0 if there is none."""
    names = (re.fullmatch(r"round-(\d{4,})", name) for name in storage.folders(generation.bucket_rounds(folder)))
    return max((int(name[1]) for name in names if name), default=0)


def read_round(storage: Storage, place: RoundLayout) -> RoundFiles:
    """
    Return what the folder of a round holds.

    Raises:
        JobDamagedError: a file is not one of ours.
    """
    request = _read(storage, place.request, REQUEST_FORMAT)
    return RoundFiles(
        place,
        _request_from(request, place.request) if request else None,
        _read(storage, place.job, JOB_FORMAT),
        _read(storage, place.harvested, HARVEST_FORMAT),
    )


def write_request(storage: Storage, place: RoundLayout, stored: StoredRequest) -> None:
    """Store the request before it is sent."""
    manifest = {**stored.manifest._asdict(), "url": str(stored.manifest.url)} if stored.manifest else None
    document = {
        "attempt": stored.attempt,
        "manifest": manifest,
        "shards": list(stored.shards),
        "request": stored.request,
        "forbids_replay": stored.forbids_replay,
    }
    _write(storage, place.request, REQUEST_FORMAT, document)


def write_job(storage: Storage, place: RoundLayout, **facts: Any) -> None:
    """Store *facts* on the AWS job, its id above all, once it exists."""
    _write(storage, place.job, JOB_FORMAT, facts)


def write_harvested(storage: Storage, place: RoundLayout, **facts: Any) -> None:
    """Store the job's end and the counts, once all of its outcomes are committed."""
    _write(storage, place.harvested, HARVEST_FORMAT, facts)


def _write(storage: Storage, url: S3Url, form: str, document: Mapping[str, Any]) -> None:
    body = json.dumps({"format": form, **document}, indent=1).encode()
    storage.write(url, body, "application/json")


def _read(storage: Storage, url: S3Url, form: str) -> dict[str, Any] | None:
    body = storage.read(url)
    if body is None:
        return None
    try:
        document: dict[str, Any] = json.loads(body)
        check_format(document["format"], form, place=str(url))
    except (ValueError, KeyError, TypeError) as error:
        raise JobDamagedError(f"{url}: not a file of this package ({error!r})") from None
    return document


def _request_from(document: Mapping[str, Any], url: S3Url) -> StoredRequest:
    try:
        manifest = document["manifest"]
        known = CsvManifest(**{**manifest, "url": S3Url.parse(manifest["url"])}) if manifest else None
        request = dict(document["request"])
        shards, forbids = tuple(document["shards"]), bool(document["forbids_replay"])
        return StoredRequest(str(document["attempt"]), known, shards, request, forbids)
    except (ValueError, KeyError, TypeError) as error:
        raise JobDamagedError(f"{url}: not the request of a round ({error!r})") from None
