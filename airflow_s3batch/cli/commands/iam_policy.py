"""``s3batch iam-policy``: the least permissions that a job needs."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_s3batch.cli import exits

if TYPE_CHECKING:
    from rich.console import Console

    from airflow_s3batch.engine.files.storage import Storage

NAME = "iam-policy"
HELP = "the least IAM policy for an operation, or for a job that exists"
_OPERATION = (
    """a name (PutObjectTagging), JSON ({"operation": "CopyObject", "target_bucket": "b"}), or a list of such"""
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--operation", metavar="WHAT", help=_OPERATION)
    what.add_argument("--job", metavar="URL", help="s3://… of a job: its operation, source and job_url are taken")
    parser.add_argument(
        "--objects", metavar="URL", nargs="+", default=[], help="where the objects lie: s3://bucket/prefix, or an ARN"
    )
    parser.add_argument("--job-url", metavar="URL", help="s3://… as the Dag has it; needed with --operation")
    parser.add_argument("--engine", choices=("worker", "managed"), default="worker", help="who works (%(default)s)")
    parser.add_argument("--inventory", metavar="URL", help="s3://… that the manifest is made from")
    parser.add_argument("--listing", metavar="URL", nargs="+", default=[], help="or s3://bucket/prefix that is listed")
    parser.add_argument("--versions", action="store_true", help="all versions are listed")
    parser.add_argument(
        "--rows", metavar="URL", nargs="+", default=[], help="or CSV or Parquet files, or their folders"
    )
    parser.add_argument("--report", metavar="URL", help="or a job, or a completion report")
    parser.add_argument("--targets", metavar="BUCKET", nargs="+", default=[], help="buckets that a column names")
    parser.add_argument("--kms-keys", metavar="ARN", nargs="+", default=[], help="keys of encrypted objects")
    parser.add_argument("--role-arn", metavar="ARN", default="", help="of AWS's role (managed engine)")
    parser.add_argument("--account-id", metavar="ID", default="*", help="of functions and AWS jobs")
    parser.add_argument("--partition", choices=("aws", "aws-cn", "aws-us-gov"), default="aws", help="(%(default)s)")
    parser.add_argument("--verification", action="store_true", help="what was done is looked at again afterwards")
    parser.add_argument("--not-aws", action="store_true", help="the store is not AWS, so scratch objects are needed")
    parser.add_argument("--json", action="store_true", help="as always: the policy is JSON")


def needs_store(args: argparse.Namespace) -> bool:
    """Only a job is looked up: a policy for an operation takes no credentials."""
    return bool(args.job)


def run(args: argparse.Namespace, store: Storage, console: Console) -> int:
    """Print it."""
    from airflow_s3batch.cli.printing import print_json
    from airflow_s3batch.core.errors import ArgumentError
    from airflow_s3batch.operations.from_json import operation_from_text
    from airflow_s3batch.operations.iam import iam_policies

    found = _of_job(args, store) if args.job else {}
    objects = args.objects or found.get("objects")
    job_url = args.job_url or found.get("job_url")
    if not objects or not job_url:
        missing = [name for name, value in (("--objects", objects), ("--job-url", job_url)) if not value]
        raise ArgumentError(f"{' and '.join(missing)} missing: a policy names where the objects and the jobs lie")
    policies = iam_policies(
        operation_from_text(args.operation) if args.operation else found["operation"],
        objects,
        job_url,
        engine=args.engine,
        inventory=args.inventory,
        source={**found.get("selection", {}), **_source(args)},
        targets=args.targets,
        kms_keys=args.kms_keys,
        region=getattr(args, "region", None) or "*",
        account_id=args.account_id,
        role_arn=args.role_arn,
        partition=args.partition,
        is_aws=not args.not_aws,
        verification=args.verification,
    )
    print_json(console, policies["worker"] if len(policies) == 1 else policies)
    return exits.GREEN


def _source(args: argparse.Namespace) -> dict[str, Any]:
    """Return what the arguments say of where the rows come from, by the names of ``job.json``."""
    given = {"listing": args.listing, "versions": args.versions, "csv": args.rows, "report": args.report}
    return {name: value for name, value in given.items() if value}


def _of_job(args: argparse.Namespace, store: Storage) -> Mapping[str, Any]:
    """Return what the job's own files say of its operation, its inventory and where its objects lie."""
    from airflow_s3batch.cli.job_files import job_operation, object_buckets
    from airflow_s3batch.cli.places import job_at
    from airflow_s3batch.core.layout import JobLayout
    from airflow_s3batch.operations.from_json import operation_from_json

    found = job_at(store, args.job)
    layout = JobLayout(found.folder)
    selection = dict(found.document.get("selection") or {})
    selection = {name: value for name, value in selection.items() if name not in ("table", "query")}
    return {
        "operation": operation_from_json(job_operation(store, layout)),
        "job_url": str(layout.jobs),
        "objects": [f"s3://{bucket}" for bucket in object_buckets(store, layout)],
        "selection": selection,
    }
