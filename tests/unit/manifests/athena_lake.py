"""Tables over an inventory in memory, an emulated Athena that reads them, and selections from them."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from deliveries import JOBS, NOW

from airflow_s3batch.engine.access import S3Access
from airflow_s3batch.manifests.planning.guards import Guards
from airflow_s3batch.manifests.planning.publish import publish_manifest
from airflow_s3batch.manifests.planning.selection import Selection
from airflow_s3batch.manifests.sources.athena.source import AthenaTable
from airflow_s3batch.manifests.sources.athena.unload import QueryWatch
from airflow_s3batch.testing.inventories import KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_s3batch.core.manifest import Manifest
    from airflow_s3batch.testing.athena import AthenaEmulator

LOCATION = "s3://inventories/all/lake/daily/hive/"
SERDES = {
    "CSV": "org.apache.hadoop.hive.serde2.OpenCSVSerde",
    "Parquet": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
    "ORC": "org.apache.hadoop.hive.ql.io.orc.OrcSerde",
}
_HIVE = {"string": "string", "boolean": "boolean", "integer": "bigint", "timestamp": "timestamp"}
_session = boto3.session.Session(aws_access_key_id="key", aws_secret_access_key="secret", region_name="eu-central-1")


def inventory_table(
    columns: Sequence[str], file_format: str = "Parquet", *, location: str = LOCATION
) -> dict[str, Any]:
    """Return Glue's definition of a table over an inventory, as AWS's documentation has one created."""
    types = {name: "string" if file_format == "CSV" else _HIVE[KINDS.get(name, "string")] for name in columns}
    return {
        "Name": "inventories",
        "PartitionKeys": [{"Name": "dt", "Type": "string"}],
        "Parameters": {
            "EXTERNAL": "TRUE",
            "projection.enabled": "true",
            "projection.dt.type": "date",
            "projection.dt.format": "yyyy-MM-dd-HH-mm",
            "projection.dt.range": "2022-01-01-00-00,NOW",
        },
        "StorageDescriptor": {
            "Columns": [{"Name": name, "Type": kind} for name, kind in types.items()],
            "Location": location,
            "InputFormat": "org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat",
            "SerdeInfo": {"SerializationLibrary": SERDES[file_format]},
        },
    }


def access_to(emulator: AthenaEmulator, **config: Any) -> S3Access:
    """Return a connection whose Athena and Glue are *emulator*."""
    url = emulator.endpoint_url
    return S3Access(
        session=_session,
        region_name="eu-central-1",
        endpoints=(("athena", url), ("glue", url)),
        config=Config(retries={"total_max_attempts": 1}, **config),
    )


def from_table(table: str = "lake.inventories", **more: Any) -> Selection:
    """Return what is selected of *table*; guards and the table's own arguments are told apart by name."""
    of_source = {field.name: more.pop(field.name) for field in fields(AthenaTable) if field.name in more}
    of_source.setdefault("watch", QueryWatch(pause=lambda _: None))
    guards = {field.name: more.pop(field.name) for field in fields(Guards) if field.name in more}
    where = more.pop("where", "" if "sql" in more else "TRUE")
    return Selection(AthenaTable(table, **of_source), where, guards=Guards(**guards), **more)


def publish_from(emulator: AthenaEmulator, selection: Selection, *, job_id: str = "job", **options: Any) -> Manifest:
    """Publish *selection*, with Athena's queries sent to *emulator*."""
    return publish_manifest(
        emulator.storage,
        JOBS,
        job_id,
        selection,
        **{"now": NOW, "threads": 2, "access": lambda: access_to(emulator), **options},
    )
