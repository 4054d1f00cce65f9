"""
Copy objects to a bucket and key prefix.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-copy-object.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, get_args
from urllib.parse import quote, urlencode

from airflow_s3batch.core.keys import encode_key
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations.acl import CANNED_ACLS
from airflow_s3batch.operations.base import Operation, Replay
from airflow_s3batch.operations.encryption import EncryptionChoice
from airflow_s3batch.operations.fields import Column, choice_problems, text_problems
from airflow_s3batch.operations.probing import expect_intact, expect_success, refuse
from airflow_s3batch.operations.requests import Call, Request, RunContext, Steps
from airflow_s3batch.operations.tagging import tag_problems
from airflow_s3batch.operations.types import MOST_COPY_BYTES, StorageClass

TOO_LARGE = Outcome(
    400, "EntityTooLarge", f"CopyObject copies up to {MOST_COPY_BYTES:,} bytes; this version makes no multipart copies"
)


def copy_source(obj: S3Object) -> str:
    """Return the value of the copy source header for *obj*."""
    source = f"{obj.bucket}/{encode_key(obj.key)}"
    return f"{source}?versionId={quote(obj.version_id, safe='-_.~')}" if obj.version_id is not None else source


@dataclass(frozen=True)
class CopyObject(Operation):
    """
    Copy each object to another bucket or key prefix, like S3 Batch Operations' ``S3PutObjectCopy``.

    The version that the manifest names is copied, or the current one where it names none; what stands at the target
    key is overwritten (or becomes a noncurrent version). Up to 5 GiB an object.

    Every field may be a `Column`.

    Args:
        target_bucket: name of the bucket to copy to; through an access point the keys have to change.
        target_key_prefix: put in front of each key, with a slash between; empty keeps the keys.
        storage_class: of the copies; S3's default is STANDARD, whatever the source's class.
        encryption: ``"SSE-S3"`` or ``"SSE-KMS"``; ``None`` leaves it to the target bucket's default.
        kms_key_id: key of SSE-KMS, in the target's region; ``None`` stands for the AWS managed key.
        bucket_key_enabled: whether SSE-KMS goes through an S3 Bucket Key.
        canned_acl: ACL of the copies; S3 never copies the source's.
        metadata: user metadata that replaces the source's; ``None`` copies it.
        tags: tags that replace the source's; ``None`` copies them, ``{}`` means none.
    """

    target_bucket: str | Column
    target_key_prefix: str | Column | None = ""
    storage_class: str | Column | None = None
    encryption: str | Column | None = None
    kms_key_id: str | Column | None = None
    bucket_key_enabled: bool | Column | None = None
    canned_acl: str | Column | None = None
    metadata: Mapping[str, str | Column] | None = None
    tags: Mapping[str, str | Column] | None = None
    _call: Call = field(init=False, repr=False, compare=False)

    name: ClassVar[str] = "copy_object"
    replay: ClassVar[Replay] = Replay.SAFE

    def __post_init__(self) -> None:
        """Check the fields and make the call that all objects share."""
        super().__post_init__()
        is_open = self.columns() or self.has_templates  # for_object and render make the operation that is sent
        object.__setattr__(self, "_call", Call("CopyObject", {} if is_open else self._params()))

    def _params(self) -> dict[str, Any]:
        params: dict[str, Any] = {}
        if self.storage_class is not None:
            params["StorageClass"] = self.storage_class
        if self.encryption is not None:
            params.update(EncryptionChoice(self.encryption, self.kms_key_id, self.bucket_key_enabled).copy_params())
        if self.canned_acl is not None:
            params["ACL"] = self.canned_acl
        if self.metadata is not None:
            params.update(MetadataDirective="REPLACE", Metadata=dict(self.metadata))
        if self.tags is not None:
            params.update(TaggingDirective="REPLACE", Tagging=urlencode(self.tags))
        return params

    def problems(self) -> list[str]:  # noqa: D102
        found = text_problems(target_bucket=self.target_bucket, target_key_prefix=self.target_key_prefix)
        if not found:
            found = [*self._target_problems()]
        found.extend(choice_problems(get_args(StorageClass), storage_class=self.storage_class))
        found.extend(choice_problems(CANNED_ACLS, canned_acl=self.canned_acl))
        if self.encryption is not None:
            found.extend(EncryptionChoice(self.encryption, self.kms_key_id, self.bucket_key_enabled).problems())
        elif self.kms_key_id is not None or self.bucket_key_enabled is not None:
            found.append("kms_key_id and bucket_key_enabled go with encryption='SSE-KMS' only")
        for name in ("tags", "metadata"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, Mapping):
                found.append(f"{name}={value!r}: expected texts by name")
            else:
                found.extend(tag_problems(value or {}) if name == "tags" else text_problems(**(value or {})))
        return found

    def _target_problems(self) -> Iterator[str]:
        if not self.target_bucket:
            yield f"target_bucket={self.target_bucket!r}: expected the name of a bucket"
        elif "/" in str(self.target_bucket) and not str(self.target_bucket).startswith("arn:"):
            yield f"target_bucket={self.target_bucket!r}: expected a bucket's name; use target_key_prefix"
        if str(self.target_key_prefix).startswith("/"):
            yield f"target_key_prefix={self.target_key_prefix!r} starts with a slash"

    def buckets(self, sample: S3Object) -> list[str]:  # noqa: D102
        return [sample.bucket, *([self.target_bucket] if isinstance(self.target_bucket, str) else [])]

    def target_key(self, obj: S3Object) -> str:
        """Return the key that *obj* is copied to."""
        prefix = str(self.target_key_prefix or "")
        return f"{prefix}{'' if prefix.endswith('/') else '/'}{obj.key}" if prefix else obj.key

    def _is_itself(self, obj: S3Object) -> bool:
        """Return whether *obj* would be copied onto itself, as far as names tell: an alias may be any bucket."""
        bucket = str(self.target_bucket)
        is_alias = bucket.startswith("arn:") or bucket.endswith("-s3alias")
        return self.target_key(obj) == obj.key and (bucket == obj.bucket or is_alias)

    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:  # noqa: ARG002, D102
        target = self.target_key(obj)
        if self._is_itself(obj):
            return Outcome(
                400, "InvalidRequest", "the target is the object itself; RewriteObject changes objects in place"
            )
        if obj.size is not None and obj.size > MOST_COPY_BYTES:
            return TOO_LARGE
        if len(target.encode()) > 1024:
            return Outcome(
                400,
                "KeyTooLongError",
                f"with target_key_prefix the key has {len(target.encode())} bytes; S3 takes 1024",
            )
        headers = (("x-amz-copy-source", copy_source(obj)),)
        response = yield Request(self._call, str(self.target_bucket), target, None, headers)
        return response.outcome()

    def probe(self, scratch: S3Object, sample: S3Object) -> Steps[Mapping[str, str]]:  # noqa: D102
        if self._is_itself(sample):
            raise refuse(self.name, "was asked to copy objects onto themselves; RewriteObject changes objects in place")
        copy = scratch._replace(key=scratch.key + "-copy")
        headers = (("x-amz-copy-source", copy_source(scratch)),)
        response = yield Request(self._call, copy.bucket, copy.key, None, headers)
        expect_success(self.name, response)
        yield from expect_intact(self.name, scratch)
        shown = yield from expect_intact(self.name, copy)
        if self.encryption is not None and "x-amz-server-side-encryption" not in shown.headers:
            raise refuse(self.name, "accepts the encryption and ignores it")
        if self.storage_class not in (None, "STANDARD") and shown.headers.get("x-amz-storage-class") is None:
            raise refuse(self.name, f"accepts storage class {self.storage_class} and ignores it")
        return {}

    def iam_actions(self) -> set[str]:  # noqa: D102
        actions = {"s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"}
        if self.tags is None:
            actions |= {"s3:GetObjectTagging", "s3:GetObjectVersionTagging"}
        if self.tags is None or self.tags:
            actions.add("s3:PutObjectTagging")
        if self.canned_acl:
            actions.add("s3:PutObjectAcl")
        return actions | ({"kms:Decrypt", "kms:GenerateDataKey"} if self.encryption == "SSE-KMS" else set())
