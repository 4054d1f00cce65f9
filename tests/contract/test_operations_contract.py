"""The same suite for every operation on every store: what it does to objects, read back with boto3."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest
from cases import CASES, Case, body_of
from differences import FAILS, KEEPS_ODD_KEYS, KEYS, MISSING, NOT_THAT_VERSION, ODD_KEYS, REFUSED
from second_looks import codes_of
from server_jobs import NOW, TASK, ServerJob, publish
from worlds import World

from airflow_s3batch.core.errors import CapabilityError
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Summary
from airflow_s3batch.engine import Policy, run_shard
from airflow_s3batch.engine.loop.executor import Executor
from airflow_s3batch.engine.wire.sender import Sender
from airflow_s3batch.operations import ALL_OPERATIONS, Call, Operation
from airflow_s3batch.reports import build_report

ONLY_MANAGED = {known for known in ALL_OPERATIONS if not known.runs_on_workers}
POLICY = Policy(tolerate=frozenset(), keep_going=True, max_concurrency=8, max_attempts=3, allowed_failures=0.99)


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest, world: World) -> Case:
    """A case that the store can do; what it can't do, `test_what_a_store_lacks_is_refused` sees refused."""
    found: Case = request.param
    _skip_without(world, found)
    return found


def _skip_without(world: World, case: Case) -> None:
    if case.needs_function and not world.function:
        pytest.skip("no function is named")
    if case.needs_key and world.name == "aws" and "S3BATCH_TEST_AWS_KMS_KEY" not in os.environ:
        pytest.skip("S3BATCH_TEST_AWS_KMS_KEY names no key")
    if not (world.bucket(case.bucket) and world.bucket("target")):
        pytest.skip(f"no {case.bucket} bucket is named")


def prefixed(keys: list[str]) -> list[str]:
    """Return *keys* in a folder of their own."""
    folder = secrets.token_hex(4)
    return [f"{folder}/{key}" for key in keys]


def check(world: World, case: Case, objects: list[S3Object], outcomes: object) -> None:
    """Check that all of *objects* are as the operation wants them."""
    assert isinstance(outcomes, dict)
    assert {place: outcome.error_code for place, outcome in outcomes.items() if outcome.error_code} == {}
    for obj in objects:
        outcome = outcomes[obj.bucket, obj.key, obj.version_id]
        assert case.look(world, obj, outcome) == case.done(obj), obj.key
        if case.keeps_body:
            assert world.body(obj) == body_of(obj)


def test_every_operation_has_a_case(world: World) -> None:
    """Or is one that AWS alone can do."""
    if not world.bucket("target"):
        pytest.skip("no target bucket is named")
    covered = {case.operation_class(world) for case in CASES if world.function or not case.needs_function}
    missing = {known.__name__ for known in ALL_OPERATIONS if known not in covered | ONLY_MANAGED}
    assert missing <= (set() if world.function else {"LambdaInvoke"})


def test_every_operation_can_be_verified_or_says_why_not(world: World, case: Case) -> None:
    assert (case.damage is None) == bool(case.make(world).verification_problems())


def test_it_is_done_to_objects_of_any_key_and_to_no_other(world: World, case: Case) -> None:
    """
    With the body as it was. A neighbour that the manifest does not name is left alone.

    A second look finds nothing wrong, then the one object that somebody has spoiled.
    """
    keys = prefixed([*KEYS, *(ODD_KEYS if KEEPS_ODD_KEYS[world.name] else [])])
    objects = world.put(case.bucket, keys, **case.put)
    neighbour = world.put(case.bucket, [f"{keys[0]}-not"])[0]
    outcomes = world.run(objects, case.make(world))
    for obj in list(objects):
        if code := FAILS.get((world.name, case.name, obj.key.partition("/")[2])):
            assert outcomes.pop((obj.bucket, obj.key, None)).error_code == code
            objects.remove(obj)
    check(world, case, objects, outcomes)
    assert world.body(neighbour) == body_of(neighbour)
    if case.damage is not None:
        assert codes_of(world, case.make(world), objects, outcomes) == {}
        case.damage(world, objects[0])
        found = codes_of(world, case.make(world), objects, outcomes)
        assert set(found) == {objects[0].key}
        assert found[objects[0].key] in case.damaged


