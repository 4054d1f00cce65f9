"""One look for an inventory delivery, the same for the sensor and its trigger. Blocks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow_s3batch.core.s3url import S3Url

if TYPE_CHECKING:
    from airflow_s3batch.engine.files.storage import Storage


def delivery_url(
    storage: Storage,
    inventory: str,
    *,
    as_of: datetime | None,
    max_age: timedelta | None,
    log: Callable[..., None],
) -> str | None:
    """
    Return the URL of the newest complete delivery's ``manifest.json``; ``None`` if there is none to be used yet.

    Says what it saw through *log*, a logger's method.

    Raises:
        InventoryError: the delivery is damaged: its checksum is there, and wrong.
        S3BatchError: the store refuses or misbehaves.
    """
    from airflow_s3batch.manifests.sources.delivery import newest_delivery

    delivery = newest_delivery(
        storage, S3Url.parse(inventory, what="inventory"), as_of=as_of, max_age=max_age, now=datetime.now(UTC)
    )
    if delivery is None:
        age = f" that is younger than {max_age}" if max_age else ""
        log("%s: there is no complete delivery%s yet.", inventory, age)
        return None
    log(
        "%s: found the delivery of %s with %d files.",
        delivery.url,
        f"{delivery.created:%Y-%m-%d %H:%M %Z}",
        len(delivery.files),
    )
    return str(delivery.url)
