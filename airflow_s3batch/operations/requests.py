"""What an operation asks of the store and is told: requests, responses, and what is known beforehand."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from airflow_s3batch.core.outcomes import SUCCESS, Outcome


class Call:
    """
    The part of a request that many objects share: an S3 API and its parameters as botocore names them.

    Bucket, key, version and copy source come from each `Request`. The engine serializes a call once per bucket, so
    an operation keeps its calls rather than making one per object. Calls are compared by identity.
    """

    __slots__ = ("api", "params", "wants_headers")

    def __init__(self, api: str, params: Mapping[str, Any] | None = None, *, wants_headers: bool = False) -> None:
        """*api* is named as in botocore's S3 model; *wants_headers*: the operation reads response headers."""
        self.api = api
        self.params = dict(params or {})
        self.wants_headers = wants_headers

    def __repr__(self) -> str:
        return f"Call({self.api!r}, {self.params!r})"


class Request(NamedTuple):
    """
    One S3 request.

    Attributes:
        key: raw; empty for requests on a bucket (``DeleteObjects``).
        headers: what differs per object, as ``(lower-case name, wire value)``, e.g. the copy source.
        body: replaces the call's body (``DeleteObjects``, scratch objects).
        delay_s: wait so long before sending.
    """

    call: Call
    bucket: str
    key: str
    version_id: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    delay_s: float = 0.0


class Response(NamedTuple):
    """
    The final answer to a request.

    Attributes:
        status: HTTP status; 0 if there was no answer.
        headers: lower-case names; empty unless the call wants them.
        error_code: S3's error code or the transport's name for the failure; empty if the request succeeded.
        message: the error's text in one line.
        is_retried: an earlier try of this request got no answer or an error, and may have been executed all the same.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    error_code: str = ""
    message: str = ""
    is_retried: bool = False

    @property
    def is_success(self) -> bool:
        """Whether the request succeeded."""
        return not self.error_code

    def outcome(self) -> Outcome:
        """Return the outcome of an object for which this response is decisive."""
        return Outcome(self.status, self.error_code, self.message) if self.error_code else SUCCESS


T = TypeVar("T")
Steps = Generator[Request, Response, T]


@dataclass(frozen=True, slots=True)
class BucketFacts:
    """
    A bucket's configuration as read-only calls tell it; ``""`` where the store does not say.

    Attributes:
        versioning: ``Enabled``, ``Suspended``, ``Off`` or unknown.
        ownership: ``BucketOwnerEnforced`` (no ACLs), ``BucketOwnerPreferred``, ``ObjectWriter`` or unknown.
    """

    versioning: str = ""
    ownership: str = ""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """
    What the preflight found out about the store, for the operations that have to know.

    Attributes:
        is_aws: the endpoint is AWS; nothing was probed.
        findings: facts by name, e.g. ``{"metadata_directive": "REPLACE"}``; which ones is the operation's business.
        buckets: what the target buckets allow.
    """

    is_aws: bool = True
    findings: Mapping[str, str] = field(default_factory=dict)
    buckets: Mapping[str, BucketFacts] = field(default_factory=dict)

    def bucket(self, name: str) -> BucketFacts:
        """Return what is known about the bucket *name*."""
        return self.buckets.get(name, BucketFacts())


@dataclass(frozen=True, slots=True)
class RunContext:
    """
    What an operation is told besides the object.

    Attributes:
        is_replay: an earlier attempt may have worked on the object; its outcome was lost, or was a failure.
        elapsed_s: returns the seconds since the first attempt began; 0 unless it is a replay.
    """

    capabilities: Capabilities = field(default_factory=Capabilities)
    is_replay: bool = False
    elapsed_s: Callable[[], float] = float
