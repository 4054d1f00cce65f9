"""A server that says yes to everything and notes what it was asked for; keys decide what it has."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
from loopback import QuietHandler, serving

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome, Summary
from airflow_s3batch.engine import Policy, S3Access, run_batch
from airflow_s3batch.operations import Operation

E_TAG = "e" * 32
SIX_GIB = 6 * 2**30
POLICY = Policy(keep_going=True, tolerate=frozenset(), max_concurrency=4, max_attempts=2, give_up_s=5)


@dataclass
class Recorder:
    """What the server was asked for, as ``(method, place, query)``; of keys that begin with ``gone`` it has none."""

    seen: list[tuple[str, str, str]] = field(default_factory=list)
    access: S3Access = field(default_factory=S3Access)

    @property
    def methods(self) -> set[str]:
        return {method for method, _, _ in self.seen}

    def run(
        self, objects: list[S3Object], operation: Operation, *, dry_run: bool = True, policy: Policy = POLICY
    ) -> tuple[Summary, dict[str, Outcome]]:
        found: dict[str, Outcome] = {}
        summary = run_batch(
            objects,
            operation,
            session=self.access.session,
            endpoint_url=self.access.endpoint_url,
            endpoints=dict(self.access.endpoints),
            policy=policy,
            on_outcome=lambda obj, outcome: found.__setitem__(obj.key, outcome),
            dry_run=dry_run,
        )
        return summary, found


@contextlib.contextmanager
def recording_server() -> Iterator[Recorder]:
    """Run the server on a free loopback port."""
    recorder = Recorder()

    class Handler(QuietHandler):
        def _serve(self) -> None:
            parts = urlsplit(self.path)
            place = unquote(parts.path[1:])
            recorder.seen.append((self.command, place, parts.query))
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self._answer(*_reply(place.partition("/")[2], set(parse_qs(parts.query, keep_blank_values=True))))

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = _serve  # noqa: N815 - the base class's names

        def _answer(self, status: int, body: bytes, length: int) -> None:
            self.send_response(status)
            self.send_header("ETag", f'"{E_TAG}"')
            self.send_header("Last-Modified", "Sun, 22 Nov 2026 12:00:00 GMT")
            self.send_header("Content-Length", str(length if self.command == "HEAD" else len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    with serving(Handler) as url:
        session = boto3.session.Session("key", "secret", region_name="us-east-1")
        recorder.access = S3Access(session, url, endpoints=(("lambda", url),))
        yield recorder


_ACL = (
    b"<AccessControlPolicy><Owner><ID>me</ID></Owner><AccessControlList><Grant>"
    b'<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>me</ID></Grantee>'
    b"<Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>"
)


def _reply(key: str, query: set[str]) -> tuple[int, bytes, int]:
    if key.startswith("gone"):
        return 404, b"<Error><Code>NoSuchKey</Code><Message>no</Message></Error>", 0
    if key.startswith("forbidden"):
        return 403, b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>", 0
    if "tagging" in query:
        return 200, b"<Tagging><TagSet/></Tagging>", 0
    if "acl" in query:
        return 200, _ACL, 0
    if query and not key:
        return 501, b"<Error><Code>NotImplemented</Code><Message>no</Message></Error>", 0
    return 200, b"abc", SIX_GIB if key.startswith("large") else 3
