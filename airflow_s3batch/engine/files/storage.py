"""Where a job keeps its files: the port, and its implementation on S3."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import botocore.exceptions
import urllib3.exceptions
from boto3.s3.transfer import TransferConfig

from airflow_s3batch.core.errors import AccessError, InfrastructureError, S3BatchError
from airflow_s3batch.core.permissions import PERMISSION_CODES, missing_permission
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.core.verdicts import Verdict, verdict_for
from airflow_s3batch.engine.files.staging import disk_sentences
from airflow_s3batch.engine.files.timely_answers import end_in_time
from airflow_s3batch.engine.wire.dubious_answers import is_listing, is_unexplained

if TYPE_CHECKING:
    from airflow_s3batch.engine.access import S3Access

MISSING_CODES = frozenset({"NoSuchKey", "404", "NotFound"})
_ACTIONS = {"read": "s3:GetObject", "write": "s3:PutObject", "list": "s3:ListBucket", "delete": "s3:DeleteObject"}
_REFUSING = frozenset({Verdict.FAIL, Verdict.CREDENTIALS, Verdict.ABORT})
_BODY_TRIES = 3
_NOT_THE_STORE = "that is not the store's: is there a proxy in front of it that is restarting, or leads elsewhere?"
# Ten threads fill the queue of what waits for the disk, in pieces of 256 KiB: with boto3's 100 of them a file of 160 MB
# takes 58 MB of memory, with these 17 MB, in the same time.
_DOWNLOADS = TransferConfig(max_io_queue=8)
_NO_BATCHES = frozenset({"NotImplemented", "MethodNotAllowed", "MalformedXML", "501", "405"})
"""Answers of stores that know no deletion of several files, or not of these names."""
_CUT_BODIES = (
    botocore.exceptions.IncompleteReadError,
    botocore.exceptions.ReadTimeoutError,
    botocore.exceptions.ResponseStreamingError,
    urllib3.exceptions.ProtocolError,  # as botocore lets through from the body of a refusal
)


class StoredFile(NamedTuple):
    """A file as a listing shows it; *e_tag* without quotes, *last_modified* by the store's clock, to the second."""

    url: S3Url
    size: int
    e_tag: str
    last_modified: datetime


class Storage(Protocol):
    """
    Reads and writes whole files by URL. Every failure is an `S3BatchError` sentence that names the file.

    Implementations are safe to use from several threads.
    """

    def read(self, url: S3Url) -> bytes | None:
        """Return the file's bytes, ``None`` if there is no such file."""

    def read_part(self, url: S3Url, first: int, size: int) -> bytes:
        """Return up to *size* bytes (at least 1) from byte *first* on (there is one); a missing file is an error."""

    def write(self, url: S3Url, body: bytes, content_type: str = "application/octet-stream") -> str:
        """Write the file whole or not at all; return its ETag without quotes."""

    def list(self, prefix: S3Url) -> Iterator[StoredFile]:
        """Yield all files whose URL starts with *prefix*, in the store's order (not to be relied on)."""

    def folders(self, prefix: S3Url) -> Iterator[str]:
        """Yield the names of the folders directly below the folder *prefix*, without slashes."""

    def download(self, url: S3Url, path: Path) -> None:
        """Write the file to the local *path*; a missing file is an error."""

    def upload(
        self, path: Path, url: S3Url, content_type: str = "application/octet-stream", *, for_aws: bool = False
    ) -> str:
        """
        Write the local file *path* to *url*, of any size; return its ETag without quotes.

        *for_aws*: S3 Batch Operations is to read it, so on AWS it is encrypted with S3's own key whatever the bucket's
        default: manifests in CSV that are encrypted with a KMS key are refused.
        """

    def delete(self, url: S3Url) -> None:
        """Delete the file if it is there."""

    def delete_all(self, urls: Sequence[S3Url]) -> None:
        """Delete the files that are there, all of one bucket and up to a thousand; in no order."""


