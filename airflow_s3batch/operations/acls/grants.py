"""An ACL as GetObjectAcl shows it, turned into the headers that grant the same on a copy."""

from __future__ import annotations

from xml.etree import ElementTree

_HEADERS = {
    "FULL_CONTROL": "x-amz-grant-full-control",
    "READ": "x-amz-grant-read",
    "READ_ACP": "x-amz-grant-read-acp",
    "WRITE_ACP": "x-amz-grant-write-acp",
}


def grant_headers(body: bytes) -> tuple[tuple[str, str], ...] | None:
    """
    Return the headers for the grants of a GetObjectAcl response; none if only the owner has access (S3's default).

    ``None`` if *body* is no ACL, or one that headers can't express.

    Source:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html
    """
    shown = shown_grants(body)
    if shown is None:
        return None
    owner, grants = shown
    if grants in ({}, {"FULL_CONTROL": [f'id="{owner}"']}):
        return ()
    if not all(text.isascii() and text.isprintable() for who in grants.values() for text in who):
        return None
    return tuple((_HEADERS[permission], ", ".join(who)) for permission, who in grants.items() if permission in _HEADERS)


def shown_grants(body: bytes) -> tuple[str, dict[str, list[str]]] | None:
    """Return owner and grantees by permission, as headers spell them, of a GetObjectAcl response; else ``None``."""
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - expat resolves no external entities; the store is the user's
    except ElementTree.ParseError:
        return None
    if root.tag.rpartition("}")[2] != "AccessControlPolicy":
        return None
    owner = ""
    grants: dict[str, list[str]] = {}
    for element in root.iter():
        name = element.tag.rpartition("}")[2]
        if name == "Owner":
            owner = _text(element, "ID")
        elif name == "Grant":
            grantee = next((child for child in element if child.tag.rpartition("}")[2] == "Grantee"), element)
            identity, uri = _text(grantee, "ID"), _text(grantee, "URI")
            who = f'uri="{uri}"' if uri else f'id="{identity}"'
            if uri or identity:
                grants.setdefault(_text(element, "Permission"), []).append(who)
    return owner, grants


def _text(element: ElementTree.Element, name: str) -> str:
    return next((child.text or "" for child in element if child.tag.rpartition("}")[2] == name), "")
