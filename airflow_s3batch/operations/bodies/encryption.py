"""Server-side encryption as users name it, as CopyObject takes it, and as HeadObject shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, get_args

from airflow_s3batch.operations.fields import Column, text_problems
from airflow_s3batch.operations.types import Encryption

_ALGORITHMS = {"SSE-S3": "AES256", "SSE-KMS": "aws:kms", "DSSE-KMS": "aws:kms:dsse"}
_PREFIX = "x-amz-server-side-encryption"


class EncryptionChoice(NamedTuple):
    """What an operation's three encryption fields say together; meaningful once `problems` finds nothing."""

    encryption: str | Column | None
    kms_key_id: str | Column | None
    bucket_key_enabled: bool | Column | None

    @classmethod
    def of(cls, operation: Any) -> EncryptionChoice:
        """Return the choice of an operation that has fields of these names."""
        return cls(*(getattr(operation, name) for name in cls._fields))

    def problems(self) -> list[str]:
        """Return what is wrong with the combination, a clause each."""
        found = text_problems(kms_key_id=self.kms_key_id)
        if self.bucket_key_enabled is not None and not isinstance(self.bucket_key_enabled, (bool, Column)):
            found.append(f"bucket_key_enabled={self.bucket_key_enabled!r}: expected True or False")
        if found or isinstance(self.encryption, Column):
            return found
        if self.encryption is None:
            is_more = self.kms_key_id is not None or self.bucket_key_enabled is not None
            return ["kms_key_id and bucket_key_enabled go with encryption='SSE-KMS' only"] if is_more else []
        if self.encryption not in get_args(Encryption):
            return [f"encryption={self.encryption!r}: expected {' or '.join(map(repr, get_args(Encryption)))}"]
        if self.encryption == "SSE-S3" and self.kms_key_id is not None:
            return [f"kms_key_id={self.kms_key_id!r} goes with encryption='SSE-KMS' or 'DSSE-KMS' only"]
        if self.encryption != "SSE-KMS" and self.bucket_key_enabled is not None:
            return ["bucket_key_enabled goes with encryption='SSE-KMS' only"]
        return []

    def copy_params(self) -> dict[str, Any]:
        """Return the parameters of a write for this encryption; none if it is left to the bucket."""
        if self.encryption is None:
            return {}
        params: dict[str, Any] = {"ServerSideEncryption": _ALGORITHMS.get(str(self.encryption))}
        if self.kms_key_id is not None:
            params["SSEKMSKeyId"] = self.kms_key_id
        if self.bucket_key_enabled is not None:
            params["BucketKeyEnabled"] = self.bucket_key_enabled
        return params

    def is_shown_by(self, headers: Mapping[str, str]) -> bool:
        """Return whether a HeadObject's *headers* show this encryption, any for none; an alias is never recognised."""
        if self.encryption is None:
            return True
        if headers.get(_PREFIX) != _ALGORITHMS.get(str(self.encryption)):
            return False
        if self.encryption == "SSE-S3":
            return True
        shown = headers.get(f"{_PREFIX}-aws-kms-key-id", "")
        if self.kms_key_id is not None and shown.rpartition("/")[2] != str(self.kms_key_id).rpartition("/")[2]:
            return False
        has_bucket_key = headers.get(f"{_PREFIX}-bucket-key-enabled") == "true"
        return self.bucket_key_enabled is None or has_bucket_key == self.bucket_key_enabled

    def differs_from(self, headers: Mapping[str, str]) -> str:
        """Return how HeadObject's *headers* show another encryption, a clause; the key behind an alias may be any."""
        is_alias = str(self.kms_key_id).startswith("alias/") or ":alias/" in str(self.kms_key_id)
        if (self._replace(kms_key_id=None) if is_alias else self).is_shown_by(headers):
            return ""
        shown = " ".join(value for _, value in shown_encryption(headers)) or "not encrypted"
        wanted = [self.encryption, self.kms_key_id, None if self.bucket_key_enabled is None else "with bucket key"]
        return f"encryption: {shown}; should be: {' '.join(str(each) for each in wanted if each)}"

    def iam_actions(self) -> set[str]:
        """Return the IAM actions on keys that copies need."""
        is_kms = self.encryption in ("SSE-KMS", "DSSE-KMS")
        return {"kms:Decrypt", "kms:GenerateDataKey"} if is_kms else set()


def shown_encryption(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the headers that give a copy the encryption that HeadObject's *headers* show; none if there is none."""
    names = (_PREFIX, f"{_PREFIX}-aws-kms-key-id", f"{_PREFIX}-bucket-key-enabled")
    return tuple((name, headers[name]) for name in names if headers.get(name)) if headers.get(_PREFIX) else ()


def encryption_name(headers: Mapping[str, str]) -> str:
    """Return the encryption that HeadObject's *headers* show, as users name it; empty if there is none we know."""
    return next((name for name, algorithm in _ALGORITHMS.items() if headers.get(_PREFIX) == algorithm), "")
