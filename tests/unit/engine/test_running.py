"""Jobs at work on the same objects notice one another: which is told, which is not, and what is left behind."""

from __future__ import annotations

import itertools
import json
import logging
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_s3batch.core.errors import AccessError, RivalError
from airflow_s3batch.core.layout import JobLayout, running_jobs
from airflow_s3batch.core.manifest import Manifest
from airflow_s3batch.core.running_record import ANY, RunningName, RunningRecord, bucket_marks
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.jobs.overlap import Span, do_meet
from airflow_s3batch.engine.jobs.rivalry import RivalAtWorkError, RivalWatch, heed_rivals
from airflow_s3batch.engine.jobs.running import Rival, Running, forget_running
from airflow_s3batch.operations import DeleteObject, PutObjectTagging, PythonInvoke
from airflow_s3batch.testing import MemoryStorage

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
JOBS = S3Url("ops", "s3batch")
TAGGING = PutObjectTagging({"k": "v"})
LAKE = {"lake": 1_000}


class World:
    """Jobs below one ``job_url``; time stands still unless moved."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.storage = MemoryStorage(clock=lambda: NOON + timedelta(seconds=self.now_s))
        self.skews: dict[str, float] = {}
        self._numbers = itertools.count()

    def start(
        self, job: str, buckets: dict[str, int] | None = None, *, rows: str = "all", what: str = "tag", **more: Any
    ) -> Running:
        """Return what an attempt at *job* begins with; *rows* and *what* stand for selection and operation."""
        layout = JobLayout(JOBS / job)
        about = {"dag_id": f"dag_{job}", "run_id": "scheduled__1"}
        document = {"rows_fingerprint": rows, "about": about}
        self.storage.write(layout.job, json.dumps(document).encode())
        buckets = LAKE if buckets is None else buckets
        manifest = Manifest(layout.url, 0, 0, 100, (), (), "0" * 16, buckets=buckets)
        self.storage.write(layout.manifest, manifest.to_json().encode())
        clock = 1_700_000_000 + self.now_s + self.skews.get(job, 0.0)
        generation = layout.operation("run").generation(1)
        return Running(
            self.storage,
            layout,
            "run",
            generation,
            manifest,
            operation="put_object_tagging",
            what=what,
            clock=lambda: clock,
            **more,
        )

    def pulse(self, job: str, state: str = "runs") -> None:
        """Let an attempt at *job* say that it is alive, or has ended."""
        pulses = JobLayout(JOBS / job).operation("run").generation(1)
        self.storage.write(pulses.pulse(0, "0001-1700000000000-abc123", 0, 0, state), b"")

    def files(self) -> list[str]:
        return [file.url.key.rpartition("/")[2] for file in self.storage.list(running_jobs(JOBS) / "")]


@pytest.fixture(autouse=True)
def everything_may_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    """These manifests have no files to look into."""
    monkeypatch.setattr("airflow_s3batch.engine.jobs.running.may_overlap", lambda *_: True)


def jobs_of(rivals: list[Rival]) -> list[tuple[str, bool]]:
    return [(rival.record.job_url.rpartition("/")[2], rival.is_same) for rival in rivals]


def test_the_same_thing_started_twice_is_told_to_the_second() -> None:
    """However often: each attempt of it is told, no attempt of the first is."""
    world = World()
    assert world.start("a").rivals() == []
    world.pulse("a")
    world.now_s = 10
    second = world.start("b").rivals()
    assert jobs_of(second) == [("a", True)]
    assert second[0].sentence() == (
        "the same is being done by another job already: put_object_tagging of dag_a scheduled__1 is at work "
        "(s3://ops/s3batch/a)"
    )
    world.pulse("b")
    world.now_s = 20
    assert world.start("a").rivals() == []
    assert jobs_of(world.start("b").rivals()) == [("a", True)]


def test_something_else_on_the_same_bucket_is_told_differently() -> None:
    world = World()
    world.start("a", rows="others").rivals()
    world.start("b", what="delete").rivals()
    world.now_s = 1
    assert jobs_of(world.start("c").rivals()) == [("a", False), ("b", False)]
    assert "may be at work on the same objects" in world.start("c").rivals()[0].sentence()


def test_other_buckets_are_nobodys_business() -> None:
    """Not even their files are read."""
    world = World()
    world.start("a", {"other": 5}).rivals()
    read: list[str] = []
    running = world.start("b")
    world.storage.before = lambda verb, url: read.append(url.key) if verb == "read" else None
    assert running.rivals() == []
    assert read == []


@pytest.mark.parametrize("state", ["killed", "ended", "reported"])
def test_a_job_that_is_over_is_none_however_it_ended(state: str) -> None:
    """What a killed one leaves is deleted by somebody after a day."""
    world = World()
    world.start("a").rivals()
    world.pulse("a", "runs" if state == "killed" else "ended")
    if state == "reported":
        forget_running(world.storage, JobLayout(JOBS / "a"), "run")
        assert world.files() == []
    world.now_s = 100
    assert world.start("b").rivals() == []
    assert len(world.files()) == (1 if state == "reported" else 2)
    world.now_s = 2 * 86_400
    assert world.start("b").rivals() == []
    assert [name.partition("_")[0] for name in world.files()] == ["b"]


def test_the_report_on_one_task_leaves_the_file_of_another() -> None:
    world = World()
    world.start("a").rivals()
    forget_running(world.storage, JobLayout(JOBS / "a"), "another")
    assert len(world.files()) == 1


def test_a_job_that_goes_on_after_a_break_came_later_than_one_that_began_meanwhile() -> None:
    """It is the one that is told, for the other can't know."""
    world = World()
    world.start("a").rivals()
    world.pulse("a", "ended")
    world.now_s = 500
    assert world.start("b").rivals() == []
    world.pulse("b")
    world.now_s = 520
    assert jobs_of(world.start("a").rivals()) == [("b", True)]
    assert [name.partition("_")[0] for name in world.files()] == ["a", "b"]


