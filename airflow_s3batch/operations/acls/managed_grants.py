"""Grants as operations declare them (S3's header form, by permission), and as CreateJob takes them (a list)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_TYPES = ("id", "uri")


def split_grantee(grantee: str) -> tuple[str, str]:
    """Return type and identifier of *grantee*, e.g. ``id="abc"``; quotes may be missing."""
    kind, _, identifier = grantee.partition("=")
    return kind.strip(), identifier.strip().strip('"')


def control_grants(grants: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """
    Return *grants* as CreateJob's ``S3Grant`` list.

    Source:
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_S3Grant.html
    """
    return [
        {"Grantee": dict(zip(("TypeIdentifier", "Identifier"), split_grantee(str(grantee)), strict=True))}
        | {"Permission": permission}
        for permission, grantees in grants.items()
        for grantee in grantees
    ]


def policy_grants(grants: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return *grants* as the ``Grants`` of S3's own ``AccessControlPolicy``."""
    found = []
    for permission, grantees in grants.items():
        for kind, identifier in (split_grantee(str(grantee)) for grantee in grantees):
            who = {"Type": "Group", "URI": identifier} if kind == "uri" else {"Type": "CanonicalUser", "ID": identifier}
            found.append({"Grantee": who, "Permission": permission})
    return found


def declared_grants(grants: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the inverse of `control_grants`; a grantee of another type keeps its name, for the operation to refuse."""
    found: dict[str, list[str]] = {}
    for grant in grants:
        grantee = grant.get("Grantee", {})
        who = f'{grantee.get("TypeIdentifier", "id")}="{grantee.get("Identifier", "")}"'
        found.setdefault(str(grant.get("Permission", "")), []).append(who)
    return found
