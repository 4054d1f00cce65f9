"""What an operation asks of the store and is told: requests, responses, and what is known beforehand."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeVar

from airflow_s3batch.core.outcomes import SUCCESS, Outcome


class Call:
    """
    The part of a request that many objects share: an API and its parameters as botocore names them.

    Bucket, key, version and copy source come from each `Request`. The engine serializes a call once per bucket, so
    an operation keeps its calls rather than making one per object. Calls are compared by identity.

    Args:
        api: as in botocore's model of *service*.
        wants_headers: the operation reads response headers.
        is_filled: the body comes with each `Request`; what *params* say of it only has to be valid.
        service: ``s3``, or ``lambda``, whose requests have neither bucket nor key.
        from_source: sent with the connection of the copy's source, if that is another one.
        timeout_s: instead of the policy's limit for one request.
        may_be_absent: a HEAD of something that need not be there, so that a 404 is not asked about once more.

    Attributes:
        is_trial: an error of the server is an answer, too: that it does not know the request.
    """

    __slots__ = (
        "api",
        "from_source",
        "is_filled",
        "is_trial",
        "may_be_absent",
        "params",
        "service",
        "timeout_s",
        "wants_headers",
    )

    _FILLED = frozenset({"DeleteObjects", "PutObject", "CompleteMultipartUpload", "Invoke"})

    def __init__(
        self,
        api: str,
        params: Mapping[str, Any] | None = None,
        *,
        wants_headers: bool = False,
        is_filled: bool = False,
        service: Literal["s3", "lambda"] = "s3",
        from_source: bool = False,
        timeout_s: float | None = None,
        may_be_absent: bool = False,
    ) -> None:
        self.api = api
        self.params = dict(params or {})
        self.wants_headers = wants_headers
        self.is_filled = is_filled or api in self._FILLED
        self.service = service
        self.from_source = from_source
        self.timeout_s = timeout_s
        self.may_be_absent = may_be_absent
        self.is_trial = False

    def for_trial(self) -> Call:
        """Return the same call for a preflight that can do without it."""
        twin = copy.copy(self)
        twin.is_trial = True
        return twin

    def __repr__(self) -> str:
        return f"Call({self.api!r}, {self.params!r})"


class Request(NamedTuple):
    """
    One request.

    Attributes:
        key: raw; empty for requests on a bucket (``DeleteObjects``).
        headers: what differs per object, as ``(lower-case name, wire value)``, e.g. the copy source.
        body: replaces the call's body (``DeleteObjects``, scratch objects).
        delay_s: wait so long before sending.
        query: query parameters that differ per object, raw, e.g. ``(("partNumber", "3"),)``; they replace the call's.
        sink: called at each try; what it returns takes the chunks of a 2xx answer's body as they come, and the
            response then has none.
    """

    call: Call
    bucket: str
    key: str
    version_id: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    delay_s: float = 0.0
    query: tuple[tuple[str, str], ...] = ()
    sink: Callable[[], Callable[[bytes], None]] | None = None


class Errand(NamedTuple):
    """
    Work of an operation's own that is no request: *function* is called with *args* beside the loop.

    Attributes:
        in_processes: in a process of its own rather than on a thread; function, arguments and result are pickled.
        workers: how many errands of the job run at the same time in one task.
        timeout_s: from when the function is called; then a process is killed, a thread goes on and is not listened to.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...] = ()
    in_processes: bool = False
    workers: int = 8
    timeout_s: float | None = None


class Response(NamedTuple):
    """
    The final answer to a request, or to an errand.

    Attributes:
        status: HTTP status; 0 if there was no answer.
        headers: lower-case names; empty unless the call wants them.
        error_code: S3's error code or the transport's name for the failure; empty if the request succeeded.
        message: the error's text in one line.
        is_retried: an earlier try of this request got no answer or an error, and may have been executed all the same.
        value: what an errand's function returned.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    error_code: str = ""
    message: str = ""
    is_retried: bool = False
    value: Any = None

    @property
    def is_success(self) -> bool:
        """Whether the request succeeded."""
        return not self.error_code

    def outcome(self) -> Outcome:
        """Return the outcome of an object for which this response is decisive."""
        return Outcome(self.status, self.error_code, self.message) if self.error_code else SUCCESS


T = TypeVar("T")
Steps = Generator[Request | Errand, Response, T]


@dataclass(frozen=True, slots=True)
class BucketFacts:
    """
    A bucket's configuration as read-only calls tell it; ``""`` where the store does not say.

    Attributes:
        versioning: ``Enabled``, ``Suspended``, ``Off`` or unknown.
        ownership: ``BucketOwnerEnforced`` (no ACLs), ``BucketOwnerPreferred``, ``ObjectWriter`` or unknown.
        mfa_delete: ``Enabled``, ``Disabled`` or unknown.
        object_lock: ``Enabled``, ``Off`` or unknown.
    """

    versioning: str = ""
    ownership: str = ""
    mfa_delete: str = ""
    object_lock: str = ""


_UNKNOWN = BucketFacts()


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
        return self.buckets.get(name, _UNKNOWN)


@dataclass(frozen=True, slots=True)
class RunContext:
    """
    What an operation is told besides the object.

    Attributes:
        is_replay: an earlier attempt may have worked on the object; its outcome was lost, or was a failure.
        elapsed_s: returns the seconds since the first attempt began; 0 unless it is a replay.
        attempt_s: returns the seconds since this attempt began; 0 if another one may be at work beside it.
        job_id: the same in every attempt at the job.
    """

    capabilities: Capabilities = field(default_factory=Capabilities)
    is_replay: bool = False
    elapsed_s: Callable[[], float] = float
    attempt_s: Callable[[], float] = float
    job_id: str = ""
