"""Names and fingerprints by which every later attempt finds the same job."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any


def job_id(dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> str:
    """
    Return the name of the job that this manifest task makes in this Dag run: readable, and the same in every attempt.

    Only ``[a-z0-9-]``, at most 80 characters; the last 12 tell apart jobs whose readable parts are the same.
    """
    digest = hashlib.sha256(json.dumps([dag_id, run_id, task_id, map_index]).encode()).hexdigest()[:12]
    moment = re.search(r"\d{4}-\d{2}-\d{2}T\d{2}:?\d{2}", run_id)
    parts = [_slug(dag_id)[:40], _slug(moment.group().replace(":", "") if moment else run_id)[:20], digest]
    return "-".join(part for part in parts if part)


def series_id(dag_id: str, task_id: str, map_index: int = -1) -> str:
    """
    Return the name that all runs of one manifest task share: readable, and the same in every run.

    Only ``[a-z0-9-]``, at most 80 characters; the last 12 tell apart tasks whose readable parts are the same.
    """
    digest = hashlib.sha256(json.dumps([dag_id, task_id, map_index]).encode()).hexdigest()[:12]
    parts = [_slug(dag_id)[:40], _slug(task_id)[-25:].strip("-"), digest]
    return "-".join(part for part in parts if part)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def fingerprint(value: Any) -> str:
    """Return 16 hex digits that stand for the JSON-ready *value*, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
