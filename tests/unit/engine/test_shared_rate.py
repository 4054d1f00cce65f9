"""A rate that several jobs share: who gets how much, when, and what is left on the store."""

from __future__ import annotations

import itertools
import logging
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_s3batch.core.errors import AccessError, ArgumentError
from airflow_s3batch.core.layout import shared_rates
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.core.shared_rate import SharedRate
from airflow_s3batch.engine.files.storage import StoredFile
from airflow_s3batch.engine.rates.even_shares import Wish, even_shares, share_of
from airflow_s3batch.engine.rates.rate import Cap, TokenBucket
from airflow_s3batch.engine.rates.shared_pulse import SharedPulse
from airflow_s3batch.engine.rates.shared_share import SharedShare, job_name, read_sharers, sharer_name
from airflow_s3batch.testing import MemoryStorage

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
JOBS = S3Url("ops", "s3batch")
FOLDER = shared_rates(JOBS, "lake")
WANTS = st.one_of(st.floats(0, 5_000), st.just(math.inf))
LIMIT = 1_000.0


@given(st.floats(0.001, 1e6), st.dictionaries(st.integers(), WANTS, min_size=1, max_size=9))
def test_shares_add_up_and_nobody_who_wants_more_has_less_than_another(total: float, wants: dict[int, float]) -> None:
    """Max-min fair; what nobody wants is shared out."""
    shares = even_shares(total, wants)
    assert sum(shares.values()) == pytest.approx(total)
    spare = max(0.0, total - sum(wants.values())) / len(wants)
    for one, other in itertools.permutations(wants, 2):
        if shares[one] < wants[one] + spare - 1e-6 * total:
            assert shares[one] >= shares[other] - 1e-6 * total


def test_jobs_share_evenly_whatever_the_number_of_their_shards() -> None:
    """And the shards of a job share what it has."""
    wishes = [Wish("large", str(n), math.inf) for n in range(4)] + [Wish("small", "x", math.inf)]
    shares = {wish.attempt: share_of(wish, [w for w in wishes if w != wish], 1_000) for wish in wishes}
    assert shares == {"0": 125, "1": 125, "2": 125, "3": 125, "x": 500}


def test_who_wants_less_leaves_the_rest_to_the_others() -> None:
    modest, greedy = Wish("a", "1", 100), Wish("b", "2", math.inf)
    assert share_of(modest, [greedy], 1_000) == 100
    assert share_of(greedy, [modest], 1_000) == 900
    assert share_of(modest, [Wish("b", "2", 300)], 1_000) == 100 + 300  # nobody wants the rest, so it is shared out


