"""Reads the manifest of the job that an attempt works on."""

from __future__ import annotations

from airflow_s3batch.core.errors import JobDamagedError, ManifestError
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.manifest import FIXED_COLUMNS, Manifest
from airflow_s3batch.engine.files.storage import Storage
from airflow_s3batch.operations.base import Operation


def published_manifest(storage: Storage, layout: JobLayout) -> Manifest:
    """
    Return the job's manifest.

    Raises:
        JobDamagedError: it is missing, or not one of ours.
    """
    body = storage.read(layout.manifest)
    if body is None:
        raise JobDamagedError(f"{layout.manifest}: missing; clear the manifest task to publish it again")
    return Manifest.from_json(body, place=str(layout.manifest)).of(layout.url)


def check_columns(operation: Operation, manifest: Manifest) -> None:
    """
    Check that *manifest* has all columns that *operation* names.

    Raises:
        ManifestError: one is missing.
    """
    known = {*FIXED_COLUMNS, *manifest.columns}
    if missing := sorted(operation.columns() - known):
        raise ManifestError(
            f"{operation.name}: Column({missing[0]!r}) is not in the manifest, which has {', '.join(sorted(known))}; "
            "add it to columns="
        )
