"""`InventoryToManifestOperator`: from an S3 Inventory, or several, to the manifest of a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_s3batch.assets import assets_in, delivered_urls
from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.hooks.arguments import as_moment, as_texts
from airflow_s3batch.manifests.sources.inventory import Inventory
from airflow_s3batch.operators.manifest import ManifestOperator
from airflow_s3batch.operators.selecting import age_problems

if TYPE_CHECKING:
    from airflow.sdk import Asset, XComArg


class InventoryToManifestOperator(ManifestOperator):
    """
    Filter an S3 Inventory with SQL and publish the matching objects as a manifest, cut into shards.

    Args:
        inventory: a delivery's ``manifest.json``, or the folder of an inventory configuration
            (``s3://bucket/prefix/source-bucket/config-id``), of which the newest complete delivery is taken; a list of
            them takes their rows together, and SQL tells them apart by the column ``bucket``. An asset
            (`inventory_asset`) stands for the delivery that has started the run, and becomes an inlet.
        as_of: take the newest delivery that is not younger than this (datetime or ISO 8601).
        max_inventory_age: refuse a delivery that is older than this.
        max_age: the same by the name that `S3InventorySensor` has for it.
        kwargs: see `ManifestOperator`.
    """

    kind = Inventory.kind
    source_arguments = ("inventory", "as_of", "max_inventory_age")
    template_fields: Sequence[str] = ("inventory", "as_of", *ManifestOperator.template_fields)

    def __init__(
        self,
        *,
        inventory: str | Asset | Sequence[str | Asset] | XComArg,
        as_of: datetime | str | None = None,
        max_inventory_age: timedelta | None = None,
        max_age: timedelta | None = None,
        **kwargs: Any,
    ) -> None:
        age = max_age if max_inventory_age is None else max_inventory_age
        if assets := assets_in(inventory):
            kwargs["inlets"] = [*(kwargs.get("inlets") or ()), *assets]
        own = {"inventory": delivered_urls(inventory), "as_of": as_of, "max_inventory_age": age}
        super().__init__(own=own, **kwargs)

    @classmethod
    def arguments_of(cls, source: Inventory) -> dict[str, Any]:  # noqa: D102 - the base's docstrings hold
        return {"inventory": source.urls, "as_of": source.as_of, "max_inventory_age": source.max_age}

    @classmethod
    def stand_ins(cls) -> Mapping[str, Any]:  # noqa: D102
        return {"inventory": "s3://bucket/prefix"}

    @classmethod
    def source_of(cls, arguments: Mapping[str, Any]) -> Inventory:  # noqa: D102
        age = arguments["max_inventory_age"]
        if problems := age_problems("max_inventory_age", age):
            raise ArgumentError(problems[0])
        return Inventory(as_texts("inventory", arguments["inventory"]), as_moment("as_of", arguments["as_of"]), age)
