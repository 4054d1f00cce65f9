"""CSV manifests: AWS's form and all the others that people have."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import pytest
from deliveries import JOBS, NOW
from hypothesis import given, settings
from hypothesis import strategies as st
from sourced import IN, objects_of, put, rows_of, seen

from airflow_s3batch.core.errors import ArgumentError, InventoryError, JobChangedError, JobDamagedError, ManifestError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.planning.publish import publish_manifest
from airflow_s3batch.manifests.planning.selection import Selection
from airflow_s3batch.manifests.sources.csv.source import CsvManifest
from airflow_s3batch.reports.accounts.failed_manifest import FailedManifest
from airflow_s3batch.testing.storage import MemoryStorage

if TYPE_CHECKING:
    from pathlib import Path

KEYS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
VERSIONS = st.text("abcXYZ019._-", min_size=1, max_size=12)


def source(storage: MemoryStorage, body: bytes | str, **more: Any) -> CsvManifest:
    return CsvManifest(put(storage, {"manifest.csv": body}) + "manifest.csv", **more)


def objects(body: bytes | str, **more: Any) -> list[tuple[str, str, str | None]]:
    storage = MemoryStorage()
    return objects_of(storage, source(storage, body, **more))


@settings(max_examples=8, deadline=None)
@given(st.lists(KEYS, min_size=1, max_size=20), st.sampled_from([quote, quote_plus]), st.booleans())
def test_urlencoded_keys_come_back_whatever_is_in_them(keys: list[str], spelled: Any, is_gzip: bool) -> None:
    """Both spellings in use are read: AWS's guide has %20 for a blank, others write a plus."""
    body = "".join(f"lake,{spelled(key, safe='/')}\n" for key in keys).encode()
    assert objects(gzip.compress(body) if is_gzip else body) == [("lake", key, None) for key in keys]


@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(KEYS, VERSIONS), min_size=1, max_size=20), st.sampled_from([",", "\t", ";"]), st.booleans())
def test_raw_keys_come_back_whatever_is_in_them(rows: list[tuple[str, str]], delimiter: str, has_header: bool) -> None:
    """Raw keys are quoted as CSV demands, and a plus or a percent sign is just that."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([("Bucket", "Key", "VersionId")] * has_header)
    writer.writerows([("lake", *row) for row in rows])
    found = objects(text.getvalue(), key_spelling="raw", delimiter=delimiter)
    assert found == [("lake", *row) for row in rows]


@settings(max_examples=5, deadline=None)
@given(keys=st.lists(KEYS, min_size=1, max_size=10), version=st.sampled_from(["", "null", "v1"]))
def test_failed_csv_of_a_job_is_a_manifest(tmp_path_factory: Any, keys: list[str], version: str) -> None:
    """What our reporter writes is read back, with versions or without."""
    storage, url = MemoryStorage(), IN / "failed.csv"
    failed = FailedManifest(tmp_path_factory.mktemp("failed"))
    failed.add(f"lake,{quote(key, safe='/')},{version}" for key in keys)
    failed.publish(storage, url)
    assert objects_of(storage, CsvManifest(str(url))) == [("lake", key, version or None) for key in keys]


@pytest.mark.parametrize(
    "body",
    [
        '"bucket","key","versionid","Cost Center"\n"lake","a%2Bb","v1","x y"\n',  # as Athena quotes
        "\ufeffBucket,Key,VersionId,Cost Center\r\nlake,a%2Bb,v1,x y\r\n",
        "Cost-Center,VERSION_ID,KEY,BUCKET\n\n\nx y,v1,a%2Bb,lake\n\n",
    ],
)
def test_header_is_no_object_and_names_the_columns(body: str) -> None:
    """In any order and spelling; a byte order mark, CRLF and blank lines do no harm; other columns are SQL's to use."""
    storage = MemoryStorage()
    rows = rows_of(storage, source(storage, body), "cost_center = 'x y'", columns={"team": "cost_center"})
    assert rows == [{"bucket": "lake", "key": "a+b", "version_id": "v1", "team": "x y"}]


