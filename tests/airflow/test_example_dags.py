"""The examples run as they are, and do to the objects what they say."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from airflow.providers.standard.operators import hitl
from answers import Person

if TYPE_CHECKING:
    from dag_runs import DagFolder
    from lake import Lake

DAGS = Path(__file__).parents[2] / "dags"
KEYS = ["analytics/a b.csv", "analytics/ü+%.csv", "web/c.csv"]

pytestmark = pytest.mark.integration


def test_compliance_tagging_tags_each_object_with_its_team(dags: DagFolder, lake: Lake) -> None:
    """Only what is unencrypted is touched; what has vanished since is reported, not counted."""
    rows = lake.put([*KEYS, "web/gone.csv", "web/encrypted.csv"])
    rows["web/encrypted.csv"]["encryption_status"] = "SSE-S3"
    lake.deliver(rows.values())
    lake.client.delete_object(Bucket=lake.bucket, Key="web/gone.csv")
    run = dags.run(DAGS / "compliance_tagging.py")
    assert run.is_green, run.states
    for key in KEYS:
        assert lake.tags(key) == {"compliance": "unencrypted", "team": key.partition("/")[0]}
    assert lake.tags("web/encrypted.csv") == {}
    report = lake.report(run.xcom("tag.report")["report_url"])
    assert sorted(report["key"]) == sorted([*KEYS, "web/gone.csv"])
    assert report.set_index("key").loc["web/gone.csv", "error_code"] == "NoSuchKey"


def test_compliance_tagging_as_a_dry_run_changes_nothing(dags: DagFolder, lake: Lake) -> None:
    """The run's parameter decides."""
    lake.deliver(lake.put(KEYS).values())
    run = dags.run(DAGS / "compliance_tagging.py", conf={"dry_run": True})
    assert run.is_green, run.states
    assert [lake.tags(key) for key in KEYS] == [{}] * len(KEYS)
    assert set(lake.report(run.xcom("tag.report")["report_url"])["error_code"]) == {"DryRun"}


@pytest.mark.parametrize("lake", ["ministack"], indirect=True)
def test_tag_on_delivery_works_on_the_newest_delivery_when_run_by_hand(dags: DagFolder, lake: Lake) -> None:
    """What is in its outlets tells of the job."""
    rows = lake.put([*KEYS, "web/old.csv"])
    lake.deliver([rows["web/old.csv"]], age=timedelta(days=1))
    newest = lake.deliver([rows[key] for key in KEYS])
    source = (DAGS / "tag_on_delivery.py").read_text()
    watching = source.replace("s3://inventories/prod-lake/daily", lake.inventory)
    assert watching != source
    run = dags.run(watching)
    assert run.is_green, run.states
    assert {key: lake.tags(key) for key in rows} == {
        **{key: {"compliance": "unencrypted"} for key in KEYS},
        "web/old.csv": {},
    }
    job = lake.json(run.xcom("tag.manifest", key="manifest")["job"] + "/job.json")
    assert job["source"]["manifest"] == newest
    (told,) = run.events("unencrypted_objects_tagged")
    assert (told["state"], told["rows"], told["succeeded"], told["failed"]) == ("success", 3, 3, 0)
    assert told["report_url"] == run.xcom("tag.report")["report_url"]


@pytest.mark.parametrize("lake", ["seaweedfs"], indirect=True)
def test_weekly_encryption_encrypts_in_place(dags: DagFolder, lake: Lake) -> None:
    """Bodies stay; an object that was overwritten since the inventory is reported and left alone."""
    rows = lake.put([*KEYS, "web/new.csv"])
    lake.deliver(rows.values())
    lake.client.put_object(Bucket=lake.bucket, Key="web/new.csv", Body=b"newer")
    run = dags.run(DAGS / "weekly_encryption.py")
    assert run.is_green, run.states
    for key in KEYS:
        shown = lake.client.get_object(Bucket=lake.bucket, Key=key)
        assert shown["ServerSideEncryption"] == "AES256"
        assert shown["Body"].read() == f"body of {key}".encode()
    shown = lake.client.get_object(Bucket=lake.bucket, Key="web/new.csv")
    assert (shown["Body"].read(), shown.get("ServerSideEncryption")) == (b"newer", None)
    report = lake.report(run.xcom("encrypt.report")["report_url"]).set_index("key")
    assert report.loc["web/new.csv", "error_code"] == "PreconditionFailed"
    told = lake.json(run.xcom("encrypt.report")["summary_url"])
    assert (told["rehearsal"]["objects"], told["rehearsal"]["failed"]) == (4, 1)
    assert (told["verification"]["checked"], told["verification"]["of"], told["verification"]["differ"]) == (3, 3, 0)


