"""What counts as failure in a report, and how much of it is allowed: the caller's word, else the operation task's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import ArgumentError, JobDamagedError
from airflow_s3batch.core.formats import ATTEMPT, check_format
from airflow_s3batch.core.outcomes import VANISHED

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.engine.files.storage import Storage


def terms(
    policy: Mapping[str, Any], tolerate: Collection[str] | None, allowed_failures: float | None
) -> dict[str, Any]:
    """
    Return *tolerate* and *allowed_failures* of a summary: the arguments, else those of *policy*, else the defaults.

    Raises:
        ArgumentError: *allowed_failures* is neither a count nor a fraction.
    """
    if allowed_failures is None:
        allowed_failures = policy.get("allowed_failures", 0)
    if tolerate is None:
        tolerate = policy.get("tolerate", VANISHED)
    if not allowed_failures >= 0:
        raise ArgumentError(f"allowed_failures={allowed_failures}: expected a count, or a fraction below 1")
    return {"allowed_failures": allowed_failures, "tolerate": tuple(sorted(tolerate))}


def last_word(storage: Storage, announcements: Collection[tuple[int, S3Url]]) -> Mapping[str, Any]:
    """
    Return what the attempt that started last wrote then; empty if none has started.

    Of *announcements* (start in ms, and URL) only the newest is read.

    Raises:
        JobDamagedError: the announcement is not one of ours.
    """
    if not announcements:
        return {}
    _, url = max(announcements)
    try:
        word = dict(json.loads(storage.read(url) or b"{}"))
        check_format(word.get("format", ATTEMPT), ATTEMPT, place=str(url))
    except (ValueError, TypeError) as error:
        raise JobDamagedError(f"{url}: not the start of an attempt of this package ({error!r})") from None
    return word


def declared_policy(word: Mapping[str, Any], opened: Mapping[str, Any]) -> Mapping[str, Any]:
    """
    Return what the operation task declared last: the policy may be edited between two attempts at a job.

    *word* is `last_word`. *opened* is what ``operation.json`` says, the policy of the first attempt; it holds where no
    attempt has said anything.
    """
    policy = word.get("policy")
    return policy if isinstance(policy, dict) else opened
