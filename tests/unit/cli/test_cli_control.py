"""``s3batch pause``, ``resume``, ``speed`` and ``status``."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cli_jobs import DENIED, OK, s3batch, write_job

from airflow_s3batch.cli import asking, aws_jobs, exits
from airflow_s3batch.cli.commands import status
from airflow_s3batch.cli.main import carry_out
from airflow_s3batch.cli.parser import make_parser
from airflow_s3batch.core.control import Control, read_control
from airflow_s3batch.core.errors import AccessError
from airflow_s3batch.core.layout import GenerationLayout, JobLayout, shared_rates
from airflow_s3batch.core.manifest import Manifest, ShardFile
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.policy import Policy
from airflow_s3batch.engine.rates.shared_share import sharer_name
from airflow_s3batch.engine.shards.generation import open_generation
from airflow_s3batch.managed.round_files import StoredRequest, write_harvested, write_request
from airflow_s3batch.managed.round_files import write_job as write_aws_job
from airflow_s3batch.operations import PutObjectTagging
from airflow_s3batch.testing.storage import MemoryStorage


@pytest.fixture
def store() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture
def job(store: MemoryStorage) -> JobLayout:
    return write_job(store, [("a", OK), ("b", DENIED)], is_reported=False)


def asked(store: MemoryStorage, job: JobLayout) -> Control:
    return read_control(store.files.get(job.control), place="control.json")


def begun(store: MemoryStorage, job: JobLayout, rows: list[int]) -> GenerationLayout:
    """Let *job* have shards of so many *rows*, and an operation task that was started."""
    shards = tuple(ShardFile(index, f"shard-{index}", number, 0, 1, "0" * 64) for index, number in enumerate(rows))
    manifest = Manifest(job.url, sum(rows), 0, 100, (), shards, "0" * 16)
    store.files[job.manifest] = manifest.to_json().encode()
    operation = PutObjectTagging({"a": "b"})
    task = job.operation("q.run")
    return open_generation(store, task, operation, Policy(), shard=0, resume=True, opened="2026-11-22T00:00:00Z")


def attempt(number: int) -> str:
    return f"0001-{1_700_000_000_000 + number:013d}-abc123"


@pytest.mark.parametrize(
    "below", ["", "/", "/manifest/manifest.json", "/q.run/g0001/shard-00000/range-000000.succeeded.csv", "/report"]
)
def test_a_job_is_paused_by_its_folder_or_any_file_below(store: MemoryStorage, job: JobLayout, below: str) -> None:
    ran = s3batch(store, "pause", f"{job.url}{below}", "--reason", "the store is slow", "--by", "ann@laptop")
    assert ran.code == exits.GREEN, ran.err
    told = asked(store, job)
    assert (told.state, told.by, told.reason) == ("pause", "ann@laptop", "the store is slow")
    assert datetime.fromisoformat(told.at).tzinfo is not None
    assert "paused by ann@laptop" in ran.out
    assert f"s3batch resume {job.url}" in ran.out


@pytest.mark.parametrize("verb", [["pause"], ["resume"], ["speed", "--max-concurrency", "2"], ["status"]])
def test_a_folder_without_a_job_is_refused(store: MemoryStorage, job: JobLayout, verb: list[str]) -> None:
    """Nothing is written to it; AWS's rounds have a job.json, too, which is none of a job."""
    store.files[S3Url("ops", "elsewhere/job.json")] = b'{"format": "airflow-s3batch-aws-job/1"}'
    before = dict(store.files)
    ran = s3batch(store, verb[0], "s3://ops/elsewhere/x", *verb[1:])
    assert ran.code == exits.UNREACHABLE
    assert "there is no job here or above" in ran.err
    assert store.files == before


def test_who_asks_is_known_without_being_told(
    store: MemoryStorage, job: JobLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking.getpass, "getuser", lambda: "ann")
    monkeypatch.setattr(asking.socket, "gethostname", lambda: "laptop")
    s3batch(store, "pause", str(job.url))
    assert asked(store, job).by == "ann@laptop"


def test_resume_keeps_the_speed_and_a_pause_does_too(store: MemoryStorage, job: JobLayout) -> None:
    """The last who asks wins, of what he asks for."""
    s3batch(store, "speed", str(job.url), "--max-requests-per-s", "50", "--max-concurrency", "4")
    s3batch(store, "pause", str(job.url))
    ran = s3batch(store, "resume", str(job.url), "--by", "bob")
    assert ran.code == exits.GREEN
    assert "at most 50 requests/s, at most 4 in flight in each task by bob" in ran.out
    assert "not paused" not in ran.out
    told = asked(store, job)
    assert (told.state, told.max_requests_per_s, told.max_concurrency, told.reason) == ("run", 50, 4, "")
    assert "It was not paused." in s3batch(store, "resume", str(job.url)).out
    s3batch(store, "speed", str(job.url), "--max-requests-per-s", "dag")
    assert (asked(store, job).max_requests_per_s, asked(store, job).max_concurrency) == (None, 4)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "nothing is asked for"),
        (["--max-requests-per-s", "0"], "neither a rate above 0"),
        (["--max-requests-per-s", "nan"], "neither a rate above 0"),
        (["--max-concurrency", "-3"], "neither a whole number"),
        (["--priority", "5"], "there is no AWS job to give a priority to"),
    ],
)
def test_a_speed_that_can_not_be_is_refused(
    store: MemoryStorage, job: JobLayout, arguments: list[str], told: str
) -> None:
    ran = s3batch(store, "speed", str(job.url), *arguments)
    assert (ran.code, told in ran.err) == (exits.USAGE, True), ran.err
    assert job.control not in store.files


