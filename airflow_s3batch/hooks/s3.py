"""From an Airflow connection to a store: the only place that reads connections."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import AccessError, InfrastructureError, S3BatchError
from airflow_s3batch.hooks.airflow_names import AirflowNotFoundException

if TYPE_CHECKING:
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

    from airflow_s3batch.engine.access import S3Access
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.hooks.s3_batch import S3BatchHook

DEFAULT_CONN_ID = "aws_default"
OTHER_SERVICES = ("athena", "glue", "lambda", "s3control")
"""Services besides S3 that a job sends requests to."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """
    Which store, as operators, sensors and triggers are told it. JSON-ready, so that a trigger can carry it.

    Attributes:
        aws_conn_id: Airflow connection of type ``aws``; ``None`` leaves credentials to boto3. A connection that does
            not exist is an error, but for ``aws_default``: there boto3 looks for credentials too, as everywhere in
            Airflow's amazon provider.
        region_name: overrides the connection's.
        verify: overrides the connection's; ``False`` turns certificate checks off, a path names a CA bundle.
        botocore_config: overrides the connection's ``config_kwargs``.
    """

    aws_conn_id: str | None = DEFAULT_CONN_ID
    region_name: str | None = None
    verify: bool | str | None = None
    botocore_config: Mapping[str, Any] | None = None

    def hook(self, client_type: str = "s3") -> AwsBaseHook:
        """
        Return Airflow's hook for these settings; nothing is sent yet.

        Raises:
            AccessError: there is no such connection.
        """
        from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

        return AwsBaseHook(**self.hook_arguments(), client_type=client_type)

    def batch_hook(self, account_id: str | None = None) -> S3BatchHook:
        """
        Return the hook for AWS S3 Batch Operations; nothing is sent yet.

        Raises:
            AccessError: there is no such connection.
        """
        from airflow_s3batch.hooks.s3_batch import S3BatchHook

        return S3BatchHook(**self.hook_arguments(), account_id=account_id)

    def hook_arguments(self) -> dict[str, Any]:
        """
        Return what Airflow's AWS hooks take.

        Raises:
            AccessError: there is no such connection.
        """
        return {
            "aws_conn_id": self._existing_connection(),
            "region_name": self.region_name,
            "verify": self.verify,
            "config": dict(self.botocore_config) if self.botocore_config else None,
        }

    def _existing_connection(self) -> str | None:
        from airflow.sdk import BaseHook

        conn_id = self.aws_conn_id
        if conn_id:
            try:
                BaseHook.get_connection(conn_id)
            except AirflowNotFoundException:
                if conn_id != DEFAULT_CONN_ID:
                    raise AccessError(
                        f"aws_conn_id={conn_id!r}: Airflow has no such connection; "
                        "create it, or pass the id of one that exists"
                    ) from None
                conn_id = None
                log.info("There is no connection %r; boto3 looks for credentials.", DEFAULT_CONN_ID)
        return conn_id

    def access(self) -> S3Access:
        """
        Return how to reach the store; blocks on Airflow's API, and on STS where the connection assumes a role.

        Raises:
            AccessError: the connection does not exist or can't be used.
            InfrastructureError: STS can't be reached.
        """
        return access_of(self.hook())

    def access_with_source(self, source_aws_conn_id: str | None) -> S3Access:
        """
        Return how to reach the store, and through which connection the sources of copies are read, if another one.

        Raises:
            AccessError: a connection does not exist or can't be used.
            InfrastructureError: STS can't be reached.
        """
        access, source = self.access(), self.with_connection(source_aws_conn_id)
        return access if source == self else replace(access, source=source.access())

    def storage(self) -> Storage:
        """Return the store as a place for files."""
        return storage_on(self.access())

    def with_connection(self, aws_conn_id: str | None) -> StoreSettings:
        """Return the settings of connection *aws_conn_id*, overrides left out; ``None`` returns these unchanged."""
        if aws_conn_id is None or aws_conn_id == self.aws_conn_id:
            return self
        return replace(self, aws_conn_id=aws_conn_id, region_name=None, verify=None, botocore_config=None)


def access_of(hook: AwsBaseHook) -> S3Access:
    """
    Return how to reach the store of *hook*'s connection; blocks on Airflow's API.

    Raises:
        AccessError: the connection can't be used.
        InfrastructureError: STS can't be reached.
    """
    from airflow_s3batch.engine.access import S3Access

    try:
        return S3Access(
            session=hook.get_session(region_name=hook.region_name),
            endpoint_url=hook.conn_config.get_service_endpoint_url("s3"),
            region_name=hook.region_name,
            verify=hook.verify,
            config=hook.config,
            endpoints=_endpoints(hook),
        )
    except Exception as error:
        raise connection_error(hook.aws_conn_id, error) from error


def storage_on(access: S3Access) -> Storage:
    """Return the store behind *access* as a place for files."""
    from airflow_s3batch.engine.files.storage import S3Storage

    return S3Storage(access)


def _endpoints(hook: AwsBaseHook) -> tuple[tuple[str, str], ...]:
    """Return where the connection sends other services' requests, as Airflow's own hooks for them would."""
    urls = ((name, hook.conn_config.get_service_endpoint_url(name)) for name in OTHER_SERVICES)
    return tuple((name, url) for name, url in urls if url)


def connection_error(conn_id: str | None, error: Exception) -> S3BatchError:
    """Return what is to be told of *error*, which using connection *conn_id* has raised."""
    import botocore.exceptions

    what = f"connection {conn_id!r}" if conn_id else "boto3's default configuration"
    network = (botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionError)
    if isinstance(error, network):
        return InfrastructureError(f"{what}: {error}")
    return AccessError(f"{what} can't be used: {type(error).__name__}: {error}")
