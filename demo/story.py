"""The demo from its first line to its last: a run that ends red for a reason, and green once the reason is gone."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_s3batch.testing import Server, ministack
from demo.airflow_stack import START_TIMEOUT_S, AirflowStack
from demo.check import shortened, wrong_rows, wrong_tags
from demo.show import DIM, Screen
from demo.watching import RunWatch
from demo.world import LAKE, Fate, World, fill

DAG_ID = "weekly_compliance"
REPORT_TASK = "quarantine.report"
RUN_TIMEOUT_S = 60.0


class DemoError(RuntimeError):
    """The demo can't go on, or has not ended as it should."""


def tell(screen: Screen, folder: Path, dags: Path) -> str:
    """
    Run the demo below *folder*; return the id of the Dag run.

    Raises:
        DemoError: the job has not done what it should.
        ComponentError: a part of Airflow does not start or run.
        ServerMissingError: MiniStack is not installed.
    """
    began = time.monotonic()
    screen.line("S3 Batch Operations by Airflow: a weekly compliance Dag on 5,000 objects. All of it on 127.0.0.1.")
    screen.heading("Starting")
    with contextlib.ExitStack() as running:
        with screen.step("S3 (MiniStack)"):
            server = running.enter_context(ministack(data=folder / "s3", checks_access=True))
        world, stack = _prepare(screen, server, folder, dags)
        with screen.step("Airflow: api-server, scheduler, dag-processor, triggerer"):
            running.enter_context(stack)
            stack.wait_for_dag(DAG_ID)
        run_id = _first_run(stack)
        report = _run_twice(screen, stack, world, folder, run_id)
        _check(screen, world, report["report_url"])
    screen.heading("To look at")
    screen.line(f"  the report     {folder / 'report.html'}")
    screen.line(f"  … when red     {folder / 'report-red.html'}")
    screen.line(f"  job folder     {report['job_url']}")
    screen.line("  Airflow's UI   make demo-ui")
    screen.line(screen.paint(f"\n{time.monotonic() - began:.0f} s; nothing is left running.", DIM))
    return run_id


def _prepare(screen: Screen, server: Server, folder: Path, dags: Path) -> tuple[World, AirflowStack]:
    """Fill S3 and make Airflow's database, both at the same time."""
    stack = AirflowStack(folder / "airflow", dags=dags)
    database = stack.begin_prepare()
    with screen.step("5,000 objects, then an S3 Inventory of them, then some changes behind its back"):
        world = fill(server)
    stack.add_settings({"AIRFLOW_CONN_AWS_DEFAULT": world.user.airflow_connection_uri()})
    with screen.step("Airflow's database"):
        database.wait(START_TIMEOUT_S)
    return world, stack


def _first_run(stack: AirflowStack) -> str:
    """Switch the Dag on; return the id of the run that its schedule makes."""
    stack.api.unpause(DAG_ID)
    deadline = time.monotonic() + RUN_TIMEOUT_S
    while (run_id := stack.api.first_run(DAG_ID)) is None:
        stack.check()
        if time.monotonic() > deadline:
            raise DemoError(f"The scheduler made no run of {DAG_ID}; its log is in {stack.logs}.")
        time.sleep(0.2)
    return run_id


def _run_twice(screen: Screen, stack: AirflowStack, world: World, folder: Path, run_id: str) -> Mapping[str, Any]:
    """Show the run until it is red, remove the cause, and show it until it is green; return the last summary."""
    watch = RunWatch(stack, screen, DAG_ID, run_id)
    screen.heading(f"Dag {DAG_ID}, run {run_id}")
    if watch.until_end():
        raise DemoError("The run is green, although a bucket policy was in its way.")
    summary = _summary(world, folder / "report-red.html")
    _show_summary(screen, summary, "The run is red, as it should be")
    screen.heading("The cause is removed, and the failed tasks are cleared, as the UI's button does")
    world.lift_the_hold()
    screen.mark(f"s3://{LAKE}: the bucket policy that denies tagging of legal/* is gone")
    screen.mark(f"{stack.api.clear(DAG_ID, run_id)} task instances cleared; nothing else runs again")
    if not watch.until_end():
        raise DemoError(f"The run is still red; the logs of its tasks are below {stack.home / 'logs'}.")
    summary = _summary(world, folder / "report.html")
    _show_summary(screen, summary, "The run is green")
    return summary


def _summary(world: World, html: Path) -> dict[str, Any]:
    """Return the newest job's ``summary.json``, and save its page as *html*."""
    client = world.server.client()
    (found,) = [
        entry["Key"]
        for page in client.get_paginator("list_objects_v2").paginate(Bucket="ops")
        for entry in page.get("Contents", ())
        if entry["Key"].endswith("/report/summary.json")
    ]
    page = client.get_object(Bucket="ops", Key=found.replace("summary.json", "report.html"))
    html.write_bytes(page["Body"].read())
    summary: dict[str, Any] = json.loads(client.get_object(Bucket="ops", Key=found)["Body"].read())
    return summary


def _show_summary(screen: Screen, summary: Mapping[str, Any], title: str) -> None:
    counted, allowed = summary["counted_failures"], summary["allowed_failures"]
    screen.heading(f"{title}: {counted} failures count, {allowed} are allowed")
    screen.line(f"  {summary['succeeded']:>6,} of {summary['objects']:,} objects succeeded")
    for code, number in sorted(summary["codes"].items(), key=lambda entry: -entry[1]):
        verdict = "tolerated" if code in summary["tolerate"] else "counts"
        example = next(iter(summary["examples"].get(code, [])), "")
        screen.line(f"  {number:>6,} {code:<13} {verdict:<10} e.g. {example}")


def _check(screen: Screen, world: World, report_url: str) -> None:
    screen.heading("Checked with boto3 and Python's csv module, against what the inventory asks for")
    counts = {fate: sum(item.fate is fate for item in world.items) for fate in Fate}
    tagged = counts[Fate.TAGGED] + counts[Fate.HELD]
    left = counts[Fate.LEFT] + counts[Fate.UNFIT] + len(world.latecomers)
    rows = len(world.items) - counts[Fate.LEFT]
    with screen.step(f"S3: {tagged:,} objects carry exactly the new tags, {left:,} others are as they were"):
        _demand(wrong_tags(world))
    with screen.step(f"Report: {rows:,} rows, each object of the manifest once, with the right outcome"):
        _demand(wrong_rows(world, report_url))


def _demand(problems: list[str]) -> None:
    if problems:
        raise DemoError(f"The job has not done what it should:\n{shortened(problems)}")
