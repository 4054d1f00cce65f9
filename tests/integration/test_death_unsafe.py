"""An operation that forbids replays is executed at most once on each object, whatever dies."""

from __future__ import annotations

import contextlib
import itertools
import re
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest
from deaths import HANG_S, Ending, LeaveReceipt, attempt, die, dying_at, executions, killed_attempt
from server_jobs import ServerJob, access_of, client_of, publish, put_objects, watched

from airflow_s3batch.core.errors import AccessError, InfrastructureError, TooManyFailuresError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine import Policy
from airflow_s3batch.engine.files.storage import S3Storage, StoredFile
from airflow_s3batch.operations import RunContext
from airflow_s3batch.operations.requests import Steps
from airflow_s3batch.testing import ErrorAnswer, FaultProxy, Server, is_below

ROWS, RANGE = 50, 10
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def buckets(seaweedfs: Server) -> tuple[str, str]:
    """A versioned bucket for the objects, which counts executions, and one for the jobs."""
    client = client_of(seaweedfs)
    for name in ("receipts", "receipts-ops"):
        client.create_bucket(Bucket=name)
    client.put_bucket_versioning(Bucket="receipts", VersioningConfiguration={"Status": "Enabled"})
    return "receipts", "receipts-ops"


@pytest.fixture
def job(seaweedfs: Server, buckets: tuple[str, str], tmp_path: Path) -> ServerJob:
    name = f"job-{next(_numbers)}"
    objects = put_objects(seaweedfs, buckets[0], [f"{name}-{number:04d}" for number in range(ROWS)])
    return publish(seaweedfs, f"s3://{buckets[1]}/{name}", objects, tmp_path, range_rows=RANGE)


def codes(job: ServerJob) -> list[str]:
    """Return the report's error codes, in the manifest's order; each row is there once."""
    rows = job.report_rows()
    assert Counter(row.key for row in rows) == Counter(obj.key for obj in job.objects)
    told = {row.key: row.error_code for row in rows}
    return [told[obj.key] for obj in job.objects]


def died_within_the_third_range(job: ServerJob) -> None:
    """In row 25 of 50, once the two ranges before are committed."""
    committed: list[str] = []
    two_are_there = threading.Event()

    def hear(when: str, place: str) -> None:
        if (when, place) == ("after", "commit"):
            committed.append(place)
            if len(committed) == 2:
                two_are_there.set()

    def look(obj: S3Object) -> None:
        if obj.key.endswith("0025") and two_are_there.wait(HANG_S):
            die()

    killed_attempt(job, watched(LeaveReceipt, look)(), hear, policy=Policy(max_concurrency=2))
    assert [commit.range.index for commit in job.commits()] == [0, 1]


UNKNOWN = ["OutcomeUnknown"] * RANGE
KNOWN = [""] * RANGE


def test_only_the_ranges_that_a_dead_attempt_had_begun_are_unknown(job: ServerJob) -> None:
    """Rows of later ranges are done: nobody has touched them."""
    died_within_the_third_range(job)
    with pytest.raises(TooManyFailuresError, match=r"10 of 30 objects failed \(OutcomeUnknown 10\)"):
        job.attempt(LeaveReceipt(), try_number=2)
    assert codes(job) == KNOWN * 2 + UNKNOWN + KNOWN * 2
    done = executions(job.server, job.objects)
    assert done[:20] + done[30:] == [1] * 40
    assert max(done) == 1
    assert 0 < sum(done[20:30]) < RANGE


def test_what_is_unknown_stays_so_in_every_later_attempt(job: ServerJob) -> None:
    """An attempt after the one that noticed, be it a retry or a clear, is not the user's word either."""
    died_within_the_third_range(job)
    for number in (2, 3, 4):
        with pytest.raises(TooManyFailuresError):
            job.attempt(LeaveReceipt(), try_number=number)
        assert codes(job) == KNOWN * 2 + UNKNOWN + KNOWN * 2
    assert max(executions(job.server, job.objects)) == 1


def test_user_may_allow_the_replay(job: ServerJob) -> None:
    died_within_the_third_range(job)
    with pytest.raises(TooManyFailuresError):
        job.attempt(LeaveReceipt(), try_number=2)
    assert job.attempt(LeaveReceipt(), try_number=3, policy=Policy(replay_unsafe=True)).succeeded == RANGE
    assert codes(job) == KNOWN * 5
    done = executions(job.server, job.objects)
    assert done[:20] + done[30:] == [1] * 40
    assert min(done) == 1


class LateListing(S3Storage):
    """Shows no commit of the fourth range in its first listing of the shard: it was written while pages were read."""

    is_late = True

    def list(self, prefix: S3Url) -> Iterator[StoredFile]:
        found = list(super().list(prefix))
        is_late, self.is_late = self.is_late, self.is_late and not prefix.key.endswith("/shard-00000/")
        return (file for file in found if not (is_late and re.search(r"range-000003-.*commit", file.url.key)))


