"""What all triggers of this package share: the store's arguments, and how they ask what blocks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from airflow.triggers.base import BaseTrigger

from airflow_s3batch.hooks.s3 import DEFAULT_CONN_ID, StoreSettings

_Result = TypeVar("_Result")


class S3BatchTrigger(BaseTrigger):
    """
    Base of the triggers.

    boto3 blocks, so each look runs in a thread and the triggerer's loop goes on; no extra of the amazon provider is
    needed.

    Args:
        poll_interval_s: seconds between two looks.
        aws_conn_id: see `S3BatchOperator`, also for *region_name*, *verify* and *botocore_config*.
    """

    def __init__(
        self,
        *,
        poll_interval_s: float,
        aws_conn_id: str | None = DEFAULT_CONN_ID,
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.poll_interval_s = poll_interval_s
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config

    @property
    def store(self) -> StoreSettings:
        """The store that the arguments name."""
        return StoreSettings(self.aws_conn_id, self.region_name, self.verify, self.botocore_config)

    def own_arguments(self) -> dict[str, Any]:
        """Return the arguments that the sub-class adds, JSON-ready."""
        raise NotImplementedError

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what makes an equal trigger in the triggerer."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                **self.own_arguments(),
                "poll_interval_s": self.poll_interval_s,
                "aws_conn_id": self.aws_conn_id,
                "region_name": self.region_name,
                "verify": self.verify,
                "botocore_config": dict(self.botocore_config) if self.botocore_config else None,
            },
        )


async def beside_loop(function: Callable[[], _Result]) -> _Result:
    """
    Return what *function* does, which asks Airflow: through the loop, to which only asgiref's threads know the way.

    Airflow tells by the message of a cancel that somebody acted on the task, and only then calls `on_kill`. asgiref
    cancels without a message what it waits for, so it is left to end by itself.
    """
    from asgiref.sync import sync_to_async

    return await asyncio.shield(sync_to_async(function)())
