"""AWS's report, with all its quirks, becomes exactly one outcome per row."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from fake_aws import DENIED, OK, Killed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from managed_jobs import NOW, SETTINGS, STRICT, ManagedJob, keys

from airflow_s3batch.core.errors import (
    InfrastructureError,
    JobDamagedError,
    ManifestError,
    TooManyFailuresError,
)
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.policy import Policy
from airflow_s3batch.managed import Round
from airflow_s3batch.operations import Operation, PutObjectTagging, Replay

ROWS = keys("a", "b", "c", "d", "e")
LENIENT = Policy(tolerate=frozenset(), allowed_failures=1_000)
FAILED_ONLY = SETTINGS._replace(report_scope="FailedTasksOnly")
NASTY = [
    "a b",
    "a+b",
    "a%20b",
    'q"uote',
    "com,ma",
    "new\nline",
    "tab\t",
    "é/ü",
    "🦆",
    "a//b",
    "/",
    "null",
    "\u2028x",
    "%",
    "a%",
]


@pytest.fixture
def job(tmp_path: Path) -> ManagedJob:
    return ManagedJob(tmp_path, ROWS)


def report_url(round_: Round, name: str = "manifest.json") -> S3Url:
    folder = f"{round_.ref.folder}/round-{round_.number:04d}/report/job-{round_.job_id}"
    return S3Url("ops", f"s3batch/classify-0123456789ab/quarantine.run/g0001/managed/{folder}/{name}")


def test_keys_of_any_kind_come_back(tmp_path: Path) -> None:
    """Keys that CSV or URLs would mangle are one row each in the end."""
    job = ManagedJob(tmp_path, keys(*NASTY))
    found = job.begun()
    job.aws.run(found.job_id, lambda row: DENIED if "%20" in row[1] else OK)
    job.harvest(found, policy=LENIENT)
    codes = {name: "AccessDenied" if " " in name else "" for name in NASTY}
    codes["a%20b"] = ""
    assert job.told() == {("lake", name, "", code): 1 for name, code in codes.items()}


def test_the_declared_column_order_is_read_too(job: ManagedJob) -> None:
    """Rows with ErrorCode before HTTPStatusCode mean the same."""
    found = job.begun()
    swapped = [DENIED[0], DENIED[2], DENIED[1], DENIED[3]]
    job.aws.run(found.job_id, rearranged=lambda rows: [[*row[:3], *swapped] if row[1] == "b" else row for row in rows])
    job.aws.jobs[found.job_id]["ProgressSummary"]["NumberOfTasksFailed"] = 1
    with pytest.raises(TooManyFailuresError, match="AccessDenied 1"):
        job.harvest(found)
    assert job.told()["lake", "b", "", "AccessDenied"] == 1


def test_rows_without_a_version_column_are_read(job: ManagedJob) -> None:
    """AWS's guide shows rows with six columns."""
    found = job.begun()
    job.aws.run(found.job_id, rearranged=lambda rows: [[*row[:2], *row[3:]] for row in rows])
    assert job.harvest(found).succeeded == 5


def test_messages_with_quotes_and_line_feeds_stay_on_one_line(job: ManagedJob) -> None:
    """A Lambda's words are kept, but for what would break our row."""
    found = job.begun()
    words = ("failed", "200", "PermanentFailure", 'Lambda returned function error: {"errorMessage": "a,\n b"}')
    job.aws.run(found.job_id, lambda row: words if row[1] == "b" else OK)
    with pytest.raises(TooManyFailuresError):
        job.harvest(found)
    assert job.told()["lake", "b", "", "PermanentFailure"] == 1
    [failed] = [body for url, body in job.storage.files.items() if url.key.endswith(".failed.csv")]
    assert failed.count(b"\n") == 1
    assert b'{""errorMessage"": ""a,  b""}' in failed


def test_a_failure_without_a_code_is_called_after_its_status(job: ManagedJob) -> None:
    """A row can't be a failure without a code here."""
    found = job.begun()
    job.aws.run(found.job_id, lambda row: ("failed", "403", "", "") if row[1] == "b" else OK)
    with pytest.raises(TooManyFailuresError, match="AccessDenied 1"):
        job.harvest(found)


