"""Which files the user's own URLs name, and whether they still are what they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_s3batch.core.errors import ArgumentError, InventoryError
from airflow_s3batch.core.s3url import S3Url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow_s3batch.engine.files.storage import Storage, StoredFile

_COMPANION = ".metadata"
"""Suffix of what Athena writes beside each result."""

_START_OVER = "set resume=False to start a new job with what is there now"


def url_problems(urls: Sequence[str], *, what: str) -> list[str]:
    """Return what is wrong with *urls* by themselves; *what* is the argument's name."""
    found = [] if urls else [f"{what} names no file; expected s3://bucket/key or s3://bucket/folder/"]
    for url in urls:
        try:
            parsed = S3Url.parse(url, what=what)
        except ArgumentError as error:
            found.append(str(error))
            continue
        if not parsed.key:
            found.append(f"{what}={url!r} is a whole bucket; name a file or a folder")
    return found + [f"{what} names {url} twice" for url in sorted({url for url in urls if urls.count(url) > 1})]


def files_at(storage: Storage, urls: Sequence[str], *, what: str) -> list[StoredFile]:
    """
    Return the files that *urls* name, each a file or a folder: in the order of the URLs, those of a folder by key.

    Below a folder, what starts with ``_`` or ``.`` is passed over (but as Spark does it: not ``_day=1``, a partition),
    as are Athena's ``.metadata`` and files of no bytes.

    Raises:
        InventoryError: a URL names nothing, or two of them the same file.
    """
    files: dict[S3Url, StoredFile] = {}
    for url in urls:
        found = list(_files_of(storage, S3Url.parse(url, what=what)))
        if not found:
            raise InventoryError(f"{url}: there is no such file, and no folder of that name with files in it")
        for file in found:
            if file.url in files:
                raise InventoryError(f"{file.url}: {what} names it twice, so everything in it would be done twice")
            files[file.url] = file
    return list(files.values())


def _files_of(storage: Storage, url: S3Url) -> Iterator[StoredFile]:
    listed = sorted(storage.list(url), key=lambda file: file.url)
    exact = [file for file in listed if file.url == url and not url.key.endswith("/")]
    folder = url.key.rstrip("/") + "/"
    below = (file for file in listed if file.url.key.startswith(folder))
    yield from exact or (file for file in below if file.size and not _is_hidden(file.url.key.removeprefix(folder)))


def _is_hidden(path: str) -> bool:
    names = path.split("/")
    return path.endswith(_COMPANION) or any(n.startswith(".") or (n[:1] == "_" and "=" not in n) for n in names)


def check_unchanged(storage: Storage, urls: Sequence[str], pinned: Mapping[S3Url, tuple[int, str]]) -> None:
    """
    Check that below *urls* the files *pinned*, with size and ETag, are what they were.

    Raises:
        InventoryError: one is gone or was written anew.
    """
    present = {file.url: (file.size, file.e_tag) for url in urls for file in storage.list(S3Url.parse(url))}
    for url, then in pinned.items():
        now = present.get(url)
        if now is None:
            raise InventoryError(f"{url}: this job was started with that file, and it is gone; {_START_OVER}")
        if now != then:
            raise InventoryError(
                f"{url}: this job was started with that file, and it was written anew since: it had {then[0]:,} bytes "
                f"with ETag {then[1]} and has {now[0]:,} with {now[1]}; {_START_OVER}"
            )
