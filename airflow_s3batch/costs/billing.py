"""
As what S3 bills each request. The only place that knows.

The least billed sizes of cold objects and the price of parts that are copied into archives were not compared with these
pages; estimates by them are rough.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/aws-usage-report-understand.html
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html (multipart upload and pricing)
    https://aws.amazon.com/s3/pricing/
"""

from __future__ import annotations

from typing import Literal, NamedTuple


class Billing(NamedTuple):
    """
    As what a request is billed.

    Attributes:
        kind: ``write`` (PUT, COPY, POST, LIST), ``read`` (GET and all others), ``free`` (DELETE, CANCEL), ``restore``,
            or ``invoke``.
        storage_class: whose price it is: of the ``object``, of the ``target`` that is written, or always ``STANDARD``.
        is_maybe_free: AWS's pages leave open whether it counts as a DELETE; the low end of an estimate has it for free.
        is_maybe_standard: likewise whether it costs what it costs for STANDARD.
        is_staged: costs what it costs for STANDARD where an archive is written: parts are put there once all are up.
    """

    kind: Literal["write", "read", "free", "restore", "invoke"]
    storage_class: Literal["object", "target", "STANDARD"] = "object"
    is_maybe_free: bool = False
    is_maybe_standard: bool = False
    is_staged: bool = False


_READ, _COPY = Billing("read"), Billing("write", "target")
_PART = Billing("write", "target", is_staged=True)
_SETTING = Billing("write", is_maybe_standard=True)
_TAGS = Billing("write", "STANDARD")

BILLING = {
    "AbortMultipartUpload": Billing("free"),
    "CompleteMultipartUpload": _COPY,
    "CopyObject": _COPY,
    "CreateMultipartUpload": _PART,
    "DeleteObject": Billing("free"),
    "DeleteObjectTagging": _TAGS._replace(is_maybe_free=True),
    "DeleteObjects": Billing("write", "STANDARD", is_maybe_free=True),
    "GetObject": _READ,
    "GetObjectAcl": _READ,
    "GetObjectTagging": Billing("read", "STANDARD"),
    "HeadObject": _READ,
    "Invoke": Billing("invoke"),
    "PutObjectAcl": _SETTING,
    "PutObjectLegalHold": _SETTING,
    "PutObjectRetention": _SETTING,
    "PutObjectTagging": _TAGS,
    "RestoreObject": Billing("restore"),
    "UpdateObjectEncryption": _SETTING,
    "UploadPartCopy": _PART,
}
"""By API, as botocore names it: of all requests that operations declare."""
