"""``summary.json`` read back, and its published JSON Schema."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import JobDamagedError, ManifestError
from airflow_s3batch.core.formats import check_format
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.access import S3Access
from airflow_s3batch.engine.files.storage import S3Storage, Storage
from airflow_s3batch.reports.summary import FORMAT, JobSummary

if TYPE_CHECKING:
    import boto3
    from botocore.config import Config

_LISTS: tuple[str, ...] = ("tolerate", "aws_jobs", "history", "prefixes")


def read_summary(
    url: str,
    *,
    session: boto3.session.Session | None = None,
    endpoint_url: str | None = None,
    region_name: str | None = None,
    verify: bool | str | None = None,
    config: Config | None = None,
    storage: Storage | None = None,
) -> JobSummary:
    """
    Return what a job did: counts, verdict, timeline, failures by code and prefix, sizes, evidence, history.

    Args:
        url: of the job's folder, of its report's, or of a file in the latter.
        session: boto3 session, for its credentials.
        endpoint_url: as boto3's S3 client takes it; so *region_name*, *verify* and *config*.
        region_name: see *endpoint_url*.
        verify: see *endpoint_url*.
        config: see *endpoint_url*.
        storage: read from there instead.

    Raises:
        ManifestError: there is no summary; AWS's own reports have none.
        JobDamagedError: the file is not one of ours.
    """
    storage = storage or S3Storage(S3Access(session, endpoint_url, region_name, verify, config))
    places = _places(S3Url.parse(url))
    for place in places:
        body = storage.read(place)
        if body is not None:
            return parse_summary(body, place=str(place))
    raise ManifestError(f"{url}: there is no summary here; looked for {' and '.join(map(str, places))}")


def parse_summary(text: str | bytes, *, place: str) -> JobSummary:
    """
    Return the summary that `JobSummary.to_json` gave; what a later release has added to it is left out.

    Raises:
        JobDamagedError: *text* is not such a summary; *place* is its URL.
    """
    try:
        data: dict[str, Any] = dict(json.loads(text))
        check_format(data["format"], FORMAT, place=place)
        known = {name: data[name] for name in JobSummary.__dataclass_fields__ if name in data}
        known.update({name: tuple(known[name]) for name in _LISTS if name in known})
        return JobSummary(**known)
    except (ValueError, KeyError, TypeError) as error:
        raise JobDamagedError(f"{place}: not the summary of a report ({error!r})") from None


def summary_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of ``summary.json``."""
    text = (files(__package__) / "schemas/summary-1.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def _places(url: S3Url) -> list[S3Url]:
    name = url.key.rpartition("/")[2]
    if "." in name and name.partition(".")[2] in ("json", "html", "csv"):
        return [S3Url(url.bucket, f"{url.key.removesuffix(name)}summary.json")]
    return [url / "summary.json", url / "report/summary.json"]
