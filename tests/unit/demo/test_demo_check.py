"""The demo's own check notices what it should notice."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any

import botocore.exceptions
import pytest

from demo.check import shortened, wrong_rows, wrong_tags
from demo.world import Fate, Item

ITEMS = [
    Item("web/a,b\n.txt", 1, Fate.TAGGED),
    Item("legal/x", 1, Fate.HELD),
    Item("r&d/x", 1, Fate.UNFIT, (("owner", "me"),)),
    Item("web/gone", 1, Fate.VANISHED),
    Item("web/secret", 1, Fate.LEFT),
]
ROWS = (
    "lake,web/a%2Cb%0A.txt,,succeeded,200,,\n"
    "lake,legal/x,,succeeded,200,,\n"
    'lake,r%26d/x,,failed,400,InvalidTag,"no, no"\n'
    "lake,web/gone,,failed,404,NoSuchKey,\n"
)


class FakeS3:
    """Answers from two dictionaries: tags by key, bodies by key."""

    def __init__(self, tags: dict[str, dict[str, str]], bodies: dict[str, str]) -> None:
        self.tags = tags
        self.bodies = bodies

    def get_object_tagging(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        if Key not in self.tags:
            raise botocore.exceptions.ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObjectTagging")
        return {"TagSet": [{"Key": key, "Value": value} for key, value in self.tags[Key].items()]}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        return {"Body": io.BytesIO(self.bodies[Key].encode())}

    def get_paginator(self, name: str) -> Any:
        pages = [{"Contents": [{"Key": key} for key in self.tags]}]
        return SimpleNamespace(paginate=lambda **_: pages)


@pytest.fixture
def s3() -> FakeS3:
    """As the job should leave it."""
    results = {"Results": [{"Bucket": "ops", "Key": "rows.csv"}]}
    tags = {
        "web/a,b\n.txt": {"quarantine": "true", "team": "web"},
        "legal/x": {"quarantine": "true", "team": "legal"},
        "r&d/x": {"owner": "me"},
        "web/secret": {},
        "web/new": {},
    }
    return FakeS3(tags, {"report/manifest.json": json.dumps(results), "rows.csv": ROWS})


def world(s3: FakeS3) -> Any:
    """A world that is reached through *s3*."""
    return SimpleNamespace(items=ITEMS, latecomers=["web/new"], server=SimpleNamespace(client=lambda **_: s3))


def test_what_is_as_it_should_be_is_not_complained_about(s3: FakeS3) -> None:
    """No false alarm."""
    assert wrong_tags(world(s3)) == []
    assert wrong_rows(world(s3), "s3://ops/report/manifest.json") == []


@pytest.mark.parametrize("key", ["web/a,b\n.txt", "r&d/x", "web/secret", "web/new"])
def test_a_wrong_tag_is_noticed(s3: FakeS3, key: str) -> None:
    """On objects to be tagged and on those to be left alone."""
    s3.tags[key] = {**s3.tags[key], "team": "other"}
    (problem,) = wrong_tags(world(s3))
    assert problem.startswith(repr(key))


def test_missing_and_surplus_objects_are_noticed(s3: FakeS3) -> None:
    """Deleted ones, ones that came back, and ones that nobody has made."""
    del s3.tags["legal/x"]
    s3.tags["web/gone"] = {}
    s3.tags["web/surprise"] = {}
    found = "\n".join(wrong_tags(world(s3)))
    assert "'legal/x' is missing" in found
    assert "'web/gone' is there" in found
    assert "'web/surprise' is there" in found


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("lake,legal/x,,succeeded,200,,\n", ""),
        ("lake,legal/x,,succeeded,200,,\n", "lake,legal/x,,succeeded,200,,\n" * 2),
        ("lake,legal/x,,succeeded,200,,\n", "lake,legal/x,,failed,403,AccessDenied,\n"),
        ("lake,legal/x,,succeeded,200,,\n", "lake,legal/x,,succeeded,200,,\nlake,web/secret,,succeeded,200,,\n"),
    ],
)
def test_a_missing_doubled_or_wrong_row_is_noticed(s3: FakeS3, before: str, after: str) -> None:
    """Each row exactly once, with the right outcome."""
    s3.bodies["rows.csv"] = ROWS.replace(before, after)
    assert wrong_rows(world(s3), "s3://ops/report/manifest.json")


def test_many_problems_are_cut_short() -> None:
    """The first five are shown, the others counted."""
    assert shortened([str(number) for number in range(1_234)]).endswith("    4\n    and 1,229 more")
