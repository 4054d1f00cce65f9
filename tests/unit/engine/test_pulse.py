"""Signs of life: what attempts tell one another, and what they make of it."""

from __future__ import annotations

import itertools
import logging
import threading
from datetime import UTC, datetime, timedelta

import pytest

from airflow_s3batch.core.errors import AccessError, InfrastructureError
from airflow_s3batch.core.layout import GenerationLayout
from airflow_s3batch.core.manifest import Manifest, ShardFile
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.files.storage import StoredFile
from airflow_s3batch.engine.jobs.job_news import ENDED, Failures, JobNews, Pulse, read_pulses
from airflow_s3batch.engine.jobs.pulse import Heart, pauses_s
from airflow_s3batch.testing import MemoryStorage

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
GENERATION = GenerationLayout(S3Url("ops", "job/run/g0001"))
ROWS = 5_000
SHARDS = tuple(ShardFile(index, f"shard-{index}", ROWS, 0, 1, "0" * 64) for index in range(4))
MANIFEST = Manifest(S3Url("ops", "job"), 4 * ROWS, 0, 100, (), SHARDS, "0" * 16)


def attempt_id(number: int, try_number: int = 1) -> str:
    return f"{try_number:04d}-{1_700_000_000_000 + number:013d}-abc123"


class World:
    """A store with a clock, and attempts that beat when they are told to."""

    def __init__(self) -> None:
        self.now = NOON
        self.storage = MemoryStorage(clock=lambda: self.now)
        self.heard: dict[str, JobNews] = {}
        self.told: dict[str, tuple[int, int]] = {}

    def heart(self, shard: int, attempt: str) -> Heart:
        self.told.setdefault(attempt, (0, 0))
        return Heart(
            self.storage,
            GENERATION,
            MANIFEST,
            shard,
            attempt,
            every_s=10.0,
            told=lambda: self.told[attempt],
            hear=lambda news: self.heard.__setitem__(attempt, news),
        )

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def names(self) -> list[str]:
        return sorted(url.key.rpartition("/")[2] for url in self.storage.files)


A, B = attempt_id(1), attempt_id(2)


def test_an_attempt_leaves_one_file_whose_name_is_the_news() -> None:
    world = World()
    heart = world.heart(3, A)
    heart.beat()
    assert world.names() == [f"shard-00003_{A}_0_0_runs"]
    world.told[A] = (912, 37)
    heart.beat()
    assert world.names() == [f"shard-00003_{A}_912_37_runs"]
    heart.tell(ENDED)
    assert world.names() == [f"shard-00003_{A}_912_37_ended"]


def test_each_hears_of_the_others() -> None:
    world = World()
    first, second = world.heart(0, A), world.heart(1, B)
    first.beat()
    assert world.heard[A].others_alive(10) == []
    world.told[B] = (7, 2)
    second.beat()
    assert [pulse.attempt for pulse in world.heard[B].others_alive(10)] == [A]
    world.later(10)
    first.beat()
    (other,) = world.heard[A].others_alive(10)
    assert other == Pulse(1, B, 7, 2, is_over=False, at=NOON)


def test_who_ended_or_was_silent_for_three_beats_is_not_alive() -> None:
    world = World()
    heart, other, ended = world.heart(0, A), world.heart(1, B), world.heart(2, attempt_id(3))
    other.beat()
    ended.beat()
    ended.tell(ENDED)
    world.later(31)
    heart.beat()
    assert [pulse.attempt for pulse in world.heard[A].others_alive(10)] == [B]
    world.later(1)
    heart.beat()
    assert world.heard[A].others_alive(10) == []


def test_when_it_joined_stays_the_time_of_its_first_pulse() -> None:
    world = World()
    heart = world.heart(0, A)
    heart.beat()
    world.later(100)
    heart.beat()
    assert world.heard[A].joined == NOON
    assert world.heard[A].now == NOON + timedelta(seconds=100)


def stored(name: str, seconds: float = 0) -> StoredFile:
    return StoredFile(GENERATION.pulses / name, 0, "", NOON + timedelta(seconds=seconds))


def test_of_two_pulses_of_a_killed_attempt_the_one_that_tells_more_counts() -> None:
    files = [stored(f"shard-00001_{A}_900_5_runs", 1), stored(f"shard-00001_{A}_1000_7_runs", 10)]
    for order in itertools.permutations(files):
        assert read_pulses(order, MANIFEST) == {A: Pulse(1, A, 1_000, 7, False, NOON + timedelta(seconds=10))}


@pytest.mark.parametrize(
    "name",
    [
        "README",
        f"shard-00001_{A}_5_6_runs",  # more failures than objects
        f"shard-00001_{A}_{ROWS + 1}_0_runs",  # more objects than the shard has
        f"shard-00004_{A}_0_0_runs",  # no such shard
        f"shard-00001_{A}_5_1_sleeps",
        f"shard-00001_{A}_-5_1_runs",
        f"shard-00001_{A}_١_١_runs_",
    ],
)
def test_what_can_not_be_a_pulse_is_passed_over(name: str) -> None:
    assert read_pulses([stored(name)], MANIFEST) == {}


