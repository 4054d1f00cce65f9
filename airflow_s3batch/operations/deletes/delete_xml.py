"""
The XML of DeleteObjects: what is asked, and what is answered.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome

DELETED = Outcome(204)
_STATUS = {
    "AccessDenied": 403,
    "InternalError": 500,
    "NoSuchKey": 404,
    "NoSuchVersion": 404,
    "PreconditionFailed": 412,
    "ServiceUnavailable": 503,
    "SlowDown": 503,
}
# XML 1.0 can't carry control characters, and parsers change a lone carriage return
_NOT_IN_XML = re.compile("[\x00-\x1f\x7f-\x9f\ufffe\uffff]")


def fits_xml(key: str) -> bool:
    """Return whether *key* survives XML unchanged."""
    return _NOT_IN_XML.search(key) is None


def delete_xml(objects: Sequence[S3Object], *, is_conditional: bool) -> bytes:
    """Return the body of a request that deletes *objects*; if conditional, by ETag where no version is named."""
    parts = ['<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">']
    for obj in objects:
        parts.append(f"<Object><Key>{escape(obj.key)}</Key>")
        if obj.version_id:
            parts.append(f"<VersionId>{escape(obj.version_id)}</VersionId>")
        elif is_conditional and obj.e_tag is not None:
            parts.append(f"<ETag>&quot;{escape(obj.e_tag)}&quot;</ETag>")
        parts.append("</Object>")
    parts.append("</Delete>")
    return "".join(parts).encode()


def delete_results(body: bytes) -> dict[tuple[str, str], Outcome]:
    """Return the outcome by key and version id (empty if the answer names none); empty if *body* is no answer."""
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - expat resolves no external entities; the store is the user's
    except ElementTree.ParseError:
        return {}
    results: dict[tuple[str, str], Outcome] = {}
    for element in root:
        kind = element.tag.rpartition("}")[2]
        fields = {child.tag.rpartition("}")[2]: child.text or "" for child in element}
        place = fields.get("Key", ""), fields.get("VersionId", "")
        if kind == "Deleted":
            results[place] = DELETED
        elif kind == "Error":
            code = fields.get("Code", "") or "InternalError"
            results[place] = Outcome(_STATUS.get(code, 400), code, fields.get("Message", "") or code)
    return results
