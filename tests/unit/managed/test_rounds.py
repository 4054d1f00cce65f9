"""There is one AWS job for what is left of a bucket, whatever was killed; a clear does the rest."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import botocore.session
import pytest
from fake_aws import BUSY, DENIED, OK, FakeAws, Killed
from managed_jobs import SETTINGS, STRICT, TAGGING, TASK, ManagedJob, keys

from airflow_s3batch.core.errors import (
    AccessError,
    ArgumentError,
    InfrastructureError,
    JobChangedError,
    ManifestError,
    TooManyFailuresError,
)
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.policy import Policy
from airflow_s3batch.engine.shards.generation import open_generation
from airflow_s3batch.managed import CANCELLED_BY_TASK, Round
from airflow_s3batch.operations import Column, CopyObject, LambdaInvoke, PutObjectTagging

ROWS = keys("a", "b", "c", "d", "e", "f", "g")


@pytest.fixture
def job(tmp_path: Path) -> ManagedJob:
    return ManagedJob(tmp_path, ROWS)


def fails(*names: str) -> Callable[[list[str]], tuple[str, str, str, str]]:
    return lambda row: DENIED if row[1] in names else OK


def test_all_objects_of_the_bucket_become_one_job(job: ManagedJob) -> None:
    """AWS is given every row, and the report has every row."""
    found = job.begun()
    assert job.asked(found) == [["lake", name] for name in "abcdefg"]
    job.aws.run(found.job_id)
    summary = job.harvest(found)
    assert (summary.succeeded, summary.failed, summary.tally.bytes) == (7, 0, 7)
    assert job.told() == {("lake", name, "", ""): 1 for name in "abcdefg"}
    assert job.report().is_green


@pytest.mark.parametrize(("body", "given"), [(b'{"rows":[[1,2]]}', "acdefg"), (b"{}", "cdefg")], ids=["sample", "all"])
def test_what_a_killed_worker_may_have_done_is_not_given_to_aws(job: ManagedJob, body: bytes, given: str) -> None:
    """A function is not called twice because a rehearsal died; ``replay_unsafe=True`` allows it."""
    invoke = LambdaInvoke("arn:aws:lambda:us-east-1:123456789012:function:f")
    task = JobLayout(job.manifest.job_url).operation(TASK)
    generation = open_generation(job.storage, task, invoke, STRICT, shard=0, resume=True, opened="")
    job.storage.write(generation.claim(0, 0, "0001-0000000001000-aaaaaa"), body)
    found = job.begun(operation=invoke)
    assert job.asked(found) == [["lake", name] for name in given]
    job.aws.run(found.job_id)
    job.harvest_quietly(found)
    missing = set("abcdefg") - set(given)
    assert job.told() == {("lake", name, "", "NotAttempted" if name in missing else ""): 1 for name in "abcdefg"}
    again = job.begun(operation=invoke, policy=replace(STRICT, replay_unsafe=True))
    assert {name for _, name in job.asked(again)} == missing


def test_a_clear_runs_only_what_failed(job: ManagedJob) -> None:
    """What succeeded is not in the next job's manifest; the report keeps it."""
    first = job.begun()
    job.aws.run(first.job_id, fails("b", "f"))
    with pytest.raises(TooManyFailuresError, match=r"2 of 7 objects failed \(AccessDenied 2\).*s3://lake/b"):
        job.harvest(first)
    second = job.begun()
    assert (second.number, second.rows) == (2, 2)
    assert job.asked(second) == [["lake", "b"], ["lake", "f"]]
    job.aws.run(second.job_id)
    summary = job.harvest(second)
    assert (summary.succeeded, summary.earlier) == (2, 5)
    assert job.told() == {("lake", name, "", ""): 1 for name in "abcdefg"}
    assert job.begin() is None
    assert len(job.aws.jobs) == 2


def test_a_job_that_still_runs_is_found_again(job: ManagedJob) -> None:
    """Another attempt gets the same round; nothing is sent."""
    first = job.begun()
    assert job.begin() == first
    assert job.aws.calls.count("create") == 1


def test_a_harvested_round_is_harvested_in_the_same_way_again(job: ManagedJob) -> None:
    """The second harvest ends like the first and writes nothing."""
    found = job.begun()
    job.aws.run(found.job_id, fails("b"))
    with pytest.raises(TooManyFailuresError) as first:
        job.harvest(found)
    before = dict(job.storage.files)
    with pytest.raises(TooManyFailuresError) as second:
        job.harvest(found)
    assert str(first.value) == str(second.value)
    assert job.storage.files == before


