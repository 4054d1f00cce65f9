"""The fake of these tests and the real client, against the emulator, keep the same promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import boto3
import pytest
from fake_aws import FakeAws
from managed_jobs import SETTINGS, TAGGING

from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.access import S3Access
from airflow_s3batch.managed import CANCELLED_BY_TASK, JobControl, JobProgress, S3JobControl
from airflow_s3batch.managed.control import NoSuchJobError, RepeatedTokenError
from airflow_s3batch.managed.request import CsvManifest, create_job_request, mark_of
from airflow_s3batch.testing.emulator import S3BatchEmulator
from airflow_s3batch.testing.storage import MemoryStorage

ACCOUNT = SETTINGS.account_id


class Aws(NamedTuple):
    """Jobs that are created and do not run; `settled` waits until a job that was cancelled is over."""

    control: JobControl
    settled: Callable[[str], Any]
    forget_tokens: Callable[[], None]


@pytest.fixture(params=["fake", "emulator"])
def aws(request: pytest.FixtureRequest) -> Iterator[Aws]:
    if request.param == "fake":
        fake = FakeAws(MemoryStorage())
        yield Aws(fake, lambda job_id: None, lambda: setattr(fake, "forgets_tokens", True))
        return
    session = boto3.session.Session("key", "secret", region_name="eu-west-1")
    with S3BatchEmulator(S3Access(session, "http://127.0.0.1:1", "eu-west-1"), account_id=ACCOUNT) as emulator:
        emulator.hold("New")
        yield Aws(S3JobControl(emulator.access()), emulator.wait, emulator.forget_tokens)
        emulator.release()


def job(token: str, **changes: Any) -> dict[str, Any]:
    manifest = CsvManifest(S3Url("ops", "m.csv"), "e", 1, False)
    settings = SETTINGS._replace(**changes)
    return create_job_request(TAGGING, settings, token=token, manifest=manifest, report=S3Url("ops", "r"))


def test_the_same_request_makes_one_job(aws: Aws) -> None:
    """As long as the token is remembered."""
    first = aws.control.create(job("a" * 64))
    assert aws.control.create(job("a" * 64)) == first
    assert aws.control.create(job("b" * 64)) != first
    aws.forget_tokens()
    assert aws.control.create(job("a" * 64)) != first


def test_a_token_stands_for_one_request(aws: Aws) -> None:
    """Another request with it is refused, by name."""
    aws.control.create(job("a" * 64))
    with pytest.raises(RepeatedTokenError):
        aws.control.create(job("a" * 64, priority=99))


def test_jobs_are_found_by_their_mark(aws: Aws) -> None:
    """The list has the description, whole."""
    made = aws.control.create(job("a" * 64, description="x" * 220))
    aws.control.create(job("b" * 64))
    found = [entry["JobId"] for entry in aws.control.list(ACCOUNT) if mark_of("a" * 64) in entry["Description"]]
    assert found == [made]


def test_a_cancelled_job_says_why(aws: Aws) -> None:
    """By the reason the next attempt knows that its task was stopped."""
    made = aws.control.create(job("a" * 64))
    assert not JobProgress.of(aws.control.describe(ACCOUNT, made)).is_over
    aws.control.cancel(ACCOUNT, made, CANCELLED_BY_TASK)
    aws.settled(made)
    assert JobProgress.of(aws.control.describe(ACCOUNT, made)).is_stopped_by_task


def test_a_job_that_never_was(aws: Aws) -> None:
    """Has an error of its own."""
    with pytest.raises(NoSuchJobError):
        aws.control.describe(ACCOUNT, "00000000-0000-0000-0000-999999999999")
