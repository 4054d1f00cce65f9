"""`LambdaInvoke`: what is sent to the function, and what becomes of its answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, unquote_plus

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_store import answer, drive

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import SUCCESS, Outcome
from airflow_s3batch.operations import Column, LambdaInvoke, Replay, Request, Response, RunContext
from airflow_s3batch.operations.functions.invoking_lambda import MOST_ARGUMENTS, RESULT_CODES, SCHEMAS

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:touch:live"
OBJECT = S3Object("data", "a b+ü/c", "v1", columns={"team": "blue"})
CONTEXT = RunContext(job_id="weekly-1")


def sent(operation: LambdaInvoke, obj: S3Object = OBJECT, context: RunContext = CONTEXT) -> dict[str, Any]:
    """Return the first event for *obj*."""
    request = next(operation.for_object(obj).steps(obj, context))
    assert isinstance(request, Request)
    event: dict[str, Any] = json.loads(request.body or b"")
    return event


def returning(*results: tuple[str, str], **more: Any) -> Callable[[Request], Response]:
    """Return a function that gives these results, one after the other, in the form of the documentation."""
    script = iter(results)

    def invoke(request: Request) -> Response:
        event = json.loads(request.body or b"")
        code, text = next(script)
        result = {"taskId": event["tasks"][0]["taskId"], "resultCode": code, "resultString": text}
        reply = {
            "invocationSchemaVersion": event["invocationSchemaVersion"],
            "invocationId": event["invocationId"],
            "results": [result],
        }
        return answer(body=json.dumps({**reply, **more}).encode())

    return invoke


def outcome(answers: Any, **options: Any) -> Outcome:
    return drive(LambdaInvoke(ARN, **options).steps(OBJECT, CONTEXT), answers)[0]


def test_the_event_of_schema_1_is_as_documented() -> None:
    event = sent(LambdaInvoke(ARN))
    task = event["tasks"][0]
    assert event == {
        "invocationSchemaVersion": "1.0",
        "invocationId": event["invocationId"],
        "job": {"id": "weekly-1"},
        "tasks": [
            {
                "taskId": task["taskId"],
                "s3Key": "a%20b%2B%C3%BC/c",
                "s3VersionId": "v1",
                "s3BucketArn": "arn:aws:s3:::data",
            }
        ],
    }
    assert event["invocationId"] != task["taskId"]


def test_the_event_of_schema_2_names_the_bucket_and_the_users_arguments() -> None:
    event = sent(LambdaInvoke(ARN, "2.0", {"team": Column("team"), "k": "v"}))
    assert event["invocationSchemaVersion"] == "2.0"
    assert event["job"] == {"id": "weekly-1", "userArguments": {"team": "blue", "k": "v"}}
    assert event["tasks"][0].keys() == {"taskId", "s3Key", "s3VersionId", "s3Bucket"}
    assert event["tasks"][0]["s3Bucket"] == "data"


def test_arguments_that_differ_per_object_make_no_new_call() -> None:
    """Making one ready takes botocore a millisecond."""
    operation = LambdaInvoke(ARN, "2.0", {"team": Column("team")})
    objects = [OBJECT._replace(columns={"team": team}) for team in ("blue", "red")]
    calls = {id(next(operation.for_object(obj).steps(obj, CONTEXT)).call) for obj in objects}  # type: ignore[union-attr]
    assert len(calls) == 1


def test_without_a_version_there_is_a_null() -> None:
    assert sent(LambdaInvoke(ARN), OBJECT._replace(version_id=None))["tasks"][0]["s3VersionId"] is None


@given(st.text(min_size=1, max_size=20))
def test_both_ways_to_decode_the_key_give_the_key(key: str) -> None:
    """AWS's older samples use the one, its newer ones the other."""
    spelled = sent(LambdaInvoke(ARN), S3Object("data", key))["tasks"][0]["s3Key"]
    assert unquote(spelled) == unquote_plus(spelled) == key


