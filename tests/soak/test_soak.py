"""
``kill -9`` at random moments, with every operation, for as long as ``S3BATCH_SOAK_S`` says (seconds, 60 by default).

A failure names its seed; ``S3BATCH_SOAK_SEED`` begins with the same one again. ``S3BATCH_SOAK_ONLY=tags`` soaks only
the scenarios whose names have that in them.
"""

from __future__ import annotations

import itertools
import os
import random
import sys
import time
from pathlib import Path

import pytest
from rounds import Score, run_round
from scenarios import SCENARIOS as ALL_SCENARIOS
from server_jobs import allow_acls, client_of

from airflow_s3batch.testing import Server

SCENARIOS = [scenario for scenario in ALL_SCENARIOS if os.environ.get("S3BATCH_SOAK_ONLY", "") in scenario.name]


def test_killed_at_random_moments_every_object_is_accounted_for_once(
    servers: dict[str, Server], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each operation in turn has a job whose attempts die; then the report is compared with the server's state."""
    whole_s = float(os.environ.get("S3BATCH_SOAK_S", "60"))
    deadline = time.monotonic() + whole_s
    seeds = itertools.count(int(os.environ.get("S3BATCH_SOAK_SEED", random.randrange(10**6))))
    make_buckets(servers)
    scores = {scenario.name: Score() for scenario in SCENARIOS}
    for number, scenario in enumerate(itertools.cycle(SCENARIOS)):
        if time.monotonic() > deadline and number >= len(SCENARIOS):
            break
        seed, score = next(seeds), scores[scenario.name]
        give_s = whole_s / len(SCENARIOS)  # each has its turn, on a slow machine too
        try:
            run_round(scenario, servers[scenario.server], f"job-{number}", seed, tmp_path, score, give_s=give_s)
        except BaseException as error:
            error.add_note(f"scenario {scenario.name!r}, S3BATCH_SOAK_SEED={seed}")
            raise
    total = sum(score.kills.total() for score in scores.values())
    lines = [score.line(name) for name, score in scores.items()]
    lines.append(f"{total} kills, every one of {sum(score.rows for score in scores.values())} rows accounted for")
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(lines) + "\n")
    assert total > len(SCENARIOS), "the attempts are too quick to be killed"


def make_buckets(servers: dict[str, Server]) -> None:
    for server in servers.values():
        client_of(server).create_bucket(Bucket="soak-jobs")
    for scenario in SCENARIOS:
        client = client_of(servers[scenario.server])
        client.create_bucket(Bucket=scenario.place, ObjectLockEnabledForBucket=scenario.locked)
        if scenario.has_acls:
            allow_acls(client, scenario.place)
        if scenario.versioned:
            client.put_bucket_versioning(Bucket=scenario.place, VersioningConfiguration={"Status": "Enabled"})
