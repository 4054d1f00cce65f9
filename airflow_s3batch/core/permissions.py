"""Which permission is missing, as far as a refusal tells."""

from __future__ import annotations

import re
from collections.abc import Iterable

PERMISSION_CODES = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "KMS.AccessDeniedException",
        "UserProjectAccessDenied",
        "UnauthorizedAccessError",
    }
)
"""Error codes that say that the credentials are known, and not allowed to do this."""

KMS_ACTIONS = ("kms:Decrypt", "kms:GenerateDataKey")
_NAMED = re.compile(
    r"not authorized to perform: (?P<action>[\w*-]+:[\w*]+)"
    r"(?: on resource: (?:\"(?P<quoted>[^\"]*)\"|(?P<bare>\S+)))?"
    r"(?: (?P<reason>(?:because|with an explicit deny) [^(]*))?"
)
_LOCKED = "protected by object lock"
_IN_BUCKET = re.compile(r"^(arn:[\w-]+:s3:::[^/]+|arn:[\w-]+:[\w-]+:[^:]*:\d*:accesspoint/[^/]+/object)/.*$", re.DOTALL)


def object_actions(actions: Iterable[str], *, has_version: bool) -> list[str]:
    """Return those of *actions* that requests need that name a version, or that name none: S3 has twins of many."""
    named = set(actions)
    versioned = {action for action in named if "Version" in action}
    twins = {action.replace("Version", "") for action in versioned}
    return sorted(named - (twins if has_version else versioned))


def is_locked(message: str) -> bool:
    """Return whether the store's *message* says that Object Lock protects this very object, whoever asks."""
    return _LOCKED in message.lower()


def is_reason_named(message: str) -> bool:
    """Return whether the store's *message* says why it refuses."""
    return is_locked(message) or bool(_NAMED.search(message))


def missing_permission(code: str, message: str, actions: Iterable[str], place: str) -> str:
    """
    Return a clause about what the credentials lack, or about the Object Lock that refuses them.

    AWS's newer messages name the action and the reason; where there is none of that, *actions* are the candidates.

    Args:
        code: the error code.
        message: the store's own words.
        actions: IAM actions that the request, or the operation, needs.
        place: resource that it needs them on, as policies name it.

    Source:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/troubleshoot-403-errors.html
    """
    if named := _NAMED.search(message):
        where = _IN_BUCKET.sub(
            r"\1/*", named["quoted"] or named["bare"] or place
        )  # one clause for many objects, and no key in it
        reason = (named["reason"] or "").strip().rstrip(".,")
        return f"the credentials lack {named['action']} on {where}" + (f", {reason}" if reason else "")
    if is_locked(message):
        return (
            f"Object Lock protects versions in {place}: nobody can shorten a retention in COMPLIANCE, one in "
            "GOVERNANCE takes the bypass and its permission, a legal hold has to be lifted"
        )
    wanted = list(KMS_ACTIONS) if code.startswith("KMS.") else list(actions) or ["a permission"]
    lacking = wanted[0] if len(wanted) == 1 else f"one of {', '.join(wanted)}"
    where = "the KMS key" if code.startswith("KMS.") else place
    return f"the credentials lack {lacking} on {where}, or a bucket policy, an SCP or a KMS key policy denies it"


def bucket_objects(bucket: str) -> str:
    """Return how policies name all objects of *bucket*: its name, or the ARN of an access point."""
    return f"{bucket}/object/*" if bucket.startswith("arn:") else f"arn:aws:s3:::{bucket}/*"
