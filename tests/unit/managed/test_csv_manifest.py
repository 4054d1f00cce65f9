"""The manifest that AWS reads: what is in it, and what is refused."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, unquote_plus

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from hypothesis import given, settings
from hypothesis import strategies as st
from managed_jobs import ManagedJob, keys

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.access import S3Access
from airflow_s3batch.engine.files.storage import S3Storage
from airflow_s3batch.operations import DeleteObjectTagging, ReplicateObject

any_key = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).filter(lambda key: len(key.encode()) <= 1024)


@settings(max_examples=60, deadline=None)
@given(st.lists(any_key, min_size=1, max_size=12), st.sampled_from([None, "null", "v1.2_-x"]))
def test_any_key_comes_back_as_it_was(names: list[str], version: str | None) -> None:
    """Both spellings in use read the keys as they are; rows keep their order, doubles included."""
    with TemporaryDirectory() as folder:
        job = ManagedJob(Path(folder), [S3Object("lake", name, version, 1) for name in names])
        rows = job.asked(job.begun())
        assert [unquote(row[1]) for row in rows] == names
        assert [unquote_plus(row[1]) for row in rows] == names
        assert {tuple(row[2:]) for row in rows} == {() if version is None else (version,)}


def test_the_file_is_as_aws_wants_it(tmp_path: Path) -> None:
    """UTF-8 without a mark, no header, no blank line, slashes as they are, a blank as %20."""
    job = ManagedJob(tmp_path, keys("a/b c", "d+e"))
    job.begun()
    [body] = [body for url, body in job.storage.files.items() if url.key.endswith(".csv")]
    assert body == b"lake,a/b%20c\nlake,d%2Be\n"
    assert not body.startswith(codecs.BOM_UTF8)


def test_only_the_fields_that_are_there_are_declared(tmp_path: Path) -> None:
    """VersionId for all rows or for none."""
    job = ManagedJob(tmp_path, [*keys("a"), *keys("b", version_id="null")])
    for ref in job.refs():
        job.begun(ref)
    fields = [request["Manifest"]["Spec"]["Fields"] for request in job.aws.requests]
    assert fields == [["Bucket", "Key"], ["Bucket", "Key", "VersionId"]]


def test_empty_version_ids_are_none(tmp_path: Path) -> None:
    """A manifest from elsewhere may have empty texts."""
    job = ManagedJob(tmp_path, [*keys("a"), *keys("b", version_id="")])
    assert [ref.has_versions for ref in job.refs()] == [False]
    assert len(job.asked(job.begun())) == 2


def test_a_key_that_s3_can_not_have_is_refused(tmp_path: Path) -> None:
    """1,024 bytes is the limit, whatever the characters."""
    job = ManagedJob(tmp_path, keys("é" * 512))
    job.begun()
    job = ManagedJob(tmp_path, keys("é" * 512 + "x"))
    with pytest.raises(ManifestError, match="1,025 bytes"):
        job.begin()


def test_too_many_rows_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS's limits differ by operation."""
    monkeypatch.setattr(DeleteObjectTagging, "managed_most_objects", 2)
    job = ManagedJob(tmp_path, keys("a", "b", "c"))
    with pytest.raises(ManifestError, match="3 objects, AWS takes 2 in a job of S3DeleteObjectTagging"):
        job.begin(operation=DeleteObjectTagging())
    assert not job.aws.jobs


def test_a_version_that_would_break_the_line_is_refused(tmp_path: Path) -> None:
    """No store has such versions; a hand-made manifest might."""
    job = ManagedJob(tmp_path, keys("a", version_id="v,1"))
    with pytest.raises(ManifestError, match="'v,1' is not a version id"):
        job.begin()


def test_replication_needs_versions(tmp_path: Path) -> None:
    """AWS would fail each task."""
    job = ManagedJob(tmp_path, keys("a"))
    with pytest.raises(ManifestError, match="name no version"):
        job.begin(operation=ReplicateObject())


@pytest.mark.parametrize(
    ("endpoint", "encryption"), [("https://s3.eu-west-1.amazonaws.com", "AES256"), ("http://127.0.0.1:9000", None)]
)
def test_buckets_that_encrypt_with_kms_get_a_manifest_that_aws_reads(
    tmp_path: Path, endpoint: str, encryption: str | None
) -> None:
    """On AWS the file asks for S3's own key; other stores are not bothered with it."""
    session = boto3.session.Session("key", "secret", region_name="eu-west-1")
    access = S3Access(session, endpoint, "eu-west-1", config=Config(retries={"total_max_attempts": 1}))
    storage = S3Storage(access)
    seen: list[str | None] = []

    def look(request: Any, **_: object) -> AWSResponse:
        value = request.headers.get("x-amz-server-side-encryption")
        seen.append(value.decode() if isinstance(value, bytes) else value)
        return AWSResponse(request.url, 200, {"ETag": '"e"'}, RawResponse(b""))

    storage._client.meta.events.register("before-send.s3", look)
    (tmp_path / "m.csv").write_text("lake,a\n")
    storage.upload(tmp_path / "m.csv", S3Url("ops", "m.csv"), "text/csv", for_aws=True)
    storage.upload(tmp_path / "m.csv", S3Url("ops", "m.csv"), "text/csv")
    assert seen == [encryption, None, None, None]


class RawResponse(io.BytesIO):
    """A body as botocore reads it."""

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.read()


def test_access_points_are_refused(tmp_path: Path) -> None:
    """A manifest names buckets."""
    job = ManagedJob(tmp_path, keys("a", bucket="arn:aws:s3:eu-west-1:123456789012:accesspoint/x"))
    with pytest.raises(ManifestError, match="access points"):
        job.refs()


def test_buckets_are_looked_for_once(tmp_path: Path) -> None:
    """The second time, and for each round, the list beside the manifest is read instead of all shards."""
    rows = [*keys("a", "b", "c", "d"), *keys("a", bucket="pond")]
    job = ManagedJob(tmp_path, rows)
    first = job.refs()
    fetched: list[S3Url] = []
    job.storage.before = lambda verb, url: fetched.append(url) if verb == "download" else None
    assert job.refs() == first
    assert fetched == []
    job.begun(first[1])
    assert [url.key for url in fetched] == [job.manifest.shards[1].key]


def test_a_list_of_buckets_of_another_manifest_is_not_believed(tmp_path: Path) -> None:
    """It names the shards that it is about."""
    job = ManagedJob(tmp_path, keys("a"))
    job.storage.write(job.layout.buckets, b'{"format": "airflow-s3batch-buckets/1", "of": "x", "folders": {}}')
    assert [(ref.bucket, ref.rows) for ref in job.refs()] == [("lake", 1)]


def test_references_go_through_xcom(tmp_path: Path) -> None:
    """And come back."""
    job = ManagedJob(tmp_path, [*keys("a"), *keys("b", version_id="v")])
    for ref in job.refs():
        assert type(ref).from_xcom(ref.to_xcom()) == ref
        found = job.begun(ref)
        assert type(found).from_json(found.to_json()) == found


@pytest.mark.parametrize("empty", [[]])
def test_an_empty_manifest_has_no_buckets(tmp_path: Path, empty: list[S3Object]) -> None:
    """Nothing to map."""
    assert ManagedJob(tmp_path, empty).refs() == []
