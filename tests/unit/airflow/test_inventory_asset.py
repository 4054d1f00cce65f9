"""The asset of an inventory: its watcher, and what it stands for in a Dag."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import jinja2
from airflow.sdk import DAG, Asset
from jinja2.sandbox import SandboxedEnvironment

from airflow_s3batch import InventoryToManifestOperator, delivered_url, inventory_asset, s3_batch_job
from airflow_s3batch.operations import DeleteObject
from airflow_s3batch.testing import MemoryStorage
from airflow_s3batch.triggers import S3InventoryTrigger

INVENTORY = "s3://inv/daily/lake/config"


def test_asset_has_the_watcher_and_its_url_names_the_delivery(storage: MemoryStorage) -> None:
    asset = inventory_asset(f"{INVENTORY}/", group="lake", aws_conn_id="minio", poll_interval_s=5)
    (watcher,) = asset.watchers
    assert (asset.name, asset.uri, asset.group) == (INVENTORY, INVENTORY, "lake")
    assert isinstance(watcher.trigger, S3InventoryTrigger)
    assert (watcher.trigger.aws_conn_id, watcher.trigger.poll_interval_s) == ("minio", 5)

    def rendered(*extras: dict[str, Any], of: Any = asset) -> str:
        events = {"asset": [SimpleNamespace(extra=extra) for extra in extras]} if extras else {}
        environment = SandboxedEnvironment(undefined=jinja2.StrictUndefined)  # as Airflow makes it
        return environment.from_string(delivered_url(of)).render(triggering_asset_events=events)

    urls = [f"{INVENTORY}/2026-01-0{day}T01-00Z/manifest.json" for day in (1, 2)]
    ours = [{"payload": {"inventory": INVENTORY, "url": url}} for url in urls]
    other = {"payload": {"inventory": "s3://other", "url": "s3://other/x"}}
    assert rendered(other, ours[1], ours[0], {}, {"payload": {"from": "somebody"}}) == urls[1]
    assert rendered(ours[0], of=f"{INVENTORY}/") == urls[0]
    assert rendered(other) == rendered() == INVENTORY


def test_asset_as_inventory_stands_for_the_delivery_and_becomes_an_inlet() -> None:
    """In the task group as in the operator, alone or among others."""
    asset = inventory_asset(INVENTORY)
    given: dict[str, Any] = {"where": "TRUE", "job_url": "s3://ops/s3batch"}
    alone = InventoryToManifestOperator(task_id="alone", inventory=asset, **given)
    both = ["s3://inv/web", asset]
    mixed = InventoryToManifestOperator(task_id="mixed", inventory=both, inlets=[Asset("x")], **given)
    assert (alone.inventory, alone.inlets) == (delivered_url(asset), [asset])
    assert (mixed.inventory, mixed.inlets) == (["s3://inv/web", delivered_url(asset)], [Asset("x"), asset])
    with DAG("watched", schedule=asset) as dag:
        s3_batch_job("job", inventory=asset, operation=DeleteObject(), outlets=[Asset("deleted")], **given)
    assert dag.get_task("job.manifest").inventory == delivered_url(asset)
    assert dag.get_task("job.manifest").inlets == [asset]
    assert dag.get_task("job.report").outlets == [Asset("deleted")]
