"""Which S3 store to talk to, and with which credentials and settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

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
    """

    session: boto3.session.Session | None = None
    endpoint_url: str | None = None
    region_name: str | None = None
    verify: bool | str | None = None
    config: Config | None = None

    def client(self) -> Any:
        """Return a new boto3 S3 client; safe to share between threads."""
        session = self.session or boto3.session.Session()
        return session.client(
            "s3",
            region_name=self.region_name,
            endpoint_url=self.endpoint_url,
            verify=self.verify,
            config=self.config,
        )

    @property
    def endpoint(self) -> str:
        """The URL that requests go to, before bucket and region are known."""
        return str(self.client().meta.endpoint_url)

    @property
    def is_aws(self) -> bool:
        """Whether the endpoint is known to be AWS; anything else is probed before it is trusted."""
        return (urlsplit(self.endpoint).hostname or "").endswith(AWS_DOMAINS)
