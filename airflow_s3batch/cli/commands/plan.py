"""``s3batch plan``: what a job's manifest holds, and what doing it will cost."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from airflow_s3batch.cli import exits
from airflow_s3batch.cli.places import add_url

if TYPE_CHECKING:
    from rich.console import Console

    from airflow_s3batch.cli.places import Found
    from airflow_s3batch.engine.files.storage import Storage

NAME = "plan"
HELP = "what a job is about: selection, source, objects, sizes, storage classes, guards, expected cost"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_url(parser)
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.add_argument(
        "--prices", metavar="FILE", help="estimate the cost anew with this price table (or s3://…); 'shipped' is AWS's"
    )
    parser.add_argument("--operation", metavar="WHAT", help="for the estimate, if none was started yet: name or JSON")
    parser.add_argument("--engine", choices=("worker", "managed"), help="for the estimate")


def run(args: argparse.Namespace, store: Storage, console: Console) -> int:
    """Print it."""
    from airflow_s3batch.cli.places import job_at
    from airflow_s3batch.cli.plan_view import print_plan
    from airflow_s3batch.cli.printing import print_json

    plan = _plan(store, job_at(store, args.url), args)
    if args.json:
        print_json(console, plan)
    else:
        print_plan(console, plan)
    return exits.GREEN


def _plan(store: Storage, found: Found, args: argparse.Namespace) -> dict[str, Any]:
    from airflow_s3batch.cli.estimates import estimate_of
    from airflow_s3batch.cli.job_files import find_operation
    from airflow_s3batch.core.layout import JobLayout
    from airflow_s3batch.core.manifest import Manifest

    layout, job = JobLayout(found.folder), found.document
    body = store.read(layout.manifest)
    manifest = Manifest.from_json(body, place=str(layout.manifest)) if body is not None else None
    opened = find_operation(store, layout)
    declared = opened["operation"] if opened else None
    cost = estimate_of(store, layout, manifest, declared, args) if manifest else None
    selection = job.get("selection") or {}
    return {
        "job_url": str(found.folder),
        "about": job.get("about"),
        "created": job.get("created"),
        "selection": {name: value for name, value in selection.items() if name != "guards"},
        "guards": {name: value for name, value in (selection.get("guards") or {}).items() if value},
        "source": job.get("source"),
        "versions": job.get("versions"),
        "operation": declared,
        "manifest": _totals(manifest),
        "cost": cost.to_json() if cost else None,
    }


def _totals(manifest: Any) -> dict[str, Any] | None:
    if manifest is None:
        return None
    return {
        "rows": manifest.rows,
        "bytes": manifest.bytes,
        "shards": len(manifest.shards),
        "columns": list(manifest.columns),
        "storage_classes": {name: list(counts) for name, counts in manifest.storage_classes.items()},
    }