@pytest.mark.parametrize("place", ["manifest-", "request.json", "job.json", "attempt-"])
@pytest.mark.parametrize("forgets_tokens", [False, True])
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_around_any_write_there_is_one_job(
    job: ManagedJob, place: str, when: str, *, forgets_tokens: bool
) -> None:
    """The attempt dies before or after it wrote a file; the next one makes or finds the one job."""
    job.aws.forgets_tokens = forgets_tokens
    job.storage.before = killer(job, place, when)
    with pytest.raises(Killed):
        job.begin()
    job.storage.before = None
    found = job.begun()
    assert list(job.aws.jobs) == [found.job_id]
    job.aws.run(found.job_id)
    job.harvest(found)
    assert job.told() == {("lake", name, "", ""): 1 for name in "abcdefg"}


def killer(job: ManagedJob, place: str, when: str) -> Callable[[str, S3Url], None]:
    """Return what kills the process before the first write of a file called *place*…, or before the write after it."""
    state = {"seen": False}

    def kill(verb: str, url: S3Url) -> None:
        if verb not in ("write", "upload"):
            return
        if state["seen"]:
            raise Killed
        if url.key.rpartition("/")[2].startswith(place):
            state["seen"] = True
            if when == "before":
                raise Killed

    return kill


@pytest.mark.parametrize("forgets_tokens", [False, True])
def test_killed_between_create_job_and_its_recording_there_is_one_job(job: ManagedJob, *, forgets_tokens: bool) -> None:
    """AWS made the job, the answer was lost; the job is found by its mark, even if AWS forgot the token."""
    job.aws.forgets_tokens = forgets_tokens
    job.aws.after = raise_killed
    with pytest.raises(Killed):
        job.begin()
    job.aws.after = lambda name: None
    found = job.begun()
    assert list(job.aws.jobs) == [found.job_id]
    assert job.begin() == found


def raise_killed(name: str) -> None:
    raise Killed


def test_a_lost_job_is_found_even_if_the_arguments_changed_meanwhile(job: ManagedJob) -> None:
    """The job that was made with the old priority is the round's job."""
    job.aws.after = raise_killed
    with pytest.raises(Killed):
        job.begin()
    job.aws.after = lambda name: None
    job.begun(settings=SETTINGS._replace(priority=99))
    assert [request["Priority"] for request in job.aws.requests] == [10]


def test_two_attempts_at_the_same_time_make_one_job(job: ManagedJob) -> None:
    """A zombie that sends its request while another attempt does ends with the same job, also with other arguments."""
    rival: list[Round | None] = []

    def race(name: str) -> None:
        if name == "create" and not rival:
            rival.append(None)
            rival[0] = job.begin(settings=SETTINGS._replace(priority=99))

    job.aws.before = race
    found = job.begun()
    assert rival == [found]
    assert len(job.aws.jobs) == 1


def test_a_refused_request_can_be_mended(job: ManagedJob) -> None:
    """CreateJob was refused; the next attempt sends the arguments as they are now."""

    def refuse(name: str) -> None:
        if name == "create":
            raise AccessError("iam:PassRole")

    job.aws.before = refuse
    with pytest.raises(AccessError):
        job.begin()
    job.aws.before = lambda name: None
    role = "arn:aws:iam::123456789012:role/better"
    job.begun(settings=SETTINGS._replace(role_arn=role))
    assert [request["RoleArn"] for request in job.aws.requests] == [role]


def test_a_repeat_is_sent_word_for_word(job: ManagedJob) -> None:
    """The answer was lost before AWS made anything: the very same request goes out again."""
    sent: list[object] = []
    job.aws.create, create = lambda request: (sent.append(request), create(request))[1], job.aws.create  # type: ignore[method-assign]
    job.aws.before = lambda name: raise_killed(name) if name == "create" else None
    with pytest.raises(Killed):
        job.begin()
    job.aws.before = lambda name: None
    job.begun()
    assert sent[0] == sent[1]
    assert len(sent) == 2


@pytest.mark.parametrize("cut", range(1, 25))
def test_a_harvest_cut_anywhere_is_gone_on_with(tmp_path: Path, cut: int) -> None:
    """However many files were written before the kill, each row gets one outcome, and no job is made twice."""
    job = ManagedJob(tmp_path, ROWS)
    found = job.begun()
    job.aws.run(found.job_id, fails("b", "f"))
    writes = itertools.count(1)

    def kill(verb: str, url: S3Url) -> None:
        if verb == "write" and next(writes) >= cut:
            raise Killed

    job.storage.before = kill
    try:
        job.harvest(found)
    except (Killed, TooManyFailuresError) as error:
        was_killed = isinstance(error, Killed)
    job.storage.before = None
    again = job.begun()
    if was_killed:
        assert again == found
        with pytest.raises(TooManyFailuresError, match="2 of 7"):
            job.harvest(again)
        again = job.begun()
    assert job.asked(again) == [["lake", "b"], ["lake", "f"]]
    job.aws.run(again.job_id)
    job.harvest(again)
    assert job.told() == {("lake", name, "", ""): 1 for name in "abcdefg"}


