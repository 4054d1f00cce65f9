"""An attempt dies at each place where it writes something; the next one finishes, and the report is right."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import pytest
from deaths import PLACES, Ending, attempt, dying_at, killed_attempt
from server_jobs import ServerJob, client_of, publish, put_objects, set_tags, tags

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.engine import Policy
from airflow_s3batch.operations import PutObjectTagging
from airflow_s3batch.testing import Server

TAGGING = PutObjectTagging({"by": "job"})
GONE = (3, 14, 25)
ROWS = 30
WRITES = [(place, 1) for place in PLACES if place != "claim"]
WRITES += [(place, 2) for place in ("succeeded part", "failed part", "commit")]
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def places(seaweedfs: Server) -> tuple[str, str]:
    """The bucket of the objects, and that of the jobs."""
    for name in ("death-data", "death-ops"):
        client_of(seaweedfs).create_bucket(Bucket=name)
    return "death-data", "death-ops"


@pytest.fixture
def job(seaweedfs: Server, places: tuple[str, str], tmp_path: Path) -> ServerJob:
    """Three ranges of ten rows; one object of each does not exist."""
    name = f"job-{next(_numbers)}"
    keys = [f"{name}-{number:04d}" for number in range(ROWS)]
    put = put_objects(seaweedfs, places[0], [key for number, key in enumerate(keys) if number not in GONE])
    known = {obj.key: obj for obj in put}
    objects = [known.get(key) or S3Object(places[0], key, size=4, e_tag="0" * 32) for key in keys]
    return publish(seaweedfs, f"s3://{places[1]}/{name}", objects, tmp_path, range_rows=10)


def assert_right(job: ServerJob) -> None:
    """Check that the report says of each object what the server shows."""
    rows = job.report_rows()
    assert Counter(row.key for row in rows) == Counter(obj.key for obj in job.objects)
    told = {row.key: row.error_code for row in rows}
    gone = {job.objects[number].key for number in GONE}
    assert told == {obj.key: "NoSuchKey" if obj.key in gone else "" for obj in job.objects}
    assert all(tags(job.server, obj) == {"by": "job"} for obj in job.objects if obj.key not in gone)
    assert job.report().is_green


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("place", "nth"), WRITES)
def test_attempt_that_dies_at_a_write_is_finished_by_the_next(job: ServerJob, place: str, when: str, nth: int) -> None:
    """Each write of a file: not done, or done and the last thing that was."""
    killed_attempt(job, TAGGING, dying_at(when, place, nth=nth), policy=Policy(max_concurrency=4))
    rows = [number for commit in job.commits() for number in range(commit.range.first, commit.range.first + 10)]
    kept = [job.objects[number] for number in rows if number not in GONE]
    set_tags(job.server, kept, "somebody else")

    summary = job.attempt(TAGGING, try_number=2)

    assert summary.earlier == len(kept)
    assert summary.objects + summary.earlier == ROWS
    assert {tags(job.server, obj)["by"] for obj in kept} <= {"somebody else"}
    set_tags(job.server, kept, "job")
    assert_right(job)


def test_worker_lost_between_the_last_commit_and_its_return_has_lost_nothing(job: ServerJob) -> None:
    """Everything is committed, Airflow never heard of it: the next attempt counts what is there and writes nothing."""
    killed_attempt(job, TAGGING, dying_at("after", "summary"))
    before = job.files("")
    with attempt(job, TAGGING, try_number=2) as child:
        ending = child.end()
    assert ending == Ending(0, "", {"objects": 3, "succeeded": 0, "earlier": 27})  # what failed is tried again
    assert set(before) <= set(job.files(""))
    assert_right(job)


def test_deaths_in_a_row_each_add_what_they_committed(job: ServerJob) -> None:
    """Each of three attempts repeats what failed before, commits one range more, and dies."""
    for number in (1, 2, 3):
        hook = dying_at("after", "commit", nth=number)
        killed_attempt(job, TAGGING, hook, try_number=number, policy=Policy(max_concurrency=1))
        assert {commit.range.index for commit in job.commits()} == set(range(number))
    assert job.attempt(TAGGING, try_number=4).earlier == 27
    assert_right(job)
