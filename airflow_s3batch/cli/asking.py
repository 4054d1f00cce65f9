"""Asks something of a job: who, when, why, and what stays as it was asked before."""

from __future__ import annotations

import getpass
import socket
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_s3batch.cli.places import add_url, job_at
from airflow_s3batch.cli.printing import complain
from airflow_s3batch.core.control import Control, read_control
from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.core.layout import JobLayout

if TYPE_CHECKING:
    import argparse

    from airflow_s3batch.engine.files.storage import Storage


def add_asking(parser: argparse.ArgumentParser) -> None:
    """Let *parser* take the job, and who asks for what reason."""
    add_url(parser)
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for whoever looks at the job")
    parser.add_argument("--by", default="", metavar="NAME", help="who asks; user@host if left out")


def job_of(storage: Storage, args: argparse.Namespace) -> JobLayout:
    """
    Return the job that ``args.url`` lies in.

    Raises:
        ManifestError: there is no job at it or above it.
    """
    return JobLayout(job_at(storage, args.url).folder)


def ask(storage: Storage, job: JobLayout, args: argparse.Namespace, **changes: Any) -> Control:
    """
    Write what is asked of *job*: *changes*, and what was asked before; return it. The last one who asks wins.

    Raises:
        ArgumentError: a value in *changes* won't do.
    """
    asked = replace(
        asked_of(storage, job),
        **changes,
        by=args.by or f"{user_name()}@{socket.gethostname()}",
        at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        reason=args.reason,
    )
    storage.write(job.control, asked.to_bytes(), "application/json")
    return asked


def asked_of(storage: Storage, job: JobLayout) -> Control:
    """Return what is asked of *job* now; a file that is not ours is complained of and asks for nothing."""
    try:
        return read_control(storage.read(job.control), place=str(job.control))
    except JobDamagedError as error:
        complain(str(error))
        return Control()


def user_name() -> str:
    """Return who types; ``somebody`` for a user without a name, as in some containers."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "somebody"
