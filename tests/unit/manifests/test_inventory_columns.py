"""The column table: names, types, values."""

from __future__ import annotations

import pytest

from airflow_s3batch.core.errors import InventoryError
from airflow_s3batch.manifests.columns import SUPPLIED, TYPES, VALUES, meant_value, parse_schema, snake_case
from airflow_s3batch.testing.inventories import KINDS, file_schema

CSV_NAMES = (
    "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass, "
    "IsMultipartUploaded, ReplicationStatus, EncryptionStatus, ObjectLockRetainUntilDate, ObjectLockMode, "
    "ObjectLockLegalHoldStatus, IntelligentTieringAccessTier, BucketKeyStatus, ChecksumAlgorithm, "
    "ObjectAccessControlList, ObjectOwner"
)
MESSAGE = "message x {{ required binary bucket (UTF8); optional binary key (STRING); {} }}"


def test_csv_names_become_the_names_that_parquet_inventories_use() -> None:
    assert [snake_case(name) for name in CSV_NAMES.split(",")] == list(KINDS)


@pytest.mark.parametrize("file_format", ["CSV", "Parquet", "ORC"])
def test_every_format_declares_the_same_columns_and_types(file_format: str) -> None:
    columns = parse_schema(file_format, file_schema(tuple(KINDS), file_format), place="m")
    assert [(c.name, c.type) for c in columns] == [(name, TYPES[name]) for name in KINDS]


@pytest.mark.parametrize(
    ("file_format", "schema", "kind"),
    [
        ("CSV", "Bucket, Key, BrandNewColumn", "VARCHAR"),
        ("Parquet", MESSAGE.format("optional int64 brand_new_column (TIMESTAMP(MILLIS,true));"), "TIMESTAMP"),
        ("Parquet", MESSAGE.format("optional int32 brand_new_column;"), "INTEGER"),
        ("ORC", "struct<bucket:string,key:string,brand_new_column:boolean>", "BOOLEAN"),
    ],
)
def test_unknown_columns_are_kept_with_their_own_type(file_format: str, schema: str, kind: str) -> None:
    assert parse_schema(file_format, schema, place="m")[2] == ("brand_new_column", kind)


def test_a_schema_without_key_is_one_sentence_that_says_what_is_there() -> None:
    with pytest.raises(InventoryError) as caught:
        parse_schema("CSV", "Bucket, Size, ETag", place="s3://inv/manifest.json")
    assert str(caught.value) == "s3://inv/manifest.json: fileSchema has no 'Key'; it has 'Bucket, Size, ETag'"


@pytest.mark.parametrize(
    ("column", "text", "meant"),
    [
        ("encryption_status", "NOT_ENCRYPTED", "NOT-SSE"),
        ("encryption_status", "not-sse", "NOT-SSE"),
        ("encryption_status", "AES256", "SSE-S3"),
        ("encryption_status", "aws:kms", "SSE-KMS"),
        ("storage_class", "DEEP-ARCHIVE", "DEEP_ARCHIVE"),
        ("storage_class", "STANDRAD", "STANDARD"),
        ("replication_status", "COMPLETE", "COMPLETED"),
        ("object_lock_legal_hold_status", "ON", "On"),
        ("encryption_status", "banana", None),
    ],
)
def test_what_people_write_is_understood(column: str, text: str, meant: str | None) -> None:
    assert meant_value(column, text) == meant


def test_the_tables_name_only_known_columns() -> None:
    assert {*VALUES, *SUPPLIED} <= set(TYPES)