@pytest.mark.parametrize(
    ("arn", "bucket", "expected"),
    [
        (ARN, "data", "arn:aws:s3:::data"),
        ("arn:aws-cn:lambda:cn-north-1:123456789012:function:f", "data", "arn:aws-cn:s3:::data"),
        ("f", "data", "arn:aws:s3:::data"),
        (ARN, "arn:aws:s3:eu-west-1:1:accesspoint/p", "arn:aws:s3:eu-west-1:1:accesspoint/p"),
    ],
)
def test_bucket_arns_are_of_the_functions_partition(arn: str, bucket: str, expected: str) -> None:
    assert sent(LambdaInvoke(arn), S3Object(bucket, "k"))["tasks"][0]["s3BucketArn"] == expected


def test_an_object_keeps_its_task_id_in_a_job_and_has_another_in_the_next() -> None:
    """So that a function can tell a repeat from something new."""
    ids = [sent(LambdaInvoke(ARN), context=context)["tasks"][0]["taskId"] for context in (CONTEXT, CONTEXT)]
    other = sent(LambdaInvoke(ARN), context=RunContext(job_id="weekly-2"))["tasks"][0]["taskId"]
    version = sent(LambdaInvoke(ARN), OBJECT._replace(version_id="v2"))["tasks"][0]["taskId"]
    assert ids[0] == ids[1]
    assert len({ids[0], other, version}) == 3


def test_one_invocation_per_object_goes_to_lambda_with_its_own_time_limit() -> None:
    """And some seconds, in which Lambda tells that the function's is over."""
    request = next(LambdaInvoke(ARN, timeout_s=30.0).steps(OBJECT, CONTEXT))
    assert isinstance(request, Request)
    assert (request.call.api, request.call.service, request.call.timeout_s) == ("Invoke", "lambda", 45.0)
    assert request.call.params == {"FunctionName": ARN, "InvocationType": "RequestResponse"}
    assert (request.bucket, request.key, request.version_id) == ("", "", None)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (("Succeeded", "two\nlines"), Outcome(200, "", "two lines")),
        (("Succeeded", ""), SUCCESS),
        (("PermanentFailure", "never"), Outcome(200, "PermanentFailure", "never")),
        (
            ("Done", "?"),
            Outcome(200, "PermanentFailure", f"resultCode 'Done' is not one of {', '.join(RESULT_CODES)}: ?"),
        ),
    ],
)
def test_result_codes_decide(result: tuple[str, str], expected: Outcome) -> None:
    assert outcome(returning(result)) == expected


def test_a_temporary_failure_is_sent_again_a_bounded_number_of_times_with_longer_and_longer_pauses() -> None:
    failing = [("TemporaryFailure", f"try {n}") for n in range(1, 5)]
    last, requests = drive(LambdaInvoke(ARN, redrive_after_s=1.0).steps(OBJECT, CONTEXT), returning(*failing))
    assert last == Outcome(200, "TemporaryFailure", "try 4")
    pauses = [request.delay_s for request in requests]
    assert pauses[0] == 0.0
    assert 0.75 <= pauses[1] <= 1.25
    assert pauses[3] == pytest.approx(4 * pauses[1])
    events = [json.loads(request.body or b"") for request in requests]
    assert len({event["tasks"][0]["taskId"] for event in events}) == 1
    assert len({event["invocationId"] for event in events}) == 4


def test_a_temporary_failure_that_passes_is_a_success() -> None:
    assert outcome(returning(("TemporaryFailure", "not yet"), ("Succeeded", "now"))) == Outcome(200, "", "now")
    assert outcome(returning(("TemporaryFailure", "no")), max_redrives=0).error_code == "TemporaryFailure"