def test_known_columns_have_their_types() -> None:
    """Size and time are numbers and times, an ETag has no quotes, what is empty is unknown."""
    storage = MemoryStorage()
    body = 'lake,a,9,2026-11-01T00:00:00.000Z,"""e1""",GLACIER,\nlake,b,,,,,zzz\n'
    fields = ("Bucket", "Key", "Size", "LastModifiedDate", "ETag", "StorageClass", "Ignore")
    where = "size < 10 AND last_modified_date < TIMESTAMP '2026-11-02' OR size IS NULL"
    rows = rows_of(storage, source(storage, body, fields=fields), where)
    assert rows == [
        {"bucket": "lake", "key": "a", "size": 9, "e_tag": "e1", "storage_class": "GLACIER", "is_latest": True},
        {"bucket": "lake", "key": "b", "is_latest": True},
    ]


def test_one_bucket_for_files_without_that_column() -> None:
    """A list of keys is enough."""
    assert objects("a\nb/c\n", bucket="lake") == [("lake", "a", None), ("lake", "b/c", None)]
    assert objects("key,size\na,1\n", bucket="lake") == [("lake", "a", None)]


def test_a_folder_is_read_file_by_file_whatever_each_looks_like() -> None:
    """Compressed and plain files, with header and without, in the order of their names; companions are no data."""
    storage = MemoryStorage()
    files = {
        "1.csv": "lake,a\n",
        "2.csv.gz": gzip.compress(b"bucket,key\nlake,b\n"),
        "3.csv": "bucket,key\nlake,c\n",
        "4.csv": b"",
        "5.csv": "bucket,key\n",
        "1.csv.metadata": b"\0\1",
        "_SUCCESS": b"x",
        ".part/6.csv": b"x",
    }
    assert sorted(objects_of(storage, CsvManifest(put(storage, files)))) == [("lake", key, None) for key in "abc"]


@pytest.mark.parametrize("body", ["", "bucket,key\n", "\n\n", gzip.compress(b"", mtime=0)])
def test_files_without_rows_are_an_empty_manifest(body: bytes | str) -> None:
    """A query that finds nothing ends well."""
    assert objects(body) == []


@pytest.mark.parametrize(("meaning", "version"), [("null", "null"), ("current", None)])
def test_an_empty_version_is_what_the_user_says(meaning: str, version: str | None) -> None:
    """Nobody else knows: inventories leave the null version empty, reports leave empty what was named without one."""
    body = "lake,a,v1\nlake,b,\n"
    assert objects(body, empty_version_id=meaning) == [("lake", "a", "v1"), ("lake", "b", version)]
    with pytest.raises(ManifestError, match=r"manifest\.csv, line 2: an empty version_id; say empty_version_id='null'"):
        objects(body)


@pytest.mark.parametrize(
    ("body", "more", "told"),
    [
        ("lake,a\nlake,b%zz\n", {}, r"line 2: key 'b%zz' is not URL-encoded"),
        ("lake,a b\n", {}, r"line 1: key 'a b' is not URL-encoded, as ' ' in it shows; pass key_spelling='raw'"),
        ("lake,%FF\n", {}, r"line 1: key '%FF' is not valid UTF-8"),
        ("lake,a\nlake,b,c\n", {}, r"line 2: 3 columns, expected 2 \(bucket, key\): 'lake,b,c'"),
        ('bucket,key\nlake,"a\nb"\n\nlake\n', {"key_spelling": "raw"}, r"line 5: 1 columns, expected 2"),
        ('lake,a\nlake,"b\n', {}, r"line 2: not CSV"),
        ("lake,a\nlake,\n", {}, r"line 2: no key"),
        ("lake,a\n,b\n", {}, r"line 2: no valid bucket, but ''"),
        ("lake,a\ns3://lake,b\n", {}, r"line 2: no valid bucket, but 's3://lake'"),
        ("lake,a\r\nlake,b\n", {}, r"line 2: it ends unlike the lines before it"),
        ("bucket,key,size\nlake,a,1\nlake,b,big\n", {}, r"line 3: size is 'big', which is no BIGINT"),
        ("bucket,key\nlake,a\nBucket,Key\nlake,b\n", {}, r"line 3: a header where an object was expected"),
        ("a\n\nb\n", {"bucket": "lake"}, r"line 2: no key"),
        (b"lake,a\n" * 20_000 + b"lake,\xe9\n", {}, r"line 20001: not UTF-8"),
        (gzip.compress(b"lake,a\n" * 20_000, mtime=0)[:-9], {}, r"it can't be unpacked"),
    ],
)
def test_a_bad_row_is_told_by_file_and_line(body: bytes | str, more: dict[str, Any], told: str) -> None:
    """Nothing is left out in silence."""
    with pytest.raises(ManifestError, match=rf"s3://in/m/manifest\.csv, {told}"):
        objects(body, **more)


