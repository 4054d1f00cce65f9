"""Makes manifests of inventories, each contender in a process of its own, in turn."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.cpu import Say
from benchmarks.measuring import Cost
from benchmarks.planning.contenders import CONTENDERS, Task
from benchmarks.planning.inventories import WHERE, Inventory, deliver
from benchmarks.results import PlanningResult
from benchmarks.scope import Scope

_MANY_ROUNDS_UP_TO = 10_000_000


def planning(scope: Scope, say: Say) -> list[PlanningResult]:
    """Filter inventories of growing size; needs about 20 GB of disk for 100 million rows."""
    results = []
    with tempfile.TemporaryDirectory(prefix="s3batch-bench-") as name:
        for file_format, sizes in scope.inventories.items():
            for rows in sizes:
                inventory = deliver(Path(name), rows, file_format)
                rounds = scope.inventory_rounds if rows <= _MANY_ROUNDS_UP_TO else 1
                for share in WHERE:
                    results += _contest(inventory, share, rounds, Path(name), say)
    return results


def _contest(inventory: Inventory, share: str, rounds: int, folder: Path, say: Say) -> list[PlanningResult]:
    """Let every contender do the same in each round, one after the other."""
    costs: dict[str, list[tuple[Cost, int]]] = {name: [] for name in CONTENDERS}
    for _ in range(rounds):
        for name, found in costs.items():
            found.append(_measured(Task(name, inventory, share, folder)))
    results = [_result(inventory, share, name, found) for name, found in costs.items()]
    for result in results:
        case = f"{result.file_format}, {result.rows:,} rows, {share}, {result.contender}"
        say(f"{case}: {min(result.cpu_s):.2f} CPU s, {max(result.peak_mb):.0f} MB, {result.selected:,} selected")
    return results


def _result(inventory: Inventory, share: str, contender: str, found: list[tuple[Cost, int]]) -> PlanningResult:
    return PlanningResult(
        inventory.file_format,
        inventory.rows,
        share,
        contender,
        found[0][1],
        [cost.cpu_s for cost, _ in found],
        [cost.wall_s for cost, _ in found],
        [cost.peak_mb for cost, _ in found],
    )


def _measured(task: Task) -> tuple[Cost, int]:
    """
    Do *task* in a folder and a Python process of its own; return its cost, and how many rows it selected.

    Raises:
        RuntimeError: it failed; the message is the end of what it wrote.
    """
    with tempfile.TemporaryDirectory(dir=task.folder) as name:
        command = [sys.executable, "-m", "benchmarks.planning.contenders", task._replace(folder=Path(name)).to_json()]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{task.contender}, {task.inventory.url}: {done.stderr.strip()[-2_000:]}")
    *cost, selected = json.loads(done.stdout.splitlines()[-1])
    return Cost(*cost), selected
