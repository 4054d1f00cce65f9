"""Scratch objects that a killed preflight has left are deleted by a later one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from server_jobs import client_of, put_objects

from airflow_s3batch.engine import run_batch
from airflow_s3batch.engine.checks import preflight
from airflow_s3batch.operations import PutObjectTagging
from airflow_s3batch.testing import Server

if TYPE_CHECKING:
    from server_users import BucketFactory

LEFT = ".s3batch-scratch/0123456789abcdef/object"
MINE = ".s3batch-scratch-of-mine/object"


@pytest.mark.parametrize(
    ("age", "kept"), [(timedelta(hours=1), {LEFT, MINE}), (timedelta(hours=-1), {MINE})], ids=["young", "old"]
)
def test_only_what_is_old_and_in_the_scratch_folder_goes(
    seaweedfs: Server, bucket: BucketFactory, monkeypatch: pytest.MonkeyPatch, age: timedelta, kept: set[str]
) -> None:
    monkeypatch.setattr(preflight, "_LEFT_AFTER", age)
    name = bucket(seaweedfs)
    objects = put_objects(seaweedfs, name, ["a"])
    put_objects(seaweedfs, name, [LEFT, MINE])
    run_batch(objects, PutObjectTagging({"k": "v"}), session=seaweedfs.session(), endpoint_url=seaweedfs.endpoint_url)
    listing = client_of(seaweedfs).list_objects_v2(Bucket=name)
    assert {entry["Key"] for entry in listing["Contents"]} == {"a", *kept}
