"""``s3batch speed``: how fast a running job may be."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from airflow_s3batch.cli import exits
from airflow_s3batch.cli.asking import add_asking

if TYPE_CHECKING:
    from rich.console import Console

    from airflow_s3batch.core.layout import JobLayout
    from airflow_s3batch.engine.files.storage import Storage

NAME = "speed"
HELP = "change how fast a job may be, while it runs"
_OWN = "dag"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_asking(parser)
    parser.add_argument(
        "--max-requests-per-s",
        metavar="N",
        type=_rate_or_own,
        help=f"requests a second of the whole job; '{_OWN}' is what its Dag says",
    )
    parser.add_argument(
        "--max-concurrency",
        metavar="N",
        type=_count_or_own,
        help=f"requests in flight in one task, at most what it began with; '{_OWN}' is what its Dag says",
    )
    parser.add_argument(
        "--priority", metavar="N", type=int, help="of the running AWS jobs (engine='managed'), 0 to 2,147,483,647"
    )


def run(args: argparse.Namespace, store: Storage, console: Console) -> int:
    """Ask for it, and tell what follows."""
    from airflow_s3batch.cli.asking import ask, job_of
    from airflow_s3batch.cli.printing import told
    from airflow_s3batch.core.errors import ArgumentError

    names = ("max_requests_per_s", "max_concurrency")
    changes: dict[str, Any] = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    if not changes and args.priority is None:
        raise ArgumentError("speed: nothing is asked for; pass --max-requests-per-s, --max-concurrency or --priority")
    job = job_of(store, args)
    _refuse_what_engines_lack(store, job, changes, args.priority)
    if args.priority is not None:
        _prioritize(args, store, job, console)
    if changes:
        values = {name: None if value == _OWN else value for name, value in changes.items()}
        asked = ask(store, job, args, **values)
        console.print(told(f"{job.url}: {asked.sentence()}"))
        console.print(told("Running tasks follow within a few seconds, both ways."))
    return exits.GREEN


def _refuse_what_engines_lack(store: Storage, job: JobLayout, changes: dict[str, Any], priority: int | None) -> None:
    """
    End here if AWS does the work and is to be slowed down, or workers do and are to have a priority.

    Raises:
        ArgumentError: names the way out.
    """
    from airflow_s3batch.core.errors import ArgumentError
    from airflow_s3batch.managed.running import aws_jobs_of

    has_aws_jobs = next(aws_jobs_of(store, job), None) is not None
    if has_aws_jobs and changes:
        raise ArgumentError(
            f"{job.url}: AWS S3 Batch Operations does the work, and decides how fast by itself; "
            "pass --priority to run it before or after other AWS jobs, or stop it for a while: s3batch pause"
        )
    if priority is not None and not has_aws_jobs:
        raise ArgumentError(
            f"{job.url}: there is no AWS job to give a priority to; workers take --max-requests-per-s and "
            "--max-concurrency, and a task's place in Airflow's queue comes from its priority_weight"
        )


def _prioritize(args: argparse.Namespace, store: Storage, job: JobLayout, console: Console) -> None:
    from airflow_s3batch.cli.aws_jobs import control_in, with_reasons
    from airflow_s3batch.cli.printing import told
    from airflow_s3batch.managed.running import aws_jobs_of

    running = [found for found in aws_jobs_of(store, job) if not found.is_harvested]
    if not running:
        console.print(told(f"{job.url}: none of its AWS jobs is at work any more."))
    for found in running:
        with with_reasons(found):
            new = control_in(args, found.region).set_priority(found.account_id, found.job_id, args.priority)
            console.print(told(f"AWS job {found.job_id} ({found.bucket}): priority {new:,}"))


def _rate_or_own(text: str) -> float | str:
    return _OWN if text == _OWN else float(text)


def _count_or_own(text: str) -> int | str:
    return _OWN if text == _OWN else int(text)
