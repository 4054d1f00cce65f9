"""Server-side encryption as users name it, as CopyObject takes it, and as HeadObject shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, get_args

from airflow_s3batch.operations.fields import Column, text_problems
from airflow_s3batch.operations.types import Encryption

_ALGORITHMS = {"SSE-S3": "AES256", "SSE-KMS": "aws:kms"}
_PREFIX = "x-amz-server-side-encryption"


class EncryptionChoice(NamedTuple):
    """What an operation's three encryption fields say together; meaningful once `problems` finds nothing."""

    encryption: str | Column
    kms_key_id: str | Column | None
    bucket_key_enabled: bool | Column | None

    def problems(self) -> list[str]:
        """Return what is wrong with the combination, a clause each."""
        found = text_problems(kms_key_id=self.kms_key_id)
        if self.bucket_key_enabled is not None and not isinstance(self.bucket_key_enabled, (bool, Column)):
            found.append(f"bucket_key_enabled={self.bucket_key_enabled!r}: expected True or False")
        if found or isinstance(self.encryption, Column):
            return found
        if self.encryption not in get_args(Encryption):
            return [f"encryption={self.encryption!r}: expected {' or '.join(map(repr, get_args(Encryption)))}"]
        if self.encryption == "SSE-S3" and self.kms_key_id is not None:
            return [f"kms_key_id={self.kms_key_id!r} goes with encryption='SSE-KMS' only"]
        if self.encryption == "SSE-S3" and self.bucket_key_enabled is not None:
            return ["bucket_key_enabled goes with encryption='SSE-KMS' only"]
        return []

    def copy_params(self) -> dict[str, Any]:
        """Return CopyObject's parameters for this encryption."""
        params: dict[str, Any] = {"ServerSideEncryption": _ALGORITHMS.get(str(self.encryption))}
        if self.kms_key_id is not None:
            params["SSEKMSKeyId"] = self.kms_key_id
        if self.bucket_key_enabled is not None:
            params["BucketKeyEnabled"] = self.bucket_key_enabled
        return params

    def is_shown_by(self, headers: Mapping[str, str]) -> bool:
        """Return whether a HeadObject's *headers* show this encryption; a key alias is never recognised."""
        if headers.get(_PREFIX) != _ALGORITHMS.get(str(self.encryption)):
            return False
        if self.encryption == "SSE-S3":
            return True
        shown = headers.get(f"{_PREFIX}-aws-kms-key-id", "")
        if self.kms_key_id is not None and shown.rpartition("/")[2] != str(self.kms_key_id).rpartition("/")[2]:
            return False
        has_bucket_key = headers.get(f"{_PREFIX}-bucket-key-enabled") == "true"
        return self.bucket_key_enabled is None or has_bucket_key == self.bucket_key_enabled
