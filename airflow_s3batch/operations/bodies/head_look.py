"""How HeadObject's headers differ from what an operation declares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations.bodies.content import ContentChoice
from airflow_s3batch.operations.bodies.encryption import EncryptionChoice
from airflow_s3batch.operations.bodies.storage_classes import may_have_become
from airflow_s3batch.operations.verification import differs


def declared_differences(operation: Any, shown: Mapping[str, str]) -> Outcome | None:
    """
    Return the first thing in which the headers *shown*, with checksums, differ from what *operation* declares.

    *operation* has the fields of encryption, storage class, checksum and content; one that is ``None`` says nothing.
    """
    if why := EncryptionChoice.of(operation).differs_from(shown):
        return differs("EncryptionDiffers", why)
    storage_class, declared = shown.get("x-amz-storage-class", "STANDARD"), operation.storage_class
    if declared is not None and not may_have_become(str(declared), storage_class):
        return differs("StorageClassDiffers", f"storage class {storage_class}, not {declared}")
    algorithm = operation.checksum_algorithm
    if algorithm and f"x-amz-checksum-{algorithm}".lower() not in shown:
        return differs("ChecksumDiffers", f"there is no {algorithm} checksum")
    choice = ContentChoice.of(operation)
    why = "" if choice.is_empty else choice.differs_from(shown)
    return differs("MetadataDiffers", why) if why else None
