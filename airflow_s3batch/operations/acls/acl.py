"""
Replace an object's access control list.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-put-object-acl.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self, get_args

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations.acls.acl_look import READ_ACL, acl_shown
from airflow_s3batch.operations.acls.managed_grants import control_grants, declared_grants, policy_grants
from airflow_s3batch.operations.base import Operation, Replay
from airflow_s3batch.operations.fields import Column, choice_problems, text_problems
from airflow_s3batch.operations.locks.object_lock import body_problem, sample_place
from airflow_s3batch.operations.probing import SCRATCH_BODY, expect_success, refuse
from airflow_s3batch.operations.requests import BucketFacts, Call, Request, RunContext, Steps
from airflow_s3batch.operations.types import CannedAcl
from airflow_s3batch.operations.verification import Done, explained

CANNED_ACLS = frozenset(get_args(CannedAcl))
PERMISSIONS = {
    "FULL_CONTROL": "GrantFullControl",
    "READ": "GrantRead",
    "READ_ACP": "GrantReadACP",
    "WRITE_ACP": "GrantWriteACP",
}
GROUP_PERMISSIONS = {
    "public-read": ("READ",),
    "public-read-write": ("READ", "WRITE"),
    "authenticated-read": ("READ",),
}
_PUT = Call("PutObject")
_DELETE = Call("DeleteObject")
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
        owner: canonical user id of the objects' owner, along with *grants*: AWS S3 Batch Operations asks for it, and
            some stores take grants only in a list that names it. With an owner *grants* may be empty: ``{}``.
    """

    canned_acl: str | Column | None = None
    grants: Mapping[str, Sequence[str | Column]] | None = None
    owner: str | Column | None = None
    _call: Call = field(init=False, repr=False, compare=False)

    name: ClassVar[str] = "put_object_acl"
    requests: ClassVar[tuple[str, ...]] = ("PutObjectAcl",)
    replay: ClassVar[Replay] = Replay.SAFE
    managed_name: ClassVar[str] = "S3PutObjectAcl"
    managed_most_objects: ClassVar[int] = 20_000_000_000
    goes_with_object: ClassVar[bool] = True
    compares: ClassVar[str] = "the grants; of a canned ACL those of groups"

    def __post_init__(self) -> None:
        """Check the fields and make the call that all objects share."""
        super().__post_init__()
        object.__setattr__(self, "_call", Call("PutObjectAcl", self._params()))

    def _params(self) -> dict[str, Any]:
        if self.columns() or self.has_templates:
            return {}  # for_object and render make the operation that is sent
        if self.owner is not None:
            return {"AccessControlPolicy": {"Owner": {"ID": self.owner}, "Grants": policy_grants(self.grants or {})}}
        return grant_params(self.grants) if self.grants else {"ACL": self.canned_acl}

    @classmethod
    def example(cls) -> Self:  # noqa: D102
        return cls("bucket-owner-full-control")

    def problems(self) -> list[str]:  # noqa: D102
        has_grants = bool(self.grants) or (self.owner is not None and self.grants is not None)
        if (self.canned_acl is None) == (not has_grants):
            return ["give either canned_acl or grants"]
        if self.owner is not None and (found := text_problems(owner=self.owner)):
            return found
        if self.owner == "" or (self.owner is not None and self.grants is None):
            return [f"owner={self.owner!r}: expected a canonical user id, along with grants"]
        if self.grants is None:
            return choice_problems(CANNED_ACLS, canned_acl=self.canned_acl)
        return grant_problems(self.grants)

    def managed_problems(self) -> list[str]:  # noqa: D102
        found = super().managed_problems()
        if self.canned_acl is None and self.owner is None:
            found.append("grants without owner=: AWS S3 Batch Operations asks for the canonical user id of the owner")
        return found

    def managed_form(self) -> dict[str, Any]:  # noqa: D102
        if self.canned_acl is not None:
            return {"AccessControlPolicy": {"CannedAccessControlList": self.canned_acl}}
        acl = {"Owner": {"ID": self.owner}, "Grants": control_grants(self.grants or {})}
        return {"AccessControlPolicy": {"AccessControlList": acl}}

    @classmethod
    def from_managed_form(cls, form: Mapping[str, Any]) -> Self:  # noqa: D102
        policy = form.get("AccessControlPolicy", {})
        canned, acl = policy.get("CannedAccessControlList"), policy.get("AccessControlList")
        if acl is None:
            return cls(canned)
        return cls(canned, declared_grants(acl.get("Grants", [])), acl["Owner"].get("ID"))

    def bucket_problems(self, facts: BucketFacts) -> list[str]:  # noqa: D102
        if facts.ownership == "BucketOwnerEnforced":
            return ["its Object Ownership is BucketOwnerEnforced, which turns ACLs off"]
        return []

    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:  # noqa: ARG002, D102
        response = yield Request(self._call, obj.bucket, obj.key, obj.version_id)
        return response.outcome()

    def marks(self, obj: S3Object) -> frozenset[str]:  # noqa: ARG002, D102
        return frozenset({"acl"})

    def compared(self, obj: S3Object, done: Done) -> Steps[Outcome]:  # noqa: D102
        wrong = yield from acl_shown(obj, self.canned_acl, self.grants)
        return (yield from explained(obj, wrong, done))

    def verification_iam_actions(self) -> set[str]:  # noqa: D102
        return super().verification_iam_actions() | READ_ACL

    def probe(self, scratch: S3Object, sample: S3Object) -> Steps[Mapping[str, str]]:  # noqa: D102
        place = sample_place(scratch, sample)  # the job's own bucket may have ACLs turned off
        expect_success(self.name, (yield Request(_PUT, place.bucket, place.key, body=SCRATCH_BODY)))
        wrong = yield from self._tried(place)
        yield Request(_DELETE, place.bucket, place.key)
        if wrong:
            raise refuse(self.name, wrong)
        return {}

    def _tried(self, obj: S3Object) -> Steps[str]:
        """Return what the store does wrong with an object of our own; empty if nothing."""
        outcome = yield from self.steps(obj, RunContext())
        if problem := (yield from body_problem(obj)):
            return problem
        if outcome.error_code:
            return f"answers {outcome.error_code} ({outcome.message})"
        response = yield Request(_GET_ACL, obj.bucket, obj.key)
        shown = set(re.findall(rb"<Permission>(\w+)</Permission>", response.body))
        wanted = set(self.grants or GROUP_PERMISSIONS.get(str(self.canned_acl), ()))
        if not response.is_success or not shown or not {permission.encode() for permission in wanted} <= shown:
            return "accepts the ACL but does not show it afterwards"
        return ""

    def iam_actions(self) -> set[str]:  # noqa: D102
        return {"s3:PutObjectAcl", "s3:PutObjectVersionAcl"}


def grant_problems(grants: Any) -> list[str]:
    """Return what is wrong with *grants*, lists of grantees by permission, a clause each."""
    if not isinstance(grants, Mapping):
        return [f"grants={grants!r}: expected lists of grantees by permission"]
    found = []
    for permission, grantees in grants.items():
        if permission not in PERMISSIONS:
            found.append(f"grants[{permission!r}]: expected one of {', '.join(PERMISSIONS)}")
        if not isinstance(grantees, (list, tuple)) or not grantees:
            found.append(f"grants[{permission!r}]={grantees!r}: expected a list of grantees")
        elif wrong := [g for g in grantees if not isinstance(g, Column) and not str(g).startswith(("id=", "uri="))]:
            found.append(f'grants[{permission!r}]: {wrong[0]!r} is neither id="…" nor uri="…"')
    return found


def grant_params(grants: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return the parameters of a request that gives *grants* in S3's header form."""
    return {PERMISSIONS[permission]: ", ".join(map(str, grantees)) for permission, grantees in grants.items()}
