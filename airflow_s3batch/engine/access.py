"""Which S3 store to talk to, and with which credentials and settings."""

from __future__ import annotations

import functools
import io
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config

from airflow_s3batch.core.errors import CapabilityError
from airflow_s3batch.engine.wire.dubious_answers import ask_again

AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".api.amazonwebservices.com.cn")


@dataclass(frozen=True, slots=True)
class S3Access:
    """
    How to reach a store.

    Attributes:
        session: where credentials come from, and through which they are refreshed; ``None`` is boto3's default.
        endpoint_url: ``None`` for AWS.
        verify: as botocore takes it: ``False`` turns certificate checks off, a path names a CA bundle.
        config: botocore settings (proxies, addressing style, …).
        endpoints: URLs of other services that requests go to, as ``(name, url)``; others are AWS's.
        source: how to reach the sources of copies, if not in the same way; ``None`` if so.
        is_read_only: clients refuse what is neither GET nor HEAD before it is sent.
    """

    session: boto3.session.Session | None = None
    endpoint_url: str | None = None
    region_name: str | None = None
    verify: bool | str | None = None
    config: Config | None = None
    endpoints: tuple[tuple[str, str], ...] = ()
    source: S3Access | None = None
    is_read_only: bool = False

    def client(self, service: str = "s3") -> Any:
        """Return a new boto3 client for S3 or another *service*; safe to share between threads."""
        session = self.session or boto3.session.Session()
        make: Any = session.client
        client = make(
            service,
            region_name=self.region_name,
            endpoint_url=self.endpoint_url if service == "s3" else dict(self.endpoints).get(service),
            verify=self.verify,
            config=self.config,
        )
        if service == "s3":
            ask_again(client)
            client.meta.events.register_last("before-call.s3", _send_at_once)
        if self.is_read_only:
            client.meta.events.register_last("before-send", _refuse_changes)
        return client

    def read_only(self) -> S3Access:
        """Return the same access, whose clients can change nothing."""
        return replace(self, source=self.source.read_only() if self.source else None, is_read_only=True)

    def patient_for(self, connect_timeout_s: float, request_timeout_s: float) -> S3Access:
        """Return the same access, with boto3 clients that wait no longer; the user's own botocore settings win."""
        limits = Config(
            connect_timeout=connect_timeout_s, read_timeout=request_timeout_s, retries={"total_max_attempts": 3}
        )
        return replace(self, config=limits.merge(self.config) if self.config else limits)

    @property
    def endpoint(self) -> str:
        """The URL that requests go to, before bucket and region are known."""
        return _endpoint(self)

    @property
    def is_aws(self) -> bool:
        """Whether the endpoint is known to be AWS; anything else is probed before it is trusted."""
        return (urlsplit(self.endpoint).hostname or "").endswith(AWS_DOMAINS)


def _send_at_once(params: dict[str, Any], **_: Any) -> None:
    """Don't wait for leave to send a small body: a store that knows no ``Expect`` would cost a second for each file."""
    if isinstance(params.get("body"), io.BytesIO):  # as boto3 takes bytes; other bodies are of any size
        params["headers"].pop("Expect", None)


def _refuse_changes(request: AWSPreparedRequest, **_: Any) -> None:
    if request.method not in ("GET", "HEAD"):
        raise CapabilityError(f"{request.method} on {request.url}: not sent, for this connection only reads")


@functools.lru_cache(8)
def _endpoint(access: S3Access) -> str:
    return str(access.client().meta.endpoint_url)  # making a client takes a tenth of a second