def test_some_cut_of_the_harvest_comes_before_its_end(job: ManagedJob) -> None:
    """The cuts above cover every write of a harvest."""
    found = job.begun()
    job.aws.run(found.job_id, fails("b", "f"))
    writes: list[S3Url] = []
    job.storage.before = lambda verb, url: writes.append(url) if verb == "write" else None
    with pytest.raises(TooManyFailuresError):
        job.harvest(found)
    assert len(writes) <= 24
    assert writes[-1].key.endswith("harvested.json")


def test_a_job_that_its_task_cancelled_is_gone_on_with_at_once(job: ManagedJob) -> None:
    """What was done before the kill counts, the next attempt makes a job for the rest without being asked."""
    first = job.begun()
    job.aws.run(first.job_id, lambda row: OK if row[1] < "d" else None)
    job.aws.cancel("123456789012", first.job_id, CANCELLED_BY_TASK)
    second = job.begun()
    assert job.asked(second) == [["lake", name] for name in "defg"]


def test_a_cancel_that_comes_after_the_next_attempt_began_is_worth_another_one(job: ManagedJob) -> None:
    """A cleared task finds its job again before the triggerer, told of the clear a little later, cancels it."""
    first = job.begun()
    job.aws.run(first.job_id, lambda row: OK if row[1] < "d" else None)
    assert job.begun() == first
    job.aws.cancel("123456789012", first.job_id, CANCELLED_BY_TASK)
    with pytest.raises(InfrastructureError, match="stopped after 3 objects"):
        job.harvest(first)
    assert job.asked(job.begun()) == [["lake", name] for name in "defg"]


def test_a_job_that_aws_forgot_long_ago_does_not_hold_up_the_rest(job: ManagedJob) -> None:
    """Nobody looked for months: what AWS's report says counts. Of a young one AWS may just not know yet."""
    first = job.begun()
    job.aws.run(first.job_id, lambda row: OK if row[1] in "ab" else DENIED)
    forgotten = job.aws.jobs.pop(first.job_id)
    assert job.begun() == first
    place = job.layout.operation(TASK).generation(1).round("lake", 1).job
    document = json.loads(job.storage.files[place])
    job.storage.write(place, json.dumps({**document, "recorded": "2026-01-01T00:00:00Z"}).encode())
    assert job.begun(settings=SETTINGS._replace(region="eu-central-1")) == first, "it may be at work elsewhere"
    job.aws.jobs["of somebody else"] = {**forgotten, "JobId": "of somebody else", "Description": ""}
    rest = job.begun()
    assert (rest.number, [row[1] for row in job.asked(rest)]) == (2, ["c", "d", "e", "f", "g"])


def test_a_job_that_somebody_cancelled_is_not_made_again_by_itself(job: ManagedJob) -> None:
    """The attempt fails for good with the reason that was given; a clear makes the job for the rest."""
    first = job.begun()
    job.aws.run(first.job_id, lambda row: OK if row[1] < "d" else None)
    job.aws.cancel("123456789012", first.job_id, "wrong bucket, says Ann")
    assert job.begin() == first
    with pytest.raises(TooManyFailuresError, match=r"NotAttempted 4.*is Cancelled: wrong bucket, says Ann"):
        job.harvest(first)
    assert job.told()["lake", "e", "", "NotAttempted"] == 1
    assert job.asked(job.begun()) == [["lake", name] for name in "defg"]


def test_a_job_that_failed_as_a_whole_says_why(job: ManagedJob) -> None:
    """AWS could not read the manifest: no task, no report, its words in the sentence; a clear tries again."""
    found = job.begun()
    reasons = [("AccessDenied", "Reading the manifest is forbidden: AccessDenied")]
    job.aws.run(found.job_id, lambda row: None, status="Failed", reasons=reasons)
    with pytest.raises(TooManyFailuresError, match="is Failed: AccessDenied: Reading the manifest is forbidden"):
        job.harvest(found)
    assert {code for *_, code in job.told()} == {"NotAttempted"}
    assert job.begun().rows == 7


def test_troubles_of_the_store_are_for_the_next_attempt(job: ManagedJob) -> None:
    """Failures that may pass are retried by Airflow; the next attempt has a job for them alone."""
    found = job.begun()
    job.aws.run(found.job_id, lambda row: BUSY if row[1] == "c" else OK)
    with pytest.raises(InfrastructureError, match="SlowDown 1"):
        job.harvest(found)
    assert job.asked(job.begun()) == [["lake", "c"]]


