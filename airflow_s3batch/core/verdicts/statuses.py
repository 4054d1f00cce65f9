"""HTTP statuses: what to do about an answer whose code nobody knows, and what to call one that names none."""

from __future__ import annotations

from airflow_s3batch.core.verdicts.verdict import Verdict

STATUS_NAMES = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "AccessDenied",
    404: "NoSuchKey",
    405: "MethodNotAllowed",
    408: "RequestTimeout",
    409: "Conflict",
    412: "PreconditionFailed",
    429: "TooManyRequests",
    500: "InternalError",
    501: "NotImplemented",
    502: "BadGateway",
    503: "ServiceUnavailable",
    504: "GatewayTimeout",
    507: "InsufficientStorage",
    509: "BandwidthLimitExceeded",
}
"""ErrorCode by status, for answers without one: to a HEAD, and from proxies and load balancers."""

UNEXPLAINED_404 = "UnexplainedNotFound"

NAMED_HERE = {
    UNEXPLAINED_404: Verdict.RETRY,
    "BadGateway": Verdict.RETRY,
    "BadRequest": Verdict.FAIL,
    "Conflict": Verdict.FAIL,
    "GatewayTimeout": Verdict.RETRY,
    "InsufficientStorage": Verdict.LATER,
}
"""Verdicts on those of the names above that no store sends itself."""

_VERDICTS = {
    401: Verdict.ABORT,
    408: Verdict.RETRY,
    425: Verdict.RETRY,
    429: Verdict.THROTTLE,
    501: Verdict.FAIL,
    503: Verdict.THROTTLE,  # the codes differ between stores, the status does not
    505: Verdict.FAIL,
    507: Verdict.LATER,
    509: Verdict.THROTTLE,
}


def code_of_status(status: int, *, has_body: bool = False) -> str:
    """
    Return the ErrorCode of an answer that has none: a name, or ``Http`` and the number.

    *has_body*: S3 would have sent its error document. A 404 without one says nothing about the object: it comes from a
    proxy or load balancer that does not know (yet) where the store is.
    """
    if status == 404 and has_body:
        return UNEXPLAINED_404
    return STATUS_NAMES.get(status, f"Http{status}")


def verdict_on_status(status: int) -> Verdict:
    """Return what to do about an answer of which nothing but its *status* is known; other 5xx come from proxies."""
    return _VERDICTS.get(status, Verdict.RETRY if 500 <= status < 600 else Verdict.FAIL)


def verdict_on_name(code: str) -> Verdict | None:
    """Return the verdict on what `code_of_status` made of a status without a name; ``None`` if *code* is none of it."""
    number = code.removeprefix("Http")
    return verdict_on_status(int(number)) if number != code and number.isdigit() and len(number) == 3 else None
