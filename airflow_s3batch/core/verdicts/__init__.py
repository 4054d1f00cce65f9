"""
What to do about each error code, HTTP status and transport failure. The only place that knows their names.

`aws`, `lambda_` and `stores` hold the codes, each with its source, `statuses` what is left when a code is unknown or
missing, and `transport` what libcurl says when there was no answer.
"""

from __future__ import annotations

from airflow_s3batch.core.verdicts.aws import AWS_CODES
from airflow_s3batch.core.verdicts.lambda_ import LAMBDA_CODES
from airflow_s3batch.core.verdicts.statuses import NAMED_HERE, code_of_status, verdict_on_name, verdict_on_status
from airflow_s3batch.core.verdicts.stores import EXPIRED_KEYS, OVERLOADED, STORE_CODES
from airflow_s3batch.core.verdicts.transport import TRANSPORT, UNKNOWN, UNREACHABLE
from airflow_s3batch.core.verdicts.verdict import FINAL, PASSING, Verdict

__all__ = [
    "CODE_VERDICTS",
    "EXPIRED_KEYS",
    "FINAL",
    "PASSING",
    "UNREACHABLE",
    "Verdict",
    "code_of_status",
    "is_transient",
    "transport_failure",
    "verdict_for",
]

CODE_VERDICTS = {**NAMED_HERE, **{row.code: row.verdict for row in (*LAMBDA_CODES, *STORE_CODES, *AWS_CODES)}}

_TRANSPORT_VERDICTS = dict((UNKNOWN, *TRANSPORT.values()))


def verdict_for(status: int, code: str) -> Verdict:
    """Return what to do about an answer with this HTTP *status* and error *code* (empty if the body named none)."""
    if (status, code) in OVERLOADED:
        return Verdict.THROTTLE
    return CODE_VERDICTS.get(code) or verdict_on_status(status)


def is_transient(code: str) -> bool:
    """Return whether failures with this ErrorCode are the store's or the network's: a later attempt may help."""
    verdict = CODE_VERDICTS.get(code) or _TRANSPORT_VERDICTS.get(code) or verdict_on_name(code)
    return verdict in PASSING


def transport_failure(number: int, message: str = "") -> tuple[str, Verdict]:
    """
    Return our ErrorCode and what to do about libcurl's error *number* (there was no usable answer).

    An answer that does not begin as HTTP does (cut, or garbage) has the same number as a URL that libcurl can't fetch;
    *message* tells them apart.
    """
    if number == 1 and "HTTP/0.9" in message:
        return TRANSPORT[8]
    return TRANSPORT.get(number, UNKNOWN)
