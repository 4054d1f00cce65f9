"""What an estimate expects is what the engine really sends: request by request, for every operation, on every store."""

from __future__ import annotations

import os
import secrets
from collections import Counter

import pytest
from cases import CASES, Case
from differences import UNCONDITIONAL
from test_operations_contract import POLICY
from worlds import World

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.core.size_classes import MIB
from airflow_s3batch.costs.counting import sent_for, sent_for_batch
from airflow_s3batch.engine.checks.preflight import capabilities_for
from airflow_s3batch.engine.loop.executor import Executor
from airflow_s3batch.engine.wire.exchange import Work
from airflow_s3batch.engine.wire.sender import Sender
from airflow_s3batch.operations import Call, CopyObject, Operation, RewriteObject, RunContext


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest, world: World) -> Case:
    found: Case = request.param
    if found.needs_function and not world.function:
        pytest.skip("no function is named")
    if found.needs_key and world.name == "aws" and "S3BATCH_TEST_AWS_KMS_KEY" not in os.environ:
        pytest.skip("S3BATCH_TEST_AWS_KMS_KEY names no key")
    if not (world.bucket(found.bucket) and world.bucket("target")):
        pytest.skip(f"no {found.bucket} bucket is named")
    return found


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The requests of a run, by API."""
    found: Counter[str] = Counter()
    template = Sender.template

    def noted(self: Sender, call: Call, bucket: str) -> object:
        found[call.api] += 1
        return template(self, call, bucket)

    monkeypatch.setattr(Sender, "template", noted)
    return found


def expected(operation: Operation, objects: list[S3Object], context: RunContext) -> Counter[str]:
    if operation.batch_size > 1 and operation.is_batchable(objects[0], context):
        sends = sent_for_batch(operation, objects[0], len(objects), context)
    else:
        sends = sum((sent_for(operation, obj, context) for obj in objects), Counter())
    return by_api(sends)


def by_api(sends: Counter[object]) -> Counter[str]:
    found: Counter[str] = Counter()
    for each, number in sends.items():
        found[each.api] += number  # type: ignore[attr-defined]
    return found


def test_it_sends_what_the_estimate_counts(world: World, case: Case, sent: Counter[str]) -> None:
    """And objects that are as wanted already take the first request only, if the operation says so."""
    folder = secrets.token_hex(4)
    stored = world.put(case.bucket, [f"{folder}/{name}" for name in "ab"], **case.put)
    objects = [obj._replace(storage_class=case.put.get("StorageClass", "STANDARD")) for obj in stored]
    operation = case.make(world)
    codes: list[str] = []

    def keep(_: Work, outcome: Outcome) -> None:
        codes.append(outcome.error_code)

    with Executor(world.access, POLICY) as executor:
        place = S3Url(world.bucket("jobs"), f"{folder}/scratch")
        context = RunContext(capabilities_for(executor, world.access, operation, objects[0], place), job_id="job")
        sent.clear()
        executor.run(operation, map(Work, range(2), objects), context, keep)
        assert codes == ["", ""]
        assert sent == expected(operation, objects, context)
        if operation.skips_done:
            sent.clear()
            executor.run(operation, map(Work, range(2), (obj._replace(e_tag=None) for obj in objects)), context, keep)
            assert sent == by_api(sum((sent_for(operation, obj, context, most=1) for obj in objects), Counter()))
    assert executor.retries == 0


def in_parts(world: World, name: str) -> Operation:
    """Return an operation that copies objects above 5 MiB in parts of that size."""
    most, unsafe = 5 * MIB, world.name in UNCONDITIONAL
    if name == "copy":
        return CopyObject(world.bucket("target"), "parts", multipart_threshold_bytes=most)
    return RewriteObject("SSE-S3", allow_unconditional=unsafe, multipart_threshold_bytes=most)


@pytest.mark.parametrize("name", ["copy", "rewrite"])
def test_parts_of_large_objects_are_counted(world: World, name: str, sent: Counter[str]) -> None:
    """So are the looks before and after."""
    folder = secrets.token_hex(4)
    body = bytes(11 * MIB)
    world.client.put_object(Bucket=world.bucket("plain"), Key=f"{folder}/a", Body=body)
    obj = S3Object(world.bucket("plain"), f"{folder}/a", size=len(body), storage_class="STANDARD")
    operation = in_parts(world, name)
    outcomes: list[Outcome] = []
    with Executor(world.access, POLICY) as executor:
        place = S3Url(world.bucket("jobs"), f"{folder}/scratch")
        context = RunContext(capabilities_for(executor, world.access, operation, obj, place), job_id="job")
        if context.capabilities.findings.get("parts") not in (None, "honoured"):
            pytest.skip("the store can't do that safely")
        sent.clear()
        executor.run(operation, [Work(0, obj)], context, lambda _, outcome: outcomes.append(outcome))
    assert [outcome.error_code for outcome in outcomes] == [""]
    assert sent["UploadPartCopy"] == 3
    assert sent == expected(operation, [obj], context)