def test_a_broken_file_is_told_and_written_anew(store: MemoryStorage, job: JobLayout) -> None:
    store.files[job.control] = b"{\x1b[31m"
    ran = s3batch(store, "pause", str(job.url))
    assert ran.code == exits.GREEN
    assert "not a control file" in ran.err
    assert "\x1b" not in ran.err
    assert asked(store, job).is_paused


def test_what_strangers_wrote_is_shown_harmless(store: MemoryStorage, job: JobLayout) -> None:
    evil = "\x1b]0;pwned\x07[bold]\u202e\nsecond line"
    document = {**Control("pause").to_json(), "by": evil, "reason": evil}
    store.files[job.control] = json.dumps(document).encode()
    begun(store, job, [10])
    ran = s3batch(store, "status", str(job.url), is_terminal=True)
    assert ran.code == exits.GREEN, ran.err
    assert "pwned" in ran.out
    assert not {"\x1b]", "\x07", "\u202e", "\nsecond"} & {
        mark for mark in ("\x1b]", "\x07", "\u202e", "\nsecond") if mark in ran.out
    }


def test_status_tells_how_far_each_shard_is(store: MemoryStorage, job: JobLayout) -> None:
    """By the signs of life; of a shard its newest attempt counts."""
    generation = begun(store, job, [100, 100, 100, 100, 100])
    now = datetime.now(UTC)
    for shard, done, failed, state, age_s in [
        (0, 100, 2, "ended", 300),
        (1, 40, 0, "runs", 2),
        (2, 70, 0, "ended", 100),
        (3, 10, 0, "runs", 500),
    ]:
        name = generation.pulse(shard, attempt(shard), done, failed, state)
        store.files[name], store.modified[name] = b"", now - timedelta(seconds=age_s)
    old = generation.pulse(1, attempt(-9), 99, 9, "ended")
    store.files[old] = b""
    ran = s3batch(store, "status", str(job.url), "--json")
    told = json.loads(ran.out)
    states = ["done", "running", "stopped", "silent", "waiting"]
    assert [shard["state"] for shard in told["shards"]] == states
    assert (told["done"], told["objects"], told["task_id"]) == (220, 500, "q.run")
    shown = s3batch(store, "status", str(job.url)).out
    assert "220 of 500 objects (44.00 %), 2 failed" in shown
    assert "shards 1 running, 1 silent, 1 stopped, 1 waiting, 1 done" in shown
    s3batch(store, "pause", str(job.url))
    told = json.loads(s3batch(store, "status", str(job.url), "--json").out)
    assert [shard["state"] for shard in told["shards"]] == ["done", "running", "paused", "paused", "paused"]


def test_status_of_a_job_of_thousands_of_shards_shows_those_at_work(store: MemoryStorage, job: JobLayout) -> None:
    generation = begun(store, job, [10] * 2_000)
    name = generation.pulse(1_777, attempt(0), 4, 0, "runs")
    store.write(name, b"")
    shown = s3batch(store, "status", str(job.url)).out
    assert "1777" in shown
    assert "and 1,970 more shards; --all shows them" in shown
    assert len(s3batch(store, "status", str(job.url), "--all").out.splitlines()) > 2_000


def test_status_before_anything_has_started(store: MemoryStorage, job: JobLayout) -> None:
    ran = s3batch(store, "status", str(job.url))
    assert ran.code == exits.GREEN, ran.err
    assert "no operation task has started" in ran.out


