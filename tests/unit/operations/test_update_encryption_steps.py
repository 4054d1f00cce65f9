"""New keys: by S3's own request where it will do, by a rewrite elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
from scripted_store import answer, drive

from airflow_s3batch.core.errors import ArgumentError, CapabilityError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.operations import Column, Request, Response, RunContext, UpdateObjectEncryption
from airflow_s3batch.operations.probing import SCRATCH_BODY
from airflow_s3batch.operations.requests import BucketFacts, Capabilities

OBJ = S3Object("b", "k", e_tag="old", size=3)
KEY = "arn:aws:kms:eu-central-1:123456789012:key/0a1b"
FACTS = {"b": BucketFacts(ownership="BucketOwnerEnforced")}
AWS = RunContext(Capabilities(buckets=FACTS))
REFUSED = answer(400, "InvalidRequest")


def head(algorithm: str = "", key: str = "", **headers: Any) -> Response:
    shown: dict[str, Any] = {"x_amz_server_side_encryption": algorithm} if algorithm else {}
    shown |= {"x_amz_server_side_encryption_aws_kms_key_id": key} if key else {}
    return answer(etag='"old"', content_length="3", **shown, **headers)


def apis(requests: list[Request]) -> list[str]:
    return [request.call.api for request in requests]


def test_one_request_does_on_aws() -> None:
    operation = UpdateObjectEncryption(KEY, bucket_key_enabled=True)
    outcome, requests = drive(operation.steps(OBJ._replace(version_id="v1"), AWS), [answer()])
    assert outcome.is_success
    assert (requests[0].call.api, requests[0].version_id) == ("UpdateObjectEncryption", "v1")
    assert requests[0].call.params == {"ObjectEncryption": {"SSEKMS": {"KMSKeyArn": KEY, "BucketKeyEnabled": True}}}


@pytest.mark.parametrize("algorithm", ["", "aws:kms:dsse"])
def test_what_s3_can_not_update_is_rewritten_under_its_conditions(algorithm: str) -> None:
    seen = head(algorithm)
    outcome, requests = drive(UpdateObjectEncryption(KEY).steps(OBJ, AWS), [REFUSED, seen, seen, answer()])
    assert outcome.is_success
    assert apis(requests) == ["UpdateObjectEncryption", "HeadObject", "HeadObject", "CopyObject"]
    assert dict(requests[-1].headers)["if-match"] == '"old"'
    assert requests[-1].call.params["SSEKMSKeyId"] == KEY


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ([REFUSED, head("AES256")], "InvalidRequest"),  # e.g. under a lock: S3's word counts
        ([REFUSED, head("aws:kms", KEY)], ""),
        ([REFUSED, answer(404, "NoSuchKey")], "NoSuchKey"),
        ([answer(403, "AccessDenied")], "AccessDenied"),
        ([answer(404, "NoSuchKey")], "NoSuchKey"),
    ],
)
def test_other_refusals_are_reported(script: list[Response], code: str) -> None:
    assert drive(UpdateObjectEncryption(KEY).steps(OBJ, AWS), script)[0].error_code == code


@pytest.mark.parametrize("encryption", ["SSE-S3", "DSSE-KMS"])
def test_other_encryptions_are_always_a_rewrite(encryption: str) -> None:
    operation = UpdateObjectEncryption(encryption=encryption)
    _, requests = drive(operation.steps(OBJ, AWS), [head("aws:kms", KEY), answer()])
    assert apis(requests) == ["HeadObject", "CopyObject"]


def test_the_preflights_finding_decides_elsewhere() -> None:
    context = RunContext(Capabilities(False, {"method": "rewrite"}, FACTS))
    _, requests = drive(UpdateObjectEncryption("team-key").steps(OBJ, context), [head(), answer()])
    assert apis(requests) == ["HeadObject", "CopyObject"]


def test_a_key_that_is_no_arn_is_not_sent_to_s3() -> None:
    outcome, requests = drive(UpdateObjectEncryption("team-key").steps(OBJ, AWS), [])
    assert (outcome.error_code, requests) == ("InvalidArgument", [])


def test_each_object_may_have_its_own_key() -> None:
    operation = UpdateObjectEncryption(Column("kms"))
    obj = OBJ._replace(columns={"kms": KEY})
    _, requests = drive(operation.for_object(obj).steps(obj, AWS), [answer()])
    assert requests[0].call.params["ObjectEncryption"]["SSEKMS"]["KMSKeyArn"] == KEY


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({}, "the key's ARN"),
        ({"kms_key_id": "arn:aws:kms:eu-central-1:123456789012:alias/team"}, "is an alias"),
        ({"kms_key_id": KEY, "encryption": "SSE-S3"}, "SSE-KMS"),
        ({"kms_key_id": KEY, "encryption": None}, "expected"),
        ({"kms_key_id": KEY, "allow_unconditional": "yes"}, "True or False"),
    ],
)
def test_wrong_literals_fail_where_they_are_written(arguments: dict[str, Any], part: str) -> None:
    with pytest.raises(ArgumentError, match=part):
        UpdateObjectEncryption(**arguments)


class Store:
    """
    One scratch object, and what a store makes of the request.

    Attributes:
        manner: ``knows`` the request, ``writes`` it over the body, ``refuses`` it, or ``ignores`` it.
        is_conditional: If-Match is honoured, so that objects can be rewritten safely.
    """

    def __init__(self, manner: str, *, is_conditional: bool = True) -> None:
        self.manner = manner
        self.is_conditional = is_conditional
        self.body = SCRATCH_BODY
        self.shown: dict[str, Any] = {}

    def __call__(self, request: Request) -> Response:
        api, sent = request.call.api, dict(request.headers)
        if api == "PutObject":
            self.body, self.shown = request.body or b"", {}
        if api == "UpdateObjectEncryption":
            if self.manner == "refuses":
                return answer(501, "NotImplemented")
            if self.manner == "writes":
                self.body = b"<ObjectEncryption/>"
            if self.manner == "knows":
                self._encrypt()
        if api == "CopyObject":
            if self.is_conditional and any("0000" in value for value in sent.values()):
                return answer(412, "PreconditionFailed")
            self._encrypt()
        if api == "CreateMultipartUpload":
            return answer(501, "NotImplemented")
        return answer(body=self.body, etag='"e"', content_length=str(len(self.body)), **self.shown)

    def _encrypt(self) -> None:
        self.shown = {
            "x_amz_server_side_encryption": "aws:kms",
            "x_amz_server_side_encryption_aws_kms_key_id": KEY,
        }


@pytest.mark.parametrize(
    ("manner", "method"), [("knows", "call"), ("writes", "rewrite"), ("refuses", "rewrite"), ("ignores", "rewrite")]
)
def test_the_request_is_tried_on_a_scratch_object(manner: str, method: str) -> None:
    """A store may take it for a plain write: nothing of the user's is touched by finding out."""
    found, _ = drive(UpdateObjectEncryption(KEY).probe(S3Object("ops", "scratch"), OBJ), Store(manner))
    assert found["method"] == method


