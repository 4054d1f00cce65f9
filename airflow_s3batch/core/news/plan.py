"""What a manifest task tells: which objects are meant, by which guards, and why there is no manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from airflow_s3batch.core.news import clean
from airflow_s3batch.core.news.bounds import fitted

PLAN_KEY = "s3batch_plan"
VERSION = 1
STATES = ("planning", "published", "refused", "failed")
MOST_BYTES = 16_000
MOST_SQL = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanNews:
    """
    What a manifest task tells as it starts, and again as it ends.

    Attributes:
        job: URL of the job's folder; empty while it is not known.
        state: one of `STATES`; ``refused`` by a guard.
        engine: ``worker`` or ``managed``.
        operation: the declaration of what will be done, if the task knows it.
        dry_run: whether the operation task was told to change nothing, as far as the Dag tells.
        source: kind of the source, such as ``inventory``; *source_name* is what people call it.
        as_of: ISO time of the source's data.
        sql: the filter or the SELECT; *columns* are the extra ones' SQL by name, *params* the values of ``$name``.
        rows: objects of the manifest; *bytes* of them, as far as known; *shards*.
        slots: shards that run at a time at most, as far as the Dag tells; 0 if it does not. *slots_by* is the limit.
        guards: limits by name.
        reason: why there is no manifest: the whole sentence.
        started: ISO time; *ended* likewise, ``None`` while it runs.
        cost: the estimate.
        storage_classes: ``[rows, bytes]`` by class.
        jobs: of the manifest: the ids of their tasks by part: ``operation``, ``report``, ``approval``, ``rehearsal``, …
        task_id: of the manifest task itself.
    """

    job: str = ""
    state: str = "planning"
    engine: str = "worker"
    operation: Mapping[str, Any] | None = None
    dry_run: bool = False
    source: str = ""
    source_name: str = ""
    as_of: str | None = None
    sql: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    rows: int = 0
    bytes: int = 0
    shards: int = 0
    slots: int = 0
    slots_by: str = ""
    guards: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    started: str | None = None
    ended: str | None = None
    cost: Mapping[str, Any] | None = None
    storage_classes: Mapping[str, Any] = field(default_factory=dict)
    jobs: tuple[Mapping[str, str], ...] = ()
    task_id: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the XCom's value, of at most `MOST_BYTES` bytes; `from_json` reads it."""
        document = _cleaned({name: getattr(self, name) for name in self.__dataclass_fields__})
        return fitted({"v": VERSION, **document, "jobs": list(document["jobs"])}, MOST_BYTES)

    @classmethod
    def from_json(cls, value: Any, *, is_brief: bool = False) -> Self | None:
        """
        Return the news that *value* tells, whatever is wrong with it made harmless; ``None`` if it tells none.

        What takes long to read and no list shows (SQL, guards, cost, …) is left out if *is_brief*.
        """
        if not isinstance(value, Mapping) or value.get("v") != VERSION:
            return None
        told = {name: value.get(name) for name in cls.__dataclass_fields__}
        return cls(**(_brief(told) if is_brief else _cleaned(told)))


def _cleaned(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is *told*, each value of its own type and size."""
    return {
        **_brief(told),
        "operation": clean.mapping(told["operation"], text=500),
        "source": clean.visible(told["source"], 50),
        "source_name": clean.visible(told["source_name"], 1_000),
        "as_of": clean.moment(told["as_of"]),
        "sql": clean.lines(told["sql"], MOST_SQL),
        "columns": _texts(told["columns"]),
        "params": clean.mapping(told["params"], text=300, depth=2) or {},
        "guards": clean.mapping(told["guards"], text=300, depth=2) or {},
        "started": clean.moment(told["started"]),
        "ended": clean.moment(told["ended"]),
        "cost": clean.mapping(told["cost"], text=500),
        "slots": clean.count(told["slots"]),
        "slots_by": clean.visible(told["slots_by"], 300),
        "storage_classes": _classes(told["storage_classes"]),
    }


def _brief(told: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "job": clean.url(told["job"]),
        "state": clean.one_of(told["state"], STATES, "planning"),
        "engine": clean.one_of(told["engine"], ("worker", "managed"), "worker"),
        "operation": clean.mapping(told["operation"], text=50, depth=3, items=12),
        "dry_run": told["dry_run"] is True,
        **{name: clean.count(told[name]) for name in ("rows", "bytes", "shards")},
        "reason": clean.lines(told["reason"], 3_000),
        "jobs": _jobs(told["jobs"]),
        "task_id": clean.visible(told["task_id"], 250),
    }


def _texts(value: Any) -> dict[str, str]:
    pairs = list(value.items())[:60] if isinstance(value, Mapping) else []
    return {clean.visible(name, 100): clean.lines(text, 500) for name, text in pairs}


def _classes(value: Any) -> dict[str, list[int]]:
    """Return rows and bytes by storage class; others are left out."""
    found = {}
    for name, pair in list(value.items())[:30] if isinstance(value, Mapping) else ():
        if isinstance(pair, list | tuple) and len(pair) == 2:
            found[clean.visible(name, 50)] = [clean.count(item) for item in pair]
    return found


def _jobs(value: Any) -> tuple[dict[str, str], ...]:
    jobs = value[:20] if isinstance(value, list | tuple) else ()
    return tuple(filter(None, map(clean.names, jobs)))
