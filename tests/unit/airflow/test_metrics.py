"""Counters and gauges out of running totals; what the dashboard and the mapping say of them."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from airflow_s3batch.core.outcomes import Summary, Tally
from airflow_s3batch.engine.loop.progress import Load, Snapshot
from airflow_s3batch.operators import metrics, stats
from airflow_s3batch.operators.metrics import METRICS, TaskMetrics, emit_report, task_tags
from airflow_s3batch.reports.summary import JobSummary

DOCS = Path(__file__).parents[3] / "docs"
TI = SimpleNamespace(dag_id="classify", task_id="q.run")


class Told:
    """What was emitted."""

    def __init__(self) -> None:
        self.all: list[tuple[str, str, float, dict[str, str]]] = []

    def __call__(self, kind: str, name: str, value: float, tags: Any) -> None:
        self.all.append((kind, name, value, dict(tags)))

    def totals(self, name: str, *by: str) -> dict[str, float]:
        found: dict[str, float] = defaultdict(float)
        for kind, emitted, value, tags in self.all:
            if (kind, emitted) == ("incr", name):
                found[",".join(tags[tag] for tag in by)] += value
        return dict(found)

    def last(self, name: str) -> float:
        return next(value for kind, emitted, value, _ in reversed(self.all) if (kind, emitted) == ("gauge", name))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    told = Told()
    monkeypatch.setattr(metrics, "emit", told)
    return told


def snapshot(done: int, *, codes: dict[str, int] | None = None, state: str = "running", **load: int) -> Snapshot:
    given = {"requests": 0, "in_flight": 0, "slow_downs": 0, "retries": 0, **load}
    return Snapshot(
        name="put_object_tagging",
        total=1_000,
        done=done,
        failed=0,
        rate=12.34 if state == "running" else None,
        requests_per_s=None,
        elapsed_s=2.0,
        load=Load(given["requests"], given["in_flight"], given["slow_downs"], 8, 8, retries=given["retries"]),
        codes={code: (number, ()) for code, number in (codes or {}).items()},
        history=(),
        state=state,
        bytes=10 * done,
    )


def task() -> TaskMetrics:
    return TaskMetrics(task_tags(TI, "put_object_tagging", "worker"), 3)


def test_counters_get_what_is_new(told: Told) -> None:
    """What succeeded in earlier attempts was counted by those."""
    of_task = task()
    for step in (
        snapshot(100),
        snapshot(150, codes={"AccessDenied": 2}, requests=60, retries=4, slow_downs=1),
        snapshot(150, codes={"AccessDenied": 2}, requests=60, retries=4, slow_downs=1),
        snapshot(180, codes={"AccessDenied": 5, "SlowDown": 1}, requests=99, retries=9, slow_downs=2, state="ended"),
    ):
        of_task.take(step)
    assert told.totals("s3batch.objects") == {"": 80}
    assert told.totals("s3batch.failures", "code") == {"AccessDenied": 5, "SlowDown": 1}
    assert told.totals("s3batch.requests") == {"": 99}
    assert told.totals("s3batch.retries") == {"": 9}
    assert told.totals("s3batch.slow_downs") == {"": 2}
    assert told.totals("s3batch.bytes") == {"": 1_800}


def test_gauges_are_0_once_it_is_over(told: Told) -> None:
    of_task = task()
    of_task.take(snapshot(0, in_flight=7))
    assert (told.last("s3batch.rate"), told.last("s3batch.in_flight")) == (12.3, 7)
    of_task.take(snapshot(10, in_flight=3, state="stopped"))
    assert (told.last("s3batch.rate"), told.last("s3batch.in_flight")) == (0, 0)
    number = len(told.all)
    of_task.close()
    assert len(told.all) == number


def test_gauges_of_an_attempt_that_dies_are_0_too(told: Told) -> None:
    of_task = task()
    of_task.take(snapshot(0, in_flight=7))
    of_task.close()
    assert (told.last("s3batch.rate"), told.last("s3batch.in_flight")) == (0, 0)


def test_codes_are_bounded_and_none_is_lost(told: Told) -> None:
    """Functions of users choose their own codes."""
    of_task = task()
    codes = {f"Code{number}": 2 for number in range(50)}
    of_task.take(snapshot(0))
    of_task.take(snapshot(100, codes=codes))
    of_task.take(snapshot(150, codes=dict.fromkeys(codes, 3), state="ended"))
    counted = told.totals("s3batch.failures", "code")
    assert len(counted) == metrics.MOST_CODES + 1
    assert sum(counted.values()) == 150


def test_the_managed_engine_is_counted_when_its_job_is_over(told: Told) -> None:
    tally = Tally(succeeded=7, failed=3, bytes=70, codes={"AccessDenied": 3})
    TaskMetrics(task_tags(TI, "put_object_tagging", "managed"), "lake").take_aws(Summary(tally, duration_s=5))
    assert told.totals("s3batch.objects", "engine") == {"managed": 10}
    assert told.totals("s3batch.failures", "code") == {"AccessDenied": 3}


def test_the_report_tells_the_colour_of_the_job(told: Told) -> None:
    emit_report(TI, JobSummary.of_no_manifest("q.run", "there is no manifest"))
    assert told.totals("s3batch.jobs", "state") == {"red": 1}
    assert all(name != "s3batch.job.objects" for _, name, _, _ in told.all)


@pytest.mark.parametrize(
    "text", ["a b/ü", "x,y=z|c:1", "\n\x1b[31m", "n" * 300, "", "[red]", "{{ evil }}", "\ud800", "team_a.daily-1"]
)
def test_tag_values_are_harmless_and_short(text: str) -> None:
    """Commas, colons and bars are the wire format's own."""
    assert re.fullmatch(r"[A-Za-z0-9_.-]{1,45}", stats.tag_value(text))


