"""What an attempt makes of ``control.json``: when it is read, what is kept, what follows from it."""

from __future__ import annotations

import threading

import pytest

from airflow_s3batch.core.control import PAUSE, Control
from airflow_s3batch.core.errors import AccessError, InfrastructureError, PausedError
from airflow_s3batch.core.layout import GenerationLayout, JobLayout
from airflow_s3batch.core.manifest import Manifest, ShardFile
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.jobs.pause_watch import PauseWatch
from airflow_s3batch.engine.jobs.pulse import Heart
from airflow_s3batch.engine.loop.steering import Steering
from airflow_s3batch.engine.policy import Policy
from airflow_s3batch.engine.rates.pacing import Pace
from airflow_s3batch.engine.rates.rate import FairShare, TokenBucket
from airflow_s3batch.engine.shards.shard_work import paused_grace_s
from airflow_s3batch.operations import DeleteObject, LambdaInvoke, PutObjectTagging
from airflow_s3batch.testing import MemoryStorage

JOB = JobLayout(S3Url("ops", "job"))
PAUSED = Control(PAUSE, by="ann")


class World:
    """A store with one control file, and an attempt that looks at it."""

    def __init__(self, control: Control | bytes | None = None) -> None:
        self.storage = MemoryStorage()
        self.error: Exception | None = None
        self.storage.before = self._before
        self.lines: list[str] = []
        self.obeyed: list[Control] = []
        self.steering = Steering(self.storage, JOB, say=self.lines.append)
        self.ask(control)

    def ask(self, control: Control | bytes | None) -> None:
        self.storage.files.pop(JOB.control, None)
        if control is not None:
            self.storage.files[JOB.control] = control if isinstance(control, bytes) else control.to_bytes()

    def goes_on(self) -> bool:
        self.steering.look()
        return self.steering.obey(self.obeyed.append)

    def _before(self, _verb: str, _url: S3Url) -> None:
        if self.error:
            raise self.error


def test_a_paused_job_is_not_begun() -> None:
    with pytest.raises(
        PausedError, match=r"tag, shard 0: nothing was begun; the job is paused by ann.*resume s3://ops/job"
    ):
        World(PAUSED).steering.begin("tag, shard 0")


def test_a_pause_stops_a_run_for_good_even_if_it_is_lifted_at_once() -> None:
    """The task starts another one; two that work at the same time would be worse."""
    world = World()
    world.steering.begin("tag")
    assert world.goes_on()
    world.ask(PAUSED)
    assert not world.goes_on()
    world.ask(None)
    assert not world.goes_on()
    assert str(world.steering.paused("stopped")).startswith("stopped; the job is paused by ann.")


def test_changes_are_told_once() -> None:
    world = World(Control(max_requests_per_s=5))
    world.steering.begin("tag")
    for _ in range(3):
        assert world.goes_on()
    world.ask(Control(max_requests_per_s=9, by="bob"))
    for _ in range(3):
        assert world.goes_on()
    assert [control.max_requests_per_s for control in world.obeyed] == [5, 9]
    assert len(world.lines) == 2
    assert world.lines[1] == "s3://ops/job/control.json: at most 9 requests/s by bob"


