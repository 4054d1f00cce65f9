"""
Call an AWS Lambda function with each object, as S3 Batch Operations does.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-invoke-lambda.html
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from airflow_s3batch.core.keys import encode_key
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import SUCCESS, Outcome
from airflow_s3batch.operations.base import Operation, Replay
from airflow_s3batch.operations.fields import Column, choice_problems, text_problems
from airflow_s3batch.operations.requests import Call, Request, Response, RunContext, Steps

SCHEMAS = ("1.0", "2.0")
SUCCEEDED, TEMPORARY, PERMANENT = RESULT_CODES = ("Succeeded", "TemporaryFailure", "PermanentFailure")
MOST_ARGUMENTS = 10
MOST_ARGUMENT_NAME_CHARACTERS = 64
MOST_ARGUMENT_CHARACTERS = 1_024
MOST_ARN_CHARACTERS = 1_024
LONGEST_S = 900
"""How long a function may run at most."""

_ANSWER_S = 15.0
"""So much later than its time is over the answer may come that says so: a function's error is worth waiting for."""

FUNCTION_ERROR = "Lambda returned function error: "
INVALID_JSON = "Invalid JSON returned in Lambda payload"
_MOST_MESSAGE_CHARACTERS = 4_000
_LONGEST_PAUSE_S = 60.0
_ARN = re.compile(  # as botocore's s3control model has it
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?"
    r"([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?"
)


