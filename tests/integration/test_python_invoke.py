"""Python functions called with the objects of real servers."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import invoked
import psutil
import pytest
from deaths import attempt
from faulty_jobs import unhung
from server_jobs import ServerJob, outcomes_of, publish, put_objects

from airflow_s3batch.core.errors import CapabilityError, InfrastructureError, TooManyFailuresError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.engine import Policy
from airflow_s3batch.operations import Column, PutObjectTagging, PythonInvoke
from airflow_s3batch.testing import Server

if TYPE_CHECKING:
    from server_users import BucketFactory

BOTH = pytest.mark.parametrize("in_processes", [False, True], ids=["threads", "processes"])
ROWS, RANGE = 20, 10


@pytest.fixture(params=["seaweedfs", "ministack"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def job(seaweedfs: Server, shared_buckets: tuple[str, str], tmp_path: Path) -> ServerJob:
    name = tmp_path.name
    objects = put_objects(seaweedfs, shared_buckets[0], [f"{name}/{n:04d}" for n in range(ROWS)])
    return publish(seaweedfs, f"s3://{shared_buckets[1]}/{name}", objects, tmp_path, range_rows=RANGE)


def codes(job: ServerJob) -> dict[int, str]:
    """Return the report's error codes by row."""
    return {int(row.key[-4:]): row.error_code for row in job.report_rows()}


@BOTH
def test_functions_read_objects_and_tell_what_they_found(
    server: Server, bucket: BucketFactory, in_processes: bool
) -> None:
    """Results are in the report's message; what is gone has the store's own code."""
    name = bucket(server)
    objects = [obj._replace(columns={"team": "t" + obj.key}) for obj in put_objects(server, name, ["a", "b c", "d/ü"])]
    gone = S3Object(name, "gone", columns={"team": "none"})
    params = {"store": invoked.store_of(server), "team": Column("team")}
    operation = PythonInvoke(invoked.read, params, workers=2, in_processes=in_processes)
    found = outcomes_of(server, [*objects, gone], operation)
    assert found.pop(("gone", None))[:2] == (404, "NoSuchKey")
    told = {key: json.loads(outcome.message) for (key, _), outcome in found.items()}
    assert {key: (each["bytes"], each["team"]) for key, each in told.items()} == {
        obj.key: (obj.size, "t" + obj.key) for obj in objects
    }
    assert ({each["pid"] for each in told.values()} == {os.getpid()}) is not in_processes


def test_nothing_is_written_to_the_store_beforehand(seaweedfs: Server, bucket: BucketFactory) -> None:
    """The user's own code is not tried on a scratch object: somebody who may only read can run it."""
    name = bucket(seaweedfs)
    objects = put_objects(seaweedfs, name, ["a"])
    reader = seaweedfs.as_identity("reader")
    params = {"store": invoked.store_of(reader), "team": ""}
    (outcome,) = outcomes_of(reader, objects, PythonInvoke(invoked.read, params)).values()
    assert outcome.is_success


def test_a_module_that_can_not_be_imported_is_told_before_any_object_is_claimed(job: ServerJob) -> None:
    """Else a typo would leave the first rows in doubt."""
    with pytest.raises(CapabilityError, match="can't be imported"):
        job.attempt(PythonInvoke("nobody_has_this.module:f"))
    assert not job.files(".claim.json")


def test_a_process_that_dies_fails_its_object_and_not_the_run(seaweedfs: Server, bucket: BucketFactory) -> None:
    objects = put_objects(seaweedfs, bucket(seaweedfs), [f"{n:04d}" for n in range(8)])
    params = {"dying": ["0002", "0005"]}
    operation = PythonInvoke(invoked.die, params, workers=2, in_processes=True, is_idempotent=True)
    found = outcomes_of(seaweedfs, objects, operation)
    lost = Outcome(0, "FunctionLost", "its process was killed by signal 9")
    assert {key: outcome for (key, _), outcome in found.items() if outcome.error_code} == {"0002": lost, "0005": lost}


