"""What a `Server` hands to boto3, the engine and Airflow."""

from __future__ import annotations

import json

import airflow_s3batch.testing as public
from airflow_s3batch.testing.servers import Identity, Server

READER = Identity("reader", "reader-key", "reader-secret", ("Read",))
SERVER = Server("http://127.0.0.1:1", "key", "secret", "eu-west-1", 7, {"reader": READER})


def test_session_and_access_carry_credentials_region_and_endpoint() -> None:
    credentials = SERVER.session().get_credentials()
    assert credentials is not None
    assert (credentials.access_key, credentials.secret_key) == ("key", "secret")
    client = SERVER.access().client()
    assert (client.meta.endpoint_url, client.meta.region_name) == ("http://127.0.0.1:1", "eu-west-1")
    assert not SERVER.access().is_aws


def test_airflow_connection_has_what_the_amazon_provider_reads() -> None:
    connection = json.loads(SERVER.airflow_connection_uri())
    assert connection == {
        "conn_type": "aws",
        "login": "key",
        "password": "secret",
        "extra": {"region_name": "eu-west-1", "endpoint_url": "http://127.0.0.1:1"},
    }


def test_as_identity_changes_only_the_credentials() -> None:
    reader = SERVER.as_identity("reader")
    assert (reader.access_key, reader.secret_key) == ("reader-key", "reader-secret")
    assert reader.endpoint_url == SERVER.endpoint_url


def test_every_public_name_can_be_imported() -> None:
    for name in public.__all__:
        assert getattr(public, name).__module__.startswith("airflow_s3batch.testing.")
