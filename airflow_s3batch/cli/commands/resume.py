"""``s3batch resume``: a paused job goes on with what is left."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from airflow_s3batch.cli import exits
from airflow_s3batch.cli.asking import add_asking

if TYPE_CHECKING:
    from rich.console import Console

    from airflow_s3batch.engine.files.storage import Storage

NAME = "resume"
HELP = "let a paused job go on with what is left; the speed that was asked for stays"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_asking(parser)


def run(args: argparse.Namespace, store: Storage, console: Console) -> int:
    """Ask for it, and tell what follows."""
    from airflow_s3batch.cli.asking import ask, asked_of, job_of
    from airflow_s3batch.cli.printing import told
    from airflow_s3batch.core.control import RUN

    job = job_of(store, args)
    was_paused = asked_of(store, job).is_paused
    asked = ask(store, job, args, state=RUN)
    console.print(told(f"{job.url}: {asked.sentence()}"))
    if was_paused:
        console.print(told("Tasks that wait for it go on within about 10 s and Airflow's own pace."))
    else:
        console.print(told("It was not paused."))
    return exits.GREEN