def test_what_may_not_be_repeated_is_unknown_where_its_process_died_or_its_time_was_over(
    seaweedfs: Server, bucket: BucketFactory, tmp_path: Path
) -> None:
    """Unless the user says that it may."""
    objects = put_objects(seaweedfs, bucket(seaweedfs), ["0001", "0002"])
    dying = PythonInvoke(invoked.die, {"dying": ["0002"]}, in_processes=True)
    hanging = PythonInvoke(
        invoked.hang, {"hanging": ["0002"], "folder": str(tmp_path)}, in_processes=True, timeout_s=2.0
    )
    for operation, code in ((dying, "FunctionLost"), (hanging, "FunctionTimedOut")):
        found = outcomes_of(seaweedfs, objects, operation)
        assert found["0001", None].is_success
        assert found["0002", None].error_code == "OutcomeUnknown"
        assert code in found["0002", None].message
    again = outcomes_of(seaweedfs, objects, dying, policy=Policy(replay_unsafe=True))
    assert again["0002", None].error_code == "FunctionLost"


@BOTH
def test_a_function_that_hangs_does_not_keep_a_task_from_stopping(
    job: ServerJob, tmp_path: Path, in_processes: bool
) -> None:
    """What it was working on is unknown, in this attempt's report and ever after; the rest was not attempted."""
    params = {"hanging": ["0003"], "folder": str(tmp_path)}
    operation = PythonInvoke(invoked.hang, params, workers=1, in_processes=in_processes)
    stop = threading.Event()

    def until_it_hangs(line: str) -> None:
        if (tmp_path / job.objects[3].key.replace("/", "-")).exists():
            stop.set()

    invoked.GATE.clear()
    policy = Policy(progress_every_s=0.05)
    with pytest.raises(InfrastructureError, match="stopped after"):
        unhung(lambda: job.attempt(operation, stop=stop, policy=policy, progress=until_it_hangs))
    invoked.GATE.set()
    told = codes(job)
    assert [told[row] for row in range(5)] == ["", "", "", "OutcomeUnknown", "NotAttempted"]
    with pytest.raises(TooManyFailuresError, match="OutcomeUnknown"):
        job.attempt(operation, try_number=2)
    assert codes(job) == {row: "OutcomeUnknown" if row == 3 else "" for row in range(ROWS)}


def test_processes_die_with_the_task_that_is_killed(job: ServerJob, tmp_path: Path) -> None:
    """They notice that nobody listens any more, even in the midst of a function."""
    operation = PythonInvoke(invoked.tell_pid_and_hang, {"folder": str(tmp_path)}, workers=2, in_processes=True)

    def say_when_begun(line: str) -> Any:
        if len(list(tmp_path.glob("*.pid"))) == 2:
            begun.touch()

    begun = tmp_path / "begun"
    with attempt(job, operation, policy=Policy(progress_every_s=0.05), progress=say_when_begun) as child:
        while not begun.exists():
            assert child.hear(0.05) is None
        processes = [psutil.Process(int(path.stem)) for path in tmp_path.glob("*.pid")]
        child.kill()
        assert child.end().signal == 9
        gone, alive = psutil.wait_procs(processes, 60)
    assert (len(gone), alive) == (2, [])


def test_requests_and_functions_follow_each_other(seaweedfs: Server, bucket: BucketFactory) -> None:
    """In one job: each object is tagged, then read."""
    name = bucket(seaweedfs)
    objects = put_objects(seaweedfs, name, [f"{n}" for n in range(30)])
    params = {"store": invoked.store_of(seaweedfs), "team": ""}
    steps = [PutObjectTagging({"k": "v"}), PythonInvoke(invoked.read, params, is_idempotent=True)]
    found = outcomes_of(seaweedfs, objects, steps)  # type: ignore[arg-type] - a list is taken as well
    assert len(found) == 30
    assert all('"bytes"' in outcome.message for outcome in found.values())
