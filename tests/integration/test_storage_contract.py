"""What every `Storage` does, whether it keeps files in memory or in S3."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from airflow_s3batch.core.errors import AccessError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.files.storage import S3Storage, Storage
from airflow_s3batch.testing import MemoryStorage

if TYPE_CHECKING:
    from pathlib import Path

ODD_NAMES = ["plain", "with space", "plus+percent%41", 'quote"comma,', "new\nline", "ünï-😀", "deep/er/name", "~*?#[&]"]


@pytest.fixture(params=["memory", "seaweedfs"])
def place(request: pytest.FixtureRequest) -> tuple[Storage, S3Url]:
    """An implementation and an empty folder in it."""
    if request.param == "memory":
        return MemoryStorage(), S3Url("bucket", "job")
    server = request.getfixturevalue("seaweedfs")
    name = request.getfixturevalue("bucket")(server, "storage")
    return S3Storage(server.access()), S3Url(name, "job")


@pytest.mark.parametrize("name", ODD_NAMES)
def test_what_was_written_is_read_back(place: tuple[Storage, S3Url], name: str) -> None:
    storage, folder = place
    storage.write(folder / name, b"body \x00\xff")
    assert storage.read(folder / name) == b"body \x00\xff"


def test_a_file_that_is_not_there_reads_as_none(place: tuple[Storage, S3Url]) -> None:
    storage, folder = place
    storage.write(folder / "ab", b"x")
    assert storage.read(folder / "a") is None


@pytest.mark.parametrize(
    ("first", "size", "part"), [(0, 3, b"012"), (7, 3, b"789"), (8, 100, b"89"), (0, 10, b"0123456789")]
)
def test_a_part_of_a_file_is_read(place: tuple[Storage, S3Url], first: int, size: int, part: bytes) -> None:
    """At most as many bytes as there are; a missing file is an error that names it."""
    storage, folder = place
    storage.write(folder / "a +%", b"0123456789")
    assert storage.read_part(folder / "a +%", first, size) == part
    with pytest.raises(AccessError, match="there is no such object"):
        storage.read_part(folder / "b", first, size)


def test_e_tag_of_a_write_is_the_md5_without_quotes_and_the_listing_has_it(place: tuple[Storage, S3Url]) -> None:
    storage, folder = place
    e_tag = storage.write(folder / "a", b"body")
    assert e_tag == hashlib.md5(b"body").hexdigest()
    assert [file.e_tag for file in storage.list(folder)] == [e_tag]


def test_the_listing_says_when_a_file_was_written_last(place: tuple[Storage, S3Url]) -> None:
    """With a time zone: only two times of the same store are ever compared."""
    storage, folder = place
    begun = datetime.now(UTC)
    storage.write(folder / "a", b"body")
    (shown,) = [file.last_modified for file in storage.list(folder)]
    assert begun - timedelta(seconds=2) <= shown <= datetime.now(UTC) + timedelta(seconds=2)


def test_the_last_write_counts(place: tuple[Storage, S3Url]) -> None:
    storage, folder = place
    storage.write(folder / "a", b"old and long")
    storage.write(folder / "a", b"new")
    assert storage.read(folder / "a") == b"new"
    assert [file.size for file in storage.list(folder)] == [3]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_listing_gives_names_as_they_were_written(place: tuple[Storage, S3Url], name: str) -> None:
    storage, folder = place
    storage.write(folder / name, b"12")
    assert [(file.url, file.size) for file in storage.list(folder)] == [(folder / name, 2)]


def test_listing_takes_a_prefix_not_a_folder(place: tuple[Storage, S3Url]) -> None:
    storage, folder = place
    for name in ("range-1.commit", "range-2.commit", "summary", "range-1/below"):
        storage.write(folder / name, b"")
    found = {file.url for file in storage.list(folder / "range-1")}
    assert found == {folder / "range-1.commit", folder / "range-1/below"}


def test_listing_nothing_is_empty(place: tuple[Storage, S3Url]) -> None:
    storage, folder = place
    assert list(storage.list(folder)) == []
    assert list(storage.folders(folder)) == []


def test_folders_are_the_names_one_level_below(place: tuple[Storage, S3Url]) -> None:
    storage, folder = place
    for name in ("g0001/a", "g0001/b/c", "g0002/a", "file", "other folder/a"):
        storage.write(folder / name, b"")
    storage.write(S3Url(folder.bucket, "job-2/g0009/a"), b"")
    assert sorted(storage.folders(folder)) == ["g0001", "g0002", "other folder"]


def test_folders_may_be_asked_for_with_a_trailing_slash(place: tuple[Storage, S3Url]) -> None:
    storage, folder = place
    storage.write(folder / "g0001/a", b"")
    assert list(storage.folders(S3Url(folder.bucket, folder.key + "/"))) == ["g0001"]


def test_folders_of_the_whole_bucket(place: tuple[Storage, S3Url]) -> None:
    storage, folder = place
    storage.write(folder / "g0001/a", b"")
    assert list(storage.folders(S3Url(folder.bucket, ""))) == ["job"]


def test_more_files_than_a_page_are_all_listed(place: tuple[Storage, S3Url]) -> None:
    storage, folder = place
    names = {f"file-{i:04d}" for i in range(1_003)}
    for name in names:
        storage.write(folder / name, b"")
    assert {file.url for file in storage.list(folder)} == {folder / name for name in names}


def test_upload_and_download_keep_every_byte(place: tuple[Storage, S3Url], tmp_path: Path) -> None:
    storage, folder = place
    body = bytes(range(256)) * 1_000
    (tmp_path / "up").write_bytes(body)
    e_tag = storage.upload(tmp_path / "up", folder / "file")
    storage.download(folder / "file", tmp_path / "down")
    assert (tmp_path / "down").read_bytes() == body
    assert [file.e_tag for file in storage.list(folder)] == [e_tag]


def test_download_of_a_missing_file_is_a_sentence_that_names_it(place: tuple[Storage, S3Url], tmp_path: Path) -> None:
    storage, folder = place
    storage.write(folder / "other", b"")
    with pytest.raises(AccessError, match=rf"can't read {folder / 'file'}: there is no such object"):
        storage.download(folder / "file", tmp_path / "down")


def test_delete_removes_one_file_and_bears_its_absence(place: tuple[Storage, S3Url]) -> None:
    storage, folder = place
    storage.write(folder / "a", b"")
    storage.write(folder / "ab", b"")
    storage.delete(folder / "a")
    storage.delete(folder / "a")
    assert [file.url for file in storage.list(folder)] == [folder / "ab"]


def test_many_files_are_deleted_at_once_and_nothing_else(place: tuple[Storage, S3Url]) -> None:
    """Also where some are gone already, and whatever their names are."""
    storage, folder = place
    for name in (*ODD_NAMES, "stays", "plain-too"):
        storage.write(folder / name, b"x")
    storage.delete(folder / ODD_NAMES[0])
    storage.delete_all([folder / name for name in ODD_NAMES])
    storage.delete_all([])
    assert {file.url for file in storage.list(folder / "")} == {folder / "stays", folder / "plain-too"}