class S3Storage:
    """`Storage` on S3 through boto3, with boto3's own retries and time limits; those hold for whole answers here."""

    def __init__(self, access: S3Access) -> None:
        """*access* says which store."""
        self._client = access.client()
        end_in_time(self._client)
        self._access = access

    def read(self, url: S3Url) -> bytes | None:  # noqa: D102 - the port's docstring holds
        with _sentences("read", url):
            try:
                return self._got(url)[1]
            except botocore.exceptions.ClientError as error:
                if not self._is_missing(url, error):
                    raise
                return None

    def _is_missing(self, url: S3Url, error: botocore.exceptions.ClientError) -> bool:
        """Return whether *error* says that *url* is not there; where the store itself does not, a listing decides."""
        if is_unexplained(error.response):
            return not any(file.url == url for file in self.list(url))
        return error.response["Error"]["Code"] in MISSING_CODES

    def _got(self, url: S3Url, most: int | None = None, **more: Any) -> tuple[Mapping[str, Any], bytes]:
        """Return boto3's reply and up to *most* bytes; boto3 asks once only, though a body be cut, stuck or missing."""
        for _ in range(_BODY_TRIES - 1):
            with contextlib.suppress(*_CUT_BODIES):
                reply, body = self._got_once(url, most, **more)
                if body:
                    return reply, body
        return self._got_once(url, most, **more)

    def _got_once(self, url: S3Url, most: int | None, **more: Any) -> tuple[Mapping[str, Any], bytes]:
        reply = self._client.get_object(Bucket=url.bucket, Key=url.key, **more)
        body, told = bytes(reply["Body"].read(most)), reply.get("ContentLength", 0)
        expected = told if most is None else min(most, told)
        if len(body) < expected:  # boto3 sees to that where all is read
            raise botocore.exceptions.IncompleteReadError(actual_bytes=len(body), expected_bytes=expected)
        return reply, body

    def read_part(self, url: S3Url, first: int, size: int) -> bytes:  # noqa: D102
        with _sentences("read", url):
            reply, body = self._got(url, first + size, Range=f"bytes={first}-{first + size - 1}")
            skipped = 0 if "ContentRange" in reply else first  # a store that ignores ranges sends all of it
            return body[skipped : skipped + size]

    def write(self, url: S3Url, body: bytes, content_type: str = "application/octet-stream") -> str:  # noqa: D102
        with _sentences("write", url):
            reply = self._client.put_object(Bucket=url.bucket, Key=url.key, Body=body, ContentType=content_type)
        return _e_tag(url, reply)

    def list(self, prefix: S3Url) -> Iterator[StoredFile]:  # noqa: D102
        for page in self._pages(prefix):
            for entry in page.get("Contents", ()):
                url, e_tag = S3Url(prefix.bucket, entry["Key"]), entry.get("ETag", "").strip('"')
                yield StoredFile(url, entry["Size"], e_tag, entry["LastModified"])

    def folders(self, prefix: S3Url) -> Iterator[str]:  # noqa: D102
        base = S3Url(prefix.bucket, prefix.key.rstrip("/") + "/" if prefix.key else "")
        for page in self._pages(base, Delimiter="/"):
            for entry in page.get("CommonPrefixes", ()):
                yield entry["Prefix"][len(base.key) :].rstrip("/")

    def _pages(self, prefix: S3Url, **more: Any) -> Iterator[dict[str, Any]]:
        with _sentences("list", prefix):
            paginator = self._client.get_paginator("list_objects_v2")
            for page in paginator.paginate(Bucket=prefix.bucket, Prefix=prefix.key, **more):
                if not is_listing(page):
                    raise InfrastructureError(f"can't list {prefix}: what came is no whole listing; {_NOT_THE_STORE}")
                yield page

    def download(self, url: S3Url, path: Path) -> None:  # noqa: D102
        with _sentences("read", url), disk_sentences(path.parent):
            try:
                self._client.download_file(url.bucket, url.key, str(path), Config=_DOWNLOADS)
            except botocore.exceptions.ClientError as error:  # of a HEAD, whose 404 never has a code
                if self._is_missing(url, error):
                    raise _no_such_object("read", url) from error
                raise

    def upload(  # noqa: D102
        self, path: Path, url: S3Url, content_type: str = "application/octet-stream", *, for_aws: bool = False
    ) -> str:
        plainly = {"ServerSideEncryption": "AES256"} if for_aws and self._access.is_aws else {}
        with _sentences("write", url):
            self._client.upload_file(str(path), url.bucket, url.key, ExtraArgs={"ContentType": content_type, **plainly})
            reply = self._client.head_object(Bucket=url.bucket, Key=url.key)
        return _e_tag(url, reply)

    def delete(self, url: S3Url) -> None:  # noqa: D102
        with _sentences("delete", url):
            self._client.delete_object(Bucket=url.bucket, Key=url.key)

    def delete_all(self, urls: Sequence[S3Url]) -> None:  # noqa: D102
        if not urls:
            return
        entries = [{"Key": url.key} for url in urls]
        with _sentences("delete", urls[0]):
            try:
                reply = self._client.delete_objects(Bucket=urls[0].bucket, Delete={"Objects": entries, "Quiet": True})
            except botocore.exceptions.ClientError as error:
                if error.response["Error"]["Code"] not in _NO_BATCHES:
                    raise
                reply = {"Errors": entries}
        for failed in reply.get("Errors", ()):  # one by one, so that each has its own reason and boto3's retries
            self.delete(S3Url(urls[0].bucket, failed["Key"]))


