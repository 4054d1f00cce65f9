"""
Requests built once by botocore and filled in per object.

botocore serializes each `Call` once per bucket, with a placeholder for the key, and is stopped just before sending:
its endpoint rules, addressing style, checksums, headers and signing scope are kept; only key, version, copy source
and signature are ours.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, urlsplit

import botocore
import botocore.exceptions
from botocore.awsrequest import AWSPreparedRequest

from airflow_s3batch.core.errors import AccessError, ArgumentError, CapabilityError, S3BatchError
from airflow_s3batch.core.keys import encode_key
from airflow_s3batch.engine.access import S3Access
from airflow_s3batch.engine.wire.signing import Signer
from airflow_s3batch.operations.requests import Call, Request

_KEY = "s3batch-key-placeholder"
_SOURCE = f"s3batch-bucket-placeholder/{_KEY}"
_breaks = re.compile("[\r\n\0]").search
_CREDENTIAL = re.compile(r"Credential=[^/]+/\d{8}/([^/]+)/([^/]+)/aws4_request")
_DROPPED = frozenset(
    {
        "accept-encoding",
        "amz-sdk-invocation-id",
        "amz-sdk-request",
        "authorization",
        "connection",
        "content-length",
        "expect",
        "host",
        "user-agent",
        "x-amz-copy-source",
        "x-amz-date",
        "x-amz-security-token",
        "x-amzn-trace-id",
    }
)
_BODY_BOUND = frozenset(
    {
        "content-encoding",
        "content-md5",
        "transfer-encoding",
        "x-amz-content-sha256",
        "x-amz-decoded-content-length",
        "x-amz-sdk-checksum-algorithm",
        "x-amz-trailer",
    }
)
_SERVICES = {"s3": frozenset({"s3", "s3-object-lambda", "s3-outposts", ""}), "lambda": frozenset({"lambda", ""})}
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class _CapturedError(Exception):
    """Carries the request that botocore was about to send out of botocore."""

    def __init__(self, request: AWSPreparedRequest) -> None:
        self.request = request


class Kind(NamedTuple):
    """
    What requests must share to be sent through the same curl handle.

    Attributes:
        is_once: the request must not be sent twice, not even by libcurl.
    """

    method: str
    origin: str
    wants_headers: bool
    is_once: bool = False

    @property
    def changes(self) -> bool:
        """Whether such a request may change something."""
        return self.method not in ("GET", "HEAD")


@dataclass(slots=True, eq=False)
class Template:
    """
    All that the requests of one call on one bucket have in common.

    Attributes:
        kind: method, scheme and host; whether response headers are kept.
        path: quoted path up to the key.
        query: constant query parameters, quoted, as ``name=value``.
        headers: constant headers to be signed, lower-case names, sorted.
    """

    kind: Kind
    host: str
    path: str
    query: tuple[str, ...]
    headers: tuple[tuple[str, str], ...]
    payload_hash: str
    body: bytes
    region: str
    service: str
    needs_key: bool
    _query: str = field(init=False)
    # everything in front of and behind the date, for requests that add no headers of their own
    _stamp: int = -1
    _canonical_headers: str = ""
    _signed_names: str = ""
    _header_lines: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._query = "&".join(self.query)

    def fill(self, request: Request, signer: Signer) -> tuple[str, list[str], bytes]:
        """
        Return URL, header lines and body of *request*, signed for this second.

        Raises:
            ArgumentError: the key is empty, which would make it a request on the bucket.
        """
        if self.needs_key and not request.key:
            raise ArgumentError("the key is empty; S3 has no such objects")
        signer.tick()
        path = self.path + encode_key(request.key)
        query = self._query
        if request.version_id or request.query:
            query = self._query_of(request)
        body, payload_hash = self.body, self.payload_hash
        if request.headers or request.body is not None:
            more = request.headers
            if request.body is not None:
                body, payload_hash = request.body, hashlib.sha256(request.body).hexdigest()
                if self.service != "lambda":
                    more = (*more, ("content-md5", base64.b64encode(hashlib.md5(body).digest()).decode()))  # noqa: S324
            canonical_headers, signed_names, lines = self._headers(signer, payload_hash, more)
        else:
            if self._stamp != signer.stamp:
                self._canonical_headers, self._signed_names, self._header_lines = self._headers(
                    signer, payload_hash, ()
                )
                self._stamp = signer.stamp
            canonical_headers, signed_names, lines = self._canonical_headers, self._signed_names, self._header_lines
        # S3 signs paths as they are sent; for other services they are quoted once more
        signed_path = quote(path, safe="/-_.~") if self.service == "lambda" else path
        canonical = f"{self.kind.method}\n{signed_path}\n{query}\n{canonical_headers}\n{signed_names}\n{payload_hash}"
        authorization = signer.authorization(canonical, signed_names, self.region, self.service) if self.service else ""
        url = f"{self.kind.origin}{path}?{query}" if query else self.kind.origin + path
        return url, [f"Authorization: {authorization}", *lines] if authorization else list(lines), body

    def _query_of(self, request: Request) -> str:
        own = [*request.query, *([("versionId", request.version_id)] if request.version_id else [])]
        names = {_quoted(name) for name, _ in own}
        kept = (item for item in self.query if item.partition("=")[0] not in names)
        return "&".join(sorted((*kept, *(f"{_quoted(name)}={_quoted(value)}" for name, value in own))))

    def _headers(
        self, signer: Signer, payload_hash: str, more: tuple[tuple[str, str], ...]
    ) -> tuple[str, str, tuple[str, ...]]:
        """Return canonical headers, signed names, and the lines to send."""
        fixed = dict(self.headers)
        fixed.update(more)
        fixed["x-amz-content-sha256"] = payload_hash
        fixed["x-amz-date"] = signer.amz_date
        if signer.token:
            fixed["x-amz-security-token"] = signer.token
        lines = [f"{name}: {value}" if value else f"{name};" for name, value in fixed.items()]
        if _breaks("".join(lines)):
            raise ArgumentError("a header's value has a line break in it, which would begin another header")
        lines.append("Expect:")  # an empty header stops libcurl from adding its own
        if "content-type" not in fixed:
            lines.append("Content-Type:")
        fixed["host"] = self.host
        names = sorted(fixed)
        canonical = "".join(f"{name}:{' '.join(fixed[name].split())}\n" for name in names)
        return canonical, ";".join(names), tuple(lines)


class Preparer:
    """
    Serves the `Template` of each call, made by botocore on first use. Not for several threads.

    Attributes:
        client: botocore's client. Where a bucket lies in another region, a real request through it teaches
            it the region, and the templates made afterwards go there.
        made: the templates by id of call and bucket; each with its call, as that keeps the id from being reused.
    """

    def __init__(self, access: S3Access) -> None:
        """Make botocore's client for *access*; nothing is sent."""
        self.client = access.client()
        self._access = access
        self._clients = {"s3": self.client}
        self.made: dict[tuple[int, str], tuple[Call, Template]] = {}

    def template(self, call: Call, bucket: str) -> Template:
        """
        Return the template of *call* on *bucket*.

        Raises:
            ArgumentError: botocore refuses the parameters.
            CapabilityError: the bucket needs a signature that is not supported here.
        """
        found = self.made.get((id(call), bucket))
        if found is None:
            if len(self.made) > 10_000:  # values that differ per object: don't keep them all
                self.made.clear()
            found = (call, self._make(call, bucket))
            self.made[id(call), bucket] = found
        return found[1]

    def learn_region(self, bucket: str) -> None:
        """Ask where *bucket* is: botocore's client remembers another region, and templates made later go there."""
        with contextlib.suppress(botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError):
            self.client.head_bucket(Bucket=bucket)

    def date(self, bucket: str) -> str:
        """Return the Date header of an answer about *bucket*, whatever it says; empty if there is none."""
        try:
            reply = self.client.head_bucket(Bucket=bucket)
        except botocore.exceptions.ClientError as error:
            reply = error.response
        except botocore.exceptions.BotoCoreError:
            return ""
        return str(reply.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", ""))

    def _make(self, call: Call, bucket: str) -> Template:
        captured = self._captured(call, bucket)
        parts = urlsplit(captured.url)
        headers = {name.lower(): _text(value) for name, value in captured.headers.items()}
        region, service = _scope(headers.get("authorization", ""), bucket)
        path, found, _ = parts.path.partition(_KEY)
        operation = self._client(call.service).meta.service_model.operation_model(call.api)
        needs_key = "Key" in operation.input_shape.members
        is_known = service in _SERVICES[call.service]
        if captured.method != operation.http["method"] or bool(found) != needs_key or not is_known:
            raise CapabilityError(
                f"s3://{bucket}: this kind of bucket needs sessions, which are not supported; "
                "use a general purpose bucket"
            )
        is_filled = call.is_filled
        kept = {
            name: value
            for name, value in headers.items()
            if name not in _DROPPED
            and name != "x-amz-content-sha256"
            and not (is_filled and (name in _BODY_BOUND or name.startswith("x-amz-checksum-")))
        }
        return Template(
            kind=Kind(captured.method, f"{parts.scheme}://{parts.netloc}", call.wants_headers),
            host=parts.netloc.removesuffix(_DEFAULT_PORTS.get(parts.scheme, " ")),
            path=path if found else parts.path,
            query=tuple(
                sorted(f"{_quoted(n)}={_quoted(v)}" for n, v in parse_qsl(parts.query, keep_blank_values=True))
            ),
            headers=tuple(sorted(kept.items())),
            payload_hash=headers.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
            body=b"" if is_filled else _body_of(captured),
            region=region,
            service=service,
            needs_key=needs_key,
        )

    def _client(self, service: str) -> Any:
        """Return botocore's client for *service*, made on first use."""
        if service not in self._clients:
            self._clients[service] = self._access.client(service)
        return self._clients[service]

    def _captured(self, call: Call, bucket: str) -> AWSPreparedRequest:
        client = self._client(call.service)
        if call.api not in client.meta.service_model.operation_names:
            raise CapabilityError(
                f"botocore {botocore.__version__} does not know {call.api}; install a newer boto3 and botocore. No "
                "object was touched"
            )
        members = client.meta.service_model.operation_model(call.api).input_shape.members
        placeholders = {"Bucket": bucket, "Key": _KEY, "CopySource": _SOURCE}
        params = {**call.params, **{name: value for name, value in placeholders.items() if name in members}}
        method = getattr(client, _snake(call.api))
        events = client.meta.events
        event = f"before-send.{call.service}"
        events.register(event, _capture)
        try:
            with _readable(call.api, bucket):
                method(**params)
        except _CapturedError as captured:
            return captured.request
        finally:
            events.unregister(event, _capture)
        raise CapabilityError(f"{call.api}: botocore answered without sending a request")


def _capture(request: AWSPreparedRequest, **_: Any) -> None:
    raise _CapturedError(request)


@contextlib.contextmanager
def _readable(api: str, bucket: str) -> Iterator[None]:
    try:
        yield
    except botocore.exceptions.ParamValidationError as error:
        raise ArgumentError(f"{api} on bucket {bucket!r}: {error}") from error
    except (botocore.exceptions.NoCredentialsError, botocore.exceptions.PartialCredentialsError) as error:
        raise AccessError("no usable AWS credentials were found; check the connection (aws_conn_id)") from error
    except botocore.exceptions.MissingDependencyException as error:
        raise _unsupported_signature(bucket) from error
    except (botocore.exceptions.BotoCoreError, ValueError) as error:
        if isinstance(error, S3BatchError):
            raise
        raise ArgumentError(f"{api} on bucket {bucket!r}: {error}") from error


def _scope(authorization: str, bucket: str) -> tuple[str, str]:
    if not authorization:
        return "", ""
    found = _CREDENTIAL.search(authorization)
    if found is None or not authorization.startswith("AWS4-HMAC-SHA256"):
        raise _unsupported_signature(bucket)
    return found.group(1), found.group(2)


def _unsupported_signature(bucket: str) -> CapabilityError:
    return CapabilityError(
        f"s3://{bucket}: multi-region access points are signed with SigV4A, which is not supported; name the bucket"
    )


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~")


def _body_of(request: AWSPreparedRequest) -> bytes:
    body = request.body or b""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, (bytes, bytearray)):
        return bytes(body)
    raise CapabilityError(f"{request.method} {request.url}: requests with a streamed body are not prepared")


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _snake(api: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", api).lower()
