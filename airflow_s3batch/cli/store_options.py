"""Which store, as the command line is told it: the options that all commands share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from airflow_s3batch.core.errors import AccessError

if TYPE_CHECKING:
    from airflow_s3batch.engine.access import S3Access
    from airflow_s3batch.engine.files.storage import Storage

_CONNECT_TIMEOUT_S = 10.0
_READ_TIMEOUT_S = 60.0


def add_store_options(parser: argparse.ArgumentParser) -> None:
    """Add the options to *parser*; what is not given is left to boto3's own configuration and environment."""
    options = parser.add_argument_group("store", "What is not given comes from boto3's configuration and environment.")
    options.add_argument("--endpoint-url", metavar="URL", help="of the store; AWS if left out")
    options.add_argument("--profile", metavar="NAME", help="profile of the AWS configuration files")
    options.add_argument("--region", metavar="NAME", help="region of the store")
    tls = options.add_mutually_exclusive_group()
    tls.add_argument("--no-verify-ssl", action="store_true", help="don't check the store's certificate")
    tls.add_argument("--ca-bundle", metavar="FILE", help="certificates of the authorities to trust")
    parser.set_defaults(access_of=access_of)


def connect(args: argparse.Namespace) -> Storage:
    """
    Return the store that *args* name, as a place for files. Nothing is sent yet.

    Raises:
        AccessError: the profile or another setting can't be used.
    """
    import botocore.exceptions

    from airflow_s3batch.engine.files.storage import S3Storage

    try:
        return S3Storage(access_of(args))
    except (botocore.exceptions.BotoCoreError, ValueError) as error:
        raise AccessError(f"the store can't be used: {error}; check --profile, --region and --endpoint-url") from error


def access_of(args: argparse.Namespace) -> S3Access:
    """Return how to reach the store that *args* name."""
    import boto3

    from airflow_s3batch.engine.access import S3Access

    access = S3Access(
        session=boto3.session.Session(profile_name=args.profile, region_name=args.region),
        endpoint_url=args.endpoint_url,
        region_name=args.region,
        verify=False if args.no_verify_ssl else args.ca_bundle,
    )
    return access.patient_for(_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S)
