"""Every CreateJob request that can be made fits botocore's model, its serializer, and a reading of our own."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import botocore.session
import pytest
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st
from managed_jobs import SETTINGS, TAGGING

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.managed import ManagedSettings
from airflow_s3batch.managed.request import CsvManifest, create_job_request, mark_of, round_token
from airflow_s3batch.operations import (
    ALL_OPERATIONS,
    ComputeObjectChecksum,
    CopyObject,
    DeleteObjectTagging,
    LambdaInvoke,
    Operation,
    PutObjectAcl,
    PutObjectLegalHold,
    PutObjectRetention,
    PutObjectTagging,
    ReplicateObject,
    RestoreObject,
    UpdateObjectEncryption,
)

MODEL = botocore.session.Session().get_service_model("s3control")
REPORT = S3Url("ops", "jobs/j/t/g0001/managed/lake/round-0001/report")
MANIFEST = CsvManifest(S3Url("ops", "jobs/j/m.csv"), "0" * 32, 3, True)
UNTIL = dt.datetime(2030, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
KEY = "arn:aws:kms:eu-west-1:123456789012:key/12345678-1234-1234-1234-123456789012"
FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:f"
OPERATIONS: list[Operation] = [
    ComputeObjectChecksum("SHA256"),
    ComputeObjectChecksum("CRC32", "COMPOSITE"),
    CopyObject("backup"),
    CopyObject(
        "backup",
        "folder",
        storage_class="STANDARD_IA",
        encryption="SSE-KMS",
        kms_key_id=KEY,
        bucket_key_enabled=True,
        canned_acl="bucket-owner-full-control",
        metadata={"team": "a"},
        tags={"k": "v"},
        content_type="text/plain",
        expires=UNTIL,
        copy_source_if_modified_since=UNTIL,
        copy_source_if_unmodified_since=UNTIL,
        object_lock_mode="GOVERNANCE",
        object_lock_retain_until_date=UNTIL,
        object_lock_legal_hold_status="ON",
        checksum_algorithm="SHA256",
        requester_pays=True,
    ),
    CopyObject("backup", tags={}),
    DeleteObjectTagging(),
    LambdaInvoke(FUNCTION),
    LambdaInvoke(FUNCTION, "2.0", {"a": "b"}),
    PutObjectAcl("private"),
    PutObjectLegalHold("ON", confirmed=True),
    PutObjectRetention("GOVERNANCE", UNTIL, confirmed=True),
    PutObjectRetention(remove=True, bypass_governance_retention=True, confirmed=True),
    PutObjectTagging({"k": "v", "ü": ""}),
    ReplicateObject(),
    RestoreObject(3),
    RestoreObject(tier="STANDARD"),
    UpdateObjectEncryption(KEY, bucket_key_enabled=True),
]
OPERATIONS += [kind.example() for kind in ALL_OPERATIONS if kind.managed_name and kind not in map(type, OPERATIONS)]
HAS_OWNER = "ExpectedBucketOwner" in MODEL.shape_for("JobReport").members
MEMBERS = set(MODEL.shape_for("JobOperation").members)
KNOWN_HERE = [operation for operation in OPERATIONS if operation.managed_name in MEMBERS]
"""Those that the installed botocore has."""

GENERATOR = {
    "SourceBucket": "arn:aws:s3:::lake",
    "EnableManifestOutput": True,
    "ManifestOutputLocation": {"Bucket": "arn:aws:s3:::ops", "ManifestFormat": "S3InventoryReport_CSV_20211130"},
    "Filter": {"KeyNameConstraint": {"MatchAnyPrefix": ["logs/"]}, "ObjectSizeGreaterThanBytes": 5},
}


def test_there_is_a_request_of_every_operation_that_aws_has() -> None:
    names = {kind.managed_name for kind in ALL_OPERATIONS if kind.managed_name}
    assert names >= MEMBERS
    assert names == MEMBERS or "S3UpdateObjectEncryption" not in MEMBERS, "only an older botocore may lack some"


@pytest.mark.parametrize("operation", KNOWN_HERE, ids=lambda operation: type(operation).__name__)
def test_each_operation_makes_a_request_that_the_model_takes(operation: Operation) -> None:
    """ParamValidator, serializer and our own reading of patterns, enums and limits have no complaint."""
    assert operation.managed_problems() == []
    request = create_job_request(operation, SETTINGS, token="t" * 64, manifest=MANIFEST, report=REPORT)
    check(request)
    [member] = request["Operation"]
    assert member == operation.managed_name


LETTERS = st.characters(categories=("L", "N", "Zs"))
tag_texts = st.text(LETTERS | st.sampled_from("_.:/=+-@"), min_size=1, max_size=12).filter(
    lambda text: not text.lower().startswith("aws:")
)
all_settings = st.builds(
    ManagedSettings,
    account_id=st.just("123456789012"),
    region=st.sampled_from(["eu-west-1", "us-gov-west-1"]),
    role_arn=st.sampled_from(["arn:aws:iam::123456789012:role/x", "arn:aws-us-gov:iam::123456789012:role/p/x"]),
    priority=st.integers(0, 2_147_483_647),
    confirmation_required=st.booleans(),
    description=st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), max_size=220),
    tags=st.dictionaries(tag_texts, tag_texts, max_size=50),
    report_scope=st.sampled_from(["AllTasks", "FailedTasksOnly"]),
    expected_bucket_owner=st.sampled_from([True, False, "210987654321"] if HAS_OWNER else [True]),
    manifest_generator=st.none(),
)


@settings(max_examples=80, deadline=None)
@given(all_settings, st.sampled_from(KNOWN_HERE), st.booleans(), st.booleans())
def test_whatever_the_settings_allow_the_model_takes(
    chosen: ManagedSettings,
    operation: Operation,
    has_versions: bool,
    is_generated: bool,
) -> None:
    """No settings that pass our own check make a request that does not fit."""
    if is_generated:
        chosen = chosen._replace(manifest_generator=GENERATOR)
    manifest = None if is_generated else MANIFEST._replace(has_versions=has_versions)
    token = round_token("s3://ops/j", "lake", 1)
    request = create_job_request(operation, chosen, token=token, manifest=manifest, report=REPORT)
    check(request)
    assert mark_of(token) in request["Description"]
    assert chosen.description in request["Description"]
    assert request["Report"]["Bucket"].split(":")[1] == chosen.role_arn.split(":")[1]


@pytest.mark.parametrize(
    ("changes", "clause"),
    [
        ({"account_id": "12345"}, "account_id='12345'"),
        ({"role_arn": "batch"}, "role_arn='batch'"),
        ({"role_arn": "arn:aws:iam::999999999999:role/x"}, "not a role of account 123456789012"),
        ({"region": ""}, "region is empty"),
        ({"priority": -1}, "priority=-1"),
        ({"priority": 2_147_483_648}, "priority=2147483648"),
        ({"priority": True}, "priority=True"),
        ({"confirmation_required": "no"}, "confirmation_required='no'"),
        ({"description": "x" * 221}, "description has 221"),
        ({"tags": {f"k{n}": "" for n in range(51)}}, "tags has 51"),
        ({"tags": {"k" * 129: ""}}, "1 to 128"),
        ({"tags": {"k": "v" * 257}}, "up to 256"),
        ({"tags": {"k?": ""}}, "only letters"),
        ({"tags": {"AWS:x": ""}}, "'aws:'"),
        ({"tags": {"k": 1}}, "not both texts"),
        ({"report_scope": "All"}, "report_scope='All'"),
        ({"expected_bucket_owner": "me"}, "expected_bucket_owner='me'"),
        ({"manifest_generator": {"EnableManifestOutput": True}}, "manifest_generator: .*SourceBucket"),
        (
            {"manifest_generator": {**GENERATOR, "Filter": {"KeyNameConstraint": {"MatchAnySuffix": ["a", "b"]}}}},
            "takes one text, not 2",
        ),
    ],
)
def test_wrong_settings_are_told_with_the_rest(changes: dict[str, Any], clause: str) -> None:
    """Each fault is found, next to another one."""
    wrong = SETTINGS._replace(**changes)
    far = REPORT / ("x" * 512)
    with pytest.raises(ArgumentError, match=clause) as told:
        create_job_request(TAGGING, wrong, token="t", manifest=MANIFEST, report=far)
    assert "prefix" in str(told.value)


def test_templates_are_not_judged_before_they_are_rendered() -> None:
    """At parse time the role may be a template."""
    from airflow_s3batch.managed import managed_problems

    templated = SETTINGS._replace(role_arn="{{ var.value.role }}", account_id="{{ var.value.account }}")
    assert managed_problems(settings=templated) == []


def test_the_serializer_writes_what_aws_reads() -> None:
    """The body, as botocore spells it, for a request with everything in it."""
    chosen = SETTINGS._replace(tags={"t": "1"}, description="tag the lake")
    request = create_job_request(TAGGING, chosen, token="tok", manifest=MANIFEST, report=REPORT)
    root = ElementTree.fromstring(serialized(request)["body"])
    text = {element.tag.rpartition("}")[2]: element.text for element in root.iter()}
    assert text["ObjectArn"] == "arn:aws:s3:::ops/jobs/j/m.csv"
    assert text["ClientRequestToken"] == "tok"
    assert text["Description"] == "tag the lake [s3batch tok]"
    fields = [element.text for element in root.iter() if element.tag.endswith("}member") and element.text]
    assert fields == ["Bucket", "Key", "VersionId"]


def test_a_token_is_the_rounds_own() -> None:
    """Other names, other token; 64 characters, as many as AWS takes."""
    tokens = {round_token("a", "b", 1), round_token("a", "b", 2), round_token("ab", "", 1), round_token("a", "b", 1)}
    assert {len(token) for token in tokens} == {64}
    assert len(tokens) == 3


# -- an independent reading of the model -----------------------------------------------------------


def check(request: dict[str, Any]) -> None:
    shape = MODEL.shape_for("CreateJobRequest")
    assert not ParamValidator().validate(request, shape).has_errors()
    assert list(complaints("CreateJob", shape, request)) == []
    assert serialized(request)["url_path"] == "/v20180820/jobs"


def serialized(request: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = create_serializer(MODEL.protocol).serialize_to_request(
        request, MODEL.operation_model("CreateJob")
    )
    return found


def complaints(place: str, shape: Any, value: Any) -> Iterator[str]:
    """Yield what the JSON model says against *value*: botocore itself looks at neither patterns, enums nor maxima."""
    if shape.type_name == "structure":
        yield from members(place, shape, value)
    elif shape.type_name == "list":
        yield from limits(place, shape, len(value))
        for item in value:
            yield from complaints(f"{place}[]", shape.member, item)
    elif shape.type_name == "map":
        yield from limits(place, shape, len(value))
        for key, item in value.items():
            yield from complaints(f"{place} key", shape.key, key)
            yield from complaints(f"{place}[{key}]", shape.value, item)
    elif shape.type_name == "string":
        yield from texts(place, shape, value)
    elif shape.type_name in ("integer", "long"):
        yield from limits(place, shape, value)
    elif shape.type_name == "timestamp":
        assert dt.datetime.fromisoformat(value).tzinfo
    else:
        assert isinstance(value, bool), (place, shape.type_name)


def members(place: str, shape: Any, value: Any) -> Iterator[str]:
    yield from (f"{place}: lacks {name}" for name in shape.required_members if name not in value)
    yield from (f"{place}: has no {name}" for name in value if name not in shape.members)
    for name in shape.members.keys() & value.keys():
        yield from complaints(f"{place}.{name}", shape.members[name], value[name])


def texts(place: str, shape: Any, value: Any) -> Iterator[str]:
    yield from limits(place, shape, len(value))
    if shape.enum and value not in shape.enum:
        yield f"{place}: {value!r} is none of {shape.enum}"
    pattern = shape.metadata.get("pattern", "")
    text = "".join(map(plain, value)) if r"\p{" in pattern else value
    if pattern and not re.fullmatch(unicode_classes(pattern), text):
        yield f"{place}: {value!r} does not match {pattern}"


def limits(place: str, shape: Any, number: int) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and number < least:
        yield f"{place}: {number} is below {least}"
    if most is not None and number > most:
        yield f"{place}: {number} is above {most}"


def unicode_classes(pattern: str) -> str:
    r"""Python's re knows no \p{…}: with all letters made an a, all spaces a blank and all digits a 1, those will do."""
    return pattern.replace(r"\p{L}", "a").replace(r"\p{Z}", " ").replace(r"\p{N}", "1").strip("^$")


def plain(mark: str) -> str:
    return {"L": "a", "Z": " ", "N": "1"}.get(unicodedata.category(mark)[0], mark)


def test_the_independent_reading_finds_faults() -> None:
    """It would be of no use if it agreed with everything."""
    request = create_job_request(TAGGING, SETTINGS, token="t", manifest=MANIFEST, report=REPORT)
    wrong = {
        **request,
        "Priority": -1,
        "Description": "",
        "AccountId": "abc",
        "Report": {**request["Report"], "ReportScope": "Some", "Prefix": "x" * 513},
        "Tags": [{"Key": "k?", "Value": "v"}],
        "Surplus": 1,
    }
    wrong.pop("RoleArn")
    told = " ".join(complaints("CreateJob", MODEL.shape_for("CreateJobRequest"), wrong))
    for place in ("lacks RoleArn", "Priority", "Description", "AccountId", "ReportScope", "Prefix", "k?", "Surplus"):
        assert place in told
