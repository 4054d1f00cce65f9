"""The hook for AWS S3 Batch Operations: which account, which endpoint, which page of the console."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.waiter import WaiterModel
from fake_jobs import ACCOUNT, JOB, at

from airflow_s3batch import S3BatchHook
from airflow_s3batch.core.errors import AccessError, ArgumentError, InfrastructureError
from airflow_s3batch.hooks.s3 import OTHER_SERVICES, StoreSettings

STS = "http://127.0.0.1:2"


def connection(monkeypatch: pytest.MonkeyPatch, name: str = "aws", **extra: Any) -> None:
    """Let there be a connection *name*."""
    given = {"conn_type": "aws", "login": "key", "password": "secret", "extra": {"region_name": "eu-west-1", **extra}}
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(given))


def test_it_is_airflows_hook_for_the_same_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Region, credentials and botocore's settings come from it, as for the other AWS hooks."""
    connection(monkeypatch, config_kwargs={"read_timeout": 7})
    for hook in (S3BatchHook("aws", account_id=ACCOUNT), StoreSettings("aws").batch_hook(ACCOUNT)):
        assert (hook.region, hook.account_id, hook.client_type) == ("eu-west-1", ACCOUNT, "s3control")
        assert hook.conn.meta.service_model.service_name == "s3control"
        assert hook.conn.meta.config.read_timeout == 7
    assert StoreSettings("aws", "us-west-2").batch_hook().region == "us-west-2"


@pytest.mark.usefixtures("no_connections")
def test_unknown_connection_is_a_sentence() -> None:
    """As for the store."""
    with pytest.raises(AccessError, match="aws_conn_id='nowhere': Airflow has no such connection"):
        StoreSettings("nowhere").batch_hook()


def test_endpoints_of_services_come_from_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each service's own, or one for all; without any, AWS's."""
    connection(monkeypatch)
    assert StoreSettings("aws").access().endpoints == ()
    connection(monkeypatch, endpoint_url="http://127.0.0.1:1")
    access = StoreSettings("aws").access()
    assert dict(access.endpoints) == dict.fromkeys(OTHER_SERVICES, "http://127.0.0.1:1")
    services: dict[str, Any] = {name: {"endpoint_url": None} for name in OTHER_SERVICES}
    services["s3control"] = {"endpoint_url": "http://127.0.0.1:3"}
    connection(monkeypatch, endpoint_url="http://127.0.0.1:1", service_config=services)
    access = StoreSettings("aws").access()
    assert (access.endpoint_url, dict(access.endpoints)) == ("http://127.0.0.1:1", {"s3control": "http://127.0.0.1:3"})
    assert StoreSettings("aws").batch_hook().conn.meta.endpoint_url == "http://127.0.0.1:3"


def test_source_of_copies_has_a_connection_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The overrides belong to the target's connection."""
    connection(monkeypatch)
    connection(monkeypatch, "other", endpoint_url="http://127.0.0.1:4", region_name="us-east-2")
    settings = StoreSettings("aws", "eu-central-1", botocore_config={"read_timeout": 9})
    assert settings.access_with_source(None).source is None
    assert settings.access_with_source("aws").source is None
    access = settings.access_with_source("other")
    assert access.region_name == "eu-central-1"
    assert access.source is not None
    assert (access.source.endpoint_url, access.source.region_name) == ("http://127.0.0.1:4", "us-east-2")
    assert access.source.config is None or access.source.config.read_timeout != 9


@pytest.mark.parametrize("wrong", ["12", "12345678901x", 123456789012, ""])
def test_account_has_twelve_digits(wrong: Any) -> None:
    with pytest.raises(ArgumentError, match="12 digits"):
        S3BatchHook(account_id=wrong)


def test_account_that_sts_does_not_tell_is_a_sentence_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """On stores of one's own there is no STS."""
    quick = {"retries": {"max_attempts": 0}, "connect_timeout": 1}
    connection(monkeypatch, service_config={"sts": {"endpoint_url": STS}}, config_kwargs=quick)
    with pytest.raises(InfrastructureError, match=r"STS did not tell the account: .*; pass account_id="):
        _ = S3BatchHook("aws").account_id


def test_console_page_is_that_of_region_and_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    """None where requests go to an endpoint of one's own."""
    connection(monkeypatch)
    pages = {
        None: f"https://console.aws.amazon.com/s3/jobs/{JOB}?region=eu-west-1",
        "cn-north-1": f"https://console.amazonaws.cn/s3/jobs/{JOB}?region=cn-north-1",
        "us-gov-west-1": f"https://console.amazonaws-us-gov.com/s3/jobs/{JOB}?region=us-gov-west-1",
    }
    for region, page in pages.items():
        assert S3BatchHook("aws", region_name=region).console_url(JOB) == page
    connection(monkeypatch, service_config={"s3control": {"endpoint_url": "http://127.0.0.1:3"}})
    assert S3BatchHook("aws").console_url(JOB) == ""


def test_wait_ends_with_the_job_or_with_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However the job ended; the limit is an error that names where it is."""
    looks = iter([at("Active", 3), at("Failed", 3, 7)])
    monkeypatch.setattr(S3BatchHook, "progress", lambda _self, _job_id: next(looks))
    pauses: list[float] = []
    assert S3BatchHook(account_id=ACCOUNT).wait(JOB, sleep=pauses.append).status == "Failed"
    assert pauses == [30.0]
    monkeypatch.setattr(S3BatchHook, "progress", lambda _self, _job_id: at("Active", 3))
    times = iter(range(0, 1000, 50))
    with pytest.raises(InfrastructureError, match=r"not over after 120 s: .*3/10"):
        S3BatchHook(account_id=ACCOUNT).wait(JOB, timeout_s=120, sleep=pauses.append, clock=lambda: next(times))


def test_waiters_fit_botocores_model() -> None:
    """Botocore has none for jobs; ours name calls, paths and values that exist."""
    hook = S3BatchHook(account_id=ACCOUNT)
    assert sorted(hook._list_custom_waiters()) == ["batch_job_complete", "batch_job_suspended"]
    described = json.loads(Path(hook.waiter_path).read_text())
    service = botocore.session.Session().get_service_model("s3control")
    statuses = set(service.shape_for("JobStatus").enum)
    for name in WaiterModel(described).waiter_names:
        waiter = described["waiters"][name]
        assert waiter["operation"] in service.operation_names
        assert {acceptor["argument"] for acceptor in waiter["acceptors"]} == {"Job.Status"}
        assert {acceptor["expected"] for acceptor in waiter["acceptors"]} <= statuses
        assert waiter["delay"] >= 30