def test_versions_are_told_apart(tmp_path: Path) -> None:
    """Two versions of a key have an outcome each, the null version too."""
    rows = [S3Object("lake", "a", version, 1) for version in ("v1", "v2", "null")]
    job = ManagedJob(tmp_path, rows)
    found = job.begun()
    assert job.asked(found) == [["lake", "a", "v1"], ["lake", "a", "v2"], ["lake", "a", "null"]]
    job.aws.run(found.job_id, lambda row: DENIED if row[2] == "v2" else OK)
    job.harvest(found, policy=LENIENT)
    assert job.told() == {
        ("lake", "a", "v1", ""): 1,
        ("lake", "a", "v2", "AccessDenied"): 1,
        ("lake", "a", "null", ""): 1,
    }


def test_buckets_and_versions_become_jobs_of_their_own(tmp_path: Path) -> None:
    """Rows of two buckets, with and without versions, in the same shards: three jobs, one report."""
    rows = [
        *keys("a", "b"),
        *keys("a", bucket="pond", version_id="v1"),
        *keys("c"),
        *keys("b", "c", bucket="pond"),
        *keys("d"),
    ]
    job = ManagedJob(tmp_path, rows)
    refs = job.refs()
    assert [(ref.bucket, ref.rows, ref.has_versions) for ref in refs] == [
        ("lake", 4, False),
        ("pond", 2, False),
        ("pond", 1, True),
    ]
    for ref in refs:
        found = job.begun(ref)
        job.aws.run(found.job_id)
        assert job.harvest(found).succeeded == ref.rows
    assert len(job.aws.jobs) == 3
    assert job.told() == {(row.bucket, row.key, row.version_id or "", ""): 1 for row in rows}


def test_doubles_in_the_manifest_get_an_outcome_each(tmp_path: Path) -> None:
    """AWS runs a task for each; when one of them failed, the next job has it once."""
    job = ManagedJob(tmp_path, [*keys("a", "b"), *keys("a", "a")])
    found = job.begun()
    ends = iter([OK, OK, DENIED, OK])
    job.aws.run(found.job_id, lambda row: next(ends))
    job.harvest(found, policy=LENIENT)
    assert job.told() == {("lake", "a", "", ""): 2, ("lake", "a", "", "AccessDenied"): 1, ("lake", "b", "", ""): 1}
    assert job.asked(job.begun()) == [["lake", "a"]]


def test_doubles_that_aws_did_once_share_the_outcome(tmp_path: Path) -> None:
    """The report has one row for two in the manifest."""
    job = ManagedJob(tmp_path, keys("a", "b", "a"))
    found = job.begun()
    job.aws.run(found.job_id, rearranged=lambda rows: [list(row) for row in {tuple(row) for row in rows}])
    job.harvest(found)
    assert job.told() == {("lake", "a", "", ""): 2, ("lake", "b", "", ""): 1}


def test_of_two_rows_for_one_object_the_success_counts(job: ManagedJob) -> None:
    """AWS ran a task twice and told of both, the failure first."""
    found = job.begun()
    job.aws.run(found.job_id, with_report=False)
    told = [["lake", "a", "", *DENIED], *(["lake", name, "", *OK] for name in "abcde")]
    job.aws.write_report(found.job_id, told, statuses=("failed", "succeeded"))
    assert job.harvest(found).succeeded == 5


def test_failed_tasks_only_fills_in_the_successes(job: ManagedJob) -> None:
    """The job is Complete and its counts agree, so what the report does not list has succeeded."""
    found = job.begun(settings=FAILED_ONLY)
    job.aws.run(found.job_id, lambda row: DENIED if row[1] == "b" else OK)
    with pytest.raises(TooManyFailuresError, match="1 of 5 objects failed"):
        job.harvest(found)
    assert sorted(job.told()) == [("lake", name, "", "AccessDenied" if name == "b" else "") for name in "abcde"]


def test_failed_tasks_only_without_any_failure_needs_no_report(job: ManagedJob) -> None:
    """AWS has nothing to list."""
    found = job.begun(settings=FAILED_ONLY)
    job.aws.run(found.job_id, with_report=False)
    assert job.harvest(found).succeeded == 5


