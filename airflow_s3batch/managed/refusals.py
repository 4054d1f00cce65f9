"""What the managed engine can't do that the worker engine can, each with the reason and the way out."""

from __future__ import annotations

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.engine.policy import Policy
from airflow_s3batch.managed.settings import ManagedSettings
from airflow_s3batch.managed.settings_problems import settings_problems
from airflow_s3batch.operations.base import Operation

_OURS = {
    "max_concurrency": "AWS decides itself how many requests are in flight",
    "max_requests_per_s": "AWS decides itself how fast it goes",
    "shared_rate": "AWS decides itself how fast its jobs go; priority= says which of them comes first",
    "request_timeout_s": "AWS sends the requests",
    "connect_timeout_s": "AWS sends the requests",
    "max_attempts": "AWS repeats requests as it sees fit",
    "give_up_s": "AWS decides itself when to give up",
}
_CHECKSUMS = "S3ComputeObjectChecksum"


def managed_problems(
    operation: Operation | None = None, policy: Policy | None = None, settings: ManagedSettings | None = None
) -> list[str]:
    """
    Return all that AWS S3 Batch Operations can't do of what is asked for, a clause each; what is ``None`` is left out.

    For parse time: needs no store. Texts with Jinja in them are passed over.
    """
    found = []
    if operation is not None:
        found.extend(operation.managed_problems())
    if policy is not None:
        found.extend(policy_problems(policy))
    if settings is not None:
        found.extend(settings_problems(settings))
        found.extend(joint_problems(operation, settings))
    return found


def joint_problems(operation: Operation | None, settings: ManagedSettings) -> list[str]:
    """Return which of *settings* AWS does not take with *operation*, a clause each."""
    if operation is not None and operation.managed_name == _CHECKSUMS and not settings.expected_bucket_owner:
        return ["expected_bucket_owner=False: AWS wants the account named for jobs that compute checksums; pass True"]
    return []


def policy_problems(policy: Policy) -> list[str]:
    """
    Return which limits of *policy* AWS does not know, a clause each; a limit at its default asks for nothing.

    Source:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-job-status.html (the threshold)
    """
    default = Policy()
    found = [
        f"{name}={getattr(policy, name)!r}: {why}; leave it out, or use engine='worker'"
        for name, why in _OURS.items()
        if getattr(policy, name) != getattr(default, name)
    ]
    if policy.failure_threshold != default.failure_threshold:
        found.append(
            f"failure_threshold={policy.failure_threshold:g}: AWS stops a job once more than half of its tasks so far "
            "failed, from 1,000 on, and nothing changes that; leave it out, or use engine='worker'"
        )
    if policy.keep_going:
        found.append(
            "keep_going=True: AWS always stops a job once more than half of its tasks so far failed, from 1,000 on; "
            "leave it out, or use engine='worker'"
        )
    return found


def refuse_unmanageable(
    operation: Operation, policy: Policy | None = None, settings: ManagedSettings | None = None
) -> None:
    """
    Check that AWS can do what is asked for.

    Raises:
        ArgumentError: lists all that it can't do.
    """
    if found := managed_problems(operation, policy, settings):
        raise ArgumentError.of(f"{type(operation).__name__} with engine='managed'", found)
