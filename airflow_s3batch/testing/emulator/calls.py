"""The calls of the control API on the book of jobs."""

from __future__ import annotations

import base64
import itertools
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.operations.managed_forms import operation_from_create_job
from airflow_s3batch.testing.emulator.answers import Refusal, invalid, no_such_job
from airflow_s3batch.testing.emulator.book import JobBook
from airflow_s3batch.testing.emulator.jobs import Job
from airflow_s3batch.testing.emulator.rules import check_account, check_create, check_job_tags

Values = Mapping[str, Any]
_PAGE_JOBS = 1000


class Calls:
    """
    Answers calls. Safe to use from many threads.

    Args:
        start: called with each new job, once.
    """

    def __init__(self, book: JobBook, account_id: str, region: str, start: Callable[[Job], None]) -> None:
        self._book = book
        self._account_id = account_id
        self._region = region
        self._start = start
        self._numbers = itertools.count(1)

    def answer(self, api: str, params: Values) -> dict[str, Any]:
        """
        Execute the call *api*; return the members of its answer.

        Raises:
            Refusal: it can't be done.
        """
        check_account(params, self._account_id)
        self._book.sweep()
        method: Callable[[Values], dict[str, Any]] = {
            "CreateJob": self._create,
            "DescribeJob": self._describe,
            "ListJobs": self._list,
            "UpdateJobPriority": self._set_priority,
            "UpdateJobStatus": self._set_status,
            "GetJobTagging": lambda given: {"Tags": list(self._job(given).tags)},
            "PutJobTagging": self._put_tags,
            "DeleteJobTagging": self._delete_tags,
        }[api]
        return method(params)

    def arn(self, job: Job) -> str:
        """Return the ARN of *job*."""
        return f"arn:aws:s3:{self._region}:{self._account_id}:job/{job.id}"

    def _create(self, params: Values) -> dict[str, Any]:
        check_create(params, self._account_id)
        try:
            operation_from_create_job(params["Operation"]).validate()
        except (ArgumentError, NotImplementedError) as error:
            raise Refusal(501, "NotImplemented", f"The emulator can't run this operation: {error}") from error
        token = params["ClientRequestToken"]
        content = {name: value for name, value in params.items() if name != "ClientRequestToken"}
        with self._book.lock:
            if token in self._book.tokens:
                earlier, job_id = self._book.tokens[token]
                if earlier != content:
                    raise Refusal(400, "IdempotencyException", "The token was used for a request with other content")
                return {"JobId": job_id}
            job = Job(
                id=str(uuid.uuid4()),
                number=next(self._numbers),
                request=content,
                created=self._book.clock(),
                priority=params["Priority"],
                tags=list(params.get("Tags", ())),
            )
            self._book.tokens[token] = content, job.id
            self._book.add(job)
            self._start(job)
        return {"JobId": job.id}

    def _describe(self, params: Values) -> dict[str, Any]:
        with self._book.lock:
            return {"Job": self.descriptor(self._job(params))}

    def descriptor(self, job: Job) -> dict[str, Any]:
        """Return DescribeJob's ``Job``."""
        asked = ("Description", "Manifest", "ManifestGenerator", "Operation", "Report", "RoleArn")
        active_s = job.active_s
        if job.active_since is not None:
            active_s += (self._book.clock() - job.active_since).total_seconds()
        return {
            **{name: job.request[name] for name in asked if name in job.request},
            "JobId": job.id,
            "JobArn": self.arn(job),
            "ConfirmationRequired": needs_confirmation(job),
            "Status": job.status,
            "Priority": job.priority,
            "ProgressSummary": {**_progress(job), "Timers": {"ElapsedTimeInActiveSeconds": int(active_s)}},
            "StatusUpdateReason": job.update_reason or None,
            "FailureReasons": _failure_reasons(job),
            "CreationTime": job.created,
            "TerminationDate": job.terminated,
            "SuspendedDate": job.suspended,
            "SuspendedCause": "AWAITING_CONFIRMATION" if job.status == "Suspended" else None,
            "GeneratedManifestDescriptor": job.generated,
        }

    def _list(self, params: Values) -> dict[str, Any]:
        statuses = params.get("JobStatuses")
        with self._book.lock:
            before = _number_of(params.get("NextToken"))
            jobs = sorted(self._book.jobs.values(), key=lambda job: -job.number)
            jobs = [job for job in jobs if not statuses or job.status in statuses]
            jobs = [job for job in jobs if before is None or job.number < before]
            most = params.get("MaxResults") or _PAGE_JOBS
            page = jobs[:most]
            more = {"NextToken": _token_of(page[-1].number)} if len(jobs) > most else {}
            return {"Jobs": [_list_item(job) for job in page], **more}

    def _set_priority(self, params: Values) -> dict[str, Any]:
        with self._book.changing():
            job = self._job(params)
            if job.is_over:
                raise invalid("UpdateJobPriority", [f"job {job.id} has ended as {job.status}"])
            job.priority = params["Priority"]
            return {"JobId": job.id, "Priority": job.priority}

    def _set_status(self, params: Values) -> dict[str, Any]:
        wanted = params["RequestedJobStatus"]
        with self._book.changing():
            job = self._job(params)
            if job.is_over or (wanted == "Ready" and job.status != "Suspended"):
                raise Refusal(400, "JobStatusException", f"Job {job.id} is {job.status}; it can't become {wanted}")
            job.update_reason = params.get("StatusUpdateReason", "")
            if wanted == "Ready":
                self._book.move(job, "Ready")
            elif job.status not in ("Cancelling", "Failing"):
                job.wants_cancel = True
                self._book.move(job, "Cancelling")
            told = {"StatusUpdateReason": job.update_reason} if job.update_reason else {}
            return {"JobId": job.id, "Status": job.status, **told}

    def _put_tags(self, params: Values) -> dict[str, Any]:
        check_job_tags(params["Tags"])
        with self._book.changing():
            self._job(params).tags = list(params["Tags"])
        return {}

    def _delete_tags(self, params: Values) -> dict[str, Any]:
        with self._book.changing():
            self._job(params).tags = []
        return {}

    def _job(self, params: Values) -> Job:
        job = self._book.jobs.get(params["JobId"])
        if job is None:
            raise no_such_job(params["JobId"])
        return job