def _e_tag(url: S3Url, reply: Mapping[str, Any]) -> str:
    """Return the ETag of *url*, which was written, without quotes."""
    if not reply.get("ETag"):
        raise AccessError(
            f"{url} is written, but the store tells no ETag of it, so nobody can tell later whether it is still the "
            "same; let the store keep ETags (JuiceFS: --keep-etag), or set job_url to another one"
        )
    return str(reply["ETag"]).strip('"')


@contextlib.contextmanager
def _sentences(verb: str, url: S3Url) -> Iterator[None]:
    """Turn boto3's exceptions into sentences that name the file and the next step."""
    try:
        yield
    except botocore.exceptions.ClientError as error:
        raise _from_client_error(verb, url, error) from error
    except botocore.exceptions.NoCredentialsError as error:
        raise AccessError(f"can't {verb} {url}: no AWS credentials were found; check the connection") from error
    except (botocore.exceptions.BotoCoreError, OSError) as error:
        raise InfrastructureError(f"can't {verb} {url}: {error}") from error
    except Exception as error:
        cause = error.__cause__ or error.__context__
        if isinstance(error, S3BatchError):
            raise
        if isinstance(cause, botocore.exceptions.ClientError):  # boto3's upload_file wraps them
            raise _from_client_error(verb, url, cause) from error
        raise InfrastructureError(f"can't {verb} {url}: {error}") from error


def _from_client_error(verb: str, url: S3Url, error: botocore.exceptions.ClientError) -> S3BatchError:
    code = error.response["Error"].get("Code", "")
    text = error.response["Error"].get("Message", "") or "no message"
    if is_unexplained(error.response):
        return InfrastructureError(f"can't {verb} {url}: HTTP 404 without a code; {_NOT_THE_STORE}")
    if code in MISSING_CODES:
        return _no_such_object(verb, url)
    if code == "NoSuchBucket":
        return AccessError(f"can't {verb} {url}: bucket {url.bucket!r} does not exist")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if verdict_for(status, code) in _REFUSING:
        return AccessError(
            f"can't {verb} {url}: the store refuses with {code} ({text}); {_next_step(verb, url, code, text)}"
        )
    return InfrastructureError(f"can't {verb} {url}: {code} ({text})")


def _no_such_object(verb: str, url: S3Url) -> AccessError:
    return AccessError(f"can't {verb} {url}: there is no such object")


def _next_step(verb: str, url: S3Url, code: str, text: str) -> str:
    if code not in PERMISSION_CODES and code != "403":  # boto3's code of a HEAD that was refused
        return "check the connection's permissions"
    place = f"arn:aws:s3:::{url.bucket}"
    if verb != "list":
        place = f"{place}/{url.key.rpartition('/')[0]}/*"
    return missing_permission(code, text, [_ACTIONS[verb]], place)
