"""One round: a job whose attempts are killed until one gets through, then its report against the server's own state."""

from __future__ import annotations

import contextlib
import hashlib
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deaths import PLACES, Child, HookedStorage, fork
from kills import Death, aim, kill_at
from scenarios import Scenario
from server_jobs import TASK, AwsRow, ServerJob, access_of, client_of, publish

from airflow_s3batch.engine import Policy, run_shard
from airflow_s3batch.operations import Replay
from airflow_s3batch.testing import Server

RANGE_ROWS = 6
MOST_KILLS = 14
LAST_RANGES = 6
"""So few are left that an attempt may be allowed to get to its end."""

ORDERLY = ("", "TooManyFailuresError")
"""How an attempt may end that is not killed: the rows that do not exist are tolerated, stale ones count."""


@dataclass
class Score:
    """What a scenario has gone through."""

    rounds: int = 0
    attempts: int = 0
    rows: int = 0
    kills: Counter[str] = field(default_factory=Counter)

    def line(self, name: str) -> str:
        """Return the score in one line."""
        phases = ", ".join(f"{phase} {count}" for phase, count in self.kills.most_common())
        return (
            f"{name:22} {self.kills.total():5} kills, {self.attempts:5} attempts, {self.rows:6} rows, "
            f"{self.rounds:4} jobs: {phases}"
        )


def run_round(
    scenario: Scenario, server: Server, prefix: str, seed: int, folder: Path, score: Score, *, give_s: float
) -> None:
    """
    Go through one job; *prefix* is new for each. After *give_s* seconds no attempt is killed any more.

    Raises:
        AssertionError: something was lost, done twice or told wrongly.
    """
    chance = random.Random(seed)
    until = time.monotonic() + give_s
    objects = scenario.prepare(server, prefix)
    job = publish(server, f"s3://soak-jobs/{prefix}", objects, folder, range_rows=RANGE_ROWS)
    longest_s, number = 1.0, 0
    while True:
        number += 1
        started = time.monotonic()
        if number > MOST_KILLS or started > until:
            deaths = [_undisturbed(start(job, scenario, number, 4))]
        else:
            deaths = _turn(job, scenario, chance, number, longest_s)
        longest_s = max(0.2, min(longest_s, 1.5 * (time.monotonic() - started)))
        score.attempts += len(deaths)
        score.kills.update(death.phase for death in deaths if death.phase)
        ended = [death for death in deaths if not death.phase]
        assert all(death.error in ORDERLY for death in ended), ended
        if ended:
            break
    check(scenario, job)
    score.rounds += 1
    score.rows += len(objects)


def _turn(job: ServerJob, scenario: Scenario, chance: random.Random, number: int, longest_s: float) -> list[Death]:
    """Start an attempt, now and then a second one while it lives, and kill what does not end before."""
    rivals = 2 if chance.random() < 0.2 else 1
    children = [start(job, scenario, number, chance.choice([1, 4, 16])) for _ in range(rivals)]
    with contextlib.ExitStack() as stack:
        for child in children:
            stack.callback(child.discard)
        ranges = -(-len(job.objects) // RANGE_ROWS) - len({commit.range.index for commit in job.commits()})
        places = _places(scenario, is_first=number == 1, is_last=ranges <= LAST_RANGES)
        return [kill_at(child, aim(chance, places, longest_s=longest_s)) for child in children]


def _places(scenario: Scenario, *, is_first: bool, is_last: bool) -> list[str]:
    """Return what an attempt writes before it can be expected to die, in `PLACES`' words."""
    absent = set() if is_first else {"operation", "verdict"}
    if not is_last:
        absent.add("summary")
    if scenario.operation.replay is not Replay.UNSAFE:
        absent.add("claim")
    if not scenario.codes:
        absent.add("failed part")
    return [place for place in PLACES if place not in absent]


def _undisturbed(child: Child) -> Death:
    ending = child.end()
    return Death("", ending.error, ending.told)


def start(job: ServerJob, scenario: Scenario, number: int, concurrency: int) -> Child:
    """Begin an attempt in a forked process, which says what it writes."""

    def work(say: Callable[[Any], None]) -> Any:
        run_shard(
            job.ref,
            scenario.operation,
            access=access_of(job.server),
            storage=HookedStorage(job.server, lambda *what: say(what)),
            task_id=TASK,
            try_number=number,
            policy=Policy(max_concurrency=concurrency),
        )

    return fork(work)


def check(scenario: Scenario, job: ServerJob) -> None:
    """Compare the report, read with csv and boto3 alone, with what the server shows for each object."""
    _check_parts(job)
    rows = {(row.key, row.version_id): row for row in _once_each(job)}
    wanted = scenario.look(job.server, job.objects)
    counts = scenario.counts(job.server, job.objects) if scenario.counts else [None] * len(wanted)
    for obj, is_wanted, count in zip(job.objects, wanted, counts, strict=True):
        row, allowed = rows[obj.key, obj.version_id or ""], scenario.allowed(obj)
        told = f"{row}; the server shows it {'as wanted' if is_wanted else 'otherwise'}, executed {count} times"
        assert row.error_code in allowed, told
        assert (row.status == "succeeded") is (row.error_code == ""), told
        assert is_wanted or row.error_code, told
        assert not is_wanted or not row.error_code or len(allowed) > 1, told
        assert count is None or count <= 1, told


def _once_each(job: ServerJob) -> list[AwsRow]:
    rows = job.report_rows()
    told = Counter((row.key, row.version_id) for row in rows)
    assert told == Counter((obj.key, obj.version_id or "") for obj in job.objects)
    return rows


def _check_parts(job: ServerJob) -> None:
    """Look at each file that a commit names, whether it counts in the report or not: it is whole."""
    client = client_of(job.server)
    for commit in job.commits():
        for part in (commit.succeeded_file, commit.failed_file):
            if part:
                body = client.get_object(Bucket="soak-jobs", Key=part.key)["Body"].read()
                assert (hashlib.md5(body).hexdigest(), body.count(b"\n")) == (part.md5, part.rows)
