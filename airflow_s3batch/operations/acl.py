"""
Replace an object's access control list.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-put-object-acl.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, get_args

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations.base import Operation, Replay
from airflow_s3batch.operations.fields import Column, choice_problems
from airflow_s3batch.operations.probing import expect_intact, expect_success, refuse
from airflow_s3batch.operations.requests import BucketFacts, Call, Request, RunContext, Steps
from airflow_s3batch.operations.types import CannedAcl

CANNED_ACLS = frozenset(get_args(CannedAcl))
PERMISSIONS = {
    "FULL_CONTROL": "GrantFullControl",
    "READ": "GrantRead",
    "READ_ACP": "GrantReadACP",
    "WRITE_ACP": "GrantWriteACP",
}
_GROUP_PERMISSIONS = {
    "public-read": ("READ",),
    "public-read-write": ("READ", "WRITE"),
    "authenticated-read": ("READ",),
}
_GET_ACL = Call("GetObjectAcl")


@dataclass(frozen=True)
class PutObjectAcl(Operation):
    """
    Replace the access control list of each object, like S3 Batch Operations' ``S3PutObjectAcl``.

    Refused where the bucket's Object Ownership is *Bucket owner enforced*: S3 ignores ACLs there and rejects new ones.

    Args:
        canned_acl: a predefined list, e.g. ``"bucket-owner-full-control"`` (or a `Column`); or
        grants: by permission (``FULL_CONTROL``, ``READ``, ``READ_ACP``, ``WRITE_ACP``) the grantees in S3's header
            form: ``id="…"`` (canonical user) or ``uri="…"`` (group). The owner's own grant has to be named as well.
    """

    canned_acl: str | Column | None = None
    grants: Mapping[str, Sequence[str | Column]] | None = None
    _call: Call = field(init=False, repr=False, compare=False)

    name: ClassVar[str] = "put_object_acl"
    replay: ClassVar[Replay] = Replay.SAFE

    def __post_init__(self) -> None:
        """Check the fields and make the call that all objects share."""
        super().__post_init__()
        object.__setattr__(self, "_call", Call("PutObjectAcl", self._params()))

    def _params(self) -> dict[str, Any]:
        if self.columns() or self.has_templates:
            return {}  # for_object and render make the operation that is sent
        if self.grants:
            return {
                PERMISSIONS[permission]: ", ".join(map(str, grantees)) for permission, grantees in self.grants.items()
            }
        return {"ACL": self.canned_acl}

    def problems(self) -> list[str]:  # noqa: D102
        if (self.canned_acl is None) == (not self.grants):
            return ["give either canned_acl or grants"]
        if self.grants is None:
            return choice_problems(CANNED_ACLS, canned_acl=self.canned_acl)
        if not isinstance(self.grants, Mapping):
            return [f"grants={self.grants!r}: expected lists of grantees by permission"]
        found = []
        for permission, grantees in self.grants.items():
            if permission not in PERMISSIONS:
                found.append(f"grants[{permission!r}]: expected one of {', '.join(PERMISSIONS)}")
            if not isinstance(grantees, (list, tuple)) or not grantees:
                found.append(f"grants[{permission!r}]={grantees!r}: expected a list of grantees")
            elif wrong := [g for g in grantees if not isinstance(g, Column) and not str(g).startswith(("id=", "uri="))]:
                found.append(f'grants[{permission!r}]: {wrong[0]!r} is neither id="…" nor uri="…"')
        return found

    def bucket_problems(self, facts: BucketFacts) -> list[str]:  # noqa: D102
        if facts.ownership == "BucketOwnerEnforced":
            return ["its Object Ownership is BucketOwnerEnforced, which turns ACLs off"]
        return []

    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:  # noqa: ARG002, D102
        response = yield Request(self._call, obj.bucket, obj.key, obj.version_id)
        return response.outcome()

    def probe(self, scratch: S3Object, sample: S3Object) -> Steps[Mapping[str, str]]:  # noqa: ARG002, D102
        outcome = yield from self.steps(scratch, RunContext())
        yield from expect_intact(self.name, scratch)
        expect_success(self.name, outcome)
        response = yield Request(_GET_ACL, scratch.bucket, scratch.key)
        shown = set(re.findall(rb"<Permission>(\w+)</Permission>", response.body))
        wanted = set(self.grants or _GROUP_PERMISSIONS.get(str(self.canned_acl), ()))
        if not response.is_success or not shown or not {permission.encode() for permission in wanted} <= shown:
            raise refuse(self.name, "accepts the ACL but does not show it afterwards")
        return {}

    def iam_actions(self) -> set[str]:  # noqa: D102
        return {"s3:PutObjectAcl", "s3:PutObjectVersionAcl"}
