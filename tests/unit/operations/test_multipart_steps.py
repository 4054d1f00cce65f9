"""Copies in parts: what they ask of the store, and what is left behind when they fail."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_store import answer, drive, headers_of

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations import CopyObject, Request, Response, RewriteObject, RunContext
from airflow_s3batch.operations.bodies.multipart import (
    LEAST_PART_BYTES,
    MOST_PARTS,
    checksum_headers,
    complete_xml,
    part_ranges,
    part_size,
)
from airflow_s3batch.operations.requests import BucketFacts, Capabilities

MIB = 1024**2
NOW, EARLIER = "Sun, 22 Nov 2026 10:00:05 GMT", "Sun, 22 Nov 2026 10:00:00 GMT"
SIZE = 11 * MIB
LARGE = S3Object("b", "k", e_tag="old", size=SIZE)
CONTEXT = RunContext(Capabilities(buckets={"b": BucketFacts(ownership="BucketOwnerEnforced")}))
TAGS = b"<Tagging><TagSet><Tag><Key>k</Key><Value>a&amp;b</Value></Tag></TagSet></Tagging>"
MADE = b"<CompleteMultipartUploadResult><ETag>&quot;made-3&quot;</ETag></CompleteMultipartUploadResult>"
NO_UPLOAD = answer(404, "NoSuchUpload")
COPY = CopyObject("t", multipart_threshold_bytes=5 * MIB)
REWRITE = RewriteObject("SSE-S3", multipart_threshold_bytes=5 * MIB)


class Store:
    """
    Takes copies in parts of one object.

    Attributes:
        open: ids of uploads that are neither complete nor aborted.
        parts: the ranges copied, by part number.
    """

    def __init__(self, **wrong: Response) -> None:
        """*wrong* answers calls of these names."""
        self.wrong = wrong
        self.open: set[str] = set()
        self.parts: dict[str, str] = {}
        self.head = answer(etag='"old"', content_length=str(SIZE))
        self.target = answer(404, "NoSuchKey")

    def __call__(self, request: Request) -> Response:
        api, query, sent = request.call.api, dict(request.query), headers_of(request)
        if api in self.wrong and not (api == "UploadPartCopy" and query["partNumber"] == "1"):
            return self.wrong[api]
        number = query.get("partNumber", "")
        if api == "CreateMultipartUpload":
            self.open.add("id&1")
        elif api == "UploadPartCopy":
            assert query["uploadId"] in self.open
            self.parts[number] = sent["x-amz-copy-source-range"]
        elif api in ("CompleteMultipartUpload", "AbortMultipartUpload"):
            self.open.remove(query["uploadId"])
        part = f"<R><ETag>&quot;e{number}&quot;</ETag><ChecksumCRC32>c{number}</ChecksumCRC32></R>"
        answers = {
            "HeadObject": self.head if request.bucket == "b" else self.target,
            "GetObjectTagging": answer(body=TAGS),
            "CreateMultipartUpload": answer(body=b"<R><UploadId>id&amp;1</UploadId></R>", date=NOW),
            "UploadPartCopy": answer(body=part.encode()),
            "CompleteMultipartUpload": answer(body=MADE),
        }
        return answers.get(api, answer())


def apis(requests: list[Request]) -> list[str]:
    return [request.call.api for request in requests]


def test_the_parts_of_a_large_object_are_copied_and_put_together() -> None:
    """All of it, in order, of the object that was seen."""
    store = Store()
    outcome, requests = drive(COPY.steps(LARGE, CONTEXT), store)
    assert outcome.is_success
    assert apis(requests) == [
        "HeadObject",
        "GetObjectTagging",
        "CreateMultipartUpload",
        *["UploadPartCopy"] * 3,
        "CompleteMultipartUpload",
    ]
    assert store.parts == {"1": "bytes=0-5242879", "2": "bytes=5242880-10485759", "3": "bytes=10485760-11534335"}
    assert {headers_of(request)["x-amz-copy-source-if-match"] for request in requests[3:6]} == {'"old"'}
    body = (requests[-1].body or b"").decode()
    assert re.findall(r"<PartNumber>(\d)</PartNumber><ETag>&quot;(e\d)&quot;</ETag><ChecksumCRC32>(c\d)<", body) == [
        ("1", "e1", "c1"),
        ("2", "e2", "c2"),
        ("3", "e3", "c3"),
    ]
    assert not store.open


def test_metadata_content_tags_and_checksum_go_along() -> None:
    store = Store()
    store.head = answer(
        etag='"old"',
        content_length=str(SIZE),
        content_type="text/x",
        x_amz_meta_a="1",
        x_amz_checksum_crc64nvme="sum=",
        x_amz_checksum_type="FULL_OBJECT",
        x_amz_version_id="v7",
    )
    _, requests = drive(COPY.steps(LARGE, CONTEXT), store)
    assert headers_of(requests[2]) == {
        "content-type": "text/x",
        "x-amz-meta-a": "1",
        "x-amz-tagging": "k=a%26b",
        "x-amz-checksum-algorithm": "CRC64NVME",
        "x-amz-checksum-type": "FULL_OBJECT",
    }
    assert headers_of(requests[3])["x-amz-copy-source"] == "b/k?versionId=v7"
    assert headers_of(requests[-1])["x-amz-checksum-crc64nvme"] == "sum="
    assert all(request.call.from_source for request in requests[:2])


def test_what_the_operation_says_goes_before_what_the_source_has() -> None:
    store = Store()
    store.head = answer(etag='"old"', content_length=str(SIZE), content_type="text/x", x_amz_meta_a="1")
    operation = CopyObject(
        "t",
        metadata={"n": "2"},
        tags={"t": "u"},
        storage_class="STANDARD_IA",
        checksum_algorithm="CRC32C",
        annotation_directive="EXCLUDE",
        object_lock_event_hold="ON",
        multipart_threshold_bytes=5 * MIB,
    )
    _, requests = drive(operation.steps(LARGE, CONTEXT), store)
    assert apis(requests)[:2] == ["HeadObject", "CreateMultipartUpload"]
    assert requests[1].call.params == {
        "Metadata": {"n": "2"},
        "StorageClass": "STANDARD_IA",
        "ChecksumAlgorithm": "CRC32C",
    }
    assert headers_of(requests[1]) == {
        "x-amz-tagging": "t=u",
        "x-amz-checksum-algorithm": "CRC32C",
        "x-amz-object-lock-event-hold": "ON",
    }


@pytest.mark.parametrize("operation", [COPY, REWRITE])
@pytest.mark.parametrize("api", ["UploadPartCopy", "CompleteMultipartUpload"])
def test_a_copy_that_fails_is_aborted(operation: CopyObject | RewriteObject, api: str) -> None:
    """Nothing is left to be paid for, and the reason is reported."""
    store = Store(**{api: answer(403, "AccessDenied")})
    outcome, requests = drive(operation.steps(LARGE, CONTEXT), store)
    assert outcome.error_code == "AccessDenied"
    assert requests[-1].call.api == "AbortMultipartUpload"
    assert requests[-1].query == (("uploadId", "id&1"),)
    assert not store.open


@pytest.mark.parametrize(
    ("target", "code"),
    [
        (answer(etag='"x-3"', content_length=str(SIZE), last_modified=NOW), ""),
        (answer(etag='"x-2"', content_length=str(SIZE), last_modified=NOW), "NoSuchUpload"),
        (answer(etag='"x-3"', content_length="5", last_modified=NOW), "NoSuchUpload"),
        (answer(etag='"x-3"', content_length=str(SIZE)), "NoSuchUpload"),
        # it stood there before the upload began
        (answer(etag='"x-3"', content_length=str(SIZE), last_modified=EARLIER), "NoSuchUpload"),
        (answer(404, "NoSuchKey"), "NoSuchUpload"),
    ],
)
def test_a_completion_whose_answer_was_lost_is_seen_at_the_target(target: Response, code: str) -> None:
    """The upload is gone because an earlier try has completed it."""
    store = Store(CompleteMultipartUpload=NO_UPLOAD._replace(is_retried=True))
    store.target = target
    outcome, _ = drive(COPY.steps(LARGE, CONTEXT), store)
    assert outcome.error_code == code


@pytest.mark.parametrize(
    ("parts", "encryption", "code"),
    [("123", "AES256", ""), ("124", "AES256", "NoSuchUpload"), ("124", "aws:kms", "")],
)
def test_another_body_of_as_many_parts_is_not_taken_for_the_copy(parts: str, encryption: str, code: str) -> None:
    """Where ETags are MD5s, that of the whole follows from those of the parts."""
    bodies = [hashlib.md5(f"e{number}".encode(), usedforsecurity=False) for number in parts]
    e_tag = hashlib.md5(b"".join(body.digest() for body in bodies), usedforsecurity=False).hexdigest() + "-3"
    shown = {"etag": f'"{e_tag}"', "content_length": str(SIZE), "x_amz_server_side_encryption": encryption}
    target = answer(last_modified=NOW, **shown)

    def store(request: Request) -> Response:
        if request.call.api == "UploadPartCopy":
            number = dict(request.query)["partNumber"]
            body = hashlib.md5(f"e{number}".encode(), usedforsecurity=False).hexdigest()
            return answer(body=f"<R><ETag>&quot;{body}&quot;</ETag></R>".encode())
        return scripted(request)

    scripted = Store(CompleteMultipartUpload=NO_UPLOAD._replace(is_retried=True))
    scripted.target = target
    assert drive(COPY.steps(LARGE, CONTEXT), store)[0].error_code == code


def test_an_upload_that_is_gone_on_the_first_try_is_a_failure() -> None:
    store = Store(CompleteMultipartUpload=NO_UPLOAD)
    store.target = answer(etag='"x-3"', content_length=str(SIZE))
    assert drive(COPY.steps(LARGE, CONTEXT), store)[0].error_code == "NoSuchUpload"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"copy_source_if_match": "other"}, "PreconditionFailed"),
        ({"annotation_directive": "COPY"}, "InvalidRequest"),
    ],
)
def test_what_can_not_be_copied_like_this_is_not_begun(arguments: dict[str, str], code: str) -> None:
    operation = CopyObject("t", multipart_threshold_bytes=5 * MIB, **arguments)  # type: ignore[arg-type]
    outcome, requests = drive(operation.steps(LARGE, CONTEXT), Store())
    assert (outcome.error_code, apis(requests)) == (code, ["HeadObject"])


def test_conditions_on_the_target_go_with_the_last_request() -> None:
    operation = CopyObject("t", skip_existing="same-etag", multipart_threshold_bytes=5 * MIB)
    _, requests = drive(operation.steps(LARGE, CONTEXT), Store())
    assert [
        api for api, request in zip(apis(requests), requests, strict=True) if "if-none-match" in headers_of(request)
    ] == ["CompleteMultipartUpload"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"match": "old"}, ""),
        ({"match": "x"}, "PreconditionFailed"),
        ({"none_match": "old"}, "PreconditionFailed"),
        ({"none_match": "x"}, ""),
        ({"unmodified_since": "2026-11-22T09:59:59Z"}, "PreconditionFailed"),
        ({"unmodified_since": "2026-11-22T10:00:00Z"}, ""),
        ({"modified_since": "2026-11-22T10:00:00Z"}, "PreconditionFailed"),
        ({"modified_since": "2026-11-22T09:59:59Z"}, ""),
        # S3 goes by ETags where both are given
        ({"match": "old", "unmodified_since": "2020-01-01"}, ""),
        ({"none_match": "x", "modified_since": "2030-01-01"}, ""),
        ({"none_match": "old", "modified_since": "2020-01-01"}, "PreconditionFailed"),
    ],
)
def test_conditions_on_the_source_are_judged_as_s3_does(arguments: dict[str, str], code: str) -> None:
    """Each part is pinned by the ETag, which would lift the conditions by time."""
    named = {f"copy_source_if_{name}": value for name, value in arguments.items()}
    operation = CopyObject("t", multipart_threshold_bytes=5 * MIB, **named)  # type: ignore[arg-type]
    store = Store()
    store.head = answer(etag='"old"', content_length=str(SIZE), last_modified="Sun, 22 Nov 2026 10:00:00 GMT")
    assert drive(operation.steps(LARGE, CONTEXT), store)[0].error_code == code


@pytest.mark.parametrize("operation", [COPY, REWRITE])
def test_a_store_that_may_ignore_conditions_on_parts_is_looked_at_again(operation: CopyObject | RewriteObject) -> None:
    """A body that was written between two parts must not end up in one object with the old one."""
    store = Store()
    context = RunContext(Capabilities(False, {}, CONTEXT.capabilities.buckets))

    def answers(request: Request) -> Response:
        if dict(request.query).get("partNumber") == "2":
            store.head = answer(etag='"newer"', content_length=str(SIZE))
        return store(request)

    outcome, requests = drive(operation.steps(LARGE, context), answers)
    assert outcome.error_code == "PreconditionFailed"
    assert "CompleteMultipartUpload" not in apis(requests)
    assert not store.open


def test_tags_that_an_upload_forgets_are_put_afterwards() -> None:
    """On the version that was made; without them the object is no success."""
    context = RunContext(Capabilities(False, {"parts_tags": "ignored"}))
    outcome, requests = drive(COPY.steps(LARGE, context), Store())
    assert outcome.is_success
    assert "x-amz-tagging" not in headers_of(requests[2])
    assert requests[-1].call.api == "PutObjectTagging"
    assert b"<Key>k</Key><Value>a&amp;b</Value>" in (requests[-1].body or b"")
    denied, _ = drive(COPY.steps(LARGE, context), Store(PutObjectTagging=answer(403, "AccessDenied")))
    assert (denied.error_code, "without its tags" in denied.message) == ("AccessDenied", True)
    assert "(k=a%26b)" in denied.message, "a rewrite has lost them by then"


@pytest.mark.parametrize("wrong", [answer(403, "AccessDenied"), answer(body=b"<html>")])
def test_tags_that_can_not_be_read_stop_the_object(wrong: Response) -> None:
    """They must not be lost in silence."""
    outcome, requests = drive(COPY.steps(LARGE, CONTEXT), Store(GetObjectTagging=wrong))
    assert (outcome.is_success, apis(requests)[-1]) == (False, "GetObjectTagging")
    assert "tags can't be read" in outcome.message


@pytest.mark.parametrize("size", [3, SIZE])
def test_an_object_of_unknown_size_is_copied_at_once_if_the_store_takes_it(size: int) -> None:
    """Else a HEAD tells whether it is its size."""
    refused = answer(400, "InvalidRequest")
    unknown = LARGE._replace(size=None)
    assert apis(drive(COPY.steps(unknown, CONTEXT), [answer()])[1]) == ["CopyObject"]
    store = Store(CopyObject=refused)
    store.head = answer(etag='"old"', content_length=str(size))
    outcome, requests = drive(COPY.steps(unknown, CONTEXT), store)
    assert outcome.error_code == ("InvalidRequest" if size == 3 else "")
    assert ("CompleteMultipartUpload" in apis(requests)) == (size == SIZE)


class TestRewrites:
    """The same in place, where a condition keeps newer bodies."""

    def test_the_last_request_carries_the_condition(self) -> None:
        store = Store()
        store.head = answer(
            etag='"old"',
            content_length=str(SIZE),
            x_amz_storage_class="STANDARD_IA",
            x_amz_object_lock_legal_hold="ON",
            cache_control="no-store",
        )
        outcome, requests = drive(REWRITE.steps(LARGE, CONTEXT), store)
        assert outcome.is_success
        assert headers_of(requests[-1])["if-match"] == '"old"'
        created = headers_of(requests[3])
        assert created["x-amz-storage-class"] == "STANDARD_IA"
        assert created["x-amz-object-lock-legal-hold"] == "ON"
        assert (created["cache-control"], created["x-amz-tagging"]) == ("no-store", "k=a%26b")

    def test_a_writer_in_between_wins(self) -> None:
        store = Store(CompleteMultipartUpload=answer(412, "PreconditionFailed"))
        newer = answer(etag='"newer"', content_length="5")

        def answers(request: Request) -> Response:
            response = store(request)
            if request.call.api == "AbortMultipartUpload":
                store.head = newer
            return response

        outcome, _ = drive(REWRITE.steps(LARGE, CONTEXT), answers)
        assert outcome == Outcome(412, "PreconditionFailed", "the object has changed (ETag newer, was old); kept")

    @pytest.mark.parametrize(("finding", "allowed"), [("refused", True), ("ignored", False)])
    def test_a_store_that_can_not_do_it_safely_is_not_asked(self, finding: str, *, allowed: bool) -> None:
        context = RunContext(Capabilities(False, {"parts": finding}, CONTEXT.capabilities.buckets))
        operation = RewriteObject("SSE-S3", allow_unconditional=allowed, multipart_threshold_bytes=5 * MIB)
        outcome, requests = drive(operation.steps(LARGE, context), Store())
        assert (outcome.error_code, apis(requests)) == ("EntityTooLarge", ["HeadObject"])


@given(st.integers(1, 50 * 10**12), st.integers(LEAST_PART_BYTES, 5 * 1024**3))
def test_parts_are_within_s3s_limits(size: int, wanted: int) -> None:
    """5 MiB to 5 GiB each but the last, at most 10,000, up to the largest object."""
    part = part_size(size, wanted)
    assert LEAST_PART_BYTES <= part <= 5 * 1024**3
    assert -(-size // part) <= MOST_PARTS


@given(st.integers(1, 10_000), st.integers(1, 500))
def test_parts_are_all_of_the_object_and_nothing_twice(size: int, part: int) -> None:
    ranges = list(part_ranges(size, part))
    assert [n for first, last in ranges for n in range(first, last + 1)] == list(range(size))


def test_etags_with_odd_characters_survive_xml() -> None:
    assert b"<ETag>&quot;a&amp;b&lt;&quot;</ETag>" in complete_xml([{"PartNumber": "1", "ETag": '"a&b<"'}])


@pytest.mark.parametrize(
    ("head", "algorithm", "sent"),
    [
        ({}, None, {}),
        (
            {"x-amz-checksum-sha256": "x-3", "x-amz-checksum-type": "COMPOSITE"},
            None,
            {"algorithm": "SHA256", "type": "COMPOSITE"},
        ),
        ({"x-amz-checksum-sha256": "x", "x-amz-checksum-type": "FULL_OBJECT"}, None, {"algorithm": "SHA256"}),
        (
            {"x-amz-checksum-crc32": "x", "x-amz-checksum-type": "FULL_OBJECT"},
            None,
            {"algorithm": "CRC32", "type": "FULL_OBJECT"},
        ),
        ({"x-amz-checksum-crc32": "x", "x-amz-checksum-type": "FULL_OBJECT"}, "SHA1", {"algorithm": "SHA1"}),
        ({}, "CRC64NVME", {"algorithm": "CRC64NVME", "type": "FULL_OBJECT"}),
    ],
)
def test_the_kind_of_checksum_is_kept_where_s3_can(
    head: dict[str, str], algorithm: str | None, sent: dict[str, str]
) -> None:
    """A checksum of the whole object can be made from those of its parts for CRCs only."""
    assert dict(checksum_headers(head, algorithm)) == {f"x-amz-checksum-{name}": value for name, value in sent.items()}
