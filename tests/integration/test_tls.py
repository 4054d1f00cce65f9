"""The engine over TLS, through a proxy in front of a real server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from airflow_s3batch import S3Object
from airflow_s3batch.core.errors import AccessError
from airflow_s3batch.engine import run_batch
from airflow_s3batch.operations import PutObjectTagging
from airflow_s3batch.testing import FaultProxy, Server

if TYPE_CHECKING:
    from server_users import BucketFactory

pytestmark = pytest.mark.integration
TAG = PutObjectTagging({"over": "tls"})


@pytest.fixture(scope="module")
def tls(seaweedfs: Server) -> Iterator[FaultProxy]:
    with FaultProxy(seaweedfs, tls=True) as proxy:
        yield proxy


def test_objects_are_tagged_over_tls(seaweedfs: Server, bucket: BucketFactory, tls: FaultProxy) -> None:
    """The preflight's scratch object included, whose body botocore would stream over TLS."""
    name, client = bucket(seaweedfs, "tls"), seaweedfs.client()
    for number in range(20):
        client.put_object(Bucket=name, Key=f"k{number}")
    objects = [S3Object(name, f"k{number}") for number in range(20)]
    summary = run_batch(
        objects, TAG, session=seaweedfs.session(), endpoint_url=tls.server.endpoint_url, verify=tls.ca_bundle
    )
    assert (summary.succeeded, summary.failed) == (20, 0)
    assert client.get_object_tagging(Bucket=name, Key="k7")["TagSet"] == [{"Key": "over", "Value": "tls"}]


def test_a_certificate_that_nobody_signed_stops_the_run_at_once(
    seaweedfs: Server, bucket: BucketFactory, tls: FaultProxy
) -> None:
    """One sentence, no object after object."""
    name = bucket(seaweedfs, "tls")
    with pytest.raises(AccessError, match="TlsVerificationFailed"):
        run_batch([S3Object(name, "k")], TAG, session=seaweedfs.session(), endpoint_url=tls.server.endpoint_url)


def test_verification_can_be_turned_off(seaweedfs: Server, bucket: BucketFactory, tls: FaultProxy) -> None:
    """By verify=False, as in boto3."""
    name = bucket(seaweedfs, "tls")
    seaweedfs.client().put_object(Bucket=name, Key="k")
    summary = run_batch(
        [S3Object(name, "k")], TAG, session=seaweedfs.session(), endpoint_url=tls.server.endpoint_url, verify=False
    )
    assert summary.succeeded == 1
