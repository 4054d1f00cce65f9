"""Inventories as Airflow assets: a Dag starts when one is delivered, and works on that delivery."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow.sdk import Asset, AssetWatcher

from airflow_s3batch.triggers.s3_inventory import S3InventoryTrigger

__all__ = ["inventory_asset"]


def inventory_asset(
    inventory: str,
    *,
    name: str | None = None,
    queue_url: str | None = None,
    foreign_messages: str = "leave",
    after: datetime | str | None = None,
    catch_up: bool = True,
    poll_interval_s: float = 60.0,
    **asset_or_store: Any,
) -> Asset:
    """
    Return an S3 Inventory as an asset, with a watcher: ``@dag(schedule=inventory_asset("s3://…"))``.

    Each new delivery starts the Dag once, and ``inventory=`` of a job takes the asset for that delivery. Make the asset
    once per inventory, and import it where several Dags need it: Airflow has one asset for one address.

    Args:
        inventory: the folder of an inventory configuration: ``s3://bucket/prefix/source-bucket/config-id``.
        name: of the asset; the folder's URL if left out.
        queue_url: of an SQS queue that S3 tells of deliveries, instead of listing the folder; `S3InventoryTrigger` says
            more about this and the next arguments.
        foreign_messages: ``leave`` or ``delete`` what is not about this inventory.
        after: deliveries up to then don't start the Dag.
        catch_up: start it for each delivery that came while nobody watched; ``False``: for the newest.
        poll_interval_s: seconds between two looks.
        asset_or_store: ``group`` and ``extra`` of the asset; ``aws_conn_id``, ``region_name``, ``verify`` and
            ``botocore_config`` of the store.

    Raises:
        ArgumentError: lists all that is wrong.
    """
    own = {key: asset_or_store.pop(key) for key in ("group", "extra") if key in asset_or_store}
    folder = inventory.rstrip("/") if isinstance(inventory, str) else inventory
    trigger = S3InventoryTrigger(
        inventory=folder,
        queue_url=queue_url,
        foreign_messages=foreign_messages,
        after=after,
        catch_up=catch_up,
        name=name,
        poll_interval_s=poll_interval_s,
        **asset_or_store,
    )
    watcher = AssetWatcher(name=f"deliveries of {name or folder}", trigger=trigger)
    return Asset(name=name or folder, uri=folder, watchers=[watcher], **own)


def delivered_url(inventory: Asset | str) -> str:
    """
    Return a template for the ``manifest.json`` of the delivery that has started the run.

    It is what ``inventory=`` makes of an asset; needed only for other arguments and operators. If several deliveries
    have started the run (Airflow puts together what comes close together), it is the newest. In a run that none has
    started, by hand for example, it is the inventory's folder, which means its newest delivery.
    """
    folder = _folder(inventory)
    payloads = "triggering_asset_events.values() | sum(start=[]) | map(attribute='extra.payload', default={})"
    ours = f"selectattr('inventory', 'defined') | selectattr('inventory', 'equalto', {folder!r})"
    return f"{{{{ {payloads} | {ours} | map(attribute='url') | sort | list | last | default({folder!r}) }}}}"


def delivered_urls(inventory: Any) -> Any:
    """Return what is given as ``inventory=`` with `delivered_url` in place of an asset, or of each asset in a list."""
    if isinstance(inventory, Asset):
        return delivered_url(inventory)
    if isinstance(inventory, (list, tuple)):
        return [delivered_urls(item) for item in inventory]
    return inventory


def assets_in(inventory: Any) -> list[Asset]:
    """Return the assets among what is given as ``inventory=``."""
    items = inventory if isinstance(inventory, (list, tuple)) else [inventory]
    return [item for item in items if isinstance(item, Asset)]


def _folder(inventory: Asset | str) -> str:
    """Return the folder that is watched, as the watcher's events spell it."""
    if isinstance(inventory, str):
        return inventory.rstrip("/")
    triggers = (watcher.trigger for watcher in inventory.watchers)
    return next((found.inventory for found in triggers if isinstance(found, S3InventoryTrigger)), inventory.uri)