def news(*pulses: Pulse, joined: datetime = NOON, now_s: float = 0) -> JobNews:
    """Return what attempt `A` at shard 0 hears, *now_s* seconds after noon."""
    own = Pulse(0, A, 0, 0, False, NOON + timedelta(seconds=now_s))
    return JobNews(A, 0, {pulse.attempt: pulse for pulse in (own, *pulses)}, joined)


def pulse(shard: int, attempt: str, done: int, failed: int, seconds: float, *, is_over: bool = True) -> Pulse:
    return Pulse(shard, attempt, done, failed, is_over, NOON + timedelta(seconds=seconds))


def test_of_each_shard_its_newest_attempt_counts() -> None:
    """Also against an older one that still runs."""
    old, new = attempt_id(5), attempt_id(4, try_number=2)
    heard = news(pulse(1, old, 3_000, 3_000, -5, is_over=False), pulse(1, new, 2_000, 10, -9), pulse(2, B, 500, 5, -9))
    assert heard.elsewhere(heeds_old=True) == Failures(2_500, 15, 2)


def test_other_attempts_at_the_own_shard_are_not_elsewhere() -> None:
    assert news(pulse(0, B, 100, 100, -5)).elsewhere(heeds_old=True) == Failures()


def test_a_later_attempt_does_not_heed_what_failed_before_it_began() -> None:
    """Somebody may have lifted the cause and cleared the task; what succeeded then still speaks for the job."""
    heard = news(pulse(1, B, 3_000, 2_900, -1), pulse(2, attempt_id(3), 1_000, 900, 5), now_s=10)
    assert heard.elsewhere(heeds_old=False) == Failures(4_000, 900, 1)
    assert heard.elsewhere(heeds_old=True) == Failures(4_000, 3_800, 2)


def test_failures_of_more_than_an_hour_ago_stop_nobody() -> None:
    heard = news(pulse(1, B, 3_000, 2_900, -3_601), pulse(2, attempt_id(3), 1_000, 900, -3_599))
    assert heard.elsewhere(heeds_old=True) == Failures(4_000, 900, 1)


def test_a_store_that_does_not_show_the_own_pulse_still_has_a_time() -> None:
    """The newest pulse of all stands in for it."""
    heard = JobNews(A, 0, {B: pulse(1, B, 5, 0, 0, is_over=False)}, None)
    assert [other.attempt for other in heard.others_alive(10)] == [B]
    assert JobNews(A, 0, {}, None).others_alive(10) == []


def test_without_permission_to_delete_names_stay_few() -> None:
    """The sign of life is renewed under the old name until much has changed."""
    world = World()

    def refuse(verb: str, url: S3Url) -> None:
        if verb == "delete":
            raise AccessError(f"can't delete {url}")

    world.storage.before = refuse
    heart = world.heart(1, A)
    heart.beat()
    for done in range(1, 5_000, 7):
        world.told[A] = (done, done)
        world.later(10)
        try:
            heart.beat()
        except AccessError:
            assert done == 1
    heart.tell(ENDED)
    assert len(world.names()) < 16
    seen = read_pulses(world.storage.list(GENERATION.pulses / ""), MANIFEST)[A]
    assert (seen.done, seen.is_over, seen.at) == (done, True, world.now)


def test_trouble_is_logged_once_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A pulse is advice: an attempt goes on without it."""
    world = World()
    failures = 0
    enough = threading.Event()

    def fail(verb: str, url: S3Url) -> None:
        nonlocal failures
        failures += 1
        if failures > 5:
            enough.set()
        raise InfrastructureError(f"can't {verb} {url}: 503")

    world.storage.before = fail
    heart = Heart(world.storage, GENERATION, MANIFEST, 0, A, every_s=0.01, told=lambda: (0, 0), hear=lambda _: None)
    with caplog.at_level(logging.WARNING), heart:
        assert enough.wait(30)
    assert len(caplog.records) == 1
    assert "may not know of one another" in caplog.text


def test_a_store_that_hangs_holds_up_neither_start_nor_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_s3batch.engine.jobs.pulse.FIRST_BEAT_S", 0.01)
    monkeypatch.setattr("airflow_s3batch.engine.jobs.pulse.LAST_BEAT_S", 0.01)
    world, released = World(), threading.Event()
    world.storage.before = lambda verb, url: released.wait(60) and None
    with world.heart(0, A):
        assert world.names() == []
    released.set()


def test_the_first_beat_is_heard_before_work_begins_and_the_end_is_told() -> None:
    world = World()
    world.heart(1, B).beat()
    slow = threading.Event()
    world.storage.before = lambda verb, url: slow.wait(0.05) and None
    with world.heart(0, A):
        assert [other.attempt for other in world.heard[A].others_alive(10)] == [B]
        world.told[A] = (10, 1)
    assert f"shard-00000_{A}_10_1_ended" in world.names()
    assert len(world.names()) == 2


def test_young_attempts_beat_sooner_and_nobody_in_step() -> None:
    pauses = list(itertools.islice(pauses_s(10, lambda: 0.5), 7))
    assert pauses == [1, 2, 4, 8, 10, 10, 10]
    assert next(pauses_s(10, lambda: 0.0)) == 0.9
    assert next(pauses_s(0.5, lambda: 1.0)) == pytest.approx(0.55)