def test_status_is_watched_until_every_shard_is_done(
    store: MemoryStorage, job: JobLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation = begun(store, job, [100])
    slept: list[float] = []

    def work(seconds: float) -> None:
        slept.append(seconds)
        last = generation.pulse(0, attempt(0), 30 * (len(slept) - 1), 0, "runs")
        store.files.pop(last, None)
        store.write(
            generation.pulse(0, attempt(0), min(100, 30 * len(slept)), 0, "ended" if len(slept) > 3 else "runs"), b""
        )

    monkeypatch.setattr(status.time, "sleep", work)
    ran = s3batch(store, "status", str(job.url), "--json", "--watch", "0.1")
    told = [json.loads(line) for line in ran.out.splitlines()]
    assert [look["done"] for look in told] == [0, 30, 60, 90, 100]
    assert told[0]["rate"] is None
    assert all(look["rate"] > 0 for look in told[1:])
    assert slept == [1.0] * 4, "a store is not asked more often"


def test_each_look_reaches_a_pipe_at_once(
    store: MemoryStorage, job: JobLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``status --watch --json | jq``: standard output keeps what goes to a pipe until some kilobytes are together."""
    begun(store, job, [100])
    pipe = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BufferedWriter(pipe)))
    seen: list[int] = []

    def look(_: float) -> None:
        seen.append(len(pipe.getvalue().splitlines()))
        if len(seen) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(status.time, "sleep", look)
    args = make_parser().parse_args(["status", str(job.url), "--json", "--watch"])
    assert carry_out(args, lambda _: store) == exits.INTERRUPTED
    assert seen == [1, 2]


class Jobs:
    """AWS's jobs."""

    def __init__(self) -> None:
        self.priorities: list[Any] = []
        self.error: Exception | None = None

    def set_priority(self, account_id: str, job_id: str, priority: int) -> int:
        if self.error:
            raise self.error
        self.priorities.append((account_id, job_id, priority))
        return priority

    def describe(self, account_id: str, job_id: str) -> dict[str, Any]:
        if self.error:
            raise self.error
        counts = {"TotalNumberOfTasks": 10, "NumberOfTasksSucceeded": 4, "NumberOfTasksFailed": 1}
        return {"JobId": job_id, "Status": "Active", "ProgressSummary": counts}


@pytest.fixture
def aws(store: MemoryStorage, job: JobLayout, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    """The job is AWS's: a round that is over, and one that runs."""
    generation = begun(store, job, [10])
    for number in (1, 2):
        place = generation.round("lake", number)
        write_request(store, place, StoredRequest(attempt(number), None, (0,), {}))
        write_aws_job(store, place, job_id=f"aws-{number}", account_id="123456789012", region="eu-west-1")
    write_harvested(store, generation.round("lake", 1), status="Cancelled")
    jobs = Jobs()
    regions: list[str] = []
    monkeypatch.setattr(aws_jobs, "control_in", lambda _, region: regions.append(region) or jobs)
    jobs.regions = regions  # type: ignore[attr-defined]
    return jobs


def test_a_job_of_aws_takes_a_priority_and_no_speed(store: MemoryStorage, job: JobLayout, aws: Any) -> None:
    ran = s3batch(store, "speed", str(job.url), "--priority", "100")
    assert ran.code == exits.GREEN, ran.err
    assert aws.priorities == [("123456789012", "aws-2", 100)]
    assert aws.regions == ["eu-west-1"]
    assert "AWS job aws-2 (lake): priority 100" in ran.out
    ran = s3batch(store, "speed", str(job.url), "--max-requests-per-s", "5")
    assert ran.code == exits.USAGE
    assert "decides how fast by itself; pass --priority" in ran.err
    assert job.control not in store.files


def test_status_of_a_job_of_aws_is_what_aws_says(store: MemoryStorage, job: JobLayout, aws: Any) -> None:
    shown = s3batch(store, "status", str(job.url)).out
    assert "aws-1 is over and accounted for" in shown
    assert "AWS job aws-2 is Active: 5/10 (50 %), 1 failed" in shown
    aws.error = AccessError("can't look at AWS job aws-2: may not")
    ran = s3batch(store, "status", str(job.url))
    assert ran.code == exits.GREEN
    assert "AWS does not say how far it is: can't look" in ran.out
    assert s3batch(store, "speed", str(job.url), "--priority", "1").code == exits.UNREACHABLE


def test_importing_the_commands_is_cheap() -> None:
    """Airflow's own command line loads them each time."""
    for name in ("pause", "resume", "speed", "status"):
        text = (Path(status.__file__).parent / f"{name}.py").read_text()
        top = text.partition("\ndef ")[0].partition("if TYPE_CHECKING")[0]
        assert not any(word in top for word in ("rich", "boto", "pyarrow", "managed", "engine")), name


def test_status_and_jobs_tell_who_shares_a_rate_at_the_moment(store: MemoryStorage, job: JobLayout) -> None:
    """The lowest limit that is stated counts; who was killed long ago is left out."""
    begun(store, job, [100])
    folder = shared_rates(job.jobs, "lake")
    for number, (name, limit) in enumerate([(job.name, 3_500), ("other-job", 900), ("other-job", 900)]):
        store.write(folder / sharer_name(name, attempt(number), limit, float("inf")), b"")
    gone = shared_rates(job.jobs, "gone") / sharer_name(job.name, attempt(9), 5, 5)
    store.write(gone, b"")
    store.modified[gone] = datetime.now(UTC) - timedelta(hours=1)
    line = f"rate 'lake': 900 requests/s, shared by 2 jobs ({', '.join(sorted([job.name, 'other-job']))}), 3 tasks"
    assert line in " ".join(s3batch(store, "status", str(job.url)).out.split())
    shown = " ".join(s3batch(store, "jobs", str(job.jobs)).out.split())
    assert line in shown
    assert "gone" not in shown
    (told,) = json.loads(s3batch(store, "status", str(job.url), "--json").out)["shared_rates"]
    assert (told["name"], told["per_s"], told["tasks"]) == ("lake", 900, 3)