@pytest.mark.parametrize(
    "spoil",
    [
        {"Status": "Cancelled"},
        {"ProgressSummary": {"TotalNumberOfTasks": 6, "NumberOfTasksSucceeded": 5, "NumberOfTasksFailed": 1}},
        {"ProgressSummary": {"TotalNumberOfTasks": 5, "NumberOfTasksSucceeded": 3, "NumberOfTasksFailed": 2}},
        {"ProgressSummary": {"TotalNumberOfTasks": 5, "NumberOfTasksSucceeded": 3, "NumberOfTasksFailed": 1}},
        {"ProgressSummary": {"TotalNumberOfTasks": 4, "NumberOfTasksSucceeded": 3, "NumberOfTasksFailed": 1}},
    ],
)
def test_failed_tasks_only_fills_in_nothing_in_doubt(job: ManagedJob, spoil: dict[str, object]) -> None:
    """A job that did not complete, or whose counts disagree, leaves the unlisted rows without an outcome."""
    found = job.begun(settings=FAILED_ONLY)
    job.aws.run(found.job_id, lambda row: DENIED if row[1] == "b" else OK)
    job.aws.jobs[found.job_id].update(spoil)
    with pytest.raises(TooManyFailuresError, match="NotAttempted 4"):
        job.harvest(found)
    assert job.told()["lake", "a", "", "NotAttempted"] == 1


def test_all_tasks_fills_in_nothing(job: ManagedJob) -> None:
    """With AllTasks a row that is missing is missing, whatever the counts say."""
    found = job.begun()
    job.aws.run(found.job_id, rearranged=lambda rows: rows[1:])
    with pytest.raises(TooManyFailuresError, match="Complete, but its report lacks 1 objects"):
        job.harvest(found)
    assert job.told()["lake", "a", "", "NotAttempted"] == 1
    assert job.asked(job.begun()) == [["lake", "a"]]


def test_a_report_that_is_not_there_yet_is_waited_for(job: ManagedJob) -> None:
    """AWS writes it later; once it is there, the harvest goes through."""
    found = job.begun()
    job.aws.run(found.job_id, with_report=False)
    with pytest.raises(InfrastructureError, match="not there yet"):
        job.harvest(found)
    assert job.begin() == found
    job.aws.write_report(found.job_id, [["lake", name, "", *OK] for name in "abcde"])
    assert job.harvest(found).succeeded == 5


def test_a_report_that_never_came_is_given_up(job: ManagedJob) -> None:
    """A day later the objects are free to be done again."""
    found = job.begun()
    job.aws.run(found.job_id, with_report=False)
    with pytest.raises(TooManyFailuresError, match="NotAttempted 5"):
        job.harvest(found, now=NOW + dt.timedelta(days=2))
    assert job.begun().rows == 5


def test_a_job_that_aws_forgot_is_given_up(job: ManagedJob) -> None:
    """90 days later AWS knows nothing; if the report is still there, it counts."""
    found = job.begun()
    job.aws.run(found.job_id, lambda row: DENIED if row[1] == "b" else OK)
    job.aws.jobs.clear()
    with pytest.raises(TooManyFailuresError, match="1 of 5"):
        job.harvest(found)


def test_a_job_that_runs_can_not_be_harvested(job: ManagedJob) -> None:
    """It is a matter of time."""
    found = job.begun()
    with pytest.raises(InfrastructureError, match=r"can't be harvested yet; AWS job .* is New"):
        job.harvest(found)


def damage_results(job: ManagedJob, round_: Round) -> None:
    url = next(url for url in job.storage.files if "/results/" in url.key)
    job.storage.files[url] += b"x"


def damage_manifest(job: ManagedJob, round_: Round) -> None:
    job.storage.write(report_url(round_, "manifest.json.md5"), b"0" * 32)


def delete_results(job: ManagedJob, round_: Round) -> None:
    job.storage.delete(next(url for url in job.storage.files if "/results/" in url.key))