def test_a_function_error_is_reported_as_aws_does() -> None:
    body = b'{"errorMessage":"2026-11-22 Task timed out after 3.00 seconds"}'
    told = 'Lambda returned function error: {"errorMessage":"2026-11-22 Task timed out after 3.00 seconds"}'
    answers = [answer(body=body, x_amz_function_error="Unhandled")]
    assert outcome(answers) == Outcome(200, "PermanentFailure", told)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"null", b'"text"', b"{}", b'{"results": 7}', b"\xff", b"[" * 100_000]
)
def test_answers_that_are_none_fail_the_object(body: bytes) -> None:
    found = outcome([answer(body=body)])
    assert (found.http_status, found.error_code) == (200, "PermanentFailure")
    assert found.message.startswith("Invalid JSON returned in Lambda payload")


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({}, "TemporaryFailure"),
        ({"treatMissingKeysAs": "PermanentFailure"}, "PermanentFailure"),
        ({"treatMissingKeysAs": "Succeeded"}, ""),
        ({"treatMissingKeysAs": "succeeded"}, "PermanentFailure"),
    ],
)
def test_what_a_missing_result_means_is_the_functions_business(more: dict[str, str], code: str) -> None:
    """A temporary failure if it says nothing, as AWS takes it."""
    body = json.dumps({"results": [{"taskId": "another", "resultCode": "Succeeded"}], **more}).encode()
    found = outcome([answer(body=body)], max_redrives=0)
    assert (found.http_status, found.error_code) == (200, code)
    assert "no result for this object" in found.message
    assert "resultCode" not in found.message  # it is not that which is wrong


def test_an_error_of_lambda_itself_is_final() -> None:
    """The engine has tried again by then if that could help."""
    assert outcome([answer(404, "ResourceNotFoundException")]).error_code == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: LambdaInvoke(""), "ARN or name"),
        (lambda: LambdaInvoke("arn:aws:s3:::bucket"), "ARN or name"),
        (lambda: LambdaInvoke("f" * 1_025), "ARN or name"),
        (lambda: LambdaInvoke(ARN, "3.0"), "1.0, 2.0"),
        (lambda: LambdaInvoke(ARN, user_arguments={"a": "b"}), "need schema_version='2.0'"),
        (lambda: LambdaInvoke(ARN, "2.0", {str(n): "" for n in range(11)}), "there can be 10"),
        (lambda: LambdaInvoke(ARN, "2.0", {"n" * 65: ""}), "1 to 64"),
        (lambda: LambdaInvoke(ARN, "2.0", {"n": "v" * 1_025}), "1,024"),
        (lambda: LambdaInvoke(ARN, "2.0", {"n": 1}), "not a text"),  # type: ignore[dict-item]
        (lambda: LambdaInvoke(ARN, max_redrives=-1), "from 0"),
        (lambda: LambdaInvoke(ARN, timeout_s=0), "not above 0"),
    ],
)
def test_wrong_literals_fail_where_they_are_written(make: Any, part: str) -> None:
    with pytest.raises(ArgumentError, match=part):
        make()


def test_limits_are_those_of_the_model() -> None:
    model = botocore.session.get_session().get_service_model("s3control")
    assert model.shape_for("UserArguments").metadata["max"] == MOST_ARGUMENTS
    form = LambdaInvoke(ARN, "2.0", {"a": "b"}).managed_form()
    assert model.shape_for("LambdaInvokeOperation").members.keys() == form.keys()


@pytest.mark.parametrize("schema", SCHEMAS)
def test_aws_form_goes_both_ways(schema: str) -> None:
    arguments = {"a": "b"} if schema == "2.0" else {}
    operation = LambdaInvoke(ARN, schema, arguments)
    assert operation.create_job_operation()["LambdaInvoke"]["InvocationSchemaVersion"] == schema
    assert LambdaInvoke.from_managed_form(operation.managed_form()) == operation
    assert operation.managed_problems() == []
    assert LambdaInvoke.from_managed_form({"FunctionArn": ARN}) == LambdaInvoke(ARN)


def test_it_is_not_replayed_unless_it_is_idempotent() -> None:
    assert LambdaInvoke(ARN).replay is Replay.UNSAFE
    assert LambdaInvoke(ARN, is_idempotent=True).replay is Replay.SAFE
