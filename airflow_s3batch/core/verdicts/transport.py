"""
libcurl's error numbers: requests without a usable answer.

Source:
    https://curl.se/libcurl/c/libcurl-errors.html
"""

from __future__ import annotations

from airflow_s3batch.core.verdicts.verdict import Verdict

UNKNOWN = ("TransportFailed", Verdict.RETRY)
"""libcurl adds numbers with time; they go under this name."""

TRANSPORT: dict[int, tuple[str, Verdict]] = {
    # what we asked for can't be done
    1: ("UnsupportedProtocol", Verdict.ABORT),
    3: ("MalformedUrl", Verdict.FAIL),
    4: ("NotBuiltIntoLibcurl", Verdict.ABORT),
    43: ("BadFunctionArgument", Verdict.FAIL),
    100: ("ValueTooLarge", Verdict.FAIL),
    # the store was not reached
    5: ("CouldNotResolveProxy", Verdict.RETRY),
    6: ("CouldNotResolveHost", Verdict.RETRY),
    7: ("CouldNotConnect", Verdict.RETRY),
    35: ("TlsHandshakeFailed", Verdict.RETRY),
    94: ("ProxyAuthenticationFailed", Verdict.RETRY),
    97: ("ProxyHandshakeFailed", Verdict.RETRY),
    # the connection broke, or its other end talks nonsense
    8: ("WeirdServerReply", Verdict.RETRY),
    16: ("Http2Error", Verdict.RETRY),
    18: ("PartialResponse", Verdict.RETRY),
    28: ("OperationTimedOut", Verdict.RETRY),
    52: ("EmptyReply", Verdict.RETRY),
    55: ("SendFailed", Verdict.RETRY),
    56: ("ReceiveFailed", Verdict.RETRY),
    65: ("RewindFailed", Verdict.RETRY),
    80: ("TlsShutdownFailed", Verdict.RETRY),
    81: ("SocketNotReady", Verdict.RETRY),
    92: ("Http2StreamError", Verdict.RETRY),
    # certificates: the same for every request
    58: ("ClientCertificateUnusable", Verdict.ABORT),
    59: ("TlsCipherUnusable", Verdict.ABORT),
    60: ("TlsVerificationFailed", Verdict.ABORT),
    77: ("CaBundleUnusable", Verdict.ABORT),
    98: ("ClientCertificateRequired", Verdict.ABORT),
    # this machine is short of something
    2: ("LibcurlFailedToStart", Verdict.RETRY),
    23: ("ReceiveCallbackFailed", Verdict.RETRY),
    27: ("OutOfMemory", Verdict.RETRY),
    99: ("PollFailed", Verdict.RETRY),
}

UNREACHABLE = frozenset(TRANSPORT[number][0] for number in (5, 6, 7, 35, 94, 97))
"""ErrorCodes of requests that did not even reach the store."""

IMPOSSIBLE: dict[str, frozenset[int]] = {
    "other protocols than HTTP": frozenset(
        {9, 10, 11, 12, 13, 14, 15, 17, 19, 21, 25, 30, 31, 37, 38, 39, 64, 67, 68, 69, 70, 71, 72, 73, 74, 78, 79}
        | {84, 85, 86, 87, 88}
    ),
    "no number of libcurl's any more, or never one": frozenset(
        {20, 24, 29, 32, 34, 40, 41, 44, 46, 50, 51, 57, 62, 75, 76}
    ),
    "options that are not set": frozenset({22, 26, 33, 36, 42, 45, 47, 61, 63, 82, 83, 90, 91, 101}),
    "TLS engines, which are not used": frozenset({53, 54, 66}),
    "answers to setopt, not to a transfer": frozenset({48, 49}),
    "HTTP/3, which is not asked for": frozenset({95, 96}),
    "libcurl's own business: it never hands them out, or only to callbacks that call it": frozenset({89, 93}),
}
"""Numbers that no transfer of ours can end with, by the reason; should one, it goes as `UNKNOWN`."""