@pytest.mark.parametrize("damage", [damage_results, damage_manifest, delete_results])
def test_an_altered_report_counts_for_nothing(job: ManagedJob, damage: Callable[[ManagedJob, Round], None]) -> None:
    """No outcome is taken from a report whose checksums don't match; mended, it is."""
    found = job.begun()
    job.aws.run(found.job_id)
    before = dict(job.storage.files)
    damage(job, found)
    with pytest.raises((JobDamagedError, ManifestError)):
        job.harvest(found)
    assert not [url for url in job.storage.files if "commit" in url.key]
    job.storage.files = before
    assert job.harvest(found).succeeded == 5


def test_a_right_checksum_beside_the_report_is_fine(job: ManagedJob) -> None:
    """The side-car that some reports have."""
    import hashlib

    found = job.begun()
    job.aws.run(found.job_id)
    body = job.storage.files[report_url(found)]
    job.storage.write(report_url(found, "manifest.json.md5"), hashlib.md5(body).hexdigest().upper().encode())
    assert job.harvest(found).succeeded == 5


def test_a_report_about_another_bucket_is_refused(job: ManagedJob) -> None:
    """It can't be this job's."""
    found = job.begun()
    job.aws.run(found.job_id, rearranged=lambda rows: [["pond", *row[1:]] for row in rows])
    with pytest.raises(JobDamagedError, match="about bucket 'pond'"):
        job.harvest(found)


class _Unsafe(PutObjectTagging):
    """Tagging that must not be repeated."""

    replay = Replay.UNSAFE


def unsafe() -> Operation:
    return _Unsafe({"a": "1"})


def test_what_may_have_been_done_is_not_done_again(job: ManagedJob) -> None:
    """The report lacks rows although AWS counted their tasks: OutcomeUnknown, and no job has them again."""
    found = job.begun(operation=unsafe())
    job.aws.run(found.job_id, rearranged=lambda rows: rows[2:])
    with pytest.raises(TooManyFailuresError, match="OutcomeUnknown 2"):
        job.harvest(found)
    assert job.begin(operation=unsafe()) is None
    replay = Policy(tolerate=frozenset(), replay_unsafe=True)
    assert job.asked(job.begun(operation=unsafe(), policy=replay)) == [["lake", "a"], ["lake", "b"]]


def test_a_cut_harvest_forgets_no_row_in_doubt(job: ManagedJob) -> None:
    """Killed before the end was noted: the second harvest finds the same rows in doubt."""
    found = job.begun(operation=unsafe())
    job.aws.run(found.job_id, rearranged=lambda rows: rows[2:])
    job.storage.before = killed_at("harvested.json")
    with pytest.raises(Killed):
        job.harvest(found)
    job.storage.before = None
    with pytest.raises(TooManyFailuresError, match=r"2 of 5 objects failed \(OutcomeUnknown 2\)"):
        job.harvest(found)
    assert Counter(code for *_, code in job.told().elements()) == {"": 3, "OutcomeUnknown": 2}


def killed_at(name: str) -> Callable[[str, S3Url], None]:
    def kill(verb: str, url: S3Url) -> None:
        if verb == "write" and url.key.endswith(name):
            raise Killed

    return kill


def test_what_was_surely_not_begun_is_done(job: ManagedJob) -> None:
    """A cancelled job whose counts agree with its report: the rest was not begun, also where repeats are forbidden."""
    found = job.begun(operation=unsafe())
    job.aws.run(found.job_id, lambda row: OK if row[1] < "c" else None, status="Cancelled")
    with pytest.raises(TooManyFailuresError, match="NotAttempted 3"):
        job.harvest(found)
    assert job.asked(job.begun(operation=unsafe())) == [["lake", name] for name in "cde"]


def test_tolerated_failures_are_no_failure(job: ManagedJob) -> None:
    """The policy judges AWS's codes as it judges ours."""
    found = job.begun()
    job.aws.run(found.job_id, lambda row: ("failed", "404", "NoSuchKey", "gone") if row[1] == "b" else OK)
    assert job.harvest(found, policy=Policy()).failed == 1
    with pytest.raises(TooManyFailuresError):
        job.harvest(found, policy=STRICT)


