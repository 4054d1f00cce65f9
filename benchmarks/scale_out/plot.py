"""Draws what was found as an SVG that is the same for the same figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.scale_out.results import Results
from benchmarks.scale_out.throughput import CASES

_COLORS = ("#1b6ca8", "#b5443c", "#d98c3f", "#7fb2d9")


def draw(results: Results, path: Path) -> None:
    """Write the picture to *path*."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    with mpl.rc_context({"svg.hashsalt": "airflow-s3batch", "svg.fonttype": "none", "font.size": 9}):
        figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
        _draw_speeds(results, left)
        _draw_cuts(results, right)
        figure.savefig(path, format="svg", metadata={"Date": None})
        pyplot.close(figure)


def _draw_speeds(results: Results, axes: Any) -> None:
    workers = [speed.workers for speed in results.speeds]
    one = next((speed.best / speed.workers for speed in results.speeds), 0.0)
    axes.plot(workers, [one * number for number in workers], "--", color="#9a9a9a", label="in proportion")
    axes.plot(workers, [speed.best for speed in results.speeds], marker="o", color=_COLORS[0], label="measured")
    axes.set_xticks(workers, map(str, workers))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("workers")
    axes.set_ylabel("objects a second")
    axes.set_title("One job, a store that answers late")
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_cuts(results: Results, axes: Any) -> None:
    for case, color in zip(CASES, _COLORS, strict=True):
        found = sorted((cut.shards, cut.elapsed_s) for cut in results.cuts if cut.case == case)
        if found:
            axes.plot(*zip(*found, strict=True), marker="o", color=color, label=case)
    shards = sorted({cut.shards for cut in results.cuts})
    if shards:
        axes.set_xscale("log", base=2)
        axes.legend(frameon=False, fontsize=8)
    axes.set_xticks(shards, map(str, shards))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("shards")
    axes.set_ylabel("seconds")
    axes.set_title("Eight workers")
    axes.spines[["top", "right"]].set_visible(False)