@pytest.mark.parametrize("error", [AccessError("403"), InfrastructureError("503"), RuntimeError("a bug"), None])
def test_trouble_leaves_what_was_known_and_is_told_once(
    error: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(Control(max_concurrency=3))
    world.steering.begin("tag")
    world.ask(b"{")
    world.error = error
    for _ in range(3):
        assert world.goes_on()
    assert world.steering.control.max_concurrency == 3
    assert len(caplog.records) == 1
    world.error = None
    world.ask(PAUSED)
    assert not world.goes_on()


@pytest.mark.parametrize("error", [AccessError("403"), None])
def test_what_can_not_be_read_at_first_asks_for_nothing(error: Exception | None) -> None:
    """On AWS a missing file is refused to those who may not list."""
    world = World(b"{")
    world.error = error
    world.steering.begin("tag")
    assert world.steering.control == Control()


def test_a_store_that_does_not_answer_at_first_is_an_error() -> None:
    world = World()
    world.error = InfrastructureError("503")
    with pytest.raises(InfrastructureError):
        world.steering.begin("tag")


def test_who_waits_goes_on_when_the_job_may() -> None:
    world = World(PAUSED)
    watch = PauseWatch(world.storage, JOB, patience=3)
    assert watch.look() == ""
    for body in (b"{", b'{"format": "x"}'):
        world.ask(body)
        assert watch.look() == ""
        assert "not a control file" in watch.trouble
    world.error = InfrastructureError("503")
    assert [watch.look() for _ in range(9)] == [""] * 9
    world.error = None
    world.ask(Control(by="bob"))
    assert watch.look() == "s3://ops/job/control.json: runs as its Dag says by bob"
    world.ask(None)
    assert watch.look()


def test_who_waits_and_is_refused_for_long_goes_to_look_himself() -> None:
    """One refusal says nothing; the count begins anew once the file could be read."""
    world = World(PAUSED)
    watch = PauseWatch(world.storage, JOB, patience=3)
    world.error = AccessError("403")
    assert [watch.look() for _ in range(2)] == ["", ""]
    world.error = None
    assert watch.look() == ""
    world.error = AccessError("403")
    assert [bool(watch.look()) for _ in range(3)] == [False, False, True]


def test_a_changed_limit_holds_at_once_and_for_what_is_heard_later() -> None:
    bucket = TokenBucket(100, 0.0)
    share = FairShare(bucket, 100, 4, 10.0, lambda: 0.0)
    share.change(40)
    assert bucket.rate == 10
    share.sharers = 2
    share.change(200)
    assert bucket.rate == 100


def test_the_window_follows_what_is_asked_and_never_exceeds_what_it_was() -> None:
    pace = Pace(8)
    pace.narrow(2)
    assert (pace.room(0, 0.0), pace.room(2, 0.0)) == (2, 0)
    pace.narrow(99)
    pace.on_success(0.0)
    assert pace.room(0, 0.0) == 8
    pace.narrow(4)
    pace.narrow(None)
    pace.on_success(0.0)
    assert pace.room(0, 0.0) == 8


def test_a_slow_down_by_the_store_outlives_a_wider_window() -> None:
    """People may ask for more; the store has the last word."""
    pace = Pace(100)
    pace.on_throttle(10.0)
    size = pace.window.size
    pace.narrow(None)
    assert pace.window.size == size


def test_the_heart_looks_after_each_beat_and_between_beats() -> None:
    """However far apart the beats are."""
    looks, enough = 0, threading.Event()

    def look() -> None:
        nonlocal looks
        looks += 1
        if looks == 5:
            enough.set()
        raise RuntimeError("must not end the heart")

    shard = ShardFile(0, "shard-0", 10, 0, 1, "0" * 64)
    heart = Heart(
        MemoryStorage(),
        GenerationLayout(S3Url("ops", "job/run/g0001")),
        Manifest(S3Url("ops", "job"), 10, 0, 10, (), (shard,), "0" * 16),
        0,
        "0001-1700000000001-abc123",
        every_s=3_600.0,
        told=lambda: (0, 0),
        hear=lambda _: None,
        look=look,
        look_every_s=0.01,
    )
    with heart:
        assert enough.wait(30)


def test_what_must_not_be_done_twice_is_waited_for_as_long_as_it_takes() -> None:
    """An object that is let go of would end as OutcomeUnknown."""
    policy = Policy(request_timeout_s=7)
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:f"
    assert paused_grace_s(LambdaInvoke(arn), policy) == float("inf")
    assert paused_grace_s(PutObjectTagging({"a": "b"}), policy) == 7
    assert paused_grace_s(DeleteObject(), policy) == 7
