"""Where a job's things can be looked at: pages of this Airflow, AWS's console, files; and the commands about it."""

from __future__ import annotations

import re
import shlex
from urllib.parse import quote, urlsplit

from airflow_s3batch.core.news import ProgressNews, ReportNews

_CONSOLE = re.compile(r"([a-z0-9-]+\.)?console\.(aws\.amazon\.com|amazonaws\.cn|amazonaws-us-gov\.com)")
_FILES = (
    ("Report", "html_url"),
    ("Completion report", "report_url"),
    ("Failed objects", "failed_url"),
    ("Summary", "summary_url"),
)


def run_url(base: str, dag_id: str, run_id: str) -> str:
    """Return the path of a run's page; *base* is where Airflow is served, without a slash at its end."""
    return f"{base}/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"


def task_url(base: str, dag_id: str, run_id: str, task_id: str, map_index: int = -1, try_number: int = 0) -> str:
    """Return the path of a task instance's page, which shows its log."""
    mapped = f"/mapped/{map_index}" if map_index >= 0 else ""
    tried = f"?try_number={try_number}" if try_number > 0 else ""
    return f"{run_url(base, dag_id, run_id)}/tasks/{quote(task_id, safe='')}{mapped}{tried}"


def file_links(report: ReportNews | None) -> list[dict[str, str]]:
    """Return the files of a report, as ``s3://`` URLs; what a dry run would be done to has not failed."""
    if report is None or report.no_manifest:
        return []
    of_dry_run = {"Failed objects": "Objects of the dry run"} if report.dry_run else {}
    urls = [(of_dry_run.get(label, label), getattr(report, name)) for label, name in _FILES]
    return [{"label": label, "url": url, "kind": "s3"} for label, url in urls if url.startswith("s3://")]


def console_link(news: ProgressNews) -> dict[str, str] | None:
    """Return the link to an AWS job in AWS's console, if *news* name it and it is there."""
    url = (news.aws_job or {}).get("url")
    if not isinstance(url, str) or not is_console(url):
        return None
    return {"label": f"AWS console: {news.bucket or 'job'}", "url": url, "kind": "aws"}


def is_console(url: str) -> bool:
    """Whether *url* is one of AWS's console and nothing else."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    is_plain = url.isascii() and not any(mark in url for mark in "\\\"'<> \t\r\n")
    return bool(is_plain and parts.scheme == "https" and port is None and _CONSOLE.fullmatch(parts.netloc))


def commands(job_url: str, state: str, *, dry_run: bool = False) -> list[dict[str, str]]:
    """Return the command lines that are of use for a job in this *state*; none if its folder is not known."""
    if not job_url.startswith("s3://"):
        return []
    folder = shlex.quote(job_url)
    verbs = {
        "queued": [("Pause", "pause {}"), ("Plan", "plan {}")],
        "awaiting_approval": [("Plan", "plan {}")],
        "running": [("Pause", "pause {}"), ("Slow down", "speed {} --max-requests-per-s 100"), ("Status", "status {}")],
        "paused": [("Resume", "resume {}"), ("Status", "status {}")],
        "reporting": [("Status", "status {}")],
    }
    rows = ("Objects of the dry run", "report {} --rows") if dry_run else ("Failed objects", "failed {}")
    ended = [("Report", "report {}"), rows]
    found = verbs.get(state, ended if state in ("success", "failed") else [])
    return [{"label": label, "command": f"s3batch {verb.format(folder)}"} for label, verb in found]
