"""When an attempt is killed, and what it was doing then."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from deaths import Child

START = "start-up"
PHASES = {
    "operation": "preflight",
    "verdict": "preflight",
    "announcement": "first requests",
    "claim": "working",
    "succeeded part": "part to commit",
    "failed part": "part to commit",
    "commit": "working",
    "summary": "at the end",
}
"""What an attempt is about after it has written something."""

ONCE = frozenset({"operation", "verdict", "announcement", "summary"})

MEAN_DELAY_S = 0.006


class Aim(NamedTuple):
    """
    A moment to kill at.

    Attributes:
        place: after the *nth* time that the attempt is *when* (``before``, ``after``) writing this; empty for none.
        delay_s: so long after that, or after its start.
    """

    place: str
    when: str
    nth: int
    delay_s: float


def aim(chance: random.Random, places: Sequence[str], *, longest_s: float) -> Aim:
    """
    Return a random moment, early enough for many deaths before the shard is done.

    Args:
        chance: the dice.
        places: what the attempt writes.
        longest_s: how long an attempt takes at most.
    """
    if chance.random() < 0.25:
        return Aim("", "", 0, chance.uniform(0.0, 0.5 * longest_s))
    place = chance.choice(places)
    nth = 1 if place in ONCE else chance.randint(1, 3)
    delay_s = chance.choice([0.0, chance.expovariate(1 / MEAN_DELAY_S)])
    return Aim(place, chance.choice(["before", "after"]), nth, delay_s)


class Death(NamedTuple):
    """
    How an attempt ended.

    Attributes:
        phase: what it was about when it was killed; empty if it ended by itself.
        error: name of the exception it ended with by itself, empty for none; *told* its message.
    """

    phase: str
    error: str = ""
    told: Any = None


def kill_at(child: Child, moment: Aim) -> Death:
    """Kill *child* at *moment*, unless it ends before; it has to say what it writes, as ``[when, place]``."""
    heard: list[Any] = []
    if moment.place:
        count = 0
        while count < moment.nth and (said := child.hear()) is not None:
            heard.append(said)
            count += said == [moment.when, moment.place]
    time.sleep(moment.delay_s)
    child.kill()
    heard.extend(iter(child.hear, None))
    ending = child.end()
    if not ending.signal:
        return Death("", ending.error, ending.told)
    return Death(phase_after(heard))


def phase_after(heard: list[Any]) -> str:
    """Return what an attempt was about that said this last."""
    if not heard:
        return START
    when, place = heard[-1]
    if when == "after":
        return PHASES[place]
    names = list(PHASES)
    return PHASES[names[max(0, names.index(place) - 1)]] if place != "commit" else "part to commit"