def test_outcomes_are_newer_than_those_of_earlier_attempts(job: ManagedJob) -> None:
    """The last failure of a row is the one that the report tells."""
    first = job.begun()
    job.aws.run(first.job_id, lambda row: DENIED)
    job.harvest(first, policy=LENIENT)
    second = job.begun()
    job.aws.run(second.job_id, lambda row: ("failed", "405", "MethodNotAllowed", "no"))
    job.harvest(second, policy=LENIENT)
    assert {code for *_, code in job.told()} == {"MethodNotAllowed"}


def test_the_summary_names_aws_jobs(job: ManagedJob) -> None:
    """summary.json and report.html tell which AWS jobs there were and how they ended."""
    found = job.begun()
    job.aws.run(found.job_id, lambda row: DENIED if row[1] == "b" else OK)
    with pytest.raises(TooManyFailuresError):
        job.harvest(found)
    second = job.begun()
    summary = job.report()
    arn = f"arn:aws:s3:eu-west-1:123456789012:job/{found.job_id}"
    assert [(told["job_arn"], told["status"]) for told in summary.aws_jobs] == [
        (arn, "Complete"),
        (arn.replace(found.job_id, second.job_id), "not harvested"),
    ]
    assert json.loads(job.storage.files[S3Url("ops", "s3batch/classify-0123456789ab/report/summary.json")])["aws_jobs"]
    page = job.storage.files[S3Url("ops", "s3batch/classify-0123456789ab/report/report.html")].decode()
    assert found.job_id in page


names = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12) | st.sampled_from(
    NASTY
)


@st.composite
def runs(draw: st.DrawFn) -> tuple[list[S3Object], list[int], random.Random, bool]:
    """Return rows, what becomes of each (0 ok, 1 failed, 2 never begun), chance, whether failures alone are told."""
    versions = draw(st.sampled_from([[None], ["v1", "v2", "null"]]))
    rows = draw(st.lists(st.tuples(names, st.sampled_from(versions)), min_size=1, max_size=14))
    ends = draw(st.lists(st.sampled_from([0, 0, 1, 2]), min_size=len(rows), max_size=len(rows)))
    objects = [S3Object("lake", name, version, 1) for name, version in rows]
    return objects, ends, draw(st.randoms(use_true_random=False)), draw(st.booleans())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(runs())
def test_any_report_gives_every_row_exactly_one_outcome(
    drawn: tuple[list[S3Object], list[int], random.Random, bool],
) -> None:
    """Any order, doubles, omissions, kinds of report: each row of the manifest has one outcome, with AWS's verdict."""
    rows, ends, chance, is_short = drawn
    with TemporaryDirectory() as folder:
        job = ManagedJob(Path(folder), rows, shard_rows=5, range_rows=3)
        found = job.begun(settings=FAILED_ONLY if is_short else SETTINGS)
        verdicts = iter(ends)
        job.aws.run(
            found.job_id,
            lambda row: (OK, DENIED, None)[next(verdicts)],
            status="Cancelled" if 2 in ends else "Complete",
            rearranged=lambda told: chance.sample(told, len(told)),
        )
        job.harvest_quietly(found)
        told = job.told()
        assert Counter({(b, k, v): n for (b, k, v, _), n in _sums(told).items()}) == Counter(
            (row.bucket, row.key, row.version_id or "") for row in rows
        )
        expected = Counter(_code(end, is_short=is_short and 2 in ends) for end in ends)
        assert Counter(code for *_, code in told.elements()) == expected or _has_doubles(rows)


def _sums(told: Counter[tuple[str, str, str, str]]) -> Counter[tuple[str, str, str, str]]:
    sums: Counter[tuple[str, str, str, str]] = Counter()
    for (bucket, key, version, _), number in told.items():
        sums[bucket, key, version, ""] += number
    return sums


def _code(end: int, *, is_short: bool) -> str:
    return ("NotAttempted" if is_short else "", "AccessDenied", "NotAttempted")[end]


def _has_doubles(rows: list[S3Object]) -> bool:
    return len({(row.key, row.version_id) for row in rows}) < len(rows)


def test_an_outcome_is_what_the_recorder_takes() -> None:
    """The filled-in success has no code, so it counts as one."""
    from airflow_s3batch.managed.harvesting import UNLISTED

    assert isinstance(UNLISTED, Outcome)
    assert UNLISTED.is_success