class World:
    """Attempts that share a rate; each beats when it is told to. Time stands still unless moved."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.storage = MemoryStorage(clock=lambda: NOON + timedelta(seconds=self.now_s))
        self.caps: dict[str, Cap] = {}
        self.shares: dict[str, SharedShare] = {}
        self.pulses: dict[str, SharedPulse] = {}
        self.sent: dict[str, int] = {}
        self.beaten: dict[str, float] = {}
        self._numbers = itertools.count()

    def beat(self, name: str, limit: float = LIMIT, shards: int = 1) -> None:
        """Let the attempt *name*, ``<job>/<n>``, tell and hear; the first time it joins."""
        if name not in self.shares:
            attempt = f"0001-{1_700_000_000_000 + next(self._numbers):013d}-abc123"
            self.sent[name] = 0
            self.caps[name] = Cap(TokenBucket(1.0, 0.0), [])
            self.shares[name] = SharedShare(
                self.caps[name],
                "lake",
                limit,
                name.partition("/")[0],
                attempt,
                shards=shards,
                every_s=10.0,
                clock=lambda: self.now_s,
                sent=lambda: self.sent[name],
            )
            self.pulses[name] = SharedPulse(self.storage, FOLDER, name.partition("/")[0], attempt, self.shares[name])
        self.pulses[name].beat()
        self.beaten[name] = self.now_s

    def busy(self, seconds: float, used: dict[str, float] | None = None) -> None:
        """Let time pass; each sends what it may, or what *used* says."""
        for name, cap in self.caps.items():
            self.sent[name] += math.ceil((used or {}).get(name, cap.rate) * seconds)
        self.now_s += seconds

    def leave(self, name: str) -> None:
        self.pulses[name].leave()
        self.kill(name)

    def kill(self, name: str) -> None:
        for known in (self.caps, self.shares, self.pulses, self.beaten):
            known.pop(name)

    def round(self, *names: str, seconds: float = 10.0, used: dict[str, float] | None = None) -> dict[str, float]:
        """Let some seconds pass, then all beat; return their rates."""
        self.busy(seconds, used)
        for name in names or tuple(self.shares):
            self.beat(name)
        return self.rates()

    def rates(self) -> dict[str, float]:
        return {name: cap.rate for name, cap in self.caps.items()}

    def names(self) -> list[str]:
        return sorted(url.key.rpartition("/")[2] for url in self.storage.files)


def test_a_job_alone_has_all_of_it() -> None:
    world = World()
    world.beat("a/1")
    assert world.rates() == {"a/1": LIMIT}
    assert world.shares["a/1"].view == ("lake", LIMIT, 1, 1)


def test_a_job_that_joins_takes_next_to_nothing_until_there_is_room() -> None:
    world = World()
    world.beat("a/1")
    world.busy(5)
    world.beat("b/1")
    assert world.rates() == {"a/1": LIMIT, "b/1": pytest.approx(LIMIT * 0.03 / 2)}
    assert world.round("a/1")["a/1"] == LIMIT / 2
    assert world.round("b/1") == {"a/1": LIMIT / 2, "b/1": LIMIT / 2}
    assert world.shares["b/1"].view == ("lake", LIMIT, 2, 2)


def together(world: World, *names: str) -> dict[str, float]:
    """Let *names* join at the same time, and beat until they know of one another."""
    for name in names:
        world.beat(name)
    world.round()
    return world.round()


def test_ten_jobs_of_any_number_of_shards_have_a_tenth_each() -> None:
    world = World()
    names = [f"job-{job}/{shard}" for job in range(10) for shard in range(1 + job % 3)]
    rates = together(world, *names)
    for job in range(10):
        assert sum(rate for name, rate in rates.items() if name.startswith(f"job-{job}/")) == pytest.approx(LIMIT / 10)


def test_the_share_of_who_was_killed_goes_to_the_others_within_three_beats() -> None:
    """Of one that ended or was paused at the next beat. Its file stays for an hour, then somebody deletes it."""
    world = World()
    assert list(together(world, "a/1", "b/1", "c/1").values()) == pytest.approx([LIMIT / 3] * 3)
    world.leave("b/1")
    assert world.round() == {"a/1": pytest.approx(LIMIT / 2), "c/1": pytest.approx(LIMIT / 2)}
    world.kill("c/1")
    for _ in range(3):
        assert world.round() == {"a/1": pytest.approx(LIMIT / 2)}
    assert world.round() == {"a/1": LIMIT}
    assert [name.partition("_")[0] for name in world.names()] == ["a", "c"]
    world.now_s += 3_600
    world.round()
    assert [name.partition("_")[0] for name in world.names()] == ["a"]


def test_the_lowest_limit_counts_and_the_log_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.beat("a/1", limit=1_000)
    world.beat("b/1", limit=400)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            rates = world.round()
    assert rates == {"a/1": 200, "b/1": 200}
    assert world.shares["a/1"].view.per_s == 400
    assert caplog.text.count("this job states 1000 requests/s, job b states 400; 400, the lowest") == 1
    world.leave("b/1")
    assert world.round() == {"a/1": 1_000}


def test_a_job_with_a_limit_of_its_own_leaves_the_rest_to_the_others() -> None:
    """And takes it back when people raise its limit, once the others have made room."""
    world = World()
    together(world, "a/1", "b/1")
    world.shares["a/1"].limit_to(100)
    assert world.round() == {"a/1": 100, "b/1": 900}
    world.shares["a/1"].limit_to(math.inf)
    world.busy(10)
    world.beat("a/1")
    assert world.rates() == {"a/1": 100, "b/1": 900}
    world.round("b/1")
    assert world.round("a/1") == {"a/1": 500, "b/1": 500}


def test_what_a_job_can_not_use_goes_to_those_who_can() -> None:
    """It keeps room to grow; once it uses that, it has its even share again."""
    world = World()
    together(world, "a/1", "b/1")
    slow = {"a/1": 100.0}
    rates = world.round(used=slow)
    assert 150 <= rates["a/1"] <= 190
    assert rates["b/1"] == pytest.approx(LIMIT - rates["a/1"])
    assert world.round(used=slow) == rates
    world.round()
    world.round()
    assert world.round() == {"a/1": 500, "b/1": 500}


def test_who_hears_nothing_for_long_is_careful() -> None:
    """The others take it for dead by then; and a job that nobody knew of may have begun."""
    world = World()
    together(world, "a/1", "b/1")
    world.now_s += 31
    for share in world.shares.values():
        share.check()
    assert world.rates() == {"a/1": LIMIT / 2, "b/1": LIMIT / 2}
    alone = World()
    alone.beat("a/1", shards=4)
    alone.now_s += 31
    alone.shares["a/1"].check()
    assert alone.rates() == {"a/1": LIMIT / 8}
    alone.beat("a/1")
    assert alone.rates() == {"a/1": LIMIT}


def test_a_folder_that_is_refused_leaves_a_careful_share(caplog: pytest.LogCaptureFixture) -> None:
    """The job runs, and the log tells why, once."""
    world = World()

    def refuse(verb: str, url: S3Url) -> None:
        raise AccessError(f"can't {verb} {url}: AccessDenied")

    world.storage.before = refuse
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            world.beat("a/1")
            world.busy(10)
    world.shares["a/1"].check()
    assert world.rates() == {"a/1": LIMIT / 2}
    assert len(caplog.records) == 1
    assert "SharedRate('lake')" in caplog.text


def test_without_permission_to_delete_one_file_is_enough() -> None:
    world = World()

    def refuse(verb: str, url: S3Url) -> None:
        if verb == "delete":
            raise AccessError(f"can't {verb} {url}: AccessDenied")

    world.storage.before = refuse
    world.beat("a/1")
    for used in (1, 300, 5, 900, 20):
        world.round(used={"a/1": used})
    world.leave("a/1")
    assert len(world.names()) <= 2


def test_a_beat_is_a_write_and_a_listing() -> None:
    """A delete only where something else is wanted than before."""
    world, calls = World(), []
    together(world, "a/1", "b/1")
    world.storage.before = lambda verb, _url: calls.append(verb)
    world.round("a/1")
    assert calls == ["write", "list"]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.floats(0, 6), st.sampled_from([0.1, 1.0])), max_size=60),
)
def test_together_they_exceed_the_limit_by_a_tenth_at_most(beats: list[tuple[int, float, float]]) -> None:
    """In whatever order jobs join and their needs change, as long as those that run beat before they count as dead."""
    world = World()
    for number, pause_s, use in beats:
        world.busy(pause_s, {name: cap.rate * use for name, cap in world.caps.items()})
        world.beat(f"job-{number % 5}/{number}")
        for name in [name for name, at in world.beaten.items() if world.now_s - at > 20]:
            world.beat(name)
        assert sum(world.rates().values()) <= LIMIT * 1.1


@pytest.mark.parametrize(
    "name",
    [
        "README",
        "job_0001-1700000000000-abc123_0_all",
        "job_0001-1700000000000-abc123_nan_all",
        "job_0001-1700000000000-abc123_1000.000_-5",
        "j ob_0001-1700000000000-abc123_1000.000_all",
        "job_0001-1700000000000-abc123_1e3_all",
    ],
)
def test_what_can_not_be_a_sharer_is_passed_over(name: str) -> None:
    assert read_sharers([StoredFile(FOLDER / name, 0, "", NOON)]) == {}


@given(st.text(min_size=1, max_size=200), st.floats(1e-6, 1e9), st.one_of(st.floats(0, 1e9), st.just(math.inf)))
def test_what_is_told_is_read(folder: str, limit: float, per_s: float) -> None:
    """To a millionth of a request a second; a folder with an odd name is told by a name that stands for it."""
    name = sharer_name(job_name(folder), "0001-1700000000000-abc123", limit, per_s)
    (told,) = read_sharers([StoredFile(FOLDER / name, 0, "", NOON)]).values()
    assert told.job == job_name(folder)
    assert told.limit == pytest.approx(limit, abs=1e-6)
    assert told.per_s == pytest.approx(max(per_s, 1e-6), abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("", 5), "name=''"),
        (("a/b", 5), "name='a/b'"),
        ((".hidden", 5), "begins with a letter"),
        (("x" * 65, 5), "1 to 64"),
        ((None, 5), "name='None'"),
        (("lake", 0), "max_requests_per_s='0'"),
        (("lake", 5e-324), "from 1e-06 on"),
        (("lake", math.inf), "max_requests_per_s='inf'"),
        (("lake", math.nan), "max_requests_per_s='nan'"),
        (("lake", True), "max_requests_per_s='True'"),
        (("lake", "many"), "max_requests_per_s='many'"),
    ],
)
def test_wrong_shared_rates_are_refused_as_they_are_written(arguments: Any, part: str) -> None:
    with pytest.raises(ArgumentError, match=part.replace("(", r"\(")):
        SharedRate(*arguments)


def test_a_shared_rate_may_be_a_template() -> None:
    rate = SharedRate("{{ params.store }}", "{{ var.value.rate }}")
    assert rate.has_templates
    done = rate.render({"{{ params.store }}": " lake ", "{{ var.value.rate }}": "3500"}.__getitem__)
    assert (done.name, done.per_s, done.has_templates) == ("lake", 3_500, False)
    with pytest.raises(ArgumentError, match="name=''"):
        rate.render(lambda _: "None")
    assert SharedRate.from_json(done.to_json()) == done
