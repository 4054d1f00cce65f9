"""The question that the picture of docs/approval.md shows: what people are asked before objects are deleted."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from airflow_s3batch.core.manifest import Manifest
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.costs import Totals, estimate, shipped_prices
from airflow_s3batch.operations import DeleteObject
from airflow_s3batch.operators.approval_text import Question

DAG_ID = "expire_versions"
_CLASSES = {"STANDARD": (1_004_511, 40 * 10**12), "GLACIER_IR": (200_000, 10 * 10**12)}
_KEYS = ("raw/2019/events 01.json.gz", "raw/2019/events+02.json.gz", "exports/übersicht.csv")
_SET = """
UPDATE hitl_detail SET subject = ?, body = ?
WHERE ti_id IN (SELECT id FROM task_instance WHERE dag_id = ? AND state IN ('deferred', 'awaiting_input'))
"""


def question() -> Question:
    """Return it, with all figures."""
    rows, size = (sum(each) for each in zip(*_CLASSES.values(), strict=True))
    job = S3Url("ops", "s3batch/expire-versions-2026-11-22t0600-9f1c0a7be21d")
    manifest = Manifest(job, rows, size, 10_000, (), (), "", storage_classes=_CLASSES)
    return Question(
        operation=DeleteObject(),
        manifest=manifest,
        engine="worker",
        selection={
            "kind": "inventory",
            "where": "NOT is_latest\n  AND last_modified_date < TIMESTAMP '2020-01-01'",
            "guards": {"max_objects": 2_000_000, "max_change": 0.5},
        },
        source={
            "manifest": "s3://inventories/lake/daily/2026-11-22T01-00Z/manifest.json",
            "created": "2026-11-22T01:00:00+00:00",
        },
        cost=estimate(Totals.of(manifest), DeleteObject(), "worker", shipped_prices()),
        rehearsal={"objects": 100, "failed": 1, "codes": {"AccessDenied": 1}},
        examples=[S3Object("lake", key, f"v{number}") for number, key in enumerate(_KEYS)],
        deadline=datetime(2026, 11, 24, 6, tzinfo=UTC),
    )


def ask(airflow_home: Path) -> None:
    """Have the seeded task that waits for an answer ask this."""
    asked = question()
    with contextlib.closing(sqlite3.connect(airflow_home / "airflow.db", timeout=20)) as database:
        changed = database.execute(_SET, (asked.subject(), asked.body(), DAG_ID)).rowcount
        database.commit()
    if changed != 1:
        raise LookupError(f"{changed} tasks of {DAG_ID} wait for an answer")