@dataclass(frozen=True)
class LambdaInvoke(Operation):
    """
    Invoke a Lambda function with each object, like S3 Batch Operations' ``LambdaInvoke``: a function written for that
    runs unchanged.

    One object per invocation, key URL-encoded. The function's ``resultString`` goes into the report. An object that it
    calls a ``TemporaryFailure`` is sent again after a pause that doubles each time, up to *max_redrives* times. An
    error that the function raises, its time limit among them, fails the object with ``PermanentFailure``. When Lambda
    asks to slow down, the whole task does.

    ``taskId`` is the same whenever the function is called for the same object of the same job, and ``job.id`` is the
    name of the job's folder. An invocation that got no answer is not made again, nor is one whose outcome was lost in a
    crash: such objects are reported as ``OutcomeUnknown``, unless the function is declared idempotent.

    S3 Batch Operations decides by itself how often and when it sends a temporary failure again, and how long it waits.

    Args:
        function_arn: ARN of the function, of a version or of an alias, or its name; in the region of the connection.
        schema_version: ``"1.0"`` or ``"2.0"``; 2.0 names the bucket rather than its ARN and knows *user_arguments*.
        user_arguments: up to 10 texts (names up to 64 characters, values up to 1,024), schema 2.0 only. Values may be
            `Column`.
        max_redrives: how often an object is sent again after a temporary failure.
        redrive_after_s: seconds before the first of these times.
        timeout_s: how long the function may take; it should have the same time limit, or a shorter one.
        is_idempotent: doing it twice is the same as doing it once, so that it may be done again after a crash.
    """

    function_arn: str | Column
    schema_version: str = "1.0"
    user_arguments: Mapping[str, str | Column] = field(default_factory=dict)
    max_redrives: int = 3
    redrive_after_s: float = 2.0
    timeout_s: float = LONGEST_S
    is_idempotent: bool = False

    name: ClassVar[str] = "lambda_invoke"
    unverifiable: ClassVar[str] = "what a function should have left is known to the function alone"
    requests: ClassVar[tuple[str, ...]] = ("Invoke",)
    replay: ClassVar[Replay] = Replay.UNSAFE
    managed_name: ClassVar[str] = "LambdaInvoke"
    managed_most_objects: ClassVar[int] = 20_000_000_000
    is_probed: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Check the fields."""
        if self.is_idempotent is True:
            object.__setattr__(self, "replay", Replay.SAFE)
        super().__post_init__()

    @classmethod
    def example(cls) -> Self:  # noqa: D102
        return cls("greet", "2.0", {"word": "hello"})

    def problems(self) -> list[str]:  # noqa: D102
        found = text_problems(function_arn=self.function_arn, schema_version=self.schema_version)
        if isinstance(self.function_arn, str):
            is_name = len(self.function_arn) <= MOST_ARN_CHARACTERS and _ARN.fullmatch(self.function_arn)
            found += [] if is_name else [f"function_arn={self.function_arn!r} is not the ARN or name of a function"]
        elif self.function_arn is None:
            found.append("function_arn=None: expected the ARN of a function")
        found += choice_problems(SCHEMAS, schema_version=self.schema_version)
        found += self._argument_problems()
        if not isinstance(self.max_redrives, int) or self.max_redrives < 0:
            found.append(f"max_redrives={self.max_redrives!r} is not a number from 0")
        for name in ("redrive_after_s", "timeout_s"):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or value <= 0:
                found.append(f"{name}={value!r} is not above 0")
        if not isinstance(self.is_idempotent, bool):
            found.append(f"is_idempotent={self.is_idempotent!r} is neither True nor False")
        return found

    def _argument_problems(self) -> list[str]:
        arguments = self.user_arguments
        if not isinstance(arguments, Mapping):
            return [f"user_arguments={arguments!r} is not a mapping"]
        found = []
        if arguments and self.schema_version == "1.0":
            found.append("user_arguments need schema_version='2.0'")
        if len(arguments) > MOST_ARGUMENTS:
            found.append(f"{len(arguments)} user_arguments; there can be {MOST_ARGUMENTS}")
        for name, value in arguments.items():
            if not isinstance(name, str) or not 1 <= len(name) <= MOST_ARGUMENT_NAME_CHARACTERS:
                found.append(
                    f"user_arguments: name {name!r} does not have 1 to {MOST_ARGUMENT_NAME_CHARACTERS} letters"
                )
            if not isinstance(value, (str, Column)):
                found.append(f"user_arguments[{name!r}]={value!r} is not a text")
            elif isinstance(value, str) and len(value) > MOST_ARGUMENT_CHARACTERS:
                found.append(
                    f"user_arguments[{name!r}] has {len(value):,} of up to {MOST_ARGUMENT_CHARACTERS:,} letters"
                )
        return found

    # -- AWS's own service ---------------------------------------------------------------------

    def managed_form(self) -> dict[str, Any]:  # noqa: D102
        form: dict[str, Any] = {"FunctionArn": self.function_arn, "InvocationSchemaVersion": self.schema_version}
        return {**form, "UserArguments": dict(self.user_arguments)} if self.user_arguments else form

    @classmethod
    def from_managed_form(cls, form: Mapping[str, Any]) -> Self:  # noqa: D102
        schema = form.get("InvocationSchemaVersion", "1.0")
        return cls(form.get("FunctionArn", ""), schema, user_arguments=dict(form.get("UserArguments") or {}))

    # -- what the engine asks ------------------------------------------------------------------

    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:  # noqa: D102
        call = _call_of(str(self.function_arn), self.timeout_s + _ANSWER_S)
        task_id = _identifier(context.job_id, obj.bucket, obj.key, obj.version_id or "")
        for redrive in range(self.max_redrives + 1):
            invocation_id = _identifier(task_id, str(redrive))
            body = json.dumps(self._event(obj, context.job_id, task_id, invocation_id)).encode()
            delay_s = _pause_s(self.redrive_after_s, redrive, task_id)
            response = yield Request(call, "", "", body=body, delay_s=delay_s)
            outcome = outcome_of(response, task_id) if response.is_success else response.outcome()
            if outcome.error_code != TEMPORARY:
                break
        return outcome

    def _event(self, obj: S3Object, job_id: str, task_id: str, invocation_id: str) -> dict[str, Any]:
        task: dict[str, Any] = {"taskId": task_id, "s3Key": encode_key(obj.key), "s3VersionId": obj.version_id}
        job: dict[str, Any] = {"id": job_id}
        if self.schema_version == "1.0":
            task["s3BucketArn"] = self._bucket_arn(obj.bucket)
        else:
            task["s3Bucket"] = obj.bucket
            job["userArguments"] = dict(self.user_arguments)
        return {
            "invocationSchemaVersion": self.schema_version,
            "invocationId": invocation_id,
            "job": job,
            "tasks": [task],
        }

    def _bucket_arn(self, bucket: str) -> str:
        if bucket.startswith("arn:"):
            return bucket
        arn = str(self.function_arn)
        return f"arn:{arn.split(':')[1] if arn.startswith('arn:') else 'aws'}:s3:::{bucket}"

    def probe(self, scratch: S3Object, sample: S3Object) -> Steps[Mapping[str, str]]:  # noqa: ARG002, D102
        yield from ()
        return {}

    def iam_actions(self) -> set[str]:  # noqa: D102
        return {"lambda:InvokeFunction"}


@functools.lru_cache(1_024)
def _call_of(function_arn: str, timeout_s: float) -> Call:
    """Return the call that all objects of a function share, whatever their arguments: making one ready takes long."""
    params = {"FunctionName": function_arn, "InvocationType": "RequestResponse"}
    return Call("Invoke", params, service="lambda", wants_headers=True, timeout_s=timeout_s)


def outcome_of(response: Response, task_id: str) -> Outcome:
    """Return what the function says about the object of *task_id*; ``TemporaryFailure`` may be tried again."""
    text = response.body.decode("utf-8", "replace")
    if "x-amz-function-error" in response.headers:
        return _failure(PERMANENT, f"{FUNCTION_ERROR}{text}")
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):  # the latter for what is nested too deeply
        return _failure(PERMANENT, INVALID_JSON)
    if not isinstance(answer, dict) or not isinstance(answer.get("results"), list):
        return _failure(PERMANENT, f"{INVALID_JSON}: it has no list of results")
    for result in answer["results"]:
        if isinstance(result, dict) and result.get("taskId") == task_id:
            return _outcome("resultCode", result.get("resultCode"), result.get("resultString"))
    missing = answer.get("treatMissingKeysAs") or TEMPORARY
    told = f"the function returned no result for this object, which it treats as {missing}"
    return _outcome("treatMissingKeysAs", missing, told)


def _outcome(name: str, code: Any, told: Any) -> Outcome:
    """Return what *code* means, which the function's answer has under *name*."""
    text = "" if told is None else told if isinstance(told, str) else json.dumps(told)
    if code == SUCCEEDED:
        return SUCCESS._replace(message=_message(text) or SUCCESS.message)
    if code in RESULT_CODES:
        return _failure(code, text)
    return _failure(PERMANENT, f"{name} {code!r} is not one of {', '.join(RESULT_CODES)}: {text}")


def _failure(code: str, text: str) -> Outcome:
    return Outcome(200, code, _message(text))


def _message(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MOST_MESSAGE_CHARACTERS else f"{line[: _MOST_MESSAGE_CHARACTERS - 1]}…"


def _identifier(*parts: str) -> str:
    """Return an id in base64, as AWS's are; the same for the same *parts*."""
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()
    return base64.b64encode(digest[:30]).decode()


def _pause_s(first_s: float, redrive: int, task_id: str) -> float:
    """Return how long to wait before a redrive: twice as long each time, and not the same for all objects."""
    if not redrive:
        return 0.0
    spread = int.from_bytes(hashlib.sha256(task_id.encode()).digest()[:2]) / 0xFFFF
    return float(min(_LONGEST_PAUSE_S, first_s * 2 ** (redrive - 1))) * (0.75 + 0.5 * spread)
