"""``s3batch pause``: no new object is begun until somebody resumes the job."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from airflow_s3batch.cli import exits
from airflow_s3batch.cli.asking import add_asking

if TYPE_CHECKING:
    from rich.console import Console

    from airflow_s3batch.engine.files.storage import Storage

NAME = "pause"
HELP = "begin no new object of a job until it is resumed; what is in flight is finished and recorded"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_asking(parser)


def run(args: argparse.Namespace, store: Storage, console: Console) -> int:
    """Ask for it, and tell what follows."""
    from airflow_s3batch.cli.asking import ask, job_of
    from airflow_s3batch.cli.printing import told
    from airflow_s3batch.core.control import PAUSE

    job = job_of(store, args)
    asked = ask(store, job, args, state=PAUSE)
    console.print(told(f"{job.url}: {asked.sentence()}"))
    console.print(
        told(
            "Workers begin no new object from a few seconds on. AWS jobs (engine='managed') are cancelled at their "
            f"task's next look; what is left gets a new one. To go on: s3batch resume {job.url}"
        )
    )
    return exits.GREEN