@pytest.mark.parametrize(
    ("body", "more", "told"),
    [
        ("lake,a,b,c\n", {}, r"4 columns and is no header \('lake,a,b,c'\).*Name the columns with fields="),
        ("lake,a\n", {"bucket": "lake"}, r"2 columns and is no header .* a column of keys"),
        ("lake,a\n", {"fields": ("Bucket", "Key", "Size")}, r"2 columns, but fields= names 3"),
        ("key,bucket\na,lake\n", {"fields": ("bucket", "key")}, r"calls column 1 'key', but fields= calls it 'bucket'"),
        ("bucket,key,ETag,e_tag\n", {}, r"two columns 'e_tag'"),
        ("bucket,key\n", {"bucket": "lake"}, r"would say it twice"),
        ("name,size\na,1\n", {"has_header": True}, r"no column 'key'; it has: name, size"),
        ("bucket;key\nlake;a\n", {}, r"is the delimiter ';'"),
        (b"PAR1\0\0", {}, r"Parquet; use ParquetFiles"),
        ("a,b".encode("utf-16"), {}, r"UTF-16"),
        (b"a\0,b", {}, r"NUL bytes"),
        (b"lake,\xe9\n", {}, r"byte 5 is not UTF-8"),
        (b"\x1f\x8bnonsense", {}, r"can't be unpacked"),
        ("x" * 70_000, {}, r"longer than"),
    ],
)
def test_a_file_that_is_not_as_expected_is_refused_before_it_is_read(
    body: bytes | str, more: dict[str, Any], told: str
) -> None:
    """By its first line."""
    with pytest.raises(InventoryError, match=rf"s3://in/m/manifest\.csv: .*{told}"):
        objects(body, **more)


def test_gzip_in_several_members_is_one_file() -> None:
    """As it comes of files that were put together; the first can be empty."""
    members = (gzip.compress(part) for part in (b"", b"bucket,", b"key\nlake,a\n", b"lake,b\n"))
    assert objects(b"".join(members)) == [("lake", "a", None), ("lake", "b", None)]


def test_a_manifest_of_something_else_is_told() -> None:
    """People name the manifest.json of an inventory, or of a report."""
    storage = MemoryStorage()
    with pytest.raises(InventoryError, match=r"m/manifest\.json: .* this is JSON; .* use Inventory"):
        objects_of(storage, CsvManifest(put(storage, {"manifest.json": "{}"}) + "manifest.json"))


def test_columns_that_are_called_as_we_call_ours() -> None:
    """Names of a file never meet names of the package."""
    storage = MemoryStorage()
    body = "field_2,key,bucket,field_1\nx,a,lake,y\n"
    rows = rows_of(storage, source(storage, body), columns={"one": "field_1", "two": "field_2"})
    assert rows == [{"bucket": "lake", "key": "a", "is_latest": True, "one": "y", "two": "x"}]


def test_an_object_that_is_called_like_a_header() -> None:
    """It can be said that there is none."""
    assert objects("bucket,key\nlake,a\n", has_header=False) == [("bucket", "key", None), ("lake", "a", None)]