def test_a_store_that_can_do_it_neither_way_is_refused() -> None:
    operation = UpdateObjectEncryption(KEY)
    with pytest.raises(CapabilityError, match="has to rewrite objects here"):
        drive(operation.probe(S3Object("ops", "scratch"), OBJ), Store("writes", is_conditional=False))


def test_where_only_the_request_is_safe_what_it_can_not_do_is_reported() -> None:
    store = Store("knows", is_conditional=False)
    found, _ = drive(UpdateObjectEncryption(KEY).probe(S3Object("ops", "scratch"), OBJ), store)
    context = RunContext(Capabilities(False, found, FACTS))
    outcome, requests = drive(UpdateObjectEncryption(KEY).steps(OBJ, context), [REFUSED, head()])
    assert (outcome.error_code, len(requests)) == ("InvalidRequest", 2)
    assert "can't be rewritten" in outcome.message


def test_a_server_error_to_the_unknown_request_is_an_answer() -> None:
    """Else the preflight would end as an outage does, attempt after attempt."""
    _, requests = drive(UpdateObjectEncryption(KEY).probe(S3Object("ops", "scratch"), OBJ), Store("refuses"))
    trials = [request.call.api for request in requests if request.call.is_trial]
    assert trials[:2] == ["PutObject", "UpdateObjectEncryption"]
    assert {"CopyObject", "HeadObject"}.isdisjoint(trials)
