"""What a job is about, as people see it in the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_s3batch.cli.bars import bar
from airflow_s3batch.cli.printing import aligned, print_facts, told
from airflow_s3batch.core.amounts import moment, number, share, size
from airflow_s3batch.costs.money import money_range

if TYPE_CHECKING:
    from rich.console import Console

_SELECTION = ("where", "sql", "params", "keep_versions", "sample", "since", "compare", "exclude", "tables")


def print_plan(console: Console, plan: Mapping[str, Any]) -> None:
    """Print selection, source, totals, guards, storage classes and cost."""
    console.print(told(plan["job_url"], "bold"), soft_wrap=True)
    print_facts(console, [*_origin(plan), *_selection(plan), *_totals(plan), *_guards(plan)])
    manifest = plan["manifest"] or {}
    if manifest.get("storage_classes"):
        console.print()
        _print_classes(console, manifest)
    if plan["cost"]:
        console.print()
        _print_cost(console, plan["cost"])


def _origin(plan: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    about, source = plan["about"] or {}, plan["source"] or {}
    if about.get("dag_id"):
        yield "run", f"{about['dag_id']} {about.get('run_id', '')}"
        yield "task", str(about.get("task_id", ""))
    yield "started", moment(plan["created"])
    kind = str(plan["selection"].get("kind", "inventory"))
    asked = plan["selection"].get(kind)
    yield kind.replace("_", " "), _short(asked if asked is not None else source)
    for name in ("manifest", "created"):
        if source.get(name):
            yield {"manifest": "pinned", "created": "as of"}[name], moment(source[name])
    if plan["operation"]:
        fields = {name: value for name, value in plan["operation"].items() if name != "operation"}
        yield "operation", f"{plan['operation'].get('operation', '')} {_short(fields) if fields else ''}".rstrip()


def _selection(plan: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in _SELECTION:
        value = plan["selection"].get(name)
        if value not in (None, "", [], {}):
            yield name.replace("_", " "), value if isinstance(value, str) else _short(value)
    for name, sql in (plan["selection"].get("columns") or {}).items():
        yield f"column {name}", sql


def _totals(plan: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    manifest = plan["manifest"]
    if manifest is None:
        yield "manifest", "not published: the manifest task has not ended, was refused by a guard, or failed"
        return
    yield "objects", number(manifest["rows"])
    yield "size", size(manifest["bytes"])
    yield "shards", number(manifest["shards"])


def _guards(plan: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in plan["guards"].items():
        yield f"guard {name}", f"{value:,}" if isinstance(value, int) else _short(value)


def _print_classes(console: Console, manifest: Mapping[str, Any]) -> None:
    rows = [
        [told(name), told(number(n)), told(share(n, manifest["rows"])), told(bar(n, manifest["rows"])), told(size(of))]
        for name, (n, of) in manifest["storage_classes"].items()
    ]
    heads = [told(head, "dim") for head in ("storage class", "objects", "share", "", "size")]
    for line in aligned([heads, *rows], right=(1, 2, 4)):
        console.print(line)


def _print_cost(console: Console, cost: Mapping[str, Any]) -> None:
    """Print the sum, what it is for, and what was taken for granted."""
    console.print(told(cost["sentence"], "bold"), soft_wrap=True)
    rows = []
    for item in cost["items"]:
        least, most = (Decimal(amount) for amount in item["amount"])
        when = " a month" if item["is_monthly"] else ""
        rows.append([told(f"  {item['what']}"), told(money_range(least, most, cost["currency"]) + when)])
    for line in aligned(rows, right=(1,)):
        console.print(line, soft_wrap=True)
    for label, sentences in (("taken for granted", cost["assumptions"]), ("not included", cost["not_included"])):
        for sentence in sentences:
            console.print(told(f"  {label}: {sentence}", "dim"), soft_wrap=True)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 500 else f"{text[:499]}…"
