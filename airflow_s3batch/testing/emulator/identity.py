"""STS's GetCallerIdentity, for clients that ask it which account is theirs."""

from __future__ import annotations

from xml.etree import ElementTree

NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


def asks_who_it_is(method: str, path: str, body: bytes) -> bool:
    """Return whether a request is GetCallerIdentity."""
    return (method, path) == ("POST", "/") and b"Action=GetCallerIdentity" in body.split(b"&")


def identity_body(account_id: str) -> bytes:
    """Return the body of the answer: the root user of *account_id*."""
    root = ElementTree.Element("GetCallerIdentityResponse", xmlns=NAMESPACE)
    result = ElementTree.SubElement(root, "GetCallerIdentityResult")
    for name, text in (("Arn", f"arn:aws:iam::{account_id}:root"), ("UserId", account_id), ("Account", account_id)):
        ElementTree.SubElement(result, name).text = text
    return bytes(ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True))
