"""Whether an object's access control list is the one that it was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations.acls.grants import shown_grants
from airflow_s3batch.operations.requests import Call, Request, Steps
from airflow_s3batch.operations.verification import differs, gone

READ_ACL = frozenset({"s3:GetObjectAcl", "s3:GetObjectVersionAcl"})
_GET_ACL = Call("GetObjectAcl", wants_headers=True)
_ALL = 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'
_AUTHENTICATED = 'uri="http://acs.amazonaws.com/groups/global/AuthenticatedUsers"'
_GROUPS = {
    "public-read": {("READ", _ALL)},
    "public-read-write": {("READ", _ALL), ("WRITE", _ALL)},
    "authenticated-read": {("READ", _AUTHENTICATED)},
}
_OPEN = frozenset({"aws-exec-read", "bucket-owner-read", "bucket-owner-full-control"})
"""Canned lists that give something to an account whose id nobody here knows."""


def acl_shown(obj: S3Object, canned: Any, grants: Mapping[str, Sequence[Any]] | None) -> Steps[Outcome | None]:
    """
    Look whether *obj* has the list *canned*, or these *grants* if it is ``None``; return in what it differs, if so.

    Of a canned list the groups are compared, and of those that give nothing to other accounts that no other has any.

    Source:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html (canned ACL)
    """
    response = yield Request(_GET_ACL, obj.bucket, obj.key, obj.version_id)
    if not response.is_success:
        return gone(response)
    shown = shown_grants(response.body)
    if shown is None:
        return Outcome(0, "InvalidResponse", "its ACL can't be read")
    owner, by_permission = shown
    own = f'id="{owner}"'
    given = {(permission, who) for permission, grantees in by_permission.items() for who in grantees}
    if canned is None:
        wanted = {(permission, str(who)) for permission, grantees in (grants or {}).items() for who in grantees}
    else:
        wanted = _GROUPS.get(str(canned), set())
        given = {(what, who) for what, who in given if who != own and not (canned in _OPEN and who.startswith("id="))}
    missing, extra = sorted(wanted - given), sorted(given - wanted)
    if not missing and not extra:
        return None
    told = [f"{what} for {who} is missing" for what, who in missing]
    told += [f"{what} for {who} should not be there" for what, who in extra]
    return differs("AclDiffers", "; ".join(told)[:400])
