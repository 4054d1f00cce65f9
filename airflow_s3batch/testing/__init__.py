"""
What tests of Dags that use this package need: S3 servers on the loopback interface and what can go
wrong with them, inventories, files in memory.

```python
from airflow_s3batch.testing import seaweedfs, write_inventory

with seaweedfs() as server:
    client = server.client()
    client.create_bucket(Bucket="inventories")
    manifest = write_inventory(client, "s3://inventories/lake", "lake", [{"key": "a.csv", "size": 3}], created=now)
```

Nothing here is needed to run a job. Names are imported on first use; the servers are packages of their own, see
`airflow_s3batch.testing.servers`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_s3batch.testing.athena import AthenaEmulator
    from airflow_s3batch.testing.emulator import S3BatchEmulator
    from airflow_s3batch.testing.fault_proxy import FaultProxy
    from airflow_s3batch.testing.fault_requests import (
        ProxiedRequest,
        every,
        is_api,
        is_below,
        is_key,
        is_signed_by,
        is_try,
    )
    from airflow_s3batch.testing.fault_rules import Injection
    from airflow_s3batch.testing.faults import (
        AccessDenied,
        ConnectionFault,
        CutAnswer,
        CutHandshake,
        Delay,
        ErrorAnswer,
        ErrorIn200,
        ExpiredToken,
        Fault,
        HalfOpen,
        InternalError,
        KeyErrors,
        NoAnswer,
        PermanentRedirect,
        RefusedConnection,
        RequestTimeTooSkewed,
        ResetAfter,
        ResetBefore,
        SentTwice,
        SlowDown,
        TooManyRequests,
        Trickle,
    )
    from airflow_s3batch.testing.inventories import write_inventory
    from airflow_s3batch.testing.servers import Server, ServerMissingError, ministack, rclone, seaweedfs
    from airflow_s3batch.testing.storage import MemoryStorage

__all__ = [
    "AccessDenied",
    "AthenaEmulator",
    "ConnectionFault",
    "CutAnswer",
    "CutHandshake",
    "Delay",
    "ErrorAnswer",
    "ErrorIn200",
    "ExpiredToken",
    "Fault",
    "FaultProxy",
    "HalfOpen",
    "Injection",
    "InternalError",
    "KeyErrors",
    "MemoryStorage",
    "NoAnswer",
    "PermanentRedirect",
    "ProxiedRequest",
    "RefusedConnection",
    "RequestTimeTooSkewed",
    "ResetAfter",
    "ResetBefore",
    "S3BatchEmulator",
    "SentTwice",
    "Server",
    "ServerMissingError",
    "SlowDown",
    "TooManyRequests",
    "Trickle",
    "every",
    "is_api",
    "is_below",
    "is_key",
    "is_signed_by",
    "is_try",
    "ministack",
    "rclone",
    "seaweedfs",
    "write_inventory",
]

_HOMES = {
    "FaultProxy": "fault_proxy",
    "Injection": "fault_rules",
    "MemoryStorage": "storage",
    "AthenaEmulator": "athena",
    "S3BatchEmulator": "emulator",
    "write_inventory": "inventories",
    **dict.fromkeys(("Server", "ServerMissingError", "ministack", "rclone", "seaweedfs"), "servers"),
    **dict.fromkeys(
        ("ProxiedRequest", "every", "is_api", "is_below", "is_key", "is_signed_by", "is_try"),
        "fault_requests",
    ),
    **dict.fromkeys(
        (
            "AccessDenied",
            "ConnectionFault",
            "CutAnswer",
            "CutHandshake",
            "Delay",
            "ErrorAnswer",
            "ErrorIn200",
            "ExpiredToken",
            "Fault",
            "HalfOpen",
            "InternalError",
            "KeyErrors",
            "NoAnswer",
            "PermanentRedirect",
            "RefusedConnection",
            "RequestTimeTooSkewed",
            "ResetAfter",
            "ResetBefore",
            "SentTwice",
            "SlowDown",
            "TooManyRequests",
            "Trickle",
        ),
        "faults",
    ),
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
