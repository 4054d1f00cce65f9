"""``s3batch status``: how far a running job is, and what is asked of it."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from airflow_s3batch.cli import exits
from airflow_s3batch.cli.places import add_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from airflow_s3batch.cli.status_view import Seen
    from airflow_s3batch.core.layout import JobLayout
    from airflow_s3batch.core.manifest import Manifest
    from airflow_s3batch.engine.files.storage import Storage

NAME = "status"
HELP = "how far a job's shards are at the moment, and what was asked of it"
_WATCH_S = 5.0
_LEAST_WATCH_S = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_url(parser)
    parser.add_argument(
        "--watch",
        metavar="SECONDS",
        type=float,
        nargs="?",
        const=_WATCH_S,
        help="look again and again until every shard is done (default: every %(const)s s)",
    )
    parser.add_argument("--all", action="store_true", help="show every shard, however many there are")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each look")


def run(args: argparse.Namespace, store: Storage, console: Console) -> int:
    """Look once, or until the job is done."""
    from airflow_s3batch.cli.status_view import status_lines

    looks = _looks(args, store, time.sleep)
    most = {"most": None} if args.all else {}
    if args.json:
        for seen in looks:
            _print_json(seen, console)
    elif args.watch is None or not console.is_terminal:
        for seen in looks:
            console.print(status_lines(seen, **most))
    else:
        from rich.live import Live

        with Live(console=console, auto_refresh=False, vertical_overflow="ellipsis") as live:
            for seen in looks:
                live.update(status_lines(seen, **most), refresh=True)
    return exits.GREEN


def _looks(args: argparse.Namespace, store: Storage, sleep: Callable[[float], None]) -> Iterator[Seen]:
    """Yield the job as it is, and go on until it is over if it is to be watched."""
    from airflow_s3batch.cli.asking import job_of
    from airflow_s3batch.engine.jobs.job_manifest import published_manifest

    job = job_of(store, args)
    manifest = published_manifest(store, job)
    before: tuple[float, int] | None = None
    while True:
        now, seen = time.monotonic(), _look(args, store, job, manifest)
        if before is not None:
            seen = seen._replace(rate=max(0, seen.done - before[1]) / (now - before[0]))
        before = now, seen.done
        yield seen
        if args.watch is None or seen.is_over:
            return
        sleep(max(_LEAST_WATCH_S, args.watch))


def _look(args: argparse.Namespace, store: Storage, job: JobLayout, manifest: Manifest) -> Seen:
    from datetime import UTC, datetime

    from airflow_s3batch.cli.asking import asked_of
    from airflow_s3batch.cli.status_view import Seen
    from airflow_s3batch.engine.jobs.shards_seen import shards_seen
    from airflow_s3batch.engine.rates.shared_seen import rates_seen
    from airflow_s3batch.engine.rates.shared_share import job_name
    from airflow_s3batch.engine.shards.generation import newest_generations

    name, generation = next(newest_generations(store, job), ("", None))
    now = datetime.now(UTC)
    shards = shards_seen(store, manifest, generation, now)
    rates = [rate for rate in rates_seen(store, job.jobs, now) if job_name(job.name) in rate.jobs]
    return Seen(str(job.url), name, asked_of(store, job), shards, aws=_aws_sentences(args, store, job), rates=rates)


def _aws_sentences(args: argparse.Namespace, store: Storage, job: JobLayout) -> list[str]:
    from airflow_s3batch.cli.aws_jobs import control_in
    from airflow_s3batch.core.errors import S3BatchError
    from airflow_s3batch.managed import job_progress
    from airflow_s3batch.managed.running import aws_jobs_of

    told = []
    for found in aws_jobs_of(store, job):
        about = f"{found.bucket}, {found.rows:,} objects: "
        if found.is_harvested:
            told.append(f"{about}AWS job {found.job_id} is over and accounted for")
            continue
        try:
            told.append(about + job_progress(control_in(args, found.region), found.account_id, found.job_id).sentence())
        except S3BatchError as error:
            told.append(f"{about}AWS job {found.job_id}; AWS does not say how far it is: {error}")
    return told


def _print_json(seen: Seen, console: Console) -> None:
    import json

    document = {
        "job": seen.url,
        "task_id": seen.name,
        "control": seen.control.to_json(),
        "objects": seen.rows,
        "done": seen.done,
        "rate": seen.rate,
        "shards": [{**shard._asdict(), "state": seen.state_of(shard)} for shard in seen.shards],
        "aws": list(seen.aws),
        "shared_rates": [rate._asdict() for rate in seen.rates],
    }
    console.file.write(json.dumps(document) + "\n")
    console.file.flush()  # whoever reads a pipe wants this look, and not hundreds together
