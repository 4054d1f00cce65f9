"""
What the manifest task needs to read the rows of a job: by where they come from.

Source:
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from airflow_s3batch.core.s3url import S3Url

Statement = dict[str, Any]
Allow = Callable[[str, Iterable[str], Iterable[str]], Statement]
_FILES = ("csv", "parquet", "tables")
_REPORTS = ("report", "exclude")


class RowSource(Protocol):
    """As much of a value of ``airflow_s3batch.sources`` as tells what it reads."""

    def essence(self) -> dict[str, Any]:
        """Return what decides which rows there are, by the names that ``selection`` in ``job.json`` has."""


def selection_problems(selection: Mapping[str, Any]) -> list[str]:
    """Return why nobody here knows what *selection*, such as a source's essence, needs."""
    if "table" not in selection and "query" not in selection:
        return []
    told = "docs/athena.md#permissions lists it: leave source out, and add that"
    return [f"source: what Athena needs depends on workgroup, catalog and tables; {told}"]


def reading(selection: Mapping[str, Any], allow: Allow, spelled: Callable[[str], str]) -> list[Statement]:
    """
    Return what is needed to read the rows of *selection*: a source's essence, or ``selection`` of a ``job.json``.

    Args:
        selection: URLs of inventories, listings, files, reports and other jobs, by what they are.
        allow: makes a statement of a name, actions and resources, these as ``bucket`` or ``bucket/prefix*``.
        spelled: turns a key into what policies take literally.
    """
    found: list[Statement] = []
    inventories = [*_urls(selection, "inventory"), *(url for url in _urls(selection, "since") if "://" in url)]
    found += _of_folders("Inventory", [_configuration(url) for url in inventories], allow, spelled)
    found += _of_listings(selection, allow, spelled)
    files = [url for name in _FILES for url in _urls(selection, name)]
    found += _of_folders("Rows", [S3Url.parse(url, what="source") for url in files], allow, spelled)
    reports = [_report_folder(url) for name in _REPORTS for url in _urls(selection, name)]
    return found + _of_folders("Report", reports, allow, spelled)


def _urls(selection: Mapping[str, Any], name: str) -> list[str]:
    """Return the URLs that *selection* has under *name*: one, a list of them, or the values of a table."""
    value = selection.get(name) or ()
    if isinstance(value, Mapping):
        value = list(value.values())
    return [str(url) for url in ([value] if isinstance(value, str) else value)]


def _of_folders(sid: str, places: Iterable[S3Url], allow: Allow, spelled: Callable[[str], str]) -> list[Statement]:
    """Return what reading files at *places* needs; each is a file or a folder, and nobody knows which."""
    found: list[Statement] = []
    for number, place in enumerate(dict.fromkeys(places)):
        name, key = f"{sid}{number or ''}", spelled(place.key.rstrip("/"))
        below = [f"{place.bucket}/{key}/*"] if key else [f"{place.bucket}/*"]
        is_file = bool(key) and sid == "Rows" and not place.key.endswith("/")
        found.append(allow(name, {"s3:GetObject"}, [*([f"{place.bucket}/{key}"] if is_file else []), *below]))
        found.append(_listed(f"{sid}Folder{number or ''}", {"s3:ListBucket"}, place.bucket, key, allow))
    return found


def _listed(sid: str, actions: set[str], bucket: str, key: str, allow: Allow) -> Statement:
    statement = allow(sid, actions, [bucket])
    return {**statement, "Condition": {"StringLike": {"s3:prefix": [key, f"{key}/*"]}}} if key else statement


def _of_listings(selection: Mapping[str, Any], allow: Allow, spelled: Callable[[str], str]) -> list[Statement]:
    """Return what listing needs: a prefix is the beginning of keys as it stands, and versions are another action."""
    action = "s3:ListBucketVersions" if selection.get("versions") else "s3:ListBucket"
    found: list[Statement] = []
    for number, url in enumerate(dict.fromkeys(_urls(selection, "listing"))):
        place = S3Url.parse(url, what="source")
        statement = allow(f"Listing{number or ''}", {action}, [place.bucket])
        limit = {"Condition": {"StringLike": {"s3:prefix": f"{spelled(place.key)}*"}}} if place.key else {}
        found.append({**statement, **limit})
    return found


def _configuration(url: str) -> S3Url:
    """Return the folder of the inventory configuration that *url* is of: ``<it>/<time>/manifest.json``, data beside."""
    place = S3Url.parse(url, what="inventory")
    if not place.key.endswith("manifest.json"):
        return place
    return S3Url(place.bucket, place.key.rpartition("/")[0].rpartition("/")[0])


def _report_folder(url: str) -> S3Url:
    """Return the folder with all files of the report at *url*: the job's, or that of AWS's report."""
    place = S3Url.parse(url, what="source")
    key = place.key.removesuffix("manifest.json").rstrip("/")
    return S3Url(place.bucket, key.removesuffix("/report"))
