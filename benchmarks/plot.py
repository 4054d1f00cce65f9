"""Draws what was found as an SVG that is the same for the same figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.cpu import REAL
from benchmarks.results import Results

_JOBS = {"tag": "put tagging", "copy": "copy", "delete": "delete singly", "bulk": "delete in bulk"}
_COLORS = {
    "run_shard": "#1b6ca8",
    "run_batch": "#7fb2d9",
    "bare": "#9a9a9a",
    "s5cmd run": "#d98c3f",
    "s5cmd rm": "#d98c3f",
    "rclone": "#c9b458",
    "boto3": "#b5443c",
}
_NAMES = {"bare": "bare libcurl loop", "s5cmd run": "s5cmd", "s5cmd rm": "s5cmd", "boto3": "boto3, 64 threads"}


def draw(results: Results, path: Path) -> None:
    """Write the picture to *path*."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    with mpl.rc_context({"svg.hashsalt": "airflow-s3batch", "svg.fonttype": "none", "font.size": 9}):
        figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4.2), width_ratios=(3, 1), layout="constrained")
        _draw_cpu(results, left)
        _draw_memory(results, right)
        figure.savefig(path, format="svg", metadata={"Date": None})
        pyplot.close(figure)


def _draw_cpu(results: Results, axes: Any) -> None:
    named: set[str] = set()
    position, ticks = 0.0, []
    for job in _JOBS:
        first = position
        for contender, color in _COLORS.items():
            row = results.find_cpu(REAL, job, contender)
            if row is None:
                continue
            name = _NAMES.get(contender, contender)
            axes.bar(position, row.best, width=0.9, color=color, label="" if name in named else name)
            axes.annotate(f"{row.best:.0f}", (position, row.best), ha="center", va="bottom", fontsize=7)
            named.add(name)
            position += 1
        ticks.append((first + position - 1) / 2)
        position += 0.8
    if named:  # an empty axis can't be logarithmic
        axes.set_yscale("log")
        axes.legend(frameon=False, fontsize=8)
    axes.set_xticks(ticks, list(_JOBS.values()))
    axes.set_ylabel("client CPU, µs per object")
    axes.set_title(f"Client CPU per object on {REAL} (logarithmic)")
    axes.spines[["top", "right"]].set_visible(False)


def _draw_memory(results: Results, axes: Any) -> None:
    rows = [row.rows for row in results.scale]
    axes.plot(rows, [row.peak_mb for row in results.scale], marker="o", color=_COLORS["run_shard"])
    axes.axhline(300, color="#b5443c", linewidth=1, linestyle="--")
    axes.annotate("goal", (rows[0] if rows else 1, 300), va="bottom", fontsize=8, color="#b5443c")
    if rows:
        axes.set_xscale("log")
    axes.set_ylim(0, 330)
    axes.set_xlabel("rows of the shard")
    axes.set_ylabel("peak MB")
    axes.set_title("Memory of one task")
    axes.spines[["top", "right"]].set_visible(False)
