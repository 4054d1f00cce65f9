"""`S3InventorySensor`: waits for an S3 Inventory delivery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import PokeReturnValue

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.hooks.arguments import as_moment, clauses, is_template, literal_or, raise_for
from airflow_s3batch.hooks.errors import airflow_error, airflow_errors
from airflow_s3batch.sensors.base import S3BatchSensor
from airflow_s3batch.triggers.delivery_look import delivery_url
from airflow_s3batch.triggers.s3_inventory_sensor import S3InventorySensorTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context


class S3InventorySensor(S3BatchSensor):
    """
    Wait until an S3 Inventory has a complete delivery; return the URL of its ``manifest.json``.

    A delivery is complete when its ``manifest.checksum`` is there, the last file that S3 writes; until then the one
    before it counts. No delivery, or only one that is too old, is waited for; if the newest complete one is damaged
    (its checksum is wrong), the task fails at once, though there may be a sound older one.

    Args:
        inventory: the folder of an inventory configuration (``s3://bucket/prefix/source-bucket/config-id``), or a
            delivery's ``manifest.json``.
        max_age: wait for a delivery that is not older than this.
        as_of: take the newest delivery that is not younger than this (datetime or ISO 8601).
        kwargs: see `S3BatchSensor`.
    """

    template_fields: Sequence[str] = ("inventory", "as_of", *S3BatchSensor.template_fields)

    def __init__(
        self,
        *,
        inventory: str,
        max_age: timedelta | None = None,
        as_of: datetime | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.inventory = inventory
        self.max_age = max_age
        self.as_of = as_of
        raise_for(type(self).__name__, _problems(inventory, max_age, as_of))

    def poke(self, context: Context) -> PokeReturnValue:  # noqa: ARG002 - Airflow's signature
        """Look once."""
        with airflow_errors():
            url = delivery_url(
                self.store.storage(),
                self.inventory,
                as_of=as_moment("as_of", self.as_of),
                max_age=self.max_age,
                log=self.log.info,
            )
        return PokeReturnValue(is_done=url is not None, xcom_value=url)

    def execute(self, context: Context) -> Any:
        """Look; then wait here, or in the triggerer."""
        if not self.deferrable:
            return super().execute(context)
        found = self.careful_poke(context)
        if found.is_done:
            return found.xcom_value
        with airflow_errors():
            as_of = as_moment("as_of", self.as_of)
        self.defer(
            trigger=S3InventorySensorTrigger(
                inventory=self.inventory,
                as_of=as_of.isoformat() if as_of else None,
                max_age_s=self.max_age.total_seconds() if self.max_age else None,
                poll_interval_s=self.poke_interval,
                **self.store_arguments,
                silent_fail=self.silent_fail,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout),
        )
        return None

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> str:  # noqa: ARG002 - Airflow's signature
        """Take over what the trigger saw."""
        if event["status"] == "error":
            raise airflow_error(event["message"], is_retryable=event["is_retryable"])
        url: str = event["url"]
        self.log.info("Found %s.", url)
        return url


def _problems(inventory: Any, max_age: Any, as_of: Any) -> list[str]:
    found = []
    if not is_template(inventory):
        try:
            S3Url.parse(inventory, what="inventory")
        except (ArgumentError, AttributeError):
            found.append(f"inventory={inventory!r} is not an S3 URL; expected s3://bucket/folder")
    if max_age is not None and not (isinstance(max_age, timedelta) and max_age > timedelta(0)):
        found.append(f"max_age={max_age!r} is not a timedelta above 0")
    try:
        as_moment("as_of", literal_or(as_of, None))
    except ArgumentError as error:
        found.append(clauses(error))
    return found
