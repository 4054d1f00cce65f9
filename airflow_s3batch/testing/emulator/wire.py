"""Requests and answers of the control API as HTTP carries them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

from airflow_s3batch.testing.emulator.answers import Refusal, invalid, malformed
from airflow_s3batch.testing.emulator.model import NAMESPACE, ROUTES, input_shape, output_shape, wire_name
from airflow_s3batch.testing.emulator.shapes import Reader

_ROOT = "/v20180820/jobs"


class Received(NamedTuple):
    """A request that is one of the calls; *params* as botocore names them."""

    api: str
    params: dict[str, Any]


def call_of(method: str, target: str) -> tuple[str, str, dict[str, list[str]]]:
    """
    Return which call a request is, the job's id (empty without one), and the query.

    Raises:
        Refusal: it is none that is emulated.
    """
    parts = urlsplit(target)
    job_id, path = "", ""
    if parts.path.startswith(_ROOT + "/"):
        job_id, slash, rest = parts.path.removeprefix(_ROOT + "/").partition("/")
        path = "{id}" + slash + rest
    elif parts.path != _ROOT:
        raise Refusal(404, "NotImplemented", f"{method} {parts.path}: only the calls on jobs are emulated")
    api = ROUTES.get((method, path))
    if api is None:
        raise Refusal(405, "MethodNotAllowed", f"The specified method is not allowed against this resource: {method}")
    return api, unquote(job_id), parse_qs(parts.query, keep_blank_values=True)


def received(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Received:
    """
    Return the call that a request makes.

    Header names are lower case in the model, and compared as such.

    Raises:
        Refusal: the model does not allow it.
    """
    headers = {name.lower(): text for name, text in headers.items()}
    api, job_id, query = call_of(method, target)
    shape, reader = input_shape(api), Reader()
    params = _outside_body(reader, shape, job_id, query, headers)
    if "xmlNamespace" in shape.serialization:
        params |= _body(reader, shape, body)
    elif body:
        reader.malformed.append(f"{api} has no body")
    if reader.malformed:
        raise malformed(reader.malformed)
    if reader.invalid:
        raise invalid(api, reader.invalid)
    return Received(api, params)


def _outside_body(
    reader: Reader, shape: Any, job_id: str, query: dict[str, list[str]], headers: Mapping[str, str]
) -> dict[str, Any]:
    params: dict[str, Any] = {}
    known = set()
    for name, member in shape.members.items():
        place = member.serialization.get("location")
        key = member.serialization.get("name", name)
        texts = {
            "header": [headers[key]] if place == "header" and headers.get(key) is not None else [],
            "uri": [job_id],
            "querystring": query.get(key, []),
        }.get(place, [])
        known |= {key} if place == "querystring" else set()
        if member.type_name == "list" and texts:
            params[name] = [reader.scalar(text, member.member, name) for text in texts]
        elif texts:
            params[name] = reader.scalar(texts[0], member, name)
        elif place and name in shape.required_members:
            reader.invalid.append(f"{name}: missing")
    reader.invalid += [f"unknown query parameter {key!r}" for key in query if key not in known]
    return params


def _body(reader: Reader, shape: Any, body: bytes) -> dict[str, Any]:
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - expat resolves no external entities; tests talk to themselves
    except ElementTree.ParseError as error:
        raise malformed([str(error)]) from None
    if root.tag != f"{{{NAMESPACE}}}{shape.serialization['name']}":
        raise malformed([f"the root is <{root.tag}>"])
    return reader.structure(root, shape, shape.serialization["name"])


def answer_body(api: str, values: Mapping[str, Any]) -> bytes:
    """Return the body of the answer to *api* that holds *values*, as botocore names them."""
    shape = output_shape(api)
    root = ElementTree.Element(shape.name, xmlns=NAMESPACE)
    _write_members(root, values, shape)
    return bytes(ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True))


def refusal_body(refusal: Refusal, request_id: str) -> bytes:
    """Return the body of an error answer."""
    root = ElementTree.Element("ErrorResponse", xmlns=NAMESPACE)
    error = ElementTree.SubElement(root, "Error")
    ElementTree.SubElement(error, "Code").text = refusal.code
    ElementTree.SubElement(error, "Message").text = refusal.message
    ElementTree.SubElement(root, "RequestId").text = request_id
    ElementTree.SubElement(root, "HostId").text = "emulator"
    return bytes(ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True))


def _write_members(parent: ElementTree.Element, values: Mapping[str, Any], shape: Any) -> None:
    for name, member in shape.members.items():
        if values.get(name) is not None:
            _write(parent, wire_name(name, member), values[name], member)


def _write(parent: ElementTree.Element, tag: str, value: Any, shape: Any) -> None:
    element = ElementTree.SubElement(parent, tag)
    if shape.type_name == "structure":
        _write_members(element, value, shape)
    elif shape.type_name == "list":
        for item in value:
            _write(element, wire_name("member", shape.member), item, shape.member)
    elif shape.type_name == "map":
        for key, item in value.items():
            entry = ElementTree.SubElement(element, "entry")
            _write(entry, "key", key, shape.key)
            _write(entry, "value", item, shape.value)
    else:
        element.text = _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return str(value)
