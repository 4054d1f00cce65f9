"""The emulator takes what botocore's model allows, and refuses each request that breaks it in one place."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pytest
from emulator_requests import (
    ACCOUNT,
    KEY_ARN,
    OPERATIONS,
    TAGS,
    body_of,
    create_job,
    generator,
    known_request,
    valid_requests,
)

from airflow_s3batch.testing.emulator.answers import Refusal
from airflow_s3batch.testing.emulator.model import NAMESPACE, input_shape, wire_name
from airflow_s3batch.testing.emulator.rules import check_create, check_job_tags
from airflow_s3batch.testing.emulator.wire import received

HEADERS = {"x-amz-account-id": ACCOUNT}
JOBS = "/v20180820/jobs"
VALID = valid_requests()


class Place(NamedTuple):
    """An element of a request, and what the model says of it."""

    name: str
    element: ElementTree.Element
    parent: ElementTree.Element | None
    shape: Any
    is_required: bool


def accepted(body: bytes) -> dict[str, Any]:
    call = received("POST", JOBS, HEADERS, body)
    check_create(call.params, ACCOUNT)
    return call.params


def refused(body: bytes) -> Refusal:
    with pytest.raises(Refusal) as caught:
        accepted(body)
    return caught.value


@pytest.mark.parametrize("name", VALID)
def test_a_valid_request_is_read_as_it_was_meant(name: str) -> None:
    """What botocore wrote comes back: texts, numbers, times, lists, maps, and the odd names of encryption."""
    assert accepted(body_of(VALID[name])) == VALID[name]


def test_the_valid_requests_use_every_member_of_the_model() -> None:
    """So that each of them is broken below."""

    def members(shape: Any, place: str) -> Iterator[str]:
        if shape.type_name == "list":
            yield from members(shape.member, place)
        for name, member in getattr(shape, "members", {}).items():
            yield f"{place}.{name}"
            yield from members(member, f"{place}.{name}")

    def used(value: Any, place: str) -> Iterator[str]:
        for item in value if isinstance(value, list) else ():
            yield from used(item, place)
        for name, item in value.items() if isinstance(value, dict) else ():
            yield f"{place}.{name}"
            yield from used(item, f"{place}.{name}")

    found = {place for request in VALID.values() for place in used(request, "")}
    assert set(members(input_shape("CreateJob"), "")) - found == set()


# -- one thing broken at a time ---------------------------------------------------------------


def places(element: ElementTree.Element, shape: Any, name: str = "", parent: Any = None) -> Iterator[Place]:
    """Yield each element of a request with its shape."""
    yield Place(name, element, parent, shape, is_required=False)
    if shape.type_name == "structure":
        names = {wire_name(n, member): n for n, member in shape.members.items()}
        for child in element:
            member = names[child.tag.rpartition("}")[2]]
            inner = places(child, shape.members[member], f"{name}.{member}", element)
            yield next(inner)._replace(is_required=member in shape.required_members)
            yield from inner
    elif shape.type_name == "list":
        for child in element:
            yield from places(child, shape.member, f"{name}[]", element)
    elif shape.type_name == "map":
        yield from places(element[0][0], shape.key, f"{name}.key", None)
        yield from places(element[0][1], shape.value, f"{name}.value", None)


Breaking = tuple[str, str, Callable[[Place], Any]]


def set_text(text: str) -> Callable[[Place], Any]:
    return lambda place: setattr(place.element, "text", text)


def add_child(tag: str) -> Callable[[Place], Any]:
    return lambda place: place.element.append(ElementTree.Element(f"{{{NAMESPACE}}}{tag}"))


def breakings(place: Place) -> Iterator[Breaking]:
    """Yield what can be broken at *place*: a word for it, the code to expect, and how to do it."""
    kind, limits = place.shape.type_name, place.shape.metadata
    if kind in ("structure", "list", "map"):
        yield "unknown", "MalformedXML", add_child("Surprise")
        yield "text", "MalformedXML", set_text("text")
    else:
        yield "nested", "MalformedXML", add_child("Surprise")
        yield from scalar_breakings(kind, limits)
    if place.is_required and place.parent is not None:
        yield "missing", "BadRequestException", lambda place: place.parent.remove(place.element)  # type: ignore[union-attr]
    if limits.get("union"):
        yield "union", "BadRequestException", lambda place: place.element.clear()
    if kind == "structure" and len(place.element):
        yield "twice", "MalformedXML", lambda place: place.element.append(place.element[0])
    if kind in ("list", "map") and limits.get("min"):
        yield "empty", "BadRequestException", lambda place: place.element.clear()
    if kind == "list" and limits.get("max"):
        yield "long", "BadRequestException", lambda place: place.element.append(place.element[0])
    if kind == "list" and len(place.element):
        yield "list", "MalformedXML", lambda place: setattr(place.element[0], "tag", f"{{{NAMESPACE}}}item")


def scalar_breakings(kind: str, limits: dict[str, Any]) -> Iterator[Breaking]:
    bad = "BadRequestException"
    if kind in ("boolean", "integer", "long", "timestamp"):
        yield "type", "MalformedXML", set_text("sometimes")
    if kind in ("integer", "long"):
        if "max" in limits:
            yield "above", bad, set_text(str(limits["max"] + 1))
        if "min" in limits:
            yield "below", bad, set_text(str(limits["min"] - 1))
    elif kind == "string":
        if "enum" in limits:
            yield "enum", bad, set_text("Nonsense")
        if "pattern" in limits:
            yield "pattern", bad, set_text("no! " * 6)
        if "max" in limits:
            yield "long", bad, set_text("x" * (limits["max"] + 1))
        if limits.get("min"):
            yield "short", bad, set_text("")


def every_breaking() -> list[Any]:
    """Return (request, place, word, code) of all that can be broken, each kind of place once."""
    seen, found = set(), []
    for name, request in VALID.items():
        root = ElementTree.fromstring(body_of(request))
        for index, place in enumerate(places(root, input_shape("CreateJob"))):
            for word, code, _ in breakings(place):
                if (place.name, word) not in seen:
                    seen.add((place.name, word))
                    found.append(pytest.param(name, index, word, code, id=f"{place.name or 'root'}-{word}"))
    return found


@pytest.mark.parametrize(("name", "index", "word", "code"), every_breaking())
def test_a_request_that_breaks_the_model_in_one_place_is_refused(name: str, index: int, word: str, code: str) -> None:
    """And the refusal names the place."""
    root = ElementTree.fromstring(body_of(VALID[name]))
    place = list(places(root, input_shape("CreateJob")))[index]
    next(act for known, _, act in breakings(place) if known == word)(place)

    refusal = refused(ElementTree.tostring(root))

    assert (refusal.code, refusal.status) == (code, 400)
    assert place.name.replace("[]", "[0]").removesuffix(".key").removesuffix(".value") in refusal.message


def test_a_body_without_the_namespace_is_malformed() -> None:
    assert refused(body_of(VALID["tagging"]).replace(NAMESPACE.encode(), b"urn:other")).code == "MalformedXML"


def test_a_body_that_is_no_xml_is_malformed() -> None:
    assert refused(b"{}").code == "MalformedXML"


def test_the_account_comes_with_a_header() -> None:
    """Without it, or with something that is no account, the request is refused."""
    body = body_of(VALID["tagging"])
    for headers in ({}, {"x-amz-account-id": "12"}):
        with pytest.raises(Refusal, match="AccountId"):
            received("POST", JOBS, headers, body)


# -- what the model does not say --------------------------------------------------------------


def with_form(name: str, **changes: Any) -> dict[str, Any]:
    """Return the request of operation *name* with *changes* in its form; ``None`` removes a member."""
    ((member, form),) = OPERATIONS[name].items()
    changed = {key: value for key, value in {**form, **changes}.items() if value is not None}
    return create_job({member: changed})


def with_generator(**changes: Any) -> dict[str, Any]:
    inner = generator()["S3JobManifestGenerator"] | changes
    inner = {name: value for name, value in inner.items() if value is not None}
    return create_job(OPERATIONS["tagging"], Manifest=None, ManifestGenerator={"S3JobManifestGenerator": inner})


def with_manifest(spec: dict[str, Any], arn: str = "arn:aws:s3:::ops/m") -> dict[str, Any]:
    return create_job(OPERATIONS["tagging"], Manifest={"Spec": spec, "Location": {"ObjectArn": arn, "ETag": "e"}})


def csv_spec(*fields: str) -> dict[str, Any]:
    return {"Format": "S3BatchOperations_CSV_20180820", "Fields": list(fields)}


TAGGING = OPERATIONS["tagging"]
REPORT_WITHOUT_OWNER = {"Enabled": True, "Bucket": "arn:aws:s3:::r", "Format": "Report_CSV_20180820"}
RULES: dict[str, tuple[dict[str, Any], str]] = {
    "no operation": (create_job({}), "exactly one"),
    "two operations": (create_job({**TAGGING, "S3DeleteObjectTagging": {}}), "exactly one"),
    "no source": (create_job(TAGGING, Manifest=None), "exactly one of Manifest and ManifestGenerator"),
    "two sources": (
        create_job(TAGGING, ManifestGenerator=generator()),
        "exactly one of Manifest and ManifestGenerator",
    ),
    "no fields": (with_manifest(csv_spec()), "Required fields are missing in the schema: Bucket, Key"),
    "no key": (with_manifest(csv_spec("Bucket")), "Required fields are missing in the schema: Key"),
    "key twice": (with_manifest(csv_spec("Bucket", "Key", "Key")), "Key comes twice"),
    "fields of an inventory": (
        with_manifest({"Format": "S3InventoryReport_CSV_20161130", "Fields": ["Bucket"]}),
        "Manifest.Spec.Fields",
    ),
    "a bucket as manifest": (with_manifest(csv_spec("Bucket", "Key"), "arn:aws:s3:::ops"), "ObjectArn"),
    "report without bucket": (
        create_job(TAGGING, Report={"Enabled": True, "Format": "Report_CSV_20180820"}),
        "Report.B",
    ),
    "report without format": (create_job(TAGGING, Report={"Enabled": True, "Bucket": "arn:aws:s3:::rrr"}), "Report.F"),
    "report to a key": (
        create_job(TAGGING, Report={**REPORT_WITHOUT_OWNER, "Bucket": "arn:aws:s3:::rrr/p"}),
        "Report.Bucket",
    ),
    "checksum without report": (create_job(OPERATIONS["checksum"], Report={"Enabled": False}), "needs a report"),
    "checksum without owner": (create_job(OPERATIONS["checksum"], Report=REPORT_WITHOUT_OWNER), "ExpectedBucketOwner"),
    "composite CRC64NVME": (with_form("checksum", ChecksumType="COMPOSITE"), "ChecksumType"),
    "lambda without function": (with_form("lambda", FunctionArn=None), "FunctionArn"),
    "lambda schema 3.0": (with_form("lambda", InvocationSchemaVersion="3.0"), "InvocationSchemaVersion"),
    "arguments in schema 1.0": (with_form("lambda", InvocationSchemaVersion="1.0"), "UserArguments"),
    "copy to nowhere": (with_form("copy", TargetResource=None), "TargetResource"),
    "copy to an object": (with_form("copy", TargetResource="arn:aws:s3:::target/key"), "TargetResource"),
    "lock mode alone": (with_form("copy", ObjectLockRetainUntilDate=None), "ObjectLockMode"),
    "canned ACL and grants": (with_form("copy-with-grants", CannedAccessControlList="private"), "AccessControlGrants"),
    "days and years": (with_form("copy", ObjectLockEventHoldDuration={"Days": 1, "Years": 1}), "Days and Years"),
    "neither days nor years": (with_form("retention", Retention={"EventHoldDuration": {}}), "Days and Years"),
    "mode without date": (with_form("retention", Retention={"Mode": "GOVERNANCE"}), "RetainUntilDate"),
    "no ACL": (with_form("acl", AccessControlPolicy={}), "AccessControlPolicy"),
    "eleven tags": (
        create_job({"S3PutObjectTagging": {"TagSet": [{"Key": str(n), "Value": ""} for n in range(11)]}}),
        "11 tags",
    ),
    "a tag twice": (create_job({"S3PutObjectTagging": {"TagSet": [TAGS[0], TAGS[0]]}}), "comes twice"),
    "a tag of AWS's": (create_job({"S3PutObjectTagging": {"TagSet": [{"Key": "aws:x", "Value": ""}]}}), "aws:"),
    "no encryption": (with_form("encryption", ObjectEncryption={}), "SSE-KMS"),
    "two prefixes": (with_generator(Filter={"KeyNameConstraint": {"MatchAnyPrefix": ["a", "b"]}}), "exactly 1"),
    "no prefix": (with_generator(Filter={"KeyNameConstraint": {"MatchAnyPrefix": []}}), "exactly 1"),
    "output to nowhere": (with_generator(ManifestOutputLocation=None), "ManifestOutputLocation"),
    "source is no bucket": (with_generator(SourceBucket="arn:aws:s3:::lake/prefix"), "SourceBucket"),
    "job tag twice": (create_job(TAGGING, Tags=[TAGS[0], TAGS[0]]), "Tags"),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_request_that_breaks_another_rule_is_refused(rule: str) -> None:
    """Rules that are in S3's documentation only."""
    request, words = RULES[rule]
    if known_request(request) != request:
        pytest.skip("this botocore is older than the rule")
    refusal = refused(body_of(request))
    assert refusal.code == "BadRequestException"
    assert words in refusal.message


