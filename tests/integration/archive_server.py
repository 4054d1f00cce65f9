"""A small S3 whose archived objects come back when a test says so: real servers take seconds or no time at all."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

import boto3
from loopback import QuietHandler, serving

from airflow_s3batch.engine import S3Access


@dataclass
class ArchiveS3:
    """
    The server's state; an object that is in none of the sets does not exist.

    Attributes:
        archived: keys that nobody has asked for.
        restoring: keys whose restore was asked for.
        readable: keys whose restore is finished.
        tiered: keys in an archive tier of INTELLIGENT_TIERING.
        refuses: keys that we may neither restore nor look at.
        heads: how often each key was looked at; *restores* likewise how often it was asked for.
    """

    endpoint_url: str = ""
    archived: set[str] = field(default_factory=set)
    restoring: set[str] = field(default_factory=set)
    readable: set[str] = field(default_factory=set)
    tiered: set[str] = field(default_factory=set)
    refuses: set[str] = field(default_factory=set)
    heads: Counter[str] = field(default_factory=Counter)
    restores: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def access(self) -> S3Access:
        session = boto3.session.Session("archive", "archive-secret", region_name="us-east-1")
        return S3Access(session, self.endpoint_url, "us-east-1")

    def finish(self, *keys: str) -> None:
        """Finish the restore of *keys*, or of all."""
        done = set(keys) or set(self.restoring)
        with self.lock:
            self.restoring -= done
            self.readable |= done
            self.tiered -= done

    def looked(self) -> int:
        """Return how many objects were looked at since the last call."""
        with self.lock:
            heads, self.heads = self.heads, Counter()
        return heads.total()

    def headers(self, key: str) -> dict[str, str] | None:
        """Return what a HEAD of *key* shows; ``None`` if it does not exist."""
        tier = {"x-amz-storage-class": "INTELLIGENT_TIERING", "x-amz-archive-status": "ARCHIVE_ACCESS"}
        cold = tier if key in self.tiered else {"x-amz-storage-class": "GLACIER"}
        if key in self.archived:
            return cold
        if key in self.restoring:
            return {**cold, "x-amz-restore": 'ongoing-request="true"'}
        finished = {"x-amz-restore": 'ongoing-request="false", expiry-date="Fri, 23 Dec 2033 00:00:00 GMT"'}
        return {**cold, **finished} if key in self.readable else None


@contextlib.contextmanager
def archive_s3() -> Iterator[ArchiveS3]:
    """Run the server on a free loopback port."""
    state = ArchiveS3()

    class Handler(_Handler):
        s3 = state

    with serving(Handler) as state.endpoint_url:
        yield state


class _Handler(QuietHandler):
    s3: ArchiveS3

    def do_HEAD(self) -> None:  # noqa: N802 - the base class's name
        key = self._key()
        with self.s3.lock:
            self.s3.heads[key] += 1
            headers = self.s3.headers(key)
        self._answer(403 if key in self.s3.refuses else 404 if headers is None else 200, headers or {})

    def do_GET(self) -> None:  # noqa: N802
        key = self._key()
        if key in self.s3.refuses:
            self._answer(403, {}, b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>")
        else:
            self._answer(404, {}, b"<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>")

    def do_POST(self) -> None:  # noqa: N802
        key = self._key()
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        with self.s3.lock:
            self.s3.restores[key] += 1
            if key in self.s3.refuses:
                self._answer(403, {}, b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>")
            elif key in self.s3.archived:
                self.s3.archived.discard(key)
                self.s3.restoring.add(key)
                self._answer(202, {})
            elif key in self.s3.restoring:
                self._answer(409, {}, b"<Error><Code>RestoreAlreadyInProgress</Code><Message>wait</Message></Error>")
            else:
                self._answer(404, {}, b"<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>")

    def _key(self) -> str:
        return unquote(urlsplit(self.path).path[1:]).partition("/")[2]

    def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
