"""The control API's refusals become sentences that say what is missing."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber
from managed_jobs import SETTINGS, TAGGING

from airflow_s3batch.core.errors import AccessError, ArgumentError, InfrastructureError, JobDamagedError, S3BatchError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.access import S3Access
from airflow_s3batch.managed import S3JobControl
from airflow_s3batch.managed.control import RepeatedTokenError, jobs_client
from airflow_s3batch.managed.request import CsvManifest, create_job_request

ACCOUNT, JOB = "123456789012", "00000000-0000-0000-0000-000000000001"
PASS_ROLE = (
    "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: iam:PassRole on resource: "
    "arn:aws:iam::123456789012:role/batch because no identity-based policy allows the iam:PassRole action"
)


def access(endpoint: str = "http://127.0.0.1:1") -> S3Access:
    session = boto3.session.Session("key", "secret", region_name="eu-west-1")
    return S3Access(session, endpoints=(("s3control", endpoint),))


@pytest.fixture(scope="module")
def control() -> S3JobControl:
    return S3JobControl(access())


@pytest.fixture
def stub(control: S3JobControl) -> Iterator[Stubber]:
    with Stubber(control._client) as stubber:
        yield stubber


def request(**changes: Any) -> dict[str, Any]:
    manifest = CsvManifest(S3Url("ops", "m.csv"), "e", 1, False)
    settings = SETTINGS._replace(**changes)
    return create_job_request(TAGGING, settings, token="t", manifest=manifest, report=S3Url("ops", "r"))


@pytest.mark.parametrize(
    ("code", "message", "status", "kind", "words"),
    [
        ("AccessDenied", PASS_ROLE, 403, AccessError, "lack iam:PassRole on arn:aws:iam::123456789012:role/batch"),
        ("AccessDenied", "Access Denied", 403, AccessError, "one of iam:PassRole, s3:CreateJob, s3:PutJobTagging"),
        ("IdempotencyException", "Token used", 400, RepeatedTokenError, "same token"),
        ("BadRequestException", "Bad", 400, ArgumentError, "change the arguments"),
        ("InvalidRequest", "Request invalid", 400, ArgumentError, "change the arguments"),
        ("SomethingNew", "Bad", 400, ArgumentError, "change the arguments"),
        ("InvalidAccessKeyId", "who", 403, AccessError, "check the connection's credentials"),
        ("ExpiredToken", "old", 400, AccessError, "check the connection's credentials"),
        ("TooManyRequestsException", "slow", 400, InfrastructureError, "retries are used up"),
        ("SlowDown", "slow", 503, InfrastructureError, "retries are used up"),
        ("InternalServiceException", "oops", 500, InfrastructureError, "retries are used up"),
    ],
)
def test_refusals_of_create_job(
    control: S3JobControl, stub: Stubber, code: str, message: str, status: int, kind: type[Exception], words: str
) -> None:
    """Permissions are named, troubles can be retried, the rest is a matter of arguments."""
    stub.add_client_error("create_job", code, message, status)
    with pytest.raises(kind, match=words) as told:
        control.create(request(tags={"a": "b"}))
    assert str(pickle.loads(pickle.dumps(told.value))) == str(told.value)
    assert isinstance(told.value, InfrastructureError) is (kind is InfrastructureError)


@pytest.mark.parametrize("code", ["NoSuchJob", "NotFoundException"])
def test_a_job_that_aws_does_not_know(control: S3JobControl, stub: Stubber, code: str) -> None:
    """AWS uses one code, its model another."""
    stub.add_client_error("describe_job", code, "The specified job does not exist.", 404)
    with pytest.raises(JobDamagedError, match="90 days"):
        control.describe(ACCOUNT, JOB)


@pytest.mark.parametrize(
    ("act", "api", "action"),
    [
        (lambda c: c.describe(ACCOUNT, JOB), "describe_job", "s3:DescribeJob"),
        (lambda c: list(c.list(ACCOUNT)), "list_jobs", "s3:ListJobs"),
        (lambda c: c.cancel(ACCOUNT, JOB), "update_job_status", "s3:UpdateJobStatus"),
        (lambda c: c.confirm(ACCOUNT, JOB), "update_job_status", "s3:UpdateJobStatus"),
        (lambda c: c.set_priority(ACCOUNT, JOB, 5), "update_job_priority", "s3:UpdateJobPriority"),
        (lambda c: c.tags(ACCOUNT, JOB), "get_job_tagging", "s3:GetJobTagging"),
        (lambda c: c.set_tags(ACCOUNT, JOB, {"a": "b"}), "put_job_tagging", "s3:PutJobTagging"),
        (lambda c: c.set_tags(ACCOUNT, JOB, {}), "delete_job_tagging", "s3:DeleteJobTagging"),
    ],
)
def test_each_call_names_its_permission(
    control: S3JobControl, stub: Stubber, act: Callable[[S3JobControl], object], api: str, action: str
) -> None:
    """Also where AWS says no more than 'Access Denied'."""
    stub.add_client_error(api, "AccessDenied", "Access Denied", 403)
    with pytest.raises(AccessError, match=f"lack {action}"):
        act(control)


def test_lists_have_many_pages(control: S3JobControl, stub: Stubber) -> None:
    """All pages are read, with the statuses asked for on each."""
    more = {"AccountId": ACCOUNT, "MaxResults": 1000, "JobStatuses": ["Active", "Paused"]}
    stub.add_response("list_jobs", {"Jobs": [{"JobId": "aaaaa"}], "NextToken": "n"}, more)
    stub.add_response("list_jobs", {"Jobs": [{"JobId": "bbbbb"}]}, {**more, "NextToken": "n"})
    found = [job["JobId"] for job in control.list(ACCOUNT, {"Paused", "Active"})]
    assert found == ["aaaaa", "bbbbb"]


def test_a_job_that_has_ended_is_not_cancelled(control: S3JobControl, stub: Stubber) -> None:
    """AWS refuses; the status is what is told."""
    stub.add_client_error("update_job_status", "JobStatusException", "is Complete", 400)
    stub.add_response("describe_job", {"Job": {"JobId": JOB, "Status": "Complete"}})
    assert control.cancel(ACCOUNT, JOB, "reason") == "Complete"


def test_a_request_that_the_model_refuses_is_a_matter_of_arguments(control: S3JobControl) -> None:
    """Nothing is sent."""
    with pytest.raises(ArgumentError, match="Missing required parameter"):
        control.create({"AccountId": ACCOUNT})


def test_no_answer_may_pass() -> None:
    """A connection that fails is nobody's argument."""
    control = S3JobControl(access())

    def fail(**_: object) -> None:
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")

    control._client.meta.events.register("before-send.s3-control", fail)
    with pytest.raises(InfrastructureError) as told:
        control.describe(ACCOUNT, JOB)
    assert isinstance(told.value, S3BatchError)


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        ("http://127.0.0.1:9000", "127.0.0.1:9000"),
        ("http://localhost:9000/path", "localhost:9000"),
        ("https://s3-control.eu-west-1.amazonaws.com", f"{ACCOUNT}.s3-control.eu-west-1.amazonaws.com"),
        (
            "https://control.vpce-1.s3.eu-west-1.vpce.amazonaws.com",
            f"{ACCOUNT}.control.vpce-1.s3.eu-west-1.vpce.amazonaws.com",
        ),
    ],
)
def test_the_account_stands_in_front_of_aws_hosts_only(endpoint: str, host: str) -> None:
    """An address has no such name; what was signed is what is sent."""
    client = jobs_client(access(endpoint))
    seen: list[str] = []

    def look(request: Any, **_: object) -> None:
        seen.append(request.url)
        raise EndpointConnectionError(endpoint_url=request.url)

    client.meta.events.register("before-send.s3-control", look)
    with pytest.raises(EndpointConnectionError):
        client.list_jobs(AccountId=ACCOUNT)
    assert seen[0].split("/")[2] == host


def test_the_users_retries_win() -> None:
    """Botocore settings of the connection are kept."""
    session = boto3.session.Session("key", "secret", region_name="eu-west-1")
    client = jobs_client(S3Access(session, config=Config(retries={"total_max_attempts": 2, "mode": "adaptive"})))
    assert client.meta.config.retries == {"total_max_attempts": 2, "mode": "adaptive"}
    assert jobs_client(S3Access(session)).meta.config.retries["mode"] == "standard"
