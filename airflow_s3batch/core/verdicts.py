"""What to do about each S3 error code, HTTP status and transport failure. The only place that knows their names."""

from __future__ import annotations

import enum


class Verdict(enum.Enum):
    """What the engine does with a failed request."""

    FAIL = "fail"
    """Final for this object: trying again can't help."""
    RETRY = "retry"
    """The same request again, after a back-off."""
    THROTTLE = "throttle"
    """As RETRY, and the whole run slows down: the store is overloaded."""
    SKEW = "skew"
    """Our clock is wrong: take the server's and try again."""
    CREDENTIALS = "credentials"
    """Fetch fresh credentials and try again; if they are no better, nothing else will succeed either: stop."""
    ABORT = "abort"
    """No object can succeed with this connection: stop, commit what is done."""


# Source, unless said otherwise: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_CODES: dict[Verdict, tuple[str, ...]] = {
    Verdict.FAIL: (
        "AccessControlListNotSupported",
        "AccessDenied",
        "AccountProblem",
        "AllAccessDisabled",
        "AmbiguousGrantByEmailAddress",
        "AnnotationLimitExceeded",
        "AnnotationNameTooLong",
        "AuthorizationHeaderMalformed",
        "BadDigest",
        "BucketAlreadyExists",
        "BucketAlreadyOwnedByYou",
        "EncryptionTypeMismatch",
        "EntityTooLarge",
        "EntityTooSmall",
        "IdempotencyParameterMismatch",
        "InvalidAnnotationName",
        "InvalidArgument",
        "InvalidBucketName",
        "InvalidDigest",
        "InvalidEncryptionAlgorithmError",
        "InvalidObjectState",
        "InvalidPart",
        "InvalidPrefix",
        "InvalidRange",
        "InvalidRequest",
        "InvalidStorageClass",
        "InvalidTag",
        "InvalidURI",
        "InvalidWriteOffset",
        "KMS.AccessDeniedException",
        "KMS.DisabledException",
        "KMS.InvalidKeyUsageException",
        "KMS.KMSInvalidStateException",
        "KMS.NotFoundException",
        "KeyTooLongError",
        "MalformedACLError",
        "MalformedXML",
        "MethodNotAllowed",
        "MissingContentLength",
        "MissingContentMD5",
        "NoSuchAnnotation",
        "NoSuchBucket",
        "NoSuchKey",
        "NoSuchObjectLockConfiguration",
        "NoSuchTagSet",
        "NoSuchUpload",
        "NoSuchVersion",
        "NotImplemented",
        "ObjectAlreadyInActiveTierError",
        "ObjectLockConfigurationNotFoundError",
        "ObjectNotInActiveTierError",
        "PermanentRedirect",
        "PreconditionFailed",
        "TemporaryRedirect",
        "TooManyParts",
        "UnresolvableGrantByEmailAddress",
        "UnsupportedMediaType",
        "XAmzContentSHA256Mismatch",
    ),
    Verdict.RETRY: (
        "ConditionalRequestConflict",
        "IncompleteBody",
        "InternalError",
        "OperationAborted",
        "RequestTimeout",
        "ServerError",
    ),
    Verdict.THROTTLE: (
        "BandwidthLimitExceeded",
        "ErrTooManyRequest",  # SeaweedFS's spelling
        "KMS.ThrottlingException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "ServiceUnavailable",
        "SlowDown",
        "SlowDownRead",  # MinIO
        "SlowDownWrite",  # MinIO
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
        "TooManyRequestsException",
    ),
    Verdict.SKEW: ("RequestTimeTooSkewed", "RequestInTheFuture", "RequestExpired"),
    Verdict.CREDENTIALS: ("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"),
    Verdict.ABORT: (
        "CredentialsNotSupported",
        "InvalidAccessKeyId",
        "InvalidSecurity",
        "InvalidToken",
        "NotSignedUp",
        "SignatureDoesNotMatch",
    ),
}
CODE_VERDICTS = {code: verdict for verdict, codes in _CODES.items() for code in codes}

_STATUS_VERDICTS = {
    408: Verdict.RETRY,
    429: Verdict.THROTTLE,
    500: Verdict.RETRY,
    502: Verdict.RETRY,
    503: Verdict.THROTTLE,  # the codes differ between stores, the status does not
    504: Verdict.RETRY,
}

# https://curl.se/libcurl/c/libcurl-errors.html
_TRANSPORT: dict[int, tuple[str, Verdict]] = {
    3: ("MalformedUrl", Verdict.FAIL),
    5: ("CouldNotResolveProxy", Verdict.RETRY),
    6: ("CouldNotResolveHost", Verdict.RETRY),
    7: ("CouldNotConnect", Verdict.RETRY),
    8: ("WeirdServerReply", Verdict.RETRY),
    16: ("Http2Error", Verdict.RETRY),
    18: ("PartialResponse", Verdict.RETRY),
    28: ("OperationTimedOut", Verdict.RETRY),
    35: ("TlsHandshakeFailed", Verdict.RETRY),
    52: ("EmptyReply", Verdict.RETRY),
    55: ("SendFailed", Verdict.RETRY),
    56: ("ReceiveFailed", Verdict.RETRY),
    58: ("ClientCertificateUnusable", Verdict.ABORT),
    60: ("TlsVerificationFailed", Verdict.ABORT),
    77: ("CaBundleUnusable", Verdict.ABORT),
    92: ("Http2StreamError", Verdict.RETRY),
    97: ("ProxyHandshakeFailed", Verdict.RETRY),
    0: ("TransportFailed", Verdict.RETRY),  # libcurl adds numbers with time; they go under this name
}

_TRANSPORT_CODES = frozenset(code for code, verdict in _TRANSPORT.values() if verdict is Verdict.RETRY)

UNREACHABLE = frozenset(_TRANSPORT[number][0] for number in (5, 6, 7, 35, 97))
"""ErrorCodes of requests that did not even reach the store."""


def verdict_for(status: int, code: str) -> Verdict:
    """Return what to do about an answer with this HTTP *status* and S3 error *code* (empty if the body named none)."""
    if known := CODE_VERDICTS.get(code):
        return known
    return _STATUS_VERDICTS.get(status, Verdict.FAIL)


def is_transient(code: str) -> bool:
    """Return whether failures with this ErrorCode are the store's or the network's: a later attempt may help."""
    return CODE_VERDICTS.get(code) in (Verdict.RETRY, Verdict.THROTTLE) or code in _TRANSPORT_CODES


def transport_failure(number: int) -> tuple[str, Verdict]:
    """Return our ErrorCode and what to do about libcurl's error *number* (there was no usable answer)."""
    return _TRANSPORT.get(number, ("TransportFailed", Verdict.RETRY))
