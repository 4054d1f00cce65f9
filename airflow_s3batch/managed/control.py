"""S3's control API for jobs, behind a small port. The only place that talks to it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol
from urllib.parse import urlsplit

import botocore.exceptions
from botocore.config import Config

from airflow_s3batch.core.errors import (
    AccessError,
    ArgumentError,
    InfrastructureError,
    JobChangedError,
    JobDamagedError,
    S3BatchError,
)
from airflow_s3batch.core.permissions import PERMISSION_CODES, missing_permission
from airflow_s3batch.core.verdicts import PASSING, Verdict, verdict_for
from airflow_s3batch.engine.access import AWS_DOMAINS, S3Access

_DEFAULTS = Config(retries={"mode": "standard", "total_max_attempts": 8}, connect_timeout=10, read_timeout=60)
_PAGE_JOBS = 1000
_REASON_CHARACTERS = 256
_REFUSED = PERMISSION_CODES | {"AccessDeniedException", "UnauthorizedOperation", "403"}
_MISSING = frozenset({"NoSuchJob", "NotFoundException", "404"})
_TOKEN_USED = frozenset({"IdempotencyException", "IdempotencyParameterMismatch"})
_WRONG = frozenset(
    {
        "BadRequest",
        "BadRequestException",
        "InvalidRequest",
        "InvalidRequestException",
        "InvalidArgument",
        "MalformedXML",
        "TooManyTagsException",
        "ValidationError",
    }
)
_BUSY = frozenset({"TooManyRequestsException", "InternalServiceException"})
_ACTIONS = {
    "DescribeJob": "s3:DescribeJob",
    "ListJobs": "s3:ListJobs",
    "UpdateJobStatus": "s3:UpdateJobStatus",
    "UpdateJobPriority": "s3:UpdateJobPriority",
    "GetJobTagging": "s3:GetJobTagging",
    "PutJobTagging": "s3:PutJobTagging",
    "DeleteJobTagging": "s3:DeleteJobTagging",
}


class RepeatedTokenError(JobChangedError):
    """CreateJob's ClientRequestToken was used before, for a request that was not the same word for word."""


class NoSuchJobError(JobDamagedError):
    """AWS does not know the job: it never did, or the job ended more than 90 days ago."""


class JobControl(Protocol):
    """
    Jobs of AWS S3 Batch Operations. Every failure is an `S3BatchError` sentence; safe to use from several threads.

    Values are as botocore's s3control client takes and gives them. All calls may raise `AccessError`, which names the
    missing permission, and `InfrastructureError`, if there is no usable answer after botocore's retries.
    """

    def create(self, request: Mapping[str, Any]) -> str:
        """
        Send CreateJob word for word; return the JobId. The same request with the same token makes one job.

        Raises:
            RepeatedTokenError: the token was used for another request.
            ArgumentError: AWS does not accept the request.
        """

    def describe(self, account_id: str, job_id: str) -> dict[str, Any]:
        """
        Return DescribeJob's ``Job``.

        Raises:
            NoSuchJobError: AWS does not know it.
        """

    def list(self, account_id: str, statuses: Collection[str] = ()) -> Iterator[dict[str, Any]]:
        """Yield ListJobs' items, page by page: jobs that run or ended in the last 90 days; all statuses by default."""

    def cancel(self, account_id: str, job_id: str, reason: str = "") -> str:
        """Ask AWS to cancel; return the status. A job that has ended stays as it is."""

    def confirm(self, account_id: str, job_id: str, reason: str = "") -> str:
        """Let a job that waits for confirmation run; return the status. One that does not wait stays as it is."""

    def set_priority(self, account_id: str, job_id: str, priority: int) -> int:
        """Change the priority; return the new one."""

    def tags(self, account_id: str, job_id: str) -> dict[str, str]:
        """Return the job's tags."""

    def set_tags(self, account_id: str, job_id: str, tags: Mapping[str, str]) -> None:
        """Replace the job's tags; none deletes them all."""