def test_resume_false_starts_over_beside_the_old(job: ManagedJob) -> None:
    """A second generation has all objects again; its outcomes count."""
    first = job.begun()
    job.aws.run(first.job_id)
    job.harvest(first)
    second = job.begun(resume=False)
    assert (second.generation, second.number, second.rows) == (2, 1, 7)
    job.aws.run(second.job_id, fails("a"))
    with pytest.raises(TooManyFailuresError):
        job.harvest(second)
    assert job.told()["lake", "a", "", "AccessDenied"] == 1


def test_resume_false_makes_no_second_job_while_one_runs(job: ManagedJob) -> None:
    """A retry of a task with resume=False finds the job that it made."""
    first = job.begun(resume=False)
    assert job.begin(resume=False) == first


def test_another_operation_is_refused_while_the_old_job_runs(job: ManagedJob) -> None:
    """Two jobs never work on the same objects, whatever resume says; once the old one is over, the new one may."""
    first = job.begun()
    other = PutObjectTagging({"quarantine": "false"})
    with pytest.raises(JobChangedError, match="edited"):
        job.begin(operation=other)
    with pytest.raises(JobChangedError, match=f"{first.job_id} still works"):
        job.begin(operation=other, resume=False)
    assert not job.report().is_green
    job.aws.run(first.job_id)
    assert job.begun(operation=other, resume=False).generation == 2


def test_a_job_made_anew_in_an_emptied_folder_is_another_job(job: ManagedJob) -> None:
    """The folder was emptied and the manifest made again: AWS's old job is not taken for the new one's."""
    job.storage.write(job.layout.job, b'{"created": "today"}')
    first = job.begun()
    job.storage.files = {url: body for url, body in job.storage.files.items() if "/manifest/" in url.key}
    job.storage.write(job.layout.job, b'{"created": "tomorrow"}')
    assert job.begun().job_id != first.job_id


def test_what_aws_can_not_do_is_refused_before_anything_is_written(job: ManagedJob) -> None:
    """All that is wrong is told at once."""
    operation = PutObjectTagging({"team": Column("key")})
    policy = Policy(failure_threshold=0.05, max_requests_per_s=10.0)
    files = dict(job.storage.files)
    with pytest.raises(ArgumentError, match=r"Column\('key'\).*max_requests_per_s=10.*failure_threshold=0.05"):
        job.begin(ref=job.refs()[0], operation=operation, policy=policy)
    assert {url for url in job.storage.files if url not in files} <= {job.layout.buckets}


def test_a_manifest_generator_has_no_place_beside_a_manifest(job: ManagedJob) -> None:
    """Two sources of objects would be one too many."""
    generator = {"SourceBucket": "arn:aws:s3:::lake", "EnableManifestOutput": False}
    with pytest.raises(ArgumentError, match="pass one of the two"):
        job.begin(settings=SETTINGS._replace(manifest_generator=generator))
    assert not job.aws.jobs


def test_objects_that_a_copy_job_can_not_copy_are_refused(tmp_path: Path) -> None:
    """One object above 5 GiB: the sentence says how to leave it out."""
    large = [row._replace(size=5 * 1024**3 + 1) for row in keys("large")]
    job = ManagedJob(tmp_path, [*ROWS, *large])
    with pytest.raises(ManifestError, match=r"larger than 5 GiB.*size <= 5368709120"):
        job.begin(operation=CopyObject(target_bucket="backup"))
    assert not job.aws.jobs


def test_an_attempt_without_listjobs_does_not_guess(job: ManagedJob) -> None:
    """Where the caller may not list jobs, a request that may have been sent is not sent again."""
    job.aws.after = raise_killed
    with pytest.raises(Killed):
        job.begin()

    def refuse(name: str) -> None:
        if name == "list":
            raise AccessError("s3:ListJobs")

    job.aws.after, job.aws.before = lambda name: None, refuse
    with pytest.raises(AccessError):
        job.begin()
    assert len(job.aws.jobs) == 1


def test_the_fake_is_a_job_control(job: ManagedJob) -> None:
    """What the tests stand on has the port's calls."""
    from airflow_s3batch.managed import JobControl

    control: JobControl = FakeAws(job.storage)
    assert {name for name in vars(JobControl) if not name.startswith("_")} <= set(dir(control))


def test_tagging_is_what_aws_is_told(job: ManagedJob) -> None:
    """The request names operation, role, report below the round's folder, and our mark."""
    job.begun()
    [request] = job.aws.requests
    assert request["Operation"] == TAGGING.create_job_operation()
    assert request["Report"]["Prefix"].startswith("s3batch/classify-0123456789ab/quarantine.run/g0001/managed/lake/")
    report = botocore.session.Session().get_service_model("s3control").shape_for("JobReport").members
    owner = "123456789012" if "ExpectedBucketOwner" in report else None  # older ones of botocore lack it
    assert request["Report"].get("ExpectedBucketOwner") == owner
    assert "[s3batch " in request["Description"]
