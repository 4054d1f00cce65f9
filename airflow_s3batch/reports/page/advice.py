"""What to do about failures, by error code: a sentence for the person who reads the report."""

from __future__ import annotations

from airflow_s3batch.core.outcomes import DRY_RUN, NOT_ATTEMPTED, OUTCOME_UNKNOWN
from airflow_s3batch.core.permissions import PERMISSION_CODES
from airflow_s3batch.core.verdicts import CODE_VERDICTS, UNREACHABLE, Verdict, is_transient

ADVICE = {
    NOT_ATTEMPTED: "No attempt reached these. Look at why the tasks stopped, then clear them.",
    OUTCOME_UNKNOWN: "They may have been done or not. Look at a few; replay_unsafe=True does them again.",
    DRY_RUN: "Nothing to do: this was a dry run.",
    "NoSuchKey": "They were deleted since the selection was made. Nothing is left to do, unless they should be there.",
    "NoSuchVersion": "These versions were deleted since the selection was made. Nothing is left to do.",
    "NoSuchBucket": "The bucket is gone, or its name is misspelt in the selection or in the operation.",
    "PreconditionFailed": "They were overwritten since the selection was made. Take a newer inventory for these.",
    "TargetExists": "Something stands where they were to be moved; both are kept. Clear the tasks once it is gone.",
    "InvalidObjectState": "They are archived. Restore them first, then clear the tasks.",
    "RestoreAlreadyInProgress": "A restore is under way already. Wait for it, then clear the tasks.",
    "ObjectNotInActiveTierError": "They are archived. Restore them first, then clear the tasks.",
    "EntityTooLarge": "They are larger than the request allows. Leave them out, or use an operation in parts.",
    "KeyTooLongError": "The new key has more than 1,024 bytes. Shorten what is put before or behind it.",
    "InvalidTag": "A tag breaks S3's rules: 10 tags, 128 characters a key, 256 a value. Look at the columns.",
    "InvalidArgument": "The operation can't take these rows' values; the message says which. Look at the columns.",
    "BadRequest": "The objects, as they are, do not allow it; the message says why. Leave them out, or change them.",
    "InvalidResponse": "The store's answer could not be understood, so nothing was changed. The message has it.",
    "NotCurrentVersion": "Noncurrent versions can't be rewritten in place. Leave them out: AND is_latest.",
    "MethodNotAllowed": "The request does not suit these objects; a delete marker is none, for example.",
    "AllAccessDisabled": "The owner, or AWS, has turned off all access. Ask them, then clear the tasks.",
    "QuotaExceeded": "The store's quota is used up. Make room, then clear the tasks.",
    "InvalidRequest": "The message in the completion report says which part of the request is not allowed.",
}
_PERMISSION = "A permission is missing, or the object is protected. Grant it (see IAM below), then clear the tasks."
_KEYS = "The KMS key can't be used. Look at its state and its policy, then clear the tasks."
_BY_VERDICT = {
    Verdict.LATER: "The store could not do it then. Clear the tasks once it can.",
    Verdict.RETRY: "Trouble of the store or the network outlasted all repeats. Clear the tasks.",
    Verdict.THROTTLE: "The store was overloaded. Set max_requests_per_s lower, then clear the tasks.",
    Verdict.SKEW: "The worker's clock is wrong. Set it, then clear the tasks.",
    Verdict.CREDENTIALS: "The credentials had expired. Renew them, then clear the tasks.",
    Verdict.ABORT: "The store does not accept these credentials. Mend the connection, then clear the tasks.",
}
_PASSING = "Trouble of the store or the network. Clear the tasks."
_NETWORK = "The store could not be reached. Look at network and endpoint, then clear the tasks."
_UNKNOWN = "The message in the completion report says why. A repeat alone will not help."


def advice(code: str) -> str:
    """Return what to do about objects that failed with *code*."""
    if code in ADVICE:
        return ADVICE[code]
    if code in PERMISSION_CODES:
        return _PERMISSION
    if code.startswith("KMS.") and CODE_VERDICTS.get(code) is Verdict.FAIL:
        return _KEYS
    if code in UNREACHABLE:
        return _NETWORK
    known = _BY_VERDICT.get(CODE_VERDICTS.get(code, Verdict.FAIL))
    return known or (_PASSING if is_transient(code) else _UNKNOWN)