class S3JobControl:
    """`JobControl` through botocore's s3control client, with its standard retries unless *access* says otherwise."""

    def __init__(self, access: S3Access) -> None:
        """*access* says with which credentials; its ``endpoints`` may name another URL for ``s3control``."""
        self._client = jobs_client(access)

    def create(self, request: Mapping[str, Any]) -> str:  # noqa: D102 - the port's docstring holds
        actions = ["s3:CreateJob", "iam:PassRole", *(["s3:PutJobTagging"] if request.get("Tags") else [])]
        place = f"the jobs of account {request.get('AccountId')} and role {request.get('RoleArn')}"
        with _sentences("create a job of S3 Batch Operations", actions, place):
            return str(self._client.create_job(**request)["JobId"])

    def describe(self, account_id: str, job_id: str) -> dict[str, Any]:  # noqa: D102
        reply = self._call("DescribeJob", "look at", account_id, job_id)
        job: dict[str, Any] = reply["Job"]
        return job

    def list(self, account_id: str, statuses: Collection[str] = ()) -> Iterator[dict[str, Any]]:  # noqa: D102
        more: dict[str, Any] = {"JobStatuses": sorted(statuses)} if statuses else {}
        while True:
            with _sentences("list the jobs of S3 Batch Operations", [_ACTIONS["ListJobs"]], f"account {account_id}"):
                page = self._client.list_jobs(AccountId=account_id, MaxResults=_PAGE_JOBS, **more)
            yield from page.get("Jobs", ())
            if not page.get("NextToken"):
                return
            more["NextToken"] = page["NextToken"]

    def cancel(self, account_id: str, job_id: str, reason: str = "") -> str:  # noqa: D102
        return self._change_status("Cancelled", "cancel", account_id, job_id, reason)

    def confirm(self, account_id: str, job_id: str, reason: str = "") -> str:  # noqa: D102
        return self._change_status("Ready", "confirm", account_id, job_id, reason)

    def set_priority(self, account_id: str, job_id: str, priority: int) -> int:  # noqa: D102
        reply = self._call("UpdateJobPriority", "change the priority of", account_id, job_id, Priority=priority)
        return int(reply["Priority"])

    def tags(self, account_id: str, job_id: str) -> dict[str, str]:  # noqa: D102
        reply = self._call("GetJobTagging", "read the tags of", account_id, job_id)
        return {tag["Key"]: tag["Value"] for tag in reply.get("Tags", ())}

    def set_tags(self, account_id: str, job_id: str, tags: Mapping[str, str]) -> None:  # noqa: D102
        if tags:
            pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
            self._call("PutJobTagging", "tag", account_id, job_id, Tags=pairs)
        else:
            self._call("DeleteJobTagging", "untag", account_id, job_id)

    def _change_status(self, status: str, verb: str, account_id: str, job_id: str, reason: str) -> str:
        told = {"StatusUpdateReason": reason[:_REASON_CHARACTERS]} if reason else {}
        try:
            reply = self._call("UpdateJobStatus", verb, account_id, job_id, RequestedJobStatus=status, **told)
        except JobChangedError:
            return str(self.describe(account_id, job_id)["Status"])
        return str(reply["Status"])

    def _call(self, api: str, verb: str, account_id: str, job_id: str, **more: Any) -> dict[str, Any]:
        method = getattr(self._client, botocore.xform_name(api))
        with _sentences(f"{verb} AWS job {job_id}", [_ACTIONS[api]], f"job {job_id} of account {account_id}"):
            reply: dict[str, Any] = method(AccountId=account_id, JobId=job_id, **more)
        return reply


def jobs_client(access: S3Access) -> Any:
    """
    Return a botocore client of the control API.

    Botocore puts the account's number in front of the host, also of an address or a name that is not AWS's, where
    nothing answers then; it is taken away there.
    """
    config = _DEFAULTS.merge(access.config) if access.config else _DEFAULTS
    client = replace(access, config=config).client("s3control")
    if not (urlsplit(client.meta.endpoint_url).hostname or "").endswith(AWS_DOMAINS):
        client.meta.events.register("before-sign.s3-control", _without_account_in_host)
    return client


def _without_account_in_host(request: Any, **_: Any) -> None:
    parts = urlsplit(request.url)
    host = re.sub(r"^\d{12}\.", "", parts.netloc)
    request.url = parts._replace(netloc=host).geturl()


@contextlib.contextmanager
def _sentences(what: str, actions: Collection[str], place: str) -> Iterator[None]:
    """Turn botocore's exceptions into sentences; *actions* are the permissions that *what* needs on *place*."""
    try:
        yield
    except botocore.exceptions.ClientError as error:
        raise _from_client_error(what, error, actions, place) from error
    except (botocore.exceptions.NoCredentialsError, botocore.exceptions.PartialCredentialsError) as error:
        raise AccessError(f"can't {what}: no AWS credentials were found; check the connection") from error
    except botocore.exceptions.ParamValidationError as error:
        raise ArgumentError(f"can't {what}: {_one_line(str(error))}") from error
    except (botocore.exceptions.BotoCoreError, OSError) as error:
        raise InfrastructureError(f"can't {what}: {error}") from error


def _from_client_error(
    what: str, error: botocore.exceptions.ClientError, actions: Collection[str], place: str
) -> S3BatchError:
    told = error.response.get("Error", {})
    code, text = str(told.get("Code", "")), _one_line(str(told.get("Message") or "no message"))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    refused = f"can't {what}: AWS refuses with {code} ({text})"
    if code in _TOKEN_USED:
        return RepeatedTokenError(f"{refused}; another request was sent with the same token")
    if code in _MISSING or (status == 404 and code != "NoSuchBucket"):
        return NoSuchJobError(f"{refused}; AWS forgets jobs 90 days after their end")
    if code == "JobStatusException":
        return JobChangedError(f"{refused}; look at the job's status")
    return _by_verdict(what, code, text, status, actions, place)


def _by_verdict(what: str, code: str, text: str, status: int, actions: Collection[str], place: str) -> S3BatchError:
    refused = f"can't {what}: AWS refuses with {code} ({text})"
    if code in _REFUSED or "iam:PassRole" in text:
        return AccessError(f"{refused}; {missing_permission(code, text, sorted(actions), place)}")
    verdict = Verdict.RETRY if code in _BUSY else verdict_for(status, code)
    if verdict in (Verdict.CREDENTIALS, Verdict.ABORT):
        return AccessError(f"{refused}; check the connection's credentials")
    if code in _WRONG or (400 <= status < 500 and verdict not in PASSING):
        return ArgumentError(f"{refused}; change the arguments of the job")
    return InfrastructureError(f"can't {what}: {code} ({text}); botocore's retries are used up")


def _one_line(text: str) -> str:
    return " ".join(text.split())