def test_files_with_other_columns_are_told() -> None:
    """Which one, and what it has."""
    storage = MemoryStorage()
    url = put(storage, {"a.csv": "bucket,key,team\nlake,a,x\n", "b.csv": "lake,b\n"})
    with pytest.raises(InventoryError, match=r"m/b\.csv: its columns are bucket, key, but those of .*/m/a\.csv"):
        objects_of(storage, CsvManifest(url))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"url": "in/m"}, "is not an S3 URL"),
        ({"url": "s3://in"}, "is a whole bucket"),
        ({"url": ()}, "names no file"),
        ({"url": ("s3://in/a", "s3://in/a")}, "twice"),
        ({"fields": ("Bucket", "Size")}, "no column 'key'"),
        ({"fields": ("Key",)}, "no column 'bucket'.*Pass bucket="),
        ({"key_spelling": "plain"}, "key_spelling='plain' is unknown"),
        ({"empty_version_id": "none"}, "empty_version_id='none' is unknown"),
        ({"delimiter": '"'}, "must be one character"),
        ({"has_header": "no"}, "has_header='no'"),
    ],
)
def test_wrong_arguments_are_told_before_anything_is_read(arguments: dict[str, Any], told: str) -> None:
    """All that is wrong by itself."""
    with pytest.raises(ArgumentError, match=told):
        publish_manifest(
            MemoryStorage(),
            JOBS,
            "job",
            Selection(CsvManifest(**{"url": "s3://in/m", **arguments}), where="TRUE"),
            now=NOW,
        )


def test_a_file_that_is_not_there_is_an_error() -> None:
    """Not an empty manifest."""
    storage = MemoryStorage()
    put(storage, {"more/a.csv": "lake,a\n"})
    with pytest.raises(InventoryError, match="no such file, and no folder of that name"):
        objects_of(storage, CsvManifest("s3://in/m/mor"))
    with pytest.raises(InventoryError, match="names it twice"):
        objects_of(storage, CsvManifest(("s3://in/m/", "s3://in/m/more/a.csv")))


@pytest.mark.parametrize("changed", [{"bucket": ""}, {"fields": None, "bucket": ""}, {"key_spelling": "raw"}])
def test_a_job_is_not_gone_on_with_when_its_file_is_read_otherwise(changed: dict[str, Any]) -> None:
    """The same file can stand for other objects; what is left out by now is a change, too."""
    storage, arguments = MemoryStorage(), {"fields": ("Key", "Ignore"), "bucket": "lake"}
    rows_of(storage, source(storage, "a,b\n", **arguments))
    arguments |= {"fields": ("Key", "Bucket"), **changed} if "bucket" in changed else changed
    with pytest.raises(JobChangedError, match="was started with another selection"):
        rows_of(storage, source(storage, "a,b\n", **arguments))


class InterruptedAttemptError(Exception):
    """Stands for a killed worker."""


def stop_before_shards(verb: str, url: S3Url) -> None:
    if verb == "upload" and "/manifest/" in url.key:
        raise InterruptedAttemptError


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda storage, url: storage.write(url, b"lake,c\n"), "written anew since"),
        (lambda storage, url: storage.delete(url), "it is gone"),
    ],
)
def test_a_retry_reads_the_very_same_file_or_stops(change: Any, told: str) -> None:
    """Files that came meanwhile are not in the manifest; one that changed is an error."""
    storage = MemoryStorage(before=stop_before_shards)
    url = put(storage, {"a.csv": "lake,a\n"})

    def publish() -> Any:
        return publish_manifest(storage, JOBS, "job", Selection(CsvManifest(url), where="TRUE"), now=NOW, threads=1)

    with pytest.raises(InterruptedAttemptError):
        publish()
    put(storage, {"b.csv": "lake,b\n"})
    changed = MemoryStorage()
    changed.files = dict(storage.files)
    change(changed, IN / "a.csv")
    with pytest.raises(
        InventoryError, match=r"s3://in/m/a\.csv: this job was started with that file, and it (was|is) .*resume=False"
    ) as error:
        publish_manifest(changed, JOBS, "job", Selection(CsvManifest(url), where="TRUE"), now=NOW, threads=1)
    assert told in str(error.value)
    storage.before = None
    assert publish().rows == 1