def test_of_two_that_begin_in_the_same_second_one_is_told() -> None:
    """Before either has a sign of life."""
    world = World()
    first, second = world.start("a"), world.start("b")
    for running in (first, second):
        running._announce(running._files())
    assert jobs_of(second.rivals()) == [("a", True)]
    assert first.rivals() == []


def test_wrong_clocks_of_workers_hide_nobody() -> None:
    """Who finds another one is later than that."""
    world = World()
    world.skews["a"] = 3_600
    world.start("a").rivals()
    world.pulse("a")
    world.now_s = 10
    assert jobs_of(world.start("b").rivals()) == [("a", True)]
    assert jobs_of(world.start("c").others()) == [("a", True), ("b", True)]
    assert world.start("a").rivals() == []
    world.storage.write(running_jobs(JOBS) / str(RunningName("x", "0" * 8, 10**15 - 1, bucket_marks(["lake"]))), b"")
    assert jobs_of(world.start("c").rivals()) == [("a", True), ("b", True)]


def test_a_job_of_aws_is_at_work_until_its_outcomes_are_accounted_for() -> None:
    world = World()
    world.start("a", is_managed=True).rivals()
    place = JobLayout(JOBS / "a").operation("run").generation(1).round("lake", 1)
    world.storage.write(place.request, b"{}")
    world.now_s = 40 * 86_400
    assert jobs_of(world.start("b").rivals()) == [("a", True)]
    world.storage.write(place.harvested, b"{}")
    assert world.start("b").rivals() == []


def test_nobody_waits_for_a_job_of_aws_once_it_is_reported_on() -> None:
    """Its task may have been killed, so that the round stays open for good."""
    world = World()
    running = world.start("a", is_managed=True)
    running.rivals()
    layout = JobLayout(JOBS / "a")
    world.storage.write(layout.operation("run").generation(1).round("lake", 1).request, b"{}")
    watch = RivalWatch(world.storage, asdict(running.record))
    assert watch.look() == ""
    forget_running(world.storage, layout, "run")
    assert watch.look() == "s3://ops/s3batch/a is not at work any more"


def test_a_job_on_very_many_buckets_may_touch_any() -> None:
    world = World()
    world.start("a", {f"bucket-{n}": 1 for n in range(100)}).rivals()
    world.pulse("a")
    assert jobs_of(world.start("b").rivals()) == [("a", True)]
    assert bucket_marks([]) == {ANY}


def test_foreign_files_do_no_harm() -> None:
    world = World()
    name = str(RunningName("x", "0" * 8, 1_700_000_000_000, bucket_marks(["lake"])))
    record = RunningRecord("s3://ops/s3batch/x", "s3://ops/s3batch/x/run/g0001", "run", "o", "w")
    bodies = [b"", b"{", b'{"format": "airflow-s3batch-running/9"}', record.to_bytes().replace(b'"o"', b"7")]
    for number, body in enumerate(bodies):
        world.storage.write(running_jobs(JOBS) / f"{number}{name}", body)
    world.storage.write(running_jobs(JOBS) / "README", b"")
    assert world.start("b").rivals() == []


def test_a_job_that_can_not_be_seen_does_not_hide_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """Its file names no place, or one that this job may not look at."""
    world = World()
    world.start("a").rivals()
    for job, generation in (("x", ""), ("y", "s3://ops/s3batch/y/run/g0001")):
        name = RunningName(job, "0" * 8, 1_700_000_000_000, bucket_marks(["lake"]))
        record = RunningRecord(f"s3://ops/s3batch/{job}", generation, "run", "o", "w")
        world.storage.write(running_jobs(JOBS) / str(name), record.to_bytes())
    world.now_s = 100
    world.pulse("a")

    def refuse(verb: str, url: S3Url) -> None:
        if "/y/" in url.key:
            raise AccessError(f"can't {verb} {url}: AccessDenied")

    world.storage.before = refuse
    assert jobs_of(world.start("b").rivals()) == [("a", True)]
    assert len([entry for entry in caplog.records if "that job is at work can't be seen" in entry.message]) == 2


