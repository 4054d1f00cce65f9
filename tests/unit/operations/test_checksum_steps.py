"""`ComputeObjectChecksum`: how an object is read, and what is reported."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from typing import Any

import botocore.session
import pytest
from scripted_store import answer, drive, headers_of

from airflow_s3batch.core import digests
from airflow_s3batch.core.errors import ArgumentError, CapabilityError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations import Column, ComputeObjectChecksum, Request, Response, RunContext
from airflow_s3batch.operations import checksums as module

RANGE = 10
OBJECT = S3Object("data", "key", "v1")
MODEL = botocore.session.get_session().get_service_model("s3control")
E_TAG = '"0123456789abcdef0123456789abcdef"'


@pytest.fixture(autouse=True)
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RANGE_BYTES", RANGE)


class Store:
    """
    Answers as S3 does.

    Attributes:
        parts: bodies of the parts that the object was uploaded in; one if it was not.
        failing: so many tries of each range break off in the middle and are made again.
        e_tag: of the object; changes after *changes_after* requests.
    """

    def __init__(self, *parts: bytes, failing: int = 0, changes_after: int = 1_000, is_multipart: bool = False) -> None:
        self.parts = parts
        self.body = b"".join(parts)
        self.failing = failing
        self.changes_after = changes_after
        self.is_multipart = is_multipart
        self.e_tag = E_TAG[:-1] + f'-{len(parts)}"' if is_multipart else E_TAG
        self.ranges: list[str] = []

    def __call__(self, request: Request) -> Response:
        self.changes_after -= 1
        headers = headers_of(request)
        if self.changes_after < 0 and headers.get("if-match"):
            return answer(412, "PreconditionFailed")
        assert headers.get("if-match") in (None, self.e_tag)
        assert (request.bucket, request.key, request.version_id) == ("data", "key", "v1")
        if request.call.api == "HeadObject":
            return self.head(request)
        self.ranges.append(headers.get("range", ""))
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", headers.get("range", ""))
        if found is None:
            return self.send(request, self.body, None)
        first, last = int(found[1]), min(int(found[2]), len(self.body) - 1)
        if first > last:
            return answer(416, "InvalidRange")
        return self.send(request, self.body[first : last + 1], f"bytes {first}-{last}/{len(self.body)}")

    def head(self, request: Request) -> Response:
        ((name, number),) = request.query
        assert name == "partNumber"
        length = str(len(self.parts[int(number) - 1]))
        more = {"x_amz_mp_parts_count": str(len(self.parts))} if self.is_multipart else {}
        return answer(etag=self.e_tag, content_length=length, **more)

    def send(self, request: Request, body: bytes, content_range: str | None) -> Response:
        assert request.sink is not None
        for _ in range(self.failing):
            request.sink()(body[: len(body) // 2])
        take = request.sink()
        for at in range(0, len(body), 3):
            take(body[at : at + 3])
        if content_range is None:
            return answer(etag=self.e_tag)
        return answer(206, etag=self.e_tag, content_range=content_range)


def outcome_of(store: Any, obj: S3Object = OBJECT, **arguments: Any) -> Outcome:
    arguments.setdefault("algorithm", "CRC32")
    return drive(ComputeObjectChecksum(**arguments).steps(obj, RunContext()), store)[0]


def told(store: Any, obj: S3Object = OBJECT, **arguments: Any) -> dict[str, str]:
    outcome = outcome_of(store, obj, **arguments)
    assert (outcome.http_status, outcome.error_code) == (200, ""), outcome
    result: dict[str, str] = json.loads(outcome.message)
    return result


@pytest.mark.parametrize("length", [1, 9, 10, 11, 20, 25])
@pytest.mark.parametrize("failing", [0, 2])
def test_an_object_is_read_range_by_range_whatever_has_to_be_sent_again(length: int, failing: int) -> None:
    """A try that breaks off leaves no trace in the sum."""
    body = bytes(range(length))
    store = Store(body, failing=failing)
    assert told(store)["checksum_hex"] == f"{zlib.crc32(body):08x}"
    ends = [min(at + RANGE, length if at else RANGE) - 1 for at in range(0, length, RANGE)]
    assert store.ranges == [f"bytes={at}-{end}" for at, end in zip(range(0, length, RANGE), ends, strict=True)]


def test_the_report_has_aws_form() -> None:
    body = b"123456789"
    digest = hashlib.sha256(body).digest()
    assert told(Store(body), algorithm="SHA256") == {
        "checksum_base64": base64.b64encode(digest).decode(),
        "etag": E_TAG.strip('"'),
        "checksumAlgorithm": "SHA256",
        "checksumType": "FULL_OBJECT",
        "checksum_hex": digest.hex(),
    }


@pytest.mark.parametrize("size", [0, None])
def test_an_empty_object_has_no_range_and_a_checksum(size: int | None) -> None:
    """S3 answers 416 to any range of it."""
    store = Store(b"")
    assert told(store, OBJECT._replace(size=size))["checksum_base64"] == "AAAAAA=="
    assert store.ranges[-1] == ""


def test_a_manifest_that_is_wrong_about_the_size_does_no_harm() -> None:
    assert told(Store(b"abc"), OBJECT._replace(size=0))["checksum_hex"] == f"{zlib.crc32(b'abc'):08x}"
    assert told(Store(b""), OBJECT._replace(size=2))["checksum_hex"] == "00000000"
    assert told(Store(b"abc" * 9), OBJECT._replace(size=2))["checksum_hex"] == f"{zlib.crc32(b'abc' * 9):08x}"


def test_one_body_is_read_or_none() -> None:
    """Whoever stores another one meanwhile makes it fail, and no sum of both is reported."""
    outcome = outcome_of(Store(bytes(25), changes_after=2))
    assert (outcome.http_status, outcome.error_code) == (412, "PreconditionFailed")
    assert "another object" in outcome.message


def test_a_store_that_ignores_conditions_is_found_out_by_the_etag() -> None:
    store = Store(bytes(25))
    seen = 0

    def changing(request: Request) -> Response:
        nonlocal seen
        seen += 1
        response = store(request)
        return response if seen < 2 else response._replace(headers={**response.headers, "etag": '"other"'})

    assert outcome_of(changing).error_code == "PreconditionFailed"


def test_a_store_that_ignores_ranges_is_read_as_a_whole_or_refused() -> None:
    body = bytes(25)

    def whole(request: Request) -> Response:
        assert request.sink is not None
        request.sink()(body)
        return answer(etag=E_TAG)

    assert told(whole)["checksum_hex"] == f"{zlib.crc32(body):08x}"
    store = Store(body)
    seen = 0

    def in_turn(request: Request) -> Response:
        nonlocal seen
        seen += 1
        return store(request) if seen == 1 else whole(request)

    outcome = outcome_of(in_turn)
    assert (outcome.error_code, outcome.message) == ("InvalidResponse", "the store ignores which range was asked for")


def test_missing_bytes_are_no_success() -> None:
    def short(request: Request) -> Response:
        assert request.sink is not None
        request.sink()(b"1234")
        return answer(206, etag=E_TAG, content_range="bytes 0-8/9")

    assert outcome_of(short).error_code == "InvalidResponse"


def test_archived_objects_fail_with_the_way_out() -> None:
    outcome = outcome_of([answer(403, "InvalidObjectState")])
    assert (outcome.http_status, outcome.error_code) == (403, "InvalidObjectState")
    assert "RestoreObject" in outcome.message
    assert "engine='managed'" in outcome.message


@pytest.mark.parametrize("parts", [[b"x" * 25, b"y" * 25, b"z" * 3], [b"only"]])
def test_a_composite_checksum_is_over_those_of_the_parts(parts: list[bytes]) -> None:
    store = Store(*parts, is_multipart=True)
    digest = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()
    assert told(store, algorithm="SHA256", checksum_type="COMPOSITE") == {
        "checksum_base64": f"{base64.b64encode(digest).decode()}-{len(parts)}",
        "etag": store.e_tag.strip('"'),
        "checksumAlgorithm": "SHA256",
        "checksumType": "COMPOSITE",
        "checksum_hex": f"{digest.hex()}-{len(parts)}",
    }
    assert "bytes=25-34" in store.ranges or len(parts) == 1


def test_a_whole_object_has_no_composite_checksum() -> None:
    outcome = outcome_of(Store(b"abc"), checksum_type="COMPOSITE")
    assert (outcome.http_status, outcome.error_code) == (400, "NotMultipart")


def test_parts_that_another_upload_replaces_fail() -> None:
    store = Store(b"x" * 25, b"y" * 25, is_multipart=True, changes_after=4)
    assert outcome_of(store, checksum_type="COMPOSITE").error_code == "PreconditionFailed"


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: ComputeObjectChecksum("CRC16"), "CRC64NVME"),
        (lambda: ComputeObjectChecksum("SHA1", "PARTIAL"), "COMPOSITE, FULL_OBJECT"),
        (lambda: ComputeObjectChecksum("CRC64NVME", "COMPOSITE"), "no composite form"),
        (lambda: ComputeObjectChecksum(None), "can't be empty"),  # type: ignore[arg-type]
    ],
)
def test_wrong_literals_fail_where_they_are_written(make: Any, part: str) -> None:
    with pytest.raises(ArgumentError, match=part):
        make()


def test_a_library_that_is_missing_is_named_before_the_first_object(monkeypatch: pytest.MonkeyPatch) -> None:
    """And is none of AWS's own service's business."""
    monkeypatch.setattr(digests, "find_spec", lambda name: None)
    for operation in (ComputeObjectChecksum("XXHASH3"), ComputeObjectChecksum(Column("algorithm"))):
        with pytest.raises(CapabilityError, match=r"xxhash is not installed; .*\[checksums\]"):
            operation.check_machine()
    ComputeObjectChecksum("SHA256").check_machine()
    assert ComputeObjectChecksum("XXHASH3").managed_problems() == []


@pytest.mark.skipif(
    "S3ComputeObjectChecksum" not in MODEL.shape_for("JobOperation").members,
    reason="this botocore is older than the operation",
)
@pytest.mark.parametrize("checksum_type", ["FULL_OBJECT", "COMPOSITE"])
def test_aws_form_goes_both_ways(checksum_type: str) -> None:
    operation = ComputeObjectChecksum("SHA256", checksum_type)
    form = operation.create_job_operation()["S3ComputeObjectChecksum"]
    assert form.keys() == MODEL.shape_for("S3ComputeObjectChecksumOperation").members.keys()
    assert ComputeObjectChecksum.from_managed_form(form) == operation