def test_a_file_that_changes_while_it_is_fetched_is_an_error() -> None:
    """It was looked at a moment before."""
    storage = MemoryStorage()
    url = put(storage, {"a.csv": "lake,a\n"})

    def rewrite(verb: str, place: S3Url) -> None:
        if verb == "download":
            storage.files[place] = b"lake,b\n"

    storage.before = rewrite
    with pytest.raises(InventoryError, match=r"s3://in/m/a\.csv: its ETag is"):
        rows_of(storage, CsvManifest(url))


def test_the_list_of_files_is_not_believed_if_it_was_altered(tmp_path: Path) -> None:
    """It says which files the job is about."""
    storage = MemoryStorage(before=stop_before_shards)
    selection = Selection(CsvManifest(put(storage, {"a.csv": "lake,a\n"})), where="TRUE")
    with pytest.raises(InterruptedAttemptError):
        publish_manifest(storage, JOBS, "job", selection, now=NOW, threads=1, staging_dir=tmp_path)
    (listed,) = (url for url in storage.files if "/source/" in url.key)
    storage.files[listed] += b" "
    with pytest.raises(JobDamagedError, match="altered since it was written"):
        publish_manifest(storage, JOBS, "job", selection, now=NOW, threads=1, staging_dir=tmp_path)


def test_an_object_that_two_rows_name_is_worked_on_once() -> None:
    storage = MemoryStorage()
    put(storage, {"a": "b,k\nb,k\nb,other\n", "b": "b,k\n"})
    assert [row["key"] for row in rows_of(storage, CsvManifest(f"{IN}/"))] == ["k", "other"]


def test_rows_that_say_different_things_of_an_object_are_told() -> None:
    """Dropping one could leave out the one that is meant; both would be done at the same time."""
    storage = MemoryStorage()
    put(storage, {"a": "bucket,key,target\nb,k,x\nb,k,y\n"})
    with pytest.raises(ManifestError, match=r"name s3://b/k 2 times, with different columns"):
        rows_of(storage, CsvManifest(f"{IN}/a"), columns={"target": "target"})
    assert len(rows_of(storage, CsvManifest(f"{IN}/a"), "target = 'x'")) == 1


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_in_quotes_are_part_of_the_key(end: str) -> None:
    storage = MemoryStorage()
    put(storage, {"two": f'b,"k\n1"{end}{end}b,"k\r\n2"{end}', "three": f'b,"k\r\n1"{end}b,k2{end}'})
    two = CsvManifest(f"{IN}/two", key_spelling="raw")
    assert objects_of(storage, two) == [("b", "k\n1", None), ("b", "k\r\n2", None)]
    three = CsvManifest(f"{IN}/three", key_spelling="raw")
    assert objects_of(storage, three) == [("b", "k\r\n1", None), ("b", "k2", None)]


def test_a_header_behind_a_blank_line_is_never_an_object() -> None:
    storage = MemoryStorage()
    put(storage, {"m": "\nbucket,key\nb,k\n"})
    for has_header in (True, None):
        with pytest.raises(InventoryError, match="begins with a blank line"):
            objects_of(storage, CsvManifest(f"{IN}/m", has_header=has_header))


def test_times_with_a_zone_are_brought_to_utc() -> None:
    storage = MemoryStorage()
    put(storage, {"m": "bucket,key,LastModified\nb,k,2026-01-31T02:00:00+02:00\nb,l,2026-01-31 00:00:00\n"})
    assert {row["last_modified_date"] for row in seen(storage, CsvManifest(f"{IN}/m"))} == {
        dt.datetime(2026, 1, 31)  # noqa: DTZ001 - as DuckDB gives it
    }
