"""Checks of what `ManagedBatchJobOperator` and ``s3_batch_job(engine="managed")`` are given, while a Dag is parsed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.hooks.arguments import as_int, clauses, is_template, literal_or
from airflow_s3batch.hooks.policies import policy_problems
from airflow_s3batch.operations.declared import declaration_problems, declared

POLL_INTERVAL_S = 60.0
LEAST_POLL_INTERVAL_S = 30.0
"""AWS asks not to look after a job more often, and slows those down who do."""

SETTINGS = (
    "role_arn",
    "account_id",
    "priority",
    "confirmation_required",
    "description",
    "job_tags",
    "report_scope",
    "expected_bucket_owner",
    "manifest_generator",
)
"""Arguments that say how AWS's job is made."""

WAITING = ("deferrable", "poll_interval_s", "cancel_on_kill")
"""Arguments that say how the task waits for it."""


def managed_argument_problems(operation: Any, **arguments: Any) -> list[str]:
    """
    Return all that is wrong with an operation and with the literal ones among *arguments*, a clause each.

    *arguments* are some of `SETTINGS`, of `WAITING`, and of the values of a `Policy`; templates wait for the run.
    """
    settings = {name: arguments.pop(name) for name in SETTINGS if name in arguments}
    waiting = {name: arguments.pop(name) for name in WAITING if name in arguments}
    undeclared = declaration_problems(operation)
    known = None if undeclared else declared(operation)
    return [
        *policy_problems(**arguments),
        *undeclared,
        *(known.managed_problems() if known else []),
        *(_setting_problems(known, **settings) if settings else []),
        *_waiting_problems(**waiting),
    ]


def source_problems(*, manifest_url: Any, manifest_generator: Any, job_url: Any, bucket: Any = None) -> list[str]:
    """Return what is wrong with the arguments that say which objects a job is about."""
    given = [
        name
        for name, value in (
            ("bucket", bucket),
            ("manifest_url", manifest_url),
            ("manifest_generator", manifest_generator),
        )
        if value is not None
    ]
    if len(given) != 1:
        told = " and ".join(given) or "nowhere"
        return [f"the objects come from {told}; pass one of bucket, manifest_url and manifest_generator"]
    found = []
    if bucket is None and not job_url:
        found.append("job_url is missing: name the folder for the job's files and AWS's report")
    for name, value in (("manifest_url", manifest_url), ("job_url", job_url)):
        if value is not None and not is_template(value):
            try:
                S3Url.parse(value, what=name)
            except (ArgumentError, AttributeError):
                found.append(f"{name}={value!r} is not an S3 URL; expected s3://bucket/folder")
    return found


def worker_argument_problems(arguments: Mapping[str, Any]) -> list[str]:
    """Return what *arguments*, those of the worker engine, ask for that AWS does not do, a clause each."""
    from airflow_s3batch.engine.policy import Policy
    from airflow_s3batch.managed import managed_problems

    policy = {name: value for name, value in arguments.items() if name not in ("source_aws_conn_id", "dry_run")}
    found = policy_problems(**policy)
    if not found:
        found = managed_problems(policy=Policy(**{**policy, "tolerate": frozenset(policy["tolerate"])}))
    if arguments.get("dry_run", False) is not False:
        found.append(
            f"dry_run={arguments['dry_run']!r}: AWS S3 Batch Operations has no dry run; make it with engine='worker' "
            "in a Dag run of its own, or let confirmation_required=True hold the prepared job until somebody confirms "
            "it"
        )
    if arguments.get("source_aws_conn_id"):
        found.append(
            f"source_aws_conn_id={arguments['source_aws_conn_id']!r}: AWS reads the source of a copy with the job's "
            "role; give the role access to it, or use engine='worker'"
        )
    return found


def _setting_problems(operation: Any, role_arn: Any, job_tags: Any = None, **more: Any) -> list[str]:
    from airflow_s3batch.managed import ManagedSettings, managed_problems
    from airflow_s3batch.managed.refusals import joint_problems

    found = []
    if not role_arn:
        found.append(
            "role_arn is missing: name the IAM role that AWS assumes to work on the objects; it trusts "
            "batchoperations.s3.amazonaws.com, and airflow_s3batch.operations.iam_policy prints what it needs"
        )
    elif not isinstance(role_arn, str) and not is_template(role_arn):
        found.append(f"role_arn={role_arn!r} is not a text")
    if job_tags is not None and not isinstance(job_tags, Mapping) and not is_template(job_tags):
        found.append(f"job_tags={job_tags!r} is not a dict of names and values")
    found.extend(
        f"{name}={more[name]!r} is not a text"
        for name in ("description", "report_scope")
        if name in more and not isinstance(more[name], str)
    )
    generator = more.get("manifest_generator")
    if generator is not None and not isinstance(generator, Mapping) and not is_template(generator):
        found.append(f"manifest_generator={generator!r} is not a dict, CreateJob's S3JobManifestGenerator")
    try:
        more["priority"] = as_int("priority", literal_or(more.get("priority", 10), 10))
    except ArgumentError as error:
        found.append(clauses(error))
    if found:
        return found
    role, account = literal_or(role_arn, ""), literal_or(more.pop("account_id", None), None)
    told = ManagedSettings(
        **more,
        account_id=_account_of(role) if account is None else account,
        region="us-east-1",
        role_arn=role or f"arn:aws:iam::{account or _SOME_ACCOUNT}:role/rendered-later",
        tags=literal_or(job_tags, None) or {},
    )
    return [*managed_problems(settings=told), *joint_problems(operation, told)]


_SOME_ACCOUNT = "0" * 12


def _account_of(role_arn: str) -> str:
    """Return the account that *role_arn* names, for where the credentials' own is not known yet."""
    found = re.match(r"arn:[^:]+:iam::(\d{12}):", role_arn)
    return found[1] if found else _SOME_ACCOUNT


def _waiting_problems(**waiting: Any) -> list[str]:
    found = []
    interval = waiting.get("poll_interval_s", POLL_INTERVAL_S)
    if isinstance(interval, bool) or not isinstance(interval, (int, float)) or not interval >= LEAST_POLL_INTERVAL_S:
        found.append(
            f"poll_interval_s={interval!r} is not a number of seconds from {LEAST_POLL_INTERVAL_S:g} on: AWS slows "
            "down who looks after a job more often"
        )
    found.extend(
        f"{name}={waiting[name]!r} is not a bool"
        for name in ("deferrable", "cancel_on_kill")
        if not isinstance(waiting.get(name), (bool, type(None)))
    )
    return found