@pytest.mark.parametrize("lake", ["ministack"], indirect=True)
def test_weekly_encryption_stops_where_the_store_ignores_conditions(dags: DagFolder, lake: Lake) -> None:
    """A newer object could be overwritten there, so nothing is done, and the report says so."""
    lake.deliver(lake.put(KEYS).values())
    run = dags.run(DAGS / "weekly_encryption.py")
    assert run.states["encrypt.rehearse"] == "failed"
    assert not run.is_green
    for key in KEYS:
        assert "ServerSideEncryption" not in lake.client.head_object(Bucket=lake.bucket, Key=key)


def test_team_copy_copies_one_teams_objects(dags: DagFolder, lake: Lake) -> None:
    """The run's parameters choose team and bucket."""
    lake.deliver(lake.put(KEYS).values())
    run = dags.run(DAGS / "team_copy.py", conf={"team": "web", "target_bucket": lake.target})
    assert run.is_green, run.states
    assert lake.keys(lake.target) == {"lake/web/c.csv"}
    assert lake.keys(lake.bucket) == set(KEYS)


@pytest.mark.skipif(not hasattr(hitl, "TaskAwaitingInput"), reason="before Airflow 3.3 tasks that ask need a triggerer")
def test_expired_versions_deletes_only_old_noncurrent_versions(
    dags: DagFolder, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard stops the job before anybody is asked; once somebody has said yes, the versions that are named go."""
    lake.client.put_bucket_versioning(Bucket=lake.bucket, VersioningConfiguration={"Status": "Enabled"})
    for _ in range(3):
        lake.put(["web/c.csv"])
    versions = lake.client.list_object_versions(Bucket=lake.bucket)["Versions"]
    now = datetime.now(UTC)
    rows = [
        {
            "key": version["Key"],
            "version_id": version["VersionId"],
            "is_latest": version["IsLatest"],
            "is_delete_marker": False,
            "size": version["Size"],
            "e_tag": version["ETag"].strip('"'),
            "last_modified_date": now if number == 2 else now - timedelta(days=91 + number),
        }
        for number, version in enumerate(sorted(versions, key=lambda version: not version["IsLatest"]))
    ]
    lake.deliver(rows)
    # Not that of the other Dags: an inventory of current versions would make it green over nothing, each month.
    monkeypatch.setenv("AIRFLOW_VAR_S3BATCH_INVENTORY", "s3://inventories/of-current-versions/daily")
    monkeypatch.setenv("AIRFLOW_VAR_S3BATCH_VERSIONS_INVENTORY", lake.inventory)
    monkeypatch.setenv("AIRFLOW_VAR_S3BATCH_MAX_VERSIONS", "0")
    run = dags.run(DAGS / "expired_versions.py")
    assert run.states["delete.manifest"] == "failed"
    assert run.states["delete.approve"] == "upstream_failed"
    assert len(lake.client.list_object_versions(Bucket=lake.bucket)["Versions"]) == 3

    monkeypatch.setenv("AIRFLOW_VAR_S3BATCH_MAX_VERSIONS", "5")
    alice = Person({"delete.approve": "Approve"})
    monkeypatch.setattr(time, "sleep", alice.instead_of(time.sleep))
    run = dags.run(DAGS / "expired_versions.py")
    assert run.is_green, run.states
    assert alice.questions["delete.approve"][0].startswith("Destroy data? delete_object: 1 objects,")
    left = {version["VersionId"] for version in lake.client.list_object_versions(Bucket=lake.bucket)["Versions"]}
    assert left == {rows[0]["version_id"], rows[2]["version_id"]}


@pytest.mark.parametrize("lake", ["ministack"], indirect=True)
def test_restore_and_copy_waits_until_the_objects_can_be_read(dags: DagFolder, lake: Lake) -> None:
    """Deferred meanwhile; the copies are made of what came back, and an object that vanished holds nothing up."""
    keys = ["analytics/a b.csv", "analytics/b.csv"]
    rows = lake.put([*keys, "analytics/gone.csv"], StorageClass="GLACIER")
    for row in rows.values():
        row["storage_class"] = "GLACIER"
    lake.deliver([*rows.values(), *lake.put(["analytics/warm.csv"]).values()])
    lake.client.delete_object(Bucket=lake.bucket, Key="analytics/gone.csv")
    source = (DAGS / "restore_and_copy.py").read_text()
    quick = source.replace("timeout=timedelta(days=4)", "timeout=timedelta(minutes=5), poke_interval=1")
    assert quick != source
    run = dags.run(quick, conf={"team": "analytics", "days": 2, "target_bucket": lake.target})
    assert run.is_green, run.states
    assert run.xcom("readable") == {"objects": 3, "readable": 2, "gone": 1, "unrestored": 0}
    assert lake.keys(lake.target) == {f"thawed/{key}" for key in keys}
