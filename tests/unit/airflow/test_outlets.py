"""What a task's outlets tell of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import Asset, AssetAlias
from fakes import summary

from airflow_s3batch.core.manifest import Manifest, ShardFile
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.operators.outlets import manifest_facts, report_facts, tell_outlets

if TYPE_CHECKING:
    from airflow.sdk import Context

FACTS = {"job": "s3://ops/s3batch/job-1", "rows": 3}


@pytest.fixture
def told() -> Context:
    """A context with Airflow's own accessors of events."""
    from airflow.sdk.execution_time.context import OutletEventAccessors

    events: Any = {"outlet_events": OutletEventAccessors()}
    context: Context = events
    return context


def test_each_asset_among_the_outlets_is_told(told: Context) -> None:
    """What the Dag's author has added stays."""
    one, other = Asset("one"), Asset(name="other", uri="s3://ops/other")
    told["outlet_events"][one].extra = {"mine": 1, "rows": 0}
    tell_outlets(told, [one, other, "something else"], FACTS)
    assert told["outlet_events"][one].extra == {"mine": 1, **FACTS}
    assert told["outlet_events"][other].extra == FACTS


def test_alias_becomes_the_folder_of_all_jobs(told: Context) -> None:
    """Not one asset more with every run."""
    alias = AssetAlias("reports")
    tell_outlets(told, [alias], FACTS)
    (event,) = told["outlet_events"][alias].asset_alias_events
    assert (event.dest_asset_key.uri, event.extra) == ("s3://ops/s3batch", FACTS)


def test_nothing_is_asked_of_airflow_without_outlets() -> None:
    tell_outlets({}, [], FACTS)  # type: ignore[typeddict-item]


def test_events_hold_counts_and_places() -> None:
    """And no key of an object."""
    shard = ShardFile(0, "k", 3, 5, 100, "0" * 64)
    manifest = Manifest(S3Url("ops", "s3batch/job-1"), 3, 5, 10, (), (shard,), "f")
    assert manifest_facts(manifest) == {
        "job": "s3://ops/s3batch/job-1",
        "manifest_url": "s3://ops/s3batch/job-1/manifest/manifest.json",
        "rows": 3,
        "bytes": 5,
        "source_rows": None,
        "shards": 1,
    }
    made = summary()
    facts = report_facts(made)
    assert (facts["job"], facts["rows"], facts["succeeded"], facts["failed"], facts["state"]) == (
        made.job_url,
        made.objects,
        made.succeeded,
        made.failed,
        "success" if made.is_green else "failed",
    )
    assert facts["report_url"] == made.report_url
    assert (facts["counted_failures"], facts["not_attempted"]) == (made.counted_failures, made.not_attempted)
    assert facts["verified"] is None
    look = {"has_begun": True, "checked": 9, "differ": 2, "counted": 2, "unread": 0, "missing": 0, "examples": {}}
    looked = summary(verification=look)
    assert report_facts(looked)["verified"] == {"checked": 9, "differ": 2}
    assert not {"examples", "codes"} & facts.keys()
