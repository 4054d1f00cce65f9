"""
A metadata database with jobs in every state, for tests of the page and of what serves it, and for screenshots.

`install_plugin` lets Airflow find the page, `prepare` makes the database, `seed` fills it and tells where what is.
Airflow must not have been imported before ``AIRFLOW_HOME`` was set. Nothing here needs S3.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NamedTuple

from seeded_dags import DAGS
from seeded_database import Seeder, Task, sync_dags
from seeded_tasks import (
    DELETE,
    OPERATION,
    REHEARSAL,
    REPORT,
    TAGGING,
    VERIFICATION,
    SeededTasks,
    task_id_of,
)

from airflow_s3batch.core.news import PLAN_KEY, PROGRESS_KEY, REPORT_KEY

EVIL_KEYS = (
    "<script>alert(1)</script>.csv",
    '"><img src=x onerror=alert(1)>.gz',
    '=HYPERLINK("http://evil.example","click").csv',
    "\x1b[31mred\x1b[0m\u202egpj.exe",
    "../../../etc/passwd",
    "{{ 7*7 }}${7*7}' onload='x",
)


class Place(NamedTuple):
    """Where a seeded job is."""

    dag_id: str
    run_id: str
    group: str


def prepare() -> None:
    """Make the metadata database that ``AIRFLOW__DATABASE__SQL_ALCHEMY_CONN`` names, a new file below AIRFLOW_HOME."""
    from airflow.utils.db import initdb

    initdb()


def install_plugin() -> None:
    """Let Airflow find the page, also where the package lies in a folder and is not installed; before it starts."""
    if not any(entry.name == "s3batch" for entry in entry_points(group="airflow.plugins")):
        folder = Path(os.environ["AIRFLOW_HOME"]) / "plugins"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "s3batch_page.py").write_text("from airflow_s3batch.ui.plugin import S3BatchPlugin\n")


def seed(*, now: datetime | None = None, shards: int = 1_000, many: int = 0) -> dict[str, Place]:
    """
    Fill the database; return the jobs by what they show.

    Args:
        now: the page's present; jobs at work have told their last news some seconds before.
        shards: of the job ``million``.
        many: so many more jobs that have ended, for paging.
    """
    from airflow.utils.session import create_session

    sync_dags(Path(os.environ["AIRFLOW_HOME"]) / "dags", DAGS)
    with create_session() as session:
        return Seeding(Seeder(session), now or datetime.now(UTC)).all(shards, many)


class Seeding(SeededTasks):
    """Makes the jobs; times are in minutes before *now*."""

    def __init__(self, seeder: Seeder, now: datetime) -> None:
        super().__init__(now)
        self.seeder = seeder
        self.places: dict[str, Place] = {}

    def all(self, shards: int, many: int) -> dict[str, Place]:
        """Add every job."""
        self.before_work()
        self.at_work()
        self.ended()
        self.of_other_kinds()
        self.before_and_after()
        self.million(shards)
        self.attacked()
        self.many(many)
        return self.places

    # -- states ---------------------------------------------------------------------------------

    def before_work(self) -> None:
        """Planning, refused, waiting for people, queued."""
        name = "quarantine"
        self.add("planning", "quarantine_unencrypted", name, 2, self.plan(name, 2, "running", state="planning"), [])
        reason = (
            "s3://inventories/prod-lake/daily/2026-11-22T01-00Z/manifest.json: the filter selects 7,204,511 objects, "
            "more than max_objects=5,000,000; nothing was done to them. Narrow the filter, or raise max_objects if all "
            "of them are meant"
        )
        refused = self.plan(name, 190, "failed", state="refused", reason=reason, minutes=3)
        waits = [self.task(name, "run", OPERATION, "upstream_failed")]
        no_report = self.report(name, 186, "failed", is_green=False, no_manifest=True, sentence=reason, objects=0)
        self.add("refused", "quarantine_unencrypted", name, 190, refused, [*waits, no_report], state="failed")
        self.add(
            "awaiting_approval",
            "expire_versions",
            "expire",
            25,
            self.plan("expire", 25, "success", rows=1_204_511, operation=DELETE, approval="expire.approve"),
            [self.approval("deferred", 22), self.task("expire", "run", OPERATION)],
        )
        self.add(
            "queued",
            "quarantine_unencrypted",
            name,
            5,
            self.plan(name, 5, "success", rows=40_000),
            [self.task(name, "run", OPERATION, "queued", index) for index in range(4)],
        )

    def at_work(self) -> None:
        """Running, paused, reporting; one whose shards were retried and cleared."""
        name = "quarantine"
        work = [
            self.shard(name, 0, 100_000, 100_000, 14, "success", began=31, slow_downs=3),
            self.shard(name, 1, 100_000, 72_500, 11, "running", began=31, rate=41.5),
            self.shard(name, 2, 100_000, 61_000, 12, "running", began=31, rate=38.0, slow_downs=2),
            self.shard(name, 3, 100_000, 4_000, 0, "up_for_retry", began=31, told="stopped"),
            self.task(name, "run", OPERATION, "scheduled", 4),
        ]
        self.add("running", "quarantine_unencrypted", name, 33, self.plan(name, 33, "success", rows=500_000), work)
        control = {"state": "pause", "by": "ann@laptop", "at": self.iso(4), "reason": "the store is slow"}
        work = [
            self.shard(name, index, 50_000, 20_000, 0, "deferred", began=40, told="paused", control=control)
            for index in range(3)
        ]
        self.add("paused", "quarantine_unencrypted", name, 42, self.plan(name, 42, "success", rows=150_000), work)
        work = [self.shard(name, index, 50_000, 50_000, 0, "success", began=60) for index in range(2)]
        last = self.task(name, "report", REPORT, "running", start=0.5)
        self.add(
            "reporting", "quarantine_unencrypted", name, 62, self.plan(name, 62, "success", rows=100_000), [*work, last]
        )
        work = [
            self.shard(name, 0, 50_000, 50_000, 0, "success", began=300),
            self.shard(name, 1, 50_000, 50_000, 900, "queued", began=300, told="ended", tries=1),
            self.shard(name, 2, 50_000, 30_000, 10, "running", began=3, rate=220.0, tries=2),
        ]
        self.add("cleared", "quarantine_unencrypted", name, 305, self.plan(name, 305, "success", rows=150_000), work)

    def ended(self) -> None:
        """Success, failed, skipped, rejected."""
        name = "quarantine"
        work = [self.shard(name, index, 50_000, 50_000, 0, "success", began=1_500) for index in range(4)]
        report = self.report(name, 1_480, "success", objects=200_000, succeeded=200_000)
        plan = self.plan(name, 1_503, "success", rows=200_000)
        self.add("success", "quarantine_unencrypted", name, 1_503, plan, [*work, report], state="success")
        work = [self.shard(name, index, 50_000, 50_000, 19, "failed", began=2_900) for index in range(2)]
        report = self.report(name, 2_880, "failed", objects=100_000, succeeded=99_962, failed=38, is_green=False)
        plan = self.plan(name, 2_903, "success", rows=100_000)
        self.add("failed", "quarantine_unencrypted", name, 2_903, plan, [*work, report], state="failed")
        empty = self.plan(name, 4_300, "skipped", told=False)
        rest = [self.task(name, "run", OPERATION, "skipped"), self.task(name, "report", REPORT, "skipped")]
        self.add("skipped", "quarantine_unencrypted", name, 4_300, empty, rest, state="success")
        lost = self.plan(name, 5_000, "upstream_failed", told=False)
        rest = [self.task(name, "run", OPERATION, "upstream_failed")]
        sentence = "there is no manifest to report on: task 'quarantine.manifest' is upstream_failed"
        red = self.report(name, 4_999, "failed", is_green=False, no_manifest=True, sentence=sentence)
        self.add("no_manifest", "quarantine_unencrypted", name, 5_000, lost, [*rest, red], state="failed")
        plan = self.plan("expire", 1_600, "success", rows=9_000, operation=DELETE, approval="expire.approve")
        answer = {"responded_at": self.at(1_590), "responded_by": {"id": "ann", "name": "Ann"}}
        approval = self.approval("success", 1_595, chosen_options=["Reject"], **answer)
        rest = [self.task("expire", "run", OPERATION, "skipped"), self.task("expire", "report", REPORT, "skipped")]
        self.add("rejected", "expire_versions", "expire", 1_600, plan, [approval, *rest], state="success")

    def of_other_kinds(self) -> None:
        """The managed engine, two jobs in a run, a job wired by hand, a dry run, one of a Dag that few may read."""
        plan = self.plan("tag", 50, "success", rows=2_000_000, engine="managed")
        work = [self.aws_job("lake-a", 0, 1_500_000, 600_000, 9), self.aws_job("lake-b", 1, 500_000, 0, 0, "Preparing")]
        self.add("managed", "tag_by_aws", "tag", 50, plan, work)
        first = [
            self.plan("copy", 90, "success", rows=60_000),
            self.shard("copy", 0, 60_000, 60_000, 0, "success", began=88),
            self.report("copy", 70, "success", objects=60_000, succeeded=60_000),
        ]
        second = [self.plan("tag", 69, "success", rows=60_000), self.shard("tag", 0, 60_000, 9_000, 0, "running")]
        self.add("two_jobs", "copy_and_tag", "tag", 90, first[0], [*first[1:], *second])
        plan = self.plan("", 20, "success", rows=10_000)
        work = [self.shard("", 0, 10_000, 5_000, 2, "running", began=18)]
        self.add("by_hand", "wired_by_hand", "", 20, plan, work)
        plan = self.plan("", 3_000, "success", rows=10_000)
        codes = {"DryRun": (9_990, ()), "AccessDenied": (10, ("s3://lake/a.gz",))}
        report = self.report("", 2_990, "success", objects=10_000, failed=10_000, dry_run=True, codes=codes)
        work = [self.shard("", 0, 10_000, 10_000, 10, "success", began=2_995, dry_run=True)]
        self.add("dry_run", "wired_by_hand", "", 3_000, plan, [*work, report], state="success")
        self.add("secret", "secret_lake", "quarantine", 15, self.plan("quarantine", 15, "success", rows=1_000), [])

    def before_and_after(self) -> None:
        """Add rehearsals at work and ended, a cost, verifications at work and red, a red report marked green."""
        cost = {
            "total": "USD 6.02 to 7.25",
            "sentence": "expected cost: USD 6.02 to 7.25 (1,204,511 PUT requests 6.02, retries 0 to 1.23; us-east-1)",
            "currency": "USD",
            "low": "6.02",
            "high": "7.25",
            "assumptions": ["No request is sent twice."],
            "not_included": ["storage that <b>grows</b>", "data transfer"],
        }
        parts = {"rehearsal": "rehearse.rehearse"}
        plan: dict[str, Any] = {"rows": 1_204_511, "operation": TAGGING, "cost": cost, "parts": parts}
        sample = {"objects": 1_000, "of": 1_204_511, "succeeded": 998, "failed": 2, "counted_failures": 1, "allowed": 3}
        first = self.task("rehearse", "rehearse", REHEARSAL, "running", start=11)
        self.add("rehearsing", "rehearsed", "rehearse", 12, self.plan("rehearse", 12, "success", **plan), [first])
        second = self.task("rehearse", "rehearse", REHEARSAL, "success", start=13)
        second.xcoms = {"return_value": {**sample, "codes": {"NoSuchKey": 1, "AccessDenied": 1}}}
        shard = self.shard("rehearse", 0, 1_204_511, 40_000, 2, "running", began=9, rate=120.0)
        self.add(
            "rehearsed", "rehearsed", "rehearse", 14, self.plan("rehearse", 14, "success", **plan), [second, shard]
        )
        found = {
            "asked": 5_000,
            "of": 99_990,
            "checked": 5_000,
            "differ": 3,
            "counted": 3,
            "unread": 0,
            "missing": 0,
            "codes": {"TagsDiffer": 3},
            "examples": {"TagsDiffer": ["s3://lake/%3Cscript%3Ealert(1)%3C/script%3E", "s3://lake/a%E2%80%AEb.gz"]},
            "sentence": "5,000 of 99,990 objects were looked at again: 3 differ (TagsDiffer 3).\nThey are listed in s3://o",
        }
        sentence = "put_object_tagging: 10 of 100,000 objects failed; verification: 3 of 5,000 objects differ."
        told: dict[str, Any] = {
            "objects": 100_000,
            "succeeded": 99_990,
            "failed": 10,
            "sentence": sentence,
            "verification": found,
        }
        work = [self.shard("rehearse", index, 50_000, 50_000, 5, "success", began=400) for index in range(2)]
        work.append(self.task("rehearse", "verify", VERIFICATION, "failed", 0, start=380))
        report = self.report("rehearse", 370, "failed", is_green=False, **told)
        plan = {"rows": 100_000, "parts": {"verification": "rehearse.verify"}}
        planned = self.plan("rehearse", 402, "success", **plan)
        self.add("verified", "rehearsed", "rehearse", 402, planned, [*work, report], state="failed")
        work = [self.shard("rehearse", index, 50_000, 50_000, 0, "success", began=100) for index in range(2)]
        work.append(self.task("rehearse", "verify", VERIFICATION, "running", 0, start=80))
        planned = self.plan("rehearse", 102, "success", **plan)
        self.add("verifying", "rehearsed", "rehearse", 102, planned, work)
        work = [self.shard("rehearse", 0, 100_000, 100_000, 10, "success", began=700)]
        report = self.report("rehearse", 670, "success", objects=100_000, succeeded=99_990, failed=10, is_green=False)
        planned = self.plan("rehearse", 702, "success", rows=100_000)
        self.add("marked", "rehearsed", "rehearse", 702, planned, [*work, report], state="success")

        codes = {"NotAttempted": (350, ()), "AccessDenied": (20, ("s3://lake/a.gz",))}
        sentence = "put_object_tagging: 370 of 400 objects failed.\nClear task rehearse.rehearse."
        reached = {"objects": 400, "succeeded": 30, "failed": 370, "not_attempted": 350, "codes": codes}
        report = self.report("rehearse", 770, "failed", is_green=False, sentence=sentence, **reached)
        sampled = self.task("rehearse", "rehearse", REHEARSAL, "failed", start=790)
        work = [self.task("rehearse", "run", OPERATION, "upstream_failed")]
        planned = self.plan("rehearse", 792, "success", rows=400, parts=parts)
        self.add("unreached", "rehearsed", "rehearse", 792, planned, [sampled, *work, report], state="failed")

    def million(self, shards: int) -> None:
        """Add a large job in the middle of its work."""
        rows = 5_000
        work = []
        for index in range(shards):
            if index < shards // 2:
                work.append(self.shard("big", index, rows, rows, index % 7, "success", began=120 - index % 60))
            elif index < shards * 3 // 5:
                done = 1_000 + 37 * index % 3_900
                work.append(self.shard("big", index, rows, done, index % 3, "running", began=20, rate=35 + index % 9))
            else:
                work.append(self.task("big", "run", OPERATION, "scheduled", index))
        plan = self.plan("big", 125, "success", rows=rows * shards)
        self.add("million", "million_objects", "big", 125, plan, work)

    def attacked(self) -> None:
        """Add a job with an attacker's keys, and XComs that are no news at all."""
        from airflow_s3batch.core.keys import encode_key

        urls = tuple(f"s3://lake/{encode_key(key)}" for key in EVIL_KEYS)
        codes = {"AccessDenied": (40, urls[:3]), "<b>Evil</b>": (2, urls[3:])}
        shard = self.shard("evil", 0, 1_000, 500, 42, "running", began=5, codes=codes, rate=3.0)
        plan = self.plan("evil", 6, "success", rows=5_000, reason="<img src=x onerror=alert(1)>\u202e")
        bad = [
            {"v": 1, "job": "s3://x/y", "at": self.iso(0), "history": [[0, 0, 0, 0], [5e-324, 9, 0, 0]]},
            'raw:{"v":1,"job":"s3://x/y","rows":1e999,"done":NaN,"failed":-5,"rate":"fast","history":[[1,2],{"a":1}]}',
            "raw:" + "[" * 20_000,
            'raw:{"v":1,"job":{"a":[]},"codes":"many"}',
            {"v": 1, "job": "javascript:alert(1)", "codes": {"x" * 9_000: [1, ["y" * 9_000]]}, "rows": 10**400},
            "raw:null",
            {"v": 2, "job": "s3://of/the/future"},
            {"v": 1, "job": "s3://x/y", "junk": "z" * 300_000},
        ]
        odd = [self.task("evil", "run", OPERATION, "running", index + 1, start=4) for index in range(len(bad))]
        for task, value in zip(odd, bad, strict=True):
            task.xcoms = {PROGRESS_KEY: value, PLAN_KEY: value, REPORT_KEY: value}
        self.add("attacked", "attacked", "evil", 6, plan, [shard, *odd])

    def many(self, number: int) -> None:
        """Add jobs that have ended, a quarter of them red."""
        for index in range(number):
            minutes = 30 + index * 20 % 40_000
            is_green = index % 4 != 0
            plan = self.plan("job", minutes, "success", rows=100 + index)
            failed = 0 if is_green else 1 + index % 50
            report = self.report(
                "job",
                minutes - 10,
                "success" if is_green else "failed",
                objects=100 + index,
                succeeded=100 + index - failed,
                failed=failed,
                is_green=is_green,
            )
            work = [self.shard("job", 0, 100 + index, 100 + index, failed, "success" if is_green else "failed")]
            self.add(f"many_{index}", "many_jobs", "job", minutes, plan, [*work, report], state=report.state)

    def add(self, name: str, dag_id: str, group: str, began: float, first: Task, rest: list[Task], **run: Any) -> None:
        """Add the run *name*; the tasks that *rest* does not have are there, and not begun."""
        tasks = [first, *rest]
        for prefix in {task.task_id.rpartition(".")[0] for task in tasks}:
            there = {task.task_id for task in tasks}
            missing = [("run", OPERATION), ("report", REPORT)]
            tasks += [self.task(prefix, part, op) for part, op in missing if task_id_of(prefix, part) not in there]
        run_id = f"manual__{self.at(began):%Y-%m-%dT%H:%M:%S}+00:00_{name}"
        state = run.get("state", "running")
        self.seeder.run(dag_id, run_id, state, self.at(began), tasks, is_over=state != "running")
        self.places[name] = Place(dag_id, run_id, group)
