"""What a query of Athena has left, as data that the planner reads like any other."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from airflow_s3batch.core.errors import AccessError, ManifestError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.files.staging import staging_folder
from airflow_s3batch.manifests.columns import SUPPLIED, TYPES, InventoryColumn
from airflow_s3batch.manifests.sources.athena.client import Athena
from airflow_s3batch.manifests.sources.dataset import Dataset, Found
from airflow_s3batch.manifests.sources.dataset_json import pin_datasets
from airflow_s3batch.manifests.sql import duck

if TYPE_CHECKING:
    from airflow_s3batch.manifests.sources.athena.unload import Result
    from airflow_s3batch.manifests.sources.dataset import Place

_DESCRIBE = "DESCRIBE SELECT * FROM read_parquet({}, hive_partitioning = false)"


def queries(place: Place) -> Athena:
    """
    Return Athena as the connection reaches it.

    Raises:
        AccessError: there is no connection.
    """
    if place.access is None:
        raise AccessError("Athena can't be asked: no connection to AWS was given")
    return Athena(place.access())


def found(result: Result, place: Place) -> Found:
    """Return the result as a dataset, pinned below the job's folder."""
    about = result.unload.about
    created = dt.datetime.fromisoformat(about["created"]) if about.get("created") else None
    schema = _schema(result, place)
    dataset = Dataset(
        url=result.folder,
        md5="",
        created=created,
        source_bucket="",
        bucket=result.folder.bucket,
        file_format="Parquet",
        schema=schema,
        files=result.files,
        extra=None if about["columns"] is not None else _extra(schema),
    )
    return Found((dataset,), pin_datasets(place, (dataset,), **_told(result)))


def _told(result: Result) -> dict[str, object]:
    """Return what ``job.json`` says of the query, for people."""
    about, state = result.unload.about, result.state
    return {
        "query_id": state.id,
        "workgroup": result.unload.request["WorkGroup"],
        "statement": result.unload.request["QueryString"],
        **{name: about[name] for name in ("table", "dt") if about.get(name)},
        "scanned_bytes": state.scanned_bytes,
        "query_s": state.run_ms / 1000,
    }


def _schema(result: Result, place: Place) -> tuple[InventoryColumn, ...]:
    """Return the columns of the result: those that were asked for, or else those that its smallest file has."""
    about = result.unload.about
    if about["columns"] is not None:
        return tuple(InventoryColumn(*column) for column in about["columns"])
    if not result.files:
        return tuple(InventoryColumn(name, TYPES.get(name, "VARCHAR")) for name in about["outputs"])
    smallest = min(result.files, key=lambda file: file.size)
    with staging_folder(place.staging_dir) as folder:
        path = folder / "columns.parquet"
        place.storage.download(S3Url(result.folder.bucket, smallest.key), path)
        with duck.open_locked(folder) as connection:
            rows = connection.execute(_DESCRIBE.format(duck.quoted(str(path)))).fetchall()
    schema = tuple(InventoryColumn(name.lower(), TYPES.get(name.lower(), kind)) for name, kind, *_ in rows)
    names = [column.name for column in schema]
    if lacking := {"bucket", "key"} - set(names):
        listed = ", ".join(names)
        raise ManifestError(
            f"query: it gives no column {min(lacking)!r}, and a manifest needs bucket and key; it gives {listed}"
        )
    return schema


def _extra(schema: Sequence[InventoryColumn]) -> Mapping[str, str]:
    """Return what the result is taken for where it does not tell: what somebody selects are objects that are there."""
    names = {column.name for column in schema}
    if names.isdisjoint(SUPPLIED):
        return SUPPLIED
    return {} if "is_delete_marker" in names else {"is_delete_marker": SUPPLIED["is_delete_marker"]}