RIVAL = Rival(RunningRecord("s3://ops/s3batch/a", "s3://ops/s3batch/a/run/g0001", "run", "delete_object", "w"), True)


class Stub:
    """Stands for `Running`: has these rivals, or can't tell."""

    def __init__(self, *rivals: Rival, error: Exception | None = None) -> None:
        self._rivals = list(rivals)
        self._error = error

    def rivals(self) -> list[Rival]:
        if self._error:
            raise self._error
        return self._rivals


@pytest.mark.parametrize("operation", [DeleteObject(), PythonInvoke("json:loads")])
def test_what_may_do_harm_is_not_done_twice_at_a_time_unless_told(operation: Any) -> None:
    with pytest.raises(RivalError, match=r"Nothing was begun here.*if_running="):
        heed_rivals(Stub(RIVAL), operation, None, "x")  # type: ignore[arg-type]
    assert heed_rivals(Stub(RIVAL), operation, "warn", "x").startswith("The same is being done")  # type: ignore[arg-type]
    other = RIVAL._replace(is_same=False)
    assert "may be at work" in heed_rivals(Stub(other), operation, None, "x")  # type: ignore[arg-type]


def test_anything_else_goes_on_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert heed_rivals(Stub(RIVAL), TAGGING, None, "tag, shard 0")  # type: ignore[arg-type]
    assert "tag, shard 0: the same is being done by another job already" in caplog.text
    assert heed_rivals(Stub(), TAGGING, None, "x") == ""  # type: ignore[arg-type]


def test_what_is_asked_for_holds_for_any_job_on_the_same_objects() -> None:
    other = RIVAL._replace(is_same=False)
    with pytest.raises(RivalError):
        heed_rivals(Stub(other), TAGGING, "refuse", "x")  # type: ignore[arg-type]
    with pytest.raises(RivalAtWorkError) as caught:
        heed_rivals(Stub(other), TAGGING, "wait", "x")  # type: ignore[arg-type]
    assert RunningRecord(**(caught.value.rival or {})) == other.record


def test_a_store_that_does_not_tell_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    error = AccessError("can't list s3://ops/s3batch/running/: AccessDenied")
    assert heed_rivals(Stub(error=error), DeleteObject(), None, "x") == ""  # type: ignore[arg-type]
    assert "can't be seen: can't list" in caplog.text


def test_who_waits_goes_on_once_the_rival_has_ended_or_is_silent() -> None:
    """By whether its signs of life change, so no clock matters but the watcher's own."""
    world, seconds = World(), [0.0]
    record = world.start("a").record
    world.pulse("a")
    rival = {name: getattr(record, name) for name in record.__dataclass_fields__}
    watch = RivalWatch(world.storage, rival, clock=lambda: seconds[0])
    for _ in range(10):
        seconds[0] += 40
        world.now_s += 40
        world.pulse("a")
        assert watch.look() == ""
    seconds[0] += 40
    assert watch.look() == ""
    seconds[0] += 40
    assert watch.look() == "s3://ops/s3batch/a is not at work any more"
    world.pulse("a")
    assert RivalWatch(world.storage, rival, clock=lambda: seconds[0]).look() == ""
    world.storage.files.clear()
    assert RivalWatch(world.storage, rival, clock=lambda: seconds[0]).look() != ""


def test_who_waits_and_may_not_look_says_so() -> None:
    world = World()
    record = world.start("a").record

    def refuse(verb: str, url: S3Url) -> None:
        raise AccessError(f"can't {verb} {url}: AccessDenied")

    world.storage.before = refuse
    watch = RivalWatch(world.storage, {name: getattr(record, name) for name in record.__dataclass_fields__})
    assert watch.look() == ""
    assert "can't be seen" in watch.trouble
    later = [watch.look() for _ in range(29)]
    assert later[:-1] == [""] * 28
    assert later[-1] == watch.trouble  # the task looks itself then, and begins if it can't see either


PLACES = st.tuples(st.sampled_from("ab"), st.text(alphabet="xyz", max_size=3))
SPANS = st.lists(st.tuples(PLACES, PLACES).map(lambda pair: Span(min(pair), max(pair))), max_size=8)


@given(SPANS, SPANS)
def test_spans_meet_if_any_two_do(ones: list[Span], others: list[Span]) -> None:
    expected = any(one.first <= other.last and other.first <= one.last for one in ones for other in others)
    assert do_meet(ones, others) == expected


@given(
    st.integers(0, 2**40),
    st.lists(st.text(min_size=1), min_size=1, max_size=60),
)
def test_names_are_read_as_they_were_written(since: int, buckets: list[str]) -> None:
    name = RunningName("job-1", "0a" * 4, since, bucket_marks(buckets))
    assert RunningName.read(str(name)) == name
    assert name.may_touch(bucket_marks(buckets[:1]))
    assert len(str(name)) < 500