def test_an_attempt_that_ends_while_its_files_are_listed_is_no_licence(job: ServerJob) -> None:
    """Its summary was seen and one of its commits was not: those rows are not free to be done again."""
    job.attempt(LeaveReceipt())
    with pytest.raises(TooManyFailuresError, match="OutcomeUnknown 10"):
        job.attempt(LeaveReceipt(), try_number=2, storage=LateListing(access_of(job.server)))
    assert executions(job.server, job.objects) == [1] * ROWS
    assert codes(job) == KNOWN * 5


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("place", ["announcement", "claim", "succeeded part", "commit", "summary"])
def test_death_at_a_write(job: ServerJob, place: str, when: str) -> None:
    """What is unknown is what was claimed and not committed; nothing else, and nothing twice."""
    nth = 1 if place in ("announcement", "summary") else 2
    killed_attempt(job, LeaveReceipt(), dying_at(when, place, nth=nth), policy=Policy(max_concurrency=1))
    claimed = {int(PurePosixPath(key).name.split("-")[1]) for key, _ in job.files(".claim.json")}
    in_doubt = claimed - {commit.range.index for commit in job.commits()}
    assert (when, place, nth) != ("after", "claim", 2) or in_doubt

    with pytest.raises(TooManyFailuresError) if in_doubt else contextlib.nullcontext():
        job.attempt(LeaveReceipt(), try_number=2)
    told, done = codes(job), executions(job.server, job.objects)
    assert told == [code for index in range(5) for code in (UNKNOWN if index in in_doubt else KNOWN)]
    assert all(count == 1 or (not count and code) for count, code in zip(done, told, strict=True))


def test_failed_row_that_was_begun_again_is_unknown_too(job: ServerJob) -> None:
    """It has an outcome, a failure; but a later attempt died over it."""

    class Refusing(LeaveReceipt):
        def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:
            if obj.key.endswith("0033"):
                yield from ()
                return Outcome(403, "AccessDenied", "no")
            return (yield from super().steps(obj, context))

    Refusing.__name__ = "LeaveReceipt"
    with pytest.raises(TooManyFailuresError, match="AccessDenied 1"):
        job.attempt(Refusing())
    killed_attempt(job, LeaveReceipt(), dying_at("before", "succeeded part"), try_number=2)
    with pytest.raises(TooManyFailuresError, match="OutcomeUnknown 1"):
        job.attempt(LeaveReceipt(), try_number=3)
    assert executions(job.server, job.objects) == [1] * ROWS


def test_requests_that_a_stopped_attempt_gave_up_on_are_unknown(job: ServerJob) -> None:
    """Asked to stop, an attempt waits a moment for what is in flight; only what is then left may happen later."""

    class Slow(LeaveReceipt):
        def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:
            steps = super().steps(obj, context)
            request = next(steps)
            response = yield request._replace(delay_s=3_600.0 if obj.key[-4:] in ("0012", "0017") else 0.0)
            try:
                steps.send(response)
            except StopIteration as end:
                return end.value
            raise AssertionError

    Slow.__name__ = "LeaveReceipt"
    stop = threading.Event()

    def look(obj: S3Object) -> None:
        if obj.key.endswith("0025"):
            stop.set()

    with pytest.raises(InfrastructureError, match="stopped after"):
        job.attempt(watched(Slow, look)(), stop=stop, policy=Policy(max_concurrency=4))
    with pytest.raises(TooManyFailuresError, match="OutcomeUnknown"):
        job.attempt(LeaveReceipt(), try_number=2)
    told = codes(job)
    unknown = {number for number, code in enumerate(told) if code}
    assert {12, 17} <= unknown <= set(range(10, 30))
    assert len(unknown) <= 4, "what was never begun is done"
    done = executions(job.server, job.objects)
    assert max(done) == 1
    assert all(done[number] for number, code in enumerate(told) if not code)


def test_what_was_never_begun_is_done_though_an_error_has_ended_the_attempt(job: ServerJob, proxy: FaultProxy) -> None:
    """Nothing is in doubt where each request has its outcome: the attempt says so as its last word."""

    def look(obj: S3Object) -> None:
        if obj.key.endswith("0025"):
            proxy.inject(ErrorAnswer(403, "InvalidAccessKeyId"), when=is_below(obj.bucket))

    with pytest.raises(AccessError, match="InvalidAccessKeyId"):
        job.attempt(watched(LeaveReceipt, look)(), access=access_of(proxy.server), policy=Policy(max_concurrency=4))
    (why,) = {row.message for row in job.report_rows() if row.error_code == "NotAttempted"}
    assert why.startswith("the shard stopped before this object: the store refuses this connection: InvalidAccessKeyId")
    proxy.calm()
    job.attempt(LeaveReceipt(), try_number=2)
    assert codes(job) == KNOWN * 5
    assert executions(job.server, job.objects) == [1] * ROWS


def test_two_attempts_at_once_never_execute_an_object_twice(job: ServerJob) -> None:
    """A zombie and its successor go through the same ranges at the same time, each in a process of its own."""
    with (
        attempt(job, LeaveReceipt(), policy=Policy(max_concurrency=2)) as one,
        attempt(job, LeaveReceipt(), try_number=2, policy=Policy(max_concurrency=2)) as two,
    ):
        assert {one.end().signal, two.end().signal} == {0}
    told, done = codes(job), executions(job.server, job.objects)
    assert max(done) == 1
    assert all(bool(count) >= (not code) for count, code in zip(done, told, strict=True))
    assert set(told) <= {"", "OutcomeUnknown"}


def test_without_any_death_an_attempt_knows_everything(job: ServerJob) -> None:
    with attempt(job, LeaveReceipt()) as child:
        assert child.end() == Ending(0, "", {"objects": ROWS, "succeeded": ROWS, "earlier": 0})
    assert codes(job) == KNOWN * 5
    assert executions(job.server, job.objects) == [1] * ROWS