def test_a_role_of_another_account_cannot_be_passed() -> None:
    request = create_job(TAGGING, RoleArn="arn:aws:iam::999999999999:role/batch")
    refusal = refused(body_of(request))
    assert (refusal.status, refusal.message) == (403, "Cross-account pass role is not allowed")


def test_a_job_has_fifty_tags_at_most() -> None:
    tags = [{"Key": str(n), "Value": ""} for n in range(51)]
    check_job_tags(tags[:50])
    assert refused(body_of(create_job(TAGGING, Tags=tags))).code == "TooManyTagsException"


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (f"{JOBS}?jobStatuses=Active&jobStatuses=Asleep", "Asleep"),
        (f"{JOBS}?maxResults=1001", "MaxResults"),
        (f"{JOBS}?maxresults=1", "unknown query parameter"),
    ],
)
def test_a_listing_is_checked_like_a_body(target: str, words: str) -> None:
    with pytest.raises(Refusal, match=words) as caught:
        received("GET", target, HEADERS, b"")
    assert caught.value.code == "InvalidRequestException"


def test_a_listing_is_read_with_its_repeated_statuses() -> None:
    call = received("GET", f"{JOBS}?jobStatuses=Active&jobStatuses=New&maxResults=7", HEADERS, b"")
    assert call.params == {"AccountId": ACCOUNT, "JobStatuses": ["Active", "New"], "MaxResults": 7}


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("priority?priority=-1", "Priority"),
        ("priority", "Priority: missing"),
        ("status?requestedJobStatus=Paused", "RequestedJobStatus"),
        ("status?requestedJobStatus=Ready&statusUpdateReason=", "StatusUpdateReason"),
    ],
)
def test_changes_of_a_job_are_checked(query: str, words: str) -> None:
    with pytest.raises(Refusal, match=words):
        received("POST", f"{JOBS}/some-job-id/{query}", HEADERS, b"")


def test_a_job_id_is_checked() -> None:
    with pytest.raises(Refusal, match="JobId"):
        received("GET", f"{JOBS}/a", HEADERS, b"")


def test_other_calls_of_s3control_are_not_emulated() -> None:
    with pytest.raises(Refusal, match="only the calls on jobs"):
        received("GET", "/v20180820/configuration/publicAccessBlock", HEADERS, b"")


def test_times_without_a_zone_are_utc() -> None:
    body = body_of(with_form("retention")).replace(b"2030-01-02T03:04:05Z", b"2030-01-02T03:04:05")
    retention = accepted(body)["Operation"]["S3PutObjectRetention"]["Retention"]
    assert retention["RetainUntilDate"] == dt.datetime(2030, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    assert KEY_ARN.encode() not in body
