"""From the URL that somebody has at hand (of a job, its report, a file in it) to the job."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_s3batch.core.errors import AccessError, ManifestError
from airflow_s3batch.core.formats import JOB, check_format, is_later
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.files.stored_files import json_at

if TYPE_CHECKING:
    import argparse

    from airflow_s3batch.engine.files.storage import Storage

_LEVELS = 12
"""How many folders above a URL are looked at; a job's deepest file lies seven levels below its folder."""


class Found(NamedTuple):
    """A JSON document, the *folder* it is about and the *url* it lies at."""

    folder: S3Url
    url: S3Url
    document: Mapping[str, Any]


def add_url(
    parser: argparse.ArgumentParser, what: str = "of the job: its folder, its report, or any file in it"
) -> None:
    """Let *parser* take the URL that a command is about."""
    parser.add_argument("url", metavar="URL", help=f"s3://… {what}")


def job_at(storage: Storage, url: str) -> Found:
    """
    Return ``job.json`` of the job that *url* lies in.

    Raises:
        ArgumentError: *url* is not an S3 URL.
        ManifestError: there is no job at *url* or above it.
        LaterReleaseError: there is one, which a later release has written.
        AccessError: the store refuses.
    """
    found = nearest(storage, S3Url.parse(url), ("job.json",), is_job)
    if found is not None:
        check_format(found.document["format"], JOB, place=str(found.url))
    if found is None:
        raise ManifestError(
            f"{url}: there is no job here or above; expected a folder with a job.json, as below the job_url of a Dag. "
            "List the jobs: s3batch jobs s3://…"
        )
    return found


def is_job(document: Mapping[str, Any]) -> bool:
    """Whether *document* is a ``job.json``, maybe of a later release; AWS's rounds have files of that name, too."""
    return document.get("format") == JOB or is_later(document.get("format"), JOB)


def nearest(
    storage: Storage, url: S3Url, names: Sequence[str], is_wanted: Callable[[Mapping[str, Any]], bool]
) -> Found | None:
    """
    Return the first JSON document that *is_wanted* and is called one of *names* at *url* or above it.

    A refusal counts only if nothing is found: credentials may be for the job's folder alone.
    """
    refusal: AccessError | None = None
    for folder in _levels(url):
        for name in names:
            try:
                document = json_at(storage, folder / name)
            except AccessError as error:
                refusal = refusal or error
                continue
            if is_wanted(document):
                return Found(folder, folder / name, document)
    if refusal is not None:
        raise refusal
    return None


def _levels(url: S3Url) -> Iterator[S3Url]:
    """Yield *url* and the folders above it, down to the bucket."""
    key = url.key.strip("/")
    for _ in range(_LEVELS):
        yield S3Url(url.bucket, key)
        if not key:
            return
        key = key.rpartition("/")[0]
