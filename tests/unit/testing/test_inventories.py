"""`write_inventory` delivers what AWS would: names, order, spelling and types."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
import pyarrow.orc as pa_orc
import pyarrow.parquet as pq
import pytest

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.testing import MemoryStorage, write_inventory

CREATED = datetime(2026, 11, 1, 1, 0, tzinfo=UTC)
MODIFIED = datetime(2024, 1, 31, 12, 34, 56, tzinfo=UTC)
ODD_KEY = 'team a/ü+%41 "q",\n..//x'
ROWS = [
    {"key": ODD_KEY, "size": 3, "e_tag": "abc", "is_latest": True, "last_modified_date": MODIFIED},
    {"key": "b", "size": None, "version_id": "v1", "is_latest": False},
    {"key": "c", "size": 5},
]


def delivered(**arguments: Any) -> tuple[dict[str, Any], MemoryStorage, list[S3Url]]:
    """Return the manifest of a delivery of ROWS, the storage, and the URLs in the order they were written."""
    order: list[S3Url] = []
    storage = MemoryStorage(before=lambda verb, url: order.append(url) if verb == "write" else None)
    url = write_inventory(
        storage,
        **{"destination": "s3://inv/prod", "source_bucket": "lake", "rows": ROWS, "created": CREATED} | arguments,
    )
    body = storage.read(S3Url.parse(url))
    assert body is not None
    return json.loads(body), storage, order


def data_of(manifest: dict[str, Any], storage: MemoryStorage) -> list[bytes]:
    return [storage.files[S3Url("inv", entry["key"])] for entry in manifest["files"]]


def test_manifest_says_what_aws_says() -> None:
    manifest, _, order = delivered()
    assert order[-2] == S3Url("inv", "prod/lake/daily/2026-11-01T01-00Z/manifest.json")
    assert manifest["sourceBucket"] == "lake"
    assert manifest["destinationBucket"] == "arn:aws:s3:::inv"
    assert manifest["version"] == "2016-11-30"
    assert manifest["creationTimestamp"] == "1793494800000"
    assert manifest["fileFormat"] == "CSV"
    assert manifest["fileSchema"] == "Bucket, Key, VersionId, IsLatest, Size, LastModifiedDate, ETag"


def test_checksum_comes_last_and_is_the_manifests_md5() -> None:
    _, storage, order = delivered()
    manifest_url = order[-2]
    assert order[-1] == S3Url("inv", "prod/lake/daily/2026-11-01T01-00Z/manifest.checksum")
    assert storage.files[order[-1]].decode() == hashlib.md5(storage.files[manifest_url]).hexdigest()


def test_hive_symlink_names_every_data_file() -> None:
    manifest, storage, _ = delivered()
    links = storage.files[S3Url("inv", "prod/lake/daily/hive/dt=2026-11-01-01-00/symlink.txt")].decode().split("\n")
    assert links == [f"s3://inv/{entry['key']}" for entry in manifest["files"]]


@pytest.mark.parametrize("file_format", ["CSV", "Parquet", "ORC"])
def test_data_files_have_the_size_and_md5_that_the_manifest_says(file_format: str) -> None:
    manifest, storage, _ = delivered(file_format=file_format)
    bodies = data_of(manifest, storage)
    assert len(bodies) == 2
    assert [entry["size"] for entry in manifest["files"]] == [len(body) for body in bodies]
    assert [entry["MD5checksum"] for entry in manifest["files"]] == [hashlib.md5(body).hexdigest() for body in bodies]


def test_csv_quotes_every_value_and_form_encodes_keys() -> None:
    manifest, storage, _ = delivered(files=1)
    (body,) = data_of(manifest, storage)
    assert gzip.decompress(body).decode().splitlines() == [
        '"lake","team+a/%C3%BC%2B%2541+%22q%22%2C%0A..//x","","true","3","2024-01-31T12:34:56.000Z","abc"',
        '"lake","b","v1","false","","",""',
        '"lake","c","","","5","",""',
    ]


def test_rows_are_dealt_out_to_the_files() -> None:
    manifest, storage, _ = delivered(files=2)
    assert [len(gzip.decompress(body).splitlines()) for body in data_of(manifest, storage)] == [2, 1]


def test_a_file_without_rows_is_left_out() -> None:
    assert len(delivered(files=7)[0]["files"]) == 3
    assert delivered(rows=[])[0]["files"] == []


def test_parquet_has_awss_types_raw_keys_and_nulls() -> None:
    manifest, storage, _ = delivered(file_format="Parquet", files=1)
    file = pq.ParquetFile(io.BytesIO(data_of(manifest, storage)[0]))
    assert file.metadata.row_group(0).column(0).compression == "SNAPPY"
    assert not file.schema_arrow.field("key").nullable
    assert file.schema_arrow.field("size").type == pa.int64()
    assert file.read().to_pylist()[:2] == [
        {
            "bucket": "lake",
            "key": ODD_KEY,
            "version_id": None,
            "is_latest": True,
            "size": 3,
            "last_modified_date": MODIFIED.replace(tzinfo=None),
            "e_tag": "abc",
        },
        {
            "bucket": "lake",
            "key": "b",
            "version_id": "v1",
            "is_latest": False,
            "size": None,
            "last_modified_date": None,
            "e_tag": None,
        },
    ]
    assert manifest["fileSchema"].startswith("message s3.inventory {   required binary bucket (UTF8);")
    assert "optional int64 last_modified_date (TIMESTAMP_MILLIS);" in manifest["fileSchema"]


def test_orc_has_raw_keys_and_a_struct_schema() -> None:
    manifest, storage, _ = delivered(file_format="ORC", files=1)
    file = pa_orc.ORCFile(io.BytesIO(data_of(manifest, storage)[0]))
    assert file.compression == "ZLIB"
    assert file.read().column("key").to_pylist() == [ODD_KEY, "b", "c"]
    assert manifest["fileSchema"] == (
        "struct<bucket:string,key:string,version_id:string,is_latest:boolean,size:bigint,"
        "last_modified_date:timestamp,e_tag:string>"
    )


def test_unversioned_rows_give_no_version_columns() -> None:
    manifest, _, _ = delivered(rows=[{"key": "a", "size": 1}])
    assert manifest["fileSchema"] == "Bucket, Key, Size"


def test_schema_decides_columns_and_their_order() -> None:
    manifest, storage, _ = delivered(schema=["bucket", "key", "encryption_status", "size"], files=1)
    assert manifest["fileSchema"] == "Bucket, Key, EncryptionStatus, Size"
    assert gzip.decompress(data_of(manifest, storage)[0]).splitlines()[2] == b'"lake","c","","5"'


def test_columns_that_aws_may_add_are_kept_as_strings() -> None:
    manifest, _, _ = delivered(rows=[{"lifecycle_expiration_date": "x", "key": "a", "size": 1}], file_format="ORC")
    assert manifest["fileSchema"] == "struct<bucket:string,key:string,size:bigint,lifecycle_expiration_date:string>"


def test_a_prefix_with_a_slash_doubles_it_in_data_keys_only() -> None:
    manifest, _, order = delivered(destination="s3://inv/prod/")
    assert manifest["files"][0]["key"].startswith("prod//lake/daily/data/")
    assert order[-1].key == "prod/lake/daily/2026-11-01T01-00Z/manifest.checksum"


def test_no_prefix_starts_at_the_source_bucket() -> None:
    manifest, _, order = delivered(destination="s3://inv")
    assert manifest["files"][0]["key"].startswith("lake/daily/data/")
    assert order[-1].key == "lake/daily/2026-11-01T01-00Z/manifest.checksum"


def test_other_zones_are_told_in_utc() -> None:
    local = CREATED.astimezone(timezone(timedelta(hours=5)))
    manifest, _, order = delivered(created=local)
    assert manifest["creationTimestamp"] == "1793494800000"
    assert "2026-11-01T01-00Z" in order[-1].key


def test_two_deliveries_share_no_data_file() -> None:
    first = {entry["key"] for entry in delivered()[0]["files"]}
    second = {entry["key"] for entry in delivered(created=CREATED + timedelta(days=1))[0]["files"]}
    assert not first & second


def test_an_unknown_format_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(ArgumentError, match="file_format='csv': expected one of CSV, Parquet, ORC"):
        delivered(file_format="csv")


class Client:
    """A boto3 client as far as the writer needs one."""

    def __init__(self) -> None:
        self.storage = MemoryStorage()

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> None:  # noqa: N803
        self.storage.write(S3Url(Bucket, Key), Body)


def test_a_boto3_client_writes_the_same_files_as_a_storage() -> None:
    client = Client()
    write_inventory(client, "s3://inv/prod", "lake", ROWS, created=CREATED)
    assert client.storage.files == delivered()[1].files
