"""From connections to stores."""

from __future__ import annotations

import json

import pytest

from airflow_s3batch.core.errors import AccessError, InfrastructureError, S3BatchError
from airflow_s3batch.hooks.airflow_names import AirflowException, AirflowFailException
from airflow_s3batch.hooks.errors import airflow_errors
from airflow_s3batch.hooks.s3 import StoreSettings


@pytest.fixture
def minio(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"region_name": "eu-west-1", "endpoint_url": "http://127.0.0.1:1", "config_kwargs": {"read_timeout": 7}}
    connection = {"conn_type": "aws", "login": "key", "password": "secret", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_MINIO", json.dumps(connection))


@pytest.mark.usefixtures("minio")
def test_connection_decides_endpoint_region_and_credentials() -> None:
    """Everything comes from the connection, …"""
    access = StoreSettings("minio").access()
    assert (access.endpoint_url, access.region_name) == ("http://127.0.0.1:1", "eu-west-1")
    assert access.session is not None
    assert access.session.get_credentials().access_key == "key"
    assert access.config is not None
    assert access.config.read_timeout == 7
    assert not access.is_aws


@pytest.mark.usefixtures("minio")
def test_arguments_override_the_connection() -> None:
    """… but what the arguments say."""
    access = StoreSettings("minio", "us-west-2", verify=False, botocore_config={"read_timeout": 9}).access()
    assert (access.region_name, access.verify) == ("us-west-2", False)
    assert access.config is not None
    assert access.config.read_timeout == 9


@pytest.mark.usefixtures("no_connections")
def test_unknown_connection_is_a_sentence() -> None:
    """The amazon provider would go on with whatever credentials it finds."""
    with pytest.raises(AccessError, match="aws_conn_id='nowhere': Airflow has no such connection; create it"):
        StoreSettings("nowhere").access()


@pytest.mark.usefixtures("no_connections")
def test_default_connection_may_be_missing() -> None:
    """As everywhere in Airflow, boto3 then looks for credentials."""
    access = StoreSettings(region_name="us-east-1").access()
    assert access.endpoint_url is None
    assert access.region_name == "us-east-1"
    assert StoreSettings(None, "us-east-1").access().is_aws


def test_connection_that_cannot_be_used_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Botocore's complaint is told with the connection's name, without its password."""
    connection = {"conn_type": "aws", "login": "k", "password": "hush", "extra": {"profile_name": "no such profile"}}
    monkeypatch.setenv("AIRFLOW_CONN_BROKEN", json.dumps(connection))
    with pytest.raises(AccessError, match="connection 'broken' can't be used") as caught:
        StoreSettings("broken").access()
    assert "hush" not in str(caught.value)


def test_errors_keep_their_sentence_and_say_whether_to_retry() -> None:
    """Other exceptions are bugs and pass unchanged."""
    with pytest.raises(AirflowFailException, match=r"^refused$"), airflow_errors():
        raise AccessError("refused")
    with pytest.raises(AirflowException, match=r"^no answer$") as caught, airflow_errors():
        raise InfrastructureError("no answer")
    assert not isinstance(caught.value, AirflowFailException)
    assert isinstance(caught.value.__cause__, S3BatchError)
    with pytest.raises(KeyError), airflow_errors():
        raise KeyError("bug")
