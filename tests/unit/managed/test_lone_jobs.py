"""AWS jobs on lists of objects that are not our manifest: what a later attempt goes on with, and what it refuses."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any

import pytest
from fake_aws import DENIED, OK, FakeAws, ManifestRow, Told
from managed_jobs import NOW, SETTINGS, STRICT, TAGGING

from airflow_s3batch.core.errors import AccessError, JobChangedError, TooManyFailuresError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.managed import Round
from airflow_s3batch.managed.lone_job import LoneJob, begin_lone_job, harvest_lone_job
from airflow_s3batch.testing.storage import MemoryStorage

FOLDER = S3Url("ops", "s3batch/lone-0123456789ab")
GENERATOR: dict[str, Any] = {"SourceBucket": "arn:aws:s3:::lake", "EnableManifestOutput": False}


class Lone:
    """Two lists of somebody's, and AWS beside them."""

    def __init__(self) -> None:
        self.storage = MemoryStorage()
        self.aws = FakeAws(self.storage)
        for name in ("a", "b"):
            self.storage.write(S3Url("lists", f"{name}.csv"), f"lake,{name}1\nlake,{name}2\n".encode())

    def begin(self, name: str, *, resume: bool = True) -> Round:
        asked = LoneJob(FOLDER, "run", TAGGING, SETTINGS, f"s3://lists/{name}.csv")
        return begin_lone_job(asked, storage=self.storage, control=self.aws, resume=resume)

    def generate(self, **changes: Any) -> Round:
        settings = SETTINGS._replace(manifest_generator={**GENERATOR, **changes})
        return begin_lone_job(LoneJob(FOLDER, "run", TAGGING, settings), storage=self.storage, control=self.aws)

    def end(self, found: Round, *denied: str) -> None:
        def tell(row: ManifestRow) -> Told:
            return DENIED if row[1] in denied else OK

        self.aws.run(found.job_id, tell)
        harvest_lone_job(found, storage=self.storage, control=self.aws, policy=STRICT, now=NOW)

    def lists(self) -> list[str]:
        """Return the list that each of AWS's jobs is for."""
        return [request["Manifest"]["Location"]["ObjectArn"].rpartition("/")[2] for request in self.aws.requests]


def refuse(call: str) -> None:
    """Let nobody make a job."""
    if call == "create":
        raise AccessError("may not pass the role")


@pytest.fixture
def lone() -> Lone:
    return Lone()


def test_success_on_one_list_says_nothing_of_another(lone: Lone) -> None:
    """Say, where a mapped task is cleared along with the one that lists, which gives its lists in another order."""
    lone.end(lone.begin("a"))
    with pytest.raises(JobChangedError, match=r"it was s3://lists/a\.csv, and is s3://lists/b\.csv; restore it"):
        lone.begin("b")
    lone.end(lone.begin("b", resume=False))
    assert lone.begin("b").number == 2
    assert lone.lists() == ["a.csv", "b.csv"]


def test_what_failed_in_one_list_is_not_done_for_another(lone: Lone) -> None:
    """Nor is a job on one list that still runs taken for one on another."""
    found = lone.begin("a")
    for resume in (True, False):
        with pytest.raises(JobChangedError, match="begun on another list"):
            lone.begin("b", resume=resume)
    with pytest.raises(TooManyFailuresError):
        lone.end(found, "a2")
    with pytest.raises(JobChangedError, match=r"it was s3://lists/a\.csv, and is s3://lists/b\.csv"):
        lone.begin("b")
    rest = lone.begin("a")
    with pytest.raises(TooManyFailuresError):
        lone.end(rest, "a2")
    with pytest.raises(JobChangedError, match=r"it was s3://lists/a\.csv"):
        lone.begin("b")
    rows: Any = lone.aws.manifest_rows(lone.begin("a").job_id)
    assert [row[1] for row in rows] == ["a2"]


@pytest.mark.parametrize("resume", [True, False])
def test_a_request_that_aws_refused_holds_nobody_to_its_list(lone: Lone, *, resume: bool) -> None:
    """Somebody mends the role, and the list along with it: the old one is not to be worked on."""
    lone.aws.before = refuse
    with pytest.raises(AccessError):
        lone.begin("a")
    lone.aws.before = lambda _: None
    lone.begin("b", resume=resume)
    assert lone.lists() == ["b.csv"]


def test_a_request_that_was_sent_but_not_noted_is_found_whatever_the_list(lone: Lone) -> None:
    def die(call: str) -> None:
        if call == "create":
            raise KeyboardInterrupt

    lone.aws.after = die
    with pytest.raises(KeyboardInterrupt):
        lone.begin("a")
    lone.aws.after = lambda _: None
    with pytest.raises(JobChangedError, match="begun on another list"):
        lone.begin("b")
    lone.begin("a")
    assert lone.lists() == ["a.csv"]


def test_a_list_that_was_written_anew_before_its_job_was_made_is_taken_as_it_is(lone: Lone) -> None:
    """AWS takes a file only with the ETag that it is told."""
    lone.aws.before = refuse
    with pytest.raises(AccessError):
        lone.begin("a")
    lone.aws.before = lambda _: None
    body = b"lake,a1\n"
    lone.storage.write(S3Url("lists", "a.csv"), body)
    lone.begin("a")
    assert lone.aws.requests[0]["Manifest"]["Location"]["ETag"] == hashlib.md5(body).hexdigest()


def test_another_filter_of_awss_own_manifest_is_another_list(lone: Lone) -> None:
    """Where AWS keeps that manifest makes no difference."""
    since = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    found = lone.generate(Filter={"CreatedAfter": since})
    kept = {"Bucket": "arn:aws:s3:::lists", "ManifestFormat": "S3InventoryReport_CSV_20211130"}
    again = lone.generate(Filter={"CreatedAfter": since}, EnableManifestOutput=True, ManifestOutputLocation=kept)
    assert again == found
    with pytest.raises(JobChangedError, match="begun on another list"):
        lone.generate(Filter={"CreatedAfter": since + dt.timedelta(days=1)})
