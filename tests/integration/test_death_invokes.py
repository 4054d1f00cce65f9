"""User's code is executed at most once on each object, whatever dies: on threads, in processes, as Lambda functions."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import invoked
import pytest
from deaths import die, dying_at, executions, killed_attempt
from lambda_functions import RECEIPTS, deploy
from server_jobs import ServerJob, client_of, publish, put_objects, watched

from airflow_s3batch.core.errors import TooManyFailuresError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.engine import Policy
from airflow_s3batch.operations import LambdaInvoke, Operation, PythonInvoke
from airflow_s3batch.testing import Server

ROWS, RANGE = 40, 10
_numbers = itertools.count(1)
_made: dict[str, Operation] = {}


class Case(NamedTuple):
    """An operation and a job for it."""

    operation: Operation
    job: ServerJob


def operation_for(how: str, server: Server) -> Operation:
    """Return an operation that leaves a receipt for each object; the same for all jobs."""
    if how not in _made:
        if how == "lambda":
            _made[how] = LambdaInvoke(deploy(server, RECEIPTS), "2.0")
        else:
            params = {"store": invoked.store_of(server)}
            in_processes = how == "processes"
            _made[how] = PythonInvoke(invoked.leave_receipt, params, workers=2, in_processes=in_processes)
    return _made[how]


@pytest.fixture(params=["threads", "processes", "lambda"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    server: Server = request.getfixturevalue("ministack" if request.param == "lambda" else "seaweedfs")
    data, ops = f"invokes-{request.param}", f"invokes-{request.param}-ops"
    client = client_of(server)
    if request.param not in _made:
        for name in (data, ops):
            client.create_bucket(Bucket=name)
        client.put_bucket_versioning(Bucket=data, VersioningConfiguration={"Status": "Enabled"})
    name = f"job-{os.getpid()}-{next(_numbers)}"
    objects = put_objects(server, data, [f"{name}-{number:04d}" for number in range(ROWS)])
    job = publish(server, f"s3://{ops}/{name}", objects, tmp_path, range_rows=RANGE)
    return Case(operation_for(request.param, server), job)


def codes(job: ServerJob) -> list[str]:
    """Return the report's error codes, in the manifest's order; each row is there once."""
    rows = job.report_rows()
    assert Counter(row.key for row in rows) == Counter(obj.key for obj in job.objects)
    told = {row.key: row.error_code for row in rows}
    return [told[obj.key] for obj in job.objects]


def test_without_any_death_everything_is_done_once(case: Case) -> None:
    assert case.job.attempt(case.operation).succeeded == ROWS
    assert codes(case.job) == [""] * ROWS
    assert executions(case.job.server, case.job.objects) == [1] * ROWS


@pytest.mark.parametrize(("when", "place"), [("after", "claim"), ("before", "succeeded part"), ("after", "commit")])
def test_what_a_dead_attempt_may_have_done_is_unknown_and_not_done_again(case: Case, when: str, place: str) -> None:
    """What is unknown is what was claimed and not committed."""
    job, operation = case.job, case.operation
    killed_attempt(job, operation, dying_at(when, place, nth=2), policy=Policy(max_concurrency=2))
    claimed = {int(PurePosixPath(key).name.split("-")[1]) for key, _ in job.files(".claim.json")}
    in_doubt = claimed - {commit.range.index for commit in job.commits()}
    assert in_doubt or (when, place) == ("after", "commit")
    with pytest.raises(TooManyFailuresError, match="OutcomeUnknown") if in_doubt else contextlib.nullcontext():
        job.attempt(operation, try_number=2)
    told, done = codes(job), executions(job.server, job.objects)
    assert told == [code for index in range(4) for code in ["OutcomeUnknown" if index in in_doubt else ""] * RANGE]
    assert all(count == 1 or (not count and code) for count, code in zip(done, told, strict=True))


def test_user_may_allow_the_replay(case: Case) -> None:
    def look(obj: S3Object) -> Any:
        if obj.key.endswith("0015"):
            die()

    job, kind = case.job, type(case.operation)
    fields = case.operation._fields()
    killed_attempt(job, watched(kind, look)(**fields), lambda *_: None, policy=Policy(max_concurrency=2))
    assert job.attempt(case.operation, try_number=2, policy=Policy(replay_unsafe=True)).objects
    assert codes(job) == [""] * ROWS
    assert min(executions(job.server, job.objects)) == 1
