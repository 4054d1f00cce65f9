"""No more requests a second than allowed: the job's limit, one attempt's share of it, and a token bucket."""

from __future__ import annotations

import math
from collections.abc import Callable

from airflow_s3batch.engine.jobs.job_news import ALIVE_BEATS, JobNews

BURST_S = 0.1
"""How many seconds' worth of unused requests may be made up for at once, so that a busy moment costs no rate."""

_LEAST_WAIT_S = 0.005
_LEAST_RATE = 1e-9
_JOINERS_SHARE = 0.1


class TokenBucket:
    """
    Lets *rate* requests a second through, evenly; any rate above 0 works, also 0.5 and 50,000.

    Over any *t* seconds no more than ``rate * t + burst`` requests pass; ``burst`` is ``rate * BURST_S``, at least 1.

    Attributes:
        rate: requests a second; another thread may assign it at any time.
    """

    def __init__(self, rate: float, now: float) -> None:
        """Begin at the time *now* with one request to spend."""
        self.rate = rate
        self._tokens = 1.0
        self._last = now

    def wait_s(self, now: float) -> float:
        """
        Return 0 if one more request may be sent at *now*, else for how long to sleep.

        Sleeps are long enough to be worth it: at high rates several requests become due in one.
        """
        rate = self.rate
        if now > self._last:
            self._tokens = min(max(1.0, rate * BURST_S), self._tokens + rate * (now - self._last))
            self._last = now
        if self._tokens >= 1.0:
            return 0.0
        return max(_LEAST_WAIT_S, (1.0 - self._tokens) / max(rate, _LEAST_RATE))

    def take(self) -> None:
        """Count one request that is sent, also one that could not wait: it is made up for by the next."""
        self._tokens -= 1.0


class Cap:
    """One of several limits on a bucket, of which the lowest holds; infinite until it is set."""

    def __init__(self, bucket: TokenBucket, caps: list[Cap]) -> None:
        """*caps* are all of the bucket; this one joins them."""
        self._bucket = bucket
        self._caps = caps
        self._rate = math.inf
        caps.append(self)

    @property
    def rate(self) -> float:
        """Requests a second; to be assigned by one thread."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        self._rate = rate
        self._bucket.rate = min(cap.rate for cap in self._caps)


class FairShare:
    """
    One attempt's share of the job's limit, kept in its bucket: the limit divided by the attempts that are alive.

    An attempt that joins others takes next to nothing until each of them has beaten once more, and so made room. So all
    attempts together exceed the limit by a tenth at most, while others join. One that has heard nothing for as long as
    it takes to be thought dead falls back to what it could have if all shards of the job ran.

    Attributes:
        limit: the job's, in requests a second.
        sharers: how many attempts share it, this one included, as far as it knows.
    """

    def __init__(
        self, bucket: TokenBucket | Cap, limit: float, shards: int, every_s: float, clock: Callable[[], float]
    ) -> None:
        """*shards* is how many the job has; attempts beat every *every_s* seconds; *clock* gives monotonic seconds."""
        self.limit = limit
        self.sharers = shards
        self._bucket = bucket
        self._shards = shards
        self._every_s = every_s
        self._clock = clock
        self._heard = clock()
        self._has_heard = self._has_room = False
        bucket.rate = limit / shards

    def hear(self, news: JobNews) -> None:
        """Take the share that *news* leaves."""
        others = news.others_alive(self._every_s)
        self._has_room = self._has_room or all(news.joined is not None and pulse.at > news.joined for pulse in others)
        self.sharers = len(others) + 1
        self._heard = self._clock()
        self._has_heard = True
        self._take()

    def change(self, limit: float) -> None:
        """Let the job's limit be another one from now on. For the thread that calls `hear`."""
        self.limit = limit
        self._take()

    def _take(self) -> None:
        share = self.limit / self.sharers
        is_joining = self._has_heard and not self._has_room
        self._bucket.rate = min(share, self.limit * _JOINERS_SHARE / self._shards) if is_joining else share

    def check(self) -> None:
        """Fall back if nothing was heard for too long; the others count this attempt as dead then."""
        if self._clock() - self._heard > ALIVE_BEATS * self._every_s:
            self.sharers = self._shards
            self._bucket.rate = min(self._bucket.rate, self.limit / self._shards)
