"""``s3batch jobs``: all jobs below a ``job_url``."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_s3batch.cli import exits
from airflow_s3batch.cli.row_filters import at_least_one

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from airflow_s3batch.cli.job_list import JobLine
    from airflow_s3batch.engine.files.storage import Storage

NAME = "jobs"
HELP = "all jobs below a job_url: state, operation, objects, failures, age"
SORTS = ("created", "last", "objects", "failed", "name", "state")
STATES = ("success", "failed", "running", "paused", "unfinished", "damaged")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("url", metavar="JOB_URL", help="s3://… the job_url of the Dags, where all job folders lie")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line for each job")
    parser.add_argument(
        "--sort",
        choices=[*SORTS, *(f"-{name}" for name in SORTS), "none"],
        default="created",
        help="by what; - turns it round (--sort=-created is the oldest first); none prints jobs as they are read "
        "(default: %(default)s)",
    )
    parser.add_argument("--limit", metavar="N", type=at_least_one, default=50, help="only the first N (%(default)s)")
    parser.add_argument("--state", choices=STATES, help="only jobs in this state")
    parser.add_argument("--dag", metavar="DAG_ID", help="only jobs of this Dag")


def run(args: argparse.Namespace, store: Storage, console: Console) -> int:
    """List them."""
    import itertools

    from airflow_s3batch.cli.job_list import job_lines, sorted_lines
    from airflow_s3batch.cli.job_view import print_job_lines, reading_progress
    from airflow_s3batch.cli.printing import told
    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.engine.rates.shared_seen import rates_seen

    job_url, now = S3Url.parse(args.url, what="JOB_URL"), datetime.now(UTC)
    with reading_progress() as seen:
        wanted = (line for line in job_lines(store, job_url, now=now, seen=seen) if _is_wanted(line, args))
        lines: Iterator[JobLine] = itertools.islice(wanted, args.limit)
        if args.sort != "none":
            lines = iter(sorted_lines(wanted, args.sort, args.limit))
        if args.json:
            _print_json_lines(lines, console)
            return exits.GREEN
        found = list(lines)
    print_job_lines(console, found, now=now, place=args.url)
    for rate in rates_seen(store, job_url, now):
        console.print(told(rate.sentence()), soft_wrap=True)
    return exits.GREEN


def _is_wanted(line: JobLine, args: argparse.Namespace) -> bool:
    return args.state in (None, line.state) and args.dag in (None, line.dag_id)


def _print_json_lines(lines: Iterator[JobLine], console: Console) -> None:
    import json

    for line in lines:
        console.file.write(json.dumps(line.to_json()) + "\n")