def needs_confirmation(job: Job) -> bool:
    """Return whether *job* waits until somebody confirms it; a request that does not say so has it wait."""
    return bool(job.request.get("ConfirmationRequired", True))


def _progress(job: Job) -> dict[str, Any]:
    return {
        "TotalNumberOfTasks": job.total,
        "NumberOfTasksSucceeded": job.succeeded,
        "NumberOfTasksFailed": job.failed,
    }


def _failure_reasons(job: Job) -> list[dict[str, str]] | None:
    if job.failure is None:
        return None
    return [{"FailureCode": job.failure.code, "FailureReason": job.failure.reason[:256]}]


def _list_item(job: Job) -> dict[str, Any]:
    return {
        "JobId": job.id,
        "Description": job.request.get("Description"),
        "Operation": next(iter(job.request["Operation"])),
        "Priority": job.priority,
        "Status": job.status,
        "CreationTime": job.created,
        "TerminationDate": job.terminated,
        "ProgressSummary": _progress(job),
    }


def _token_of(number: int) -> str:
    return base64.urlsafe_b64encode(f"before:{number}".encode()).decode()


def _number_of(token: str | None) -> int | None:
    if token is None:
        return None
    try:
        prefix, _, number = base64.urlsafe_b64decode(token).decode().partition(":")
        if prefix == "before":
            return int(number)
    except ValueError:
        pass
    raise Refusal(400, "InvalidNextTokenException", "The NextToken is not one that an earlier answer gave")
