"""``s3batch cleanup``: remove old job folders."""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow_s3batch.cli import exits
from airflow_s3batch.cli.row_filters import at_least_one

if TYPE_CHECKING:
    from rich.console import Console

    from airflow_s3batch.core.cleanup_rules import CleanupRules
    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.engine.files.storage import Storage

NAME = "cleanup"
HELP = "remove old job folders below a job_url; --dry-run tells which"
_UNITS = {"d": "days", "w": "weeks"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("url", metavar="JOB_URL", help="s3://… the job_url of the Dags, where all job folders lie")
    parser.add_argument(
        "--older-than", metavar="AGE", type=_age, required=True, help="since the last sign of life: 90d, 12w"
    )
    parser.add_argument("--dry-run", action="store_true", help="only tell what would go; nothing is written")
    parser.add_argument(
        "--keep-last", metavar="N", type=_from_zero, default=1, help="newest jobs of each task that stay (%(default)s)"
    )
    parser.add_argument("--keep-failed", action="store_true", help="keep jobs without a green report")
    parser.add_argument("--keep-reports", action="store_true", help="keep reports and job.json, remove the rest")
    parser.add_argument(
        "--max-jobs", metavar="N", type=at_least_one, default=1_000, help="refuse to remove more (%(default)s)"
    )
    parser.add_argument("--max-objects", metavar="N", type=at_least_one, help="refuse to remove more files")
    parser.add_argument("--allow-bucket-root", action="store_true", help="JOB_URL may be a whole bucket")
    parser.add_argument("--yes", action="store_true", help="don't ask")
    parser.add_argument("--json", action="store_true", help="print what was done as JSON; needs --yes or --dry-run")


def run(args: argparse.Namespace, store: Storage, console: Console) -> int:
    """Do it, or tell what would be done; where somebody looks, both, with a question in between."""
    from airflow_s3batch.cli.asking import user_name
    from airflow_s3batch.cli.cleanup_view import print_cleanup
    from airflow_s3batch.cli.job_view import reading_progress
    from airflow_s3batch.cli.printing import print_json
    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.reports.cleanup.cleanup import clean_up

    job_url, rules = S3Url.parse(args.url, what="JOB_URL"), _rules(args)
    if not (args.dry_run or args.yes) and not _is_agreed(args, store, job_url, rules, console):
        return exits.USAGE
    with reading_progress() as seen:
        result = clean_up(
            store,
            job_url,
            rules,
            now=datetime.now(UTC),
            dry_run=args.dry_run,
            seen=seen,
            by={"user": user_name(), "program": "s3batch cleanup"},
        )
    if args.json:
        print_json(console, result.to_json())
    else:
        print_cleanup(console, result)
    return exits.RED if result.refused else exits.GREEN


def _is_agreed(args: argparse.Namespace, store: Storage, job_url: S3Url, rules: CleanupRules, console: Console) -> bool:
    import sys

    from airflow_s3batch.cli.cleanup_view import print_cleanup
    from airflow_s3batch.cli.printing import complain
    from airflow_s3batch.reports.cleanup.cleanup import clean_up

    if args.json or not sys.stdin.isatty():
        complain("cleanup: nobody can be asked here; pass --dry-run to look, or --yes to remove")
        return False
    result = clean_up(store, job_url, rules, now=datetime.now(UTC), dry_run=True)
    print_cleanup(console, result)
    if not result.jobs or result.refused:
        return not result.refused
    console.print("Remove them? Type yes: ", end="")
    try:
        return input().strip() == "yes"
    except EOFError:  # Ctrl-D
        return False


def _rules(args: argparse.Namespace) -> CleanupRules:
    from airflow_s3batch.core.cleanup_rules import CleanupRules

    names = ("older_than", "keep_last", "keep_failed", "keep_reports", "max_jobs", "max_objects", "allow_bucket_root")
    return CleanupRules(**{name: getattr(args, name) for name in names})


def _age(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,5})([dw])", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no age; expected days or weeks, such as 90d or 12w")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _from_zero(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return value