def test_long_tag_values_are_told_apart() -> None:
    assert stats.tag_value("d" * 60 + "a") != stats.tag_value("d" * 60 + "b")


def test_names_and_tags_fit_into_what_airflow_takes(told: Told) -> None:
    """Airflow refuses more than 250 characters of a name with its tags."""
    tags = task_tags(SimpleNamespace(dag_id="d" * 250, task_id="t" * 250), "o" * 90, "managed")
    TaskMetrics(tags, "b" * 63).take(snapshot(0))
    TaskMetrics(tags, "b" * 63).take_aws(Summary(Tally(failed=1, codes={"C" * 100: 1})))
    for _, name, _, found in told.all:
        assert len(name + "".join(f",{tag}={value}" for tag, value in found.items())) <= 250


def test_a_backend_that_fails_does_not_end_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(stats, "stats", broken)
    stats.emit("incr", "s3batch.objects", 1, {})


def prometheus_names() -> dict[str, str]:
    """Return the Prometheus name of each metric, by the mapping that is shipped."""
    mapping = yaml.safe_load((DOCS / "grafana/statsd-exporter.yaml").read_text())
    names = {}
    for rule in mapping["mappings"]:
        names[rule["match"].removeprefix("airflow.")] = rule["name"]
        assert rule["match_metric_type"] == METRICS[rule["match"].removeprefix("airflow.")].replace("timer", "observer")
    return names


def test_each_metric_has_a_name_in_prometheus() -> None:
    assert prometheus_names().keys() == METRICS.keys()
    assert len(set(prometheus_names().values())) == len(METRICS)


def test_the_dashboard_asks_only_for_what_is_emitted() -> None:
    dashboard = json.loads((DOCS / "grafana/s3batch.json").read_text())
    known = set(prometheus_names().values())
    timers = {name for metric, name in prometheus_names().items() if METRICS[metric] == "timer"}
    known |= {f"{name}_{part}" for name in timers for part in ("sum", "count", "bucket")}
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    asked += [item["query"]["query"] for item in dashboard["templating"]["list"] if isinstance(item["query"], dict)]
    used = {name for text in asked for name in re.findall(r"\bs3batch_\w+", text)}
    assert used <= known
    assert {name.removesuffix("_sum").removesuffix("_count") for name in used} == set(prometheus_names().values())


def test_the_dashboard_can_be_imported() -> None:
    """What Grafana wants of a dashboard: ids of their own, places that do not overlap, a data source to choose."""
    dashboard = json.loads((DOCS / "grafana/s3batch.json").read_text())
    assert {"title", "uid", "schemaVersion", "panels", "templating", "time"} <= dashboard.keys()
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    cells: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not own & cells, panel["title"]
        cells |= own
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert panel["targets"]


def test_the_documentation_names_each_metric() -> None:
    text = (DOCS / "metrics.md").read_text()
    assert set(re.findall(r"`(s3batch\.[\w.]+)`", text)) == METRICS.keys()
