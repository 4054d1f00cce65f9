"""
What tests of Dags that use this package need: S3 servers on the loopback interface, inventories, files in memory.

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
    from airflow_s3batch.testing.inventories import write_inventory
    from airflow_s3batch.testing.servers import Server, ServerMissingError, ministack, rclone, seaweedfs
    from airflow_s3batch.testing.storage import MemoryStorage

__all__ = [
    "MemoryStorage",
    "Server",
    "ServerMissingError",
    "ministack",
    "rclone",
    "seaweedfs",
    "write_inventory",
]

_HOMES = {
    "MemoryStorage": "storage",
    "write_inventory": "inventories",
    **dict.fromkeys(("Server", "ServerMissingError", "ministack", "rclone", "seaweedfs"), "servers"),
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
