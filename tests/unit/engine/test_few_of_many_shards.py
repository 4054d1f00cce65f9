"""A limit on requests is that of the job, also where only eight of its two hundred shards run at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import accumulate, chain, islice, repeat

from airflow_s3batch.engine.jobs.job_news import JobNews, Pulse
from airflow_s3batch.engine.rates.rate import FairShare, TokenBucket

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LIMIT = 800.0
SHARDS, SLOTS = 200, 8
SHARD_S = 60.0
"""How long a shard takes at its share of the limit."""
START_S = 2.0
"""How long a slot is empty between two shards."""
STEP_S = 0.25
EVERY_S = 10.0
BEATS_S = [0.0, *accumulate(islice(chain((1.0, 2.0, 4.0, 8.0), repeat(EVERY_S)), 400))]


class Shard:
    """An attempt that began at *began* seconds."""

    def __init__(self, number: int, began: float) -> None:
        self.name = str(number)
        self.began = self.now_s = began
        self.left = LIMIT / SLOTS * SHARD_S
        self.bucket = TokenBucket(LIMIT, began)
        self.share = FairShare(self.bucket, LIMIT, SHARDS, EVERY_S, lambda: self.now_s)
        self.beats = iter(BEATS_S)
        self.next_beat = next(self.beats)


def course(minutes: float) -> tuple[float, float]:
    """Return the largest sum of rates at any time, and the share of the limit that was used, the start aside."""
    pulses: dict[str, Pulse] = {}
    running: dict[int, Shard] = {}
    free_at = dict.fromkeys(range(SLOTS), 0.0)
    begun, now, most, done = 0, 0.0, 0.0, 0.0
    while now < 60 * minutes:
        at = NOON + timedelta(seconds=int(now))
        for slot in range(SLOTS):
            if slot not in running and now >= free_at[slot]:
                running[slot] = Shard(begun, now)
                begun += 1
            if (shard := running.get(slot)) is None:
                continue
            shard.now_s = now
            if now - shard.began >= shard.next_beat:
                shard.next_beat = next(shard.beats)
                pulses[shard.name] = Pulse(begun, shard.name, 0, 0, False, at)
                joined = NOON + timedelta(seconds=int(shard.began))
                shard.share.hear(JobNews(shard.name, 0, dict(pulses), joined))
        most = max(most, sum(shard.bucket.rate for shard in running.values()))
        for slot, shard in list(running.items()):
            shard.left -= shard.bucket.rate * STEP_S
            done += shard.bucket.rate * STEP_S
            if shard.left <= 0:
                pulses[shard.name] = pulses[shard.name]._replace(is_over=True)
                del running[slot]
                free_at[slot] = now + START_S
        now += STEP_S
    return most, done / (LIMIT * now)


def test_few_of_many_shards_share_the_whole_limit_and_no_more() -> None:
    """Those that wait for slots take no part; who begins gets its share within seconds."""
    most, used = course(minutes=10)
    assert most <= 1.1 * LIMIT + 1e-6
    assert used > 0.85
