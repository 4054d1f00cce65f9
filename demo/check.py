"""Compares S3 and the completion report with what the inventory asks for. Uses nothing of the package that is shown."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import unquote

import botocore.exceptions

from demo.world import LAKE, Fate, Item, World

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

READERS = 12
SHOWN = 5
Tags = Mapping[str, str]
REPORTED = {
    Fate.TAGGED: ("succeeded", ""),
    Fate.HELD: ("succeeded", ""),
    Fate.VANISHED: ("failed", "NoSuchKey"),
    Fate.UNFIT: ("failed", "InvalidTag"),
}
"""Task status and error code of each object in the last report, once nothing denies access any more."""


def wrong_tags(world: World) -> list[str]:
    """Return, a sentence each, which objects in the lake don't carry exactly the tags that they should."""
    wanted: dict[str, Tags | None] = {item.key: _wanted(item) for item in world.items}
    wanted.update({key: {} for key in world.latecomers})
    client = world.server.client(max_pool_connections=READERS)
    with ThreadPoolExecutor(READERS) as pool:
        found = dict(zip(wanted, pool.map(lambda key: _tags(client, key), wanted), strict=True))
    listed = set(_keys(client))
    present = {key for key, tags in wanted.items() if tags is not None}
    return [
        *(f"{key!r} carries {found[key]} instead of {wanted[key]}" for key in wanted if found[key] != wanted[key]),
        *(f"{key!r} is {'missing' if key in present else 'there'}" for key in sorted(listed ^ present)),
    ]


def wrong_rows(world: World, report_url: str) -> list[str]:
    """Return, a sentence each, what in the completion report is missing, doubled or otherwise than it should be."""
    wanted = Counter((item.key, *REPORTED[item.fate]) for item in world.items if item.fate in REPORTED)
    found = Counter(_rows(world.server.client(), report_url))
    return [
        *(f"row {row} is in the report {found[row]} times, not {n}" for row, n in wanted.items() if found[row] != n),
        *(f"row {row} does not belong there" for row in found.keys() - wanted.keys()),
    ]


def shortened(problems: list[str]) -> str:
    """Return the first of *problems*, and how many there are."""
    more = f"\n    and {len(problems) - SHOWN:,} more" if len(problems) > SHOWN else ""
    return "\n".join(f"    {problem}" for problem in problems[:SHOWN]) + more


def _wanted(item: Item) -> Tags | None:
    """Return the tags that the object should carry in the end; ``None`` if there is no such object any more."""
    if item.fate is Fate.VANISHED:
        return None
    return item.wanted_tags if item.fate in (Fate.TAGGED, Fate.HELD) else dict(item.tags)


def _tags(client: S3Client, key: str) -> Tags | None:
    try:
        found = client.get_object_tagging(Bucket=LAKE, Key=key)["TagSet"]
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        return None
    return {tag["Key"]: tag["Value"] for tag in found}


def _keys(client: S3Client) -> Iterator[str]:
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=LAKE):
        yield from (entry["Key"] for entry in page.get("Contents", ()))


def _rows(client: S3Client, report_url: str) -> Iterator[tuple[str, str, str]]:
    """Yield key, status and error code of each row, read as AWS documents its reports."""
    bucket, _, key = report_url.removeprefix("s3://").partition("/")
    manifest = json.loads(client.get_object(Bucket=bucket, Key=key)["Body"].read())
    for result in manifest["Results"]:
        body = client.get_object(Bucket=result["Bucket"], Key=result["Key"])["Body"].read()
        for row in csv.reader(io.StringIO(body.decode(), newline="")):
            _, encoded, _, status, _, code, _ = row
            yield unquote(encoded), status, code
