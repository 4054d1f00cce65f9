"""Values that several operations share, as S3 spells them."""

from __future__ import annotations

from typing import Literal

CannedAcl = Literal[
    "private",
    "public-read",
    "public-read-write",
    "aws-exec-read",
    "authenticated-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
]

StorageClass = Literal[
    "STANDARD",
    "STANDARD_IA",
    "ONEZONE_IA",
    "GLACIER",
    "INTELLIGENT_TIERING",
    "DEEP_ARCHIVE",
    "GLACIER_IR",
]

Encryption = Literal["SSE-S3", "SSE-KMS", "DSSE-KMS"]

ChecksumAlgorithm = Literal[
    "CRC32",
    "CRC32C",
    "CRC64NVME",
    "MD5",
    "SHA1",
    "SHA256",
    "SHA512",
    "XXHASH64",
    "XXHASH3",
    "XXHASH128",
]

LockMode = Literal["COMPLIANCE", "GOVERNANCE"]

OnOff = Literal["OFF", "ON"]

MOST_COPY_BYTES = 5 * 1024**3
"""CopyObject's limit. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html"""