def test_the_requests_for_objects_are_those_it_says(world: World, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the reference page; what was sent to try the store, or to tell why it refused, is not among them."""
    sent: set[str] = set()
    is_running = [False]
    template, run = Sender.template, Executor.run

    def noted(self: Sender, call: Call, bucket: str) -> object:
        if is_running[0]:
            sent.add(call.api)
        return template(self, call, bucket)

    def begun(self: Executor, *arguments: object, **named: object) -> None:
        is_running[0] = True
        run(self, *arguments, **named)  # type: ignore[arg-type]

    objects = world.put(case.bucket, prefixed(["a", "b +"]), **case.put)
    monkeypatch.setattr(Sender, "template", noted)
    monkeypatch.setattr(Executor, "run", begun)
    world.run(objects, case.make(world))
    declared = case.make(world).requests
    assert sent <= set(declared)
    assert not declared or declared[0] in sent or "HeadObject" in sent


def test_an_object_that_is_gone_fails_alone_and_is_not_made(world: World, case: Case) -> None:
    objects = world.put(case.bucket, prefixed(["a", "z"]), **case.put)
    gone = S3Object(world.bucket(case.bucket), f"{objects[0].key}-gone")
    outcomes = world.run([objects[0], gone, objects[1]], case.make(world))
    assert outcomes.pop((gone.bucket, gone.key, None)).error_code == MISSING.get((world.name, case.name), case.missing)
    check(world, case, objects, outcomes)
    assert world.body(gone) is None


@pytest.mark.case_has("missing")
def test_objects_of_a_bucket_that_is_gone_fail_alone(world: World, case: Case) -> None:
    """As the store says it, without an end to the others."""
    objects = world.put(case.bucket, prefixed(["a", "z"]), **case.put)
    lost = S3Object(f"s3batch-nowhere-{secrets.token_hex(6)}", "k", e_tag="0" * 32)
    outcomes = world.run([objects[0], lost, objects[1]], case.make(world))
    assert outcomes.pop((lost.bucket, lost.key, None)).error_code == "NoSuchBucket"
    check(world, case, objects, outcomes)


@pytest.mark.case_has("column")
def test_values_come_from_the_objects_row(world: World, case: Case) -> None:
    assert case.column is not None
    make, value = case.column
    objects = world.put(case.bucket, prefixed(["a", "b +"]), **case.put)
    rows = [obj._replace(columns={"value": value}) for obj in objects]
    check(world, case, objects, world.run(rows, make(world)))


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.bucket != "acl" and case.missing], ids=lambda c: c.name
)
def test_it_is_done_to_the_version_that_is_named(world: World, case: Case) -> None:
    """And to no other; what makes a new version refuses noncurrent ones."""
    _skip_without(world, case)
    kind = "lock" if case.bucket == "lock" else "versioned"
    if not world.bucket(kind):
        pytest.skip(f"no {kind} bucket is named")
    key = prefixed(["v"])[0]
    old, new = (_version(world, kind, key, body, case) for body in ("older", "newer"))
    before = world.body(new)
    outcomes = world.run([old], case.make(world))
    if case.versions == "current":
        assert outcomes[old.bucket, key, old.version_id].error_code == "NotCurrentVersion"
        check(world, case, [new], world.run([new], case.make(world)))
        return
    if (world.name, case.name) in NOT_THAT_VERSION:
        assert case.look(world, old, outcomes[old.bucket, key, old.version_id]) != case.done(old)
        return
    check(world, case, [old], outcomes)
    assert world.body(new) == before
    if case.damage is not None:
        assert codes_of(world, case.make(world), [old], outcomes) == {}


def _version(world: World, kind: str, key: str, body: str, case: Case) -> S3Object:
    reply = world.client.put_object(Bucket=world.bucket(kind), Key=key, Body=body.encode(), **case.put)
    e_tag = reply["ETag"].strip('"')
    return S3Object(
        world.bucket(kind), key, reply["VersionId"], len(body), e_tag, is_latest=body == "newer", columns={"body": body}
    )


def test_lost_outcomes_are_done_again_and_recorded_ones_are_not(world: World, case: Case, tmp_path: Path) -> None:
    """
    A job of two ranges whose second one lost its commit, as in a crash: only that one is replayed.

    It ends as if nothing had happened, or, where a replay is unsafe, says that nobody knows.
    """
    objects = world.put(case.bucket, prefixed(["a", "b", "c", "d"]), **case.put)
    job = _job(world, objects, tmp_path)
    operation = case.make(world)
    assert _attempt(world, job, operation).succeeded == 4
    _lose_commit(world, job)
    again = _attempt(world, job, operation, try_number=2)
    assert (again.earlier, again.objects) == (2, 2)
    report = build_report(world.storage, job.manifest.job_url, TASK, now=NOW)
    if case.lost == {""}:
        assert (report.tally.succeeded, report.tally.failed) == (4, 0)
    else:
        assert (report.tally.succeeded, set(report.tally.codes)) == (2, case.lost)
    assert _attempt(world, job, operation, try_number=3).requests == 0 or case.lost != {""}


def _job(world: World, objects: list[S3Object], folder: Path) -> ServerJob:
    url = f"s3://{world.bucket('jobs')}/contract/{secrets.token_hex(6)}"
    return publish(None, url, objects, folder, range_rows=2, storage=world.storage)  # type: ignore[arg-type]


def _attempt(world: World, job: ServerJob, operation: Operation, try_number: int = 1) -> Summary:
    return run_shard(
        job.ref,
        operation,
        access=world.access,
        storage=world.storage,
        task_id=TASK,
        try_number=try_number,
        policy=POLICY,
    )


def _lose_commit(world: World, job: ServerJob) -> None:
    """Delete the last range's commit and the attempt's last word, as if it had died before both."""
    folder = JobLayout(job.manifest.job_url).operation(TASK).generation(1).shard(0)
    for file in list(world.storage.list(folder / "summary-")):
        world.storage.delete(file.url)
    commits = [
        file.url for file in world.storage.list(folder / "range-000001") if file.url.key.endswith(".commit.json")
    ]
    assert len(commits) == 1
    world.storage.delete(commits[0])


@pytest.mark.parametrize(("store", "name"), REFUSED)
def test_what_a_store_lacks_is_refused(world: World, store: str, name: str) -> None:
    """By a trial on a scratch object; nothing of the manifest is touched."""
    assert world.name == store
    case = next(case for case in CASES if case.name == name)
    objects = world.put(case.bucket, prefixed(["a"]), **case.put)
    with pytest.raises(CapabilityError, match=REFUSED[store, name]):
        world.run(objects, case.make(world))
    assert world.body(objects[0]) == body_of(objects[0])
