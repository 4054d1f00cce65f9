"""Somebody else writes the objects that a job changes or deletes: no body is lost, and each such object is told."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from server_jobs import STRICT, client_of, outcomes_of, publish, put_objects
from strict_server import SSE, Asked, StrictS3, strict_s3

from airflow_s3batch.core.errors import CapabilityError, TooManyFailuresError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.engine import Policy
from airflow_s3batch.operations import Column, DeleteObject, MoveObject, Operation, RewriteObject
from airflow_s3batch.operations.bodies.encryption import EncryptionChoice
from airflow_s3batch.testing import Server
from airflow_s3batch.testing.storage import MemoryStorage

if TYPE_CHECKING:
    from server_users import BucketFactory

PLACE = "bucket/key"
OLD, NEW = b"the body that the manifest saw", b"what somebody else wrote"
REWRITES = [RewriteObject("SSE-S3"), RewriteObject("SSE-KMS", kms_key_id="key-1")]
QUICK = Policy(tolerate=frozenset(), request_timeout_s=10, give_up_s=30)


@pytest.fixture(scope="module")
def emptied() -> Iterator[Callable[[], StrictS3]]:
    with strict_s3() as server:
        yield server


@pytest.fixture
def strict(emptied: Callable[[], StrictS3]) -> StrictS3:
    return emptied()


@pytest.fixture(params=["", "Enabled"], ids=["unversioned", "versioned"])
def s3(strict: StrictS3, request: pytest.FixtureRequest) -> StrictS3:
    """A store that encrypts what is written, as AWS does, with one object that is older than that."""
    strict.versioning = request.param
    strict.default_sse = "AES256"
    strict.put_unencrypted(PLACE, OLD)
    return strict


def seen_by_manifest(s3: StrictS3, **changes: Any) -> S3Object:
    """Return the row that an inventory has for the object."""
    version = s3.current(PLACE)
    assert version is not None
    row = S3Object("bucket", "key", size=len(version.body or b""), e_tag=version.headers["etag"].strip('"'))
    return row._replace(**changes)


def outcome_of(s3: StrictS3, obj: S3Object, operation: Operation) -> Outcome:
    """Run *operation* on one object."""
    return outcomes_of(s3.server, [obj], operation, policy=QUICK)[obj.key, obj.version_id]


def write_at(s3: StrictS3, wanted: Callable[[Asked], bool], **headers: str) -> None:
    """Let somebody overwrite the object right before the first request for which *wanted* holds is acted on."""
    was_written = threading.Event()

    def before(asked: Asked) -> None:
        if wanted(asked) and not was_written.is_set():
            was_written.set()
            s3.put(PLACE, NEW, headers)

    s3.before = before


def assert_newer_body_is_current(s3: StrictS3) -> None:
    current = s3.current(PLACE)
    assert current is not None
    assert current.body == NEW


class TestRewrites:
    """Encrypting in place."""

    @pytest.mark.parametrize("operation", REWRITES, ids=["SSE-S3", "SSE-KMS"])
    @pytest.mark.parametrize(
        "wanted", [lambda asked: asked.method == "HEAD", lambda asked: asked.is_copy], ids=["HEAD", "COPY"]
    )
    def test_what_is_written_before_the_copy_stays_and_is_told(
        self, s3: StrictS3, operation: RewriteObject, wanted: Callable[[Asked], bool]
    ) -> None:
        """Between manifest and HEAD, and between HEAD and COPY."""
        obj = seen_by_manifest(s3)
        write_at(s3, wanted, **{SSE: "aws:fsx"})  # not the encryption that is wanted: else it would be so already
        outcome = outcome_of(s3, obj, operation)
        assert_newer_body_is_current(s3)
        assert (outcome.http_status, outcome.error_code) == (412, "PreconditionFailed")
        assert "changed" in outcome.message

    @pytest.mark.parametrize("operation", REWRITES, ids=["SSE-S3", "SSE-KMS"])
    def test_a_body_that_the_bucket_encrypted_is_not_taken_for_our_copy(
        self, s3: StrictS3, operation: RewriteObject
    ) -> None:
        """Written between HEAD and COPY, and encrypted just as the job would have done."""
        s3.default_sse = "AES256" if operation.encryption == "SSE-S3" else "aws:kms"
        key = {f"{SSE}-aws-kms-key-id": "key-1"} if operation.encryption == "SSE-KMS" else {}
        obj = seen_by_manifest(s3)
        write_at(s3, lambda asked: asked.is_copy, **key)
        outcome = outcome_of(s3, obj, operation)
        assert_newer_body_is_current(s3)
        assert outcome.error_code == "PreconditionFailed"

    @pytest.mark.parametrize("operation", REWRITES, ids=["SSE-S3", "SSE-KMS"])
    def test_a_lost_answer_and_then_another_body_is_not_a_success(self, s3: StrictS3, operation: RewriteObject) -> None:
        """The copy was made, nobody heard of it, somebody overwrote it, and the copy was sent again."""
        s3.default_sse = "AES256" if operation.encryption == "SSE-S3" else "aws:kms"
        key = {f"{SSE}-aws-kms-key-id": "key-1"} if operation.encryption == "SSE-KMS" else {}
        obj = seen_by_manifest(s3)
        s3.loses_answer = lambda asked: asked.is_copy and asked.number == 1
        write_at(s3, lambda asked: asked.is_copy and asked.number == 2, **key)
        outcome = outcome_of(s3, obj, operation)
        assert_newer_body_is_current(s3)
        assert outcome.error_code == "PreconditionFailed"
        assert sum(asked.is_copy for asked in s3.asked) == 2

    @pytest.mark.parametrize("operation", REWRITES, ids=["SSE-S3", "SSE-KMS"])
    def test_a_lost_answer_alone_is_a_success(self, s3: StrictS3, operation: RewriteObject) -> None:
        """The copy sent again meets our own one: under KMS its ETag is another."""
        obj = seen_by_manifest(s3)
        s3.loses_answer = lambda asked: asked.is_copy and asked.number == 1
        outcome = outcome_of(s3, obj, operation)
        assert outcome.is_success, outcome
        current = s3.current(PLACE)
        assert current is not None
        assert (current.body, current.headers[SSE]) == (
            OLD,
            EncryptionChoice.of(operation).copy_params()["ServerSideEncryption"],
        )

    def test_a_copy_that_fails_inside_a_200_may_have_been_made(self, s3: StrictS3) -> None:
        """CopyObject may answer 200 and an error; what comes of sending it again is judged as after a lost answer."""
        obj = seen_by_manifest(s3)
        act = s3.act
        copies: list[str] = []

        def act_and_garble(method: str, place: str, *rest: Any) -> Any:
            answer = act(method, place, *rest)
            if method == "PUT" and place == PLACE and not copies:
                copies.append(place)
                return 200, b"<Error><Code>InternalError</Code><Message>m</Message></Error>", {}
            return answer

        s3.act = act_and_garble  # type: ignore[method-assign,assignment]
        outcome = outcome_of(s3, obj, REWRITES[1])
        assert outcome.is_success, outcome

    def test_a_version_that_is_no_longer_current_is_not_called_encrypted_by_a_replay(
        self, strict: StrictS3, tmp_path: Path
    ) -> None:
        """A clear after somebody's newer version, which the bucket encrypted, was reported."""
        strict.versioning, strict.default_sse = "Enabled", "AES256"
        named = strict.put_unencrypted(PLACE, OLD)
        row = seen_by_manifest(strict, version_id=named.version_id)
        strict.put(PLACE, NEW)
        job = publish(strict.server, "s3://job/x", [row], tmp_path, range_rows=10, storage=MemoryStorage())
        for _ in range(2):
            with pytest.raises(TooManyFailuresError, match="NotCurrentVersion"):
                job.attempt(REWRITES[0], policy=STRICT, shares_store=False)
        assert_newer_body_is_current(strict)


class TestDeletes:
    """Deleting whatever is current."""

    @pytest.mark.parametrize("e_tag", ["bulk", "single"])
    def test_what_is_written_before_the_delete_stays_and_is_told(self, s3: StrictS3, e_tag: str) -> None:
        """Under the manifest's ETag in bulk, or under that of a HEAD just before."""
        obj = seen_by_manifest(s3)
        if e_tag == "single":
            obj = obj._replace(e_tag=None)
        write_at(s3, lambda asked: asked.method == ("POST" if e_tag == "bulk" else "DELETE"))
        outcome = outcome_of(s3, obj, DeleteObject())
        assert_newer_body_is_current(s3)
        assert (outcome.error_code, "changed" in outcome.message) == ("PreconditionFailed", True)

    @pytest.mark.parametrize("e_tag", ["bulk", "single"])
    @pytest.mark.parametrize("is_written_again", [True, False])
    def test_a_lost_answer(self, s3: StrictS3, e_tag: str, is_written_again: bool) -> None:
        """What was deleted unheard is a success; what somebody wrote since then stays and is told."""
        obj = seen_by_manifest(s3)
        if e_tag == "single":
            obj = obj._replace(e_tag=None)
        method = "POST" if e_tag == "bulk" else "DELETE"
        s3.loses_answer = lambda asked: asked.method == method and asked.number == 1
        if is_written_again:
            write_at(s3, lambda asked: asked.method == method and asked.number == 2)
        outcome = outcome_of(s3, obj, DeleteObject())
        if is_written_again:
            assert_newer_body_is_current(s3)
            assert outcome.error_code == "PreconditionFailed"
        else:
            assert s3.current(PLACE) is None
            assert outcome.is_success, outcome

    @pytest.mark.parametrize("versioning", ["", "Suspended"])
    def test_a_null_version_is_not_deleted_once_it_was_overwritten(self, strict: StrictS3, versioning: str) -> None:
        """Its version id is the same, and the write comes right before the delete."""
        strict.versioning = versioning
        strict.put(PLACE, OLD)
        obj = seen_by_manifest(strict, version_id="null")
        write_at(strict, lambda asked: asked.method == "DELETE")
        outcome = outcome_of(strict, obj, DeleteObject())
        assert_newer_body_is_current(strict)
        assert outcome.error_code == "PreconditionFailed"

    @pytest.mark.parametrize("has_e_tag", [True, False])
    def test_a_later_attempt_spares_what_was_written_since(self, s3: StrictS3, tmp_path: Path, has_e_tag: bool) -> None:
        """The first attempt deleted and died unheard; without an ETag in the manifest only the object's age tells."""
        s3.versions[PLACE][0].headers["last-modified"] = "Sun, 01 Nov 2026 12:00:00 GMT"
        obj = seen_by_manifest(s3) if has_e_tag else seen_by_manifest(s3, e_tag=None, size=None)
        untouched = obj._replace(key="untouched")
        s3.versions["bucket/untouched"] = list(s3.versions[PLACE])
        job = publish(s3.server, "s3://job/x", [obj, untouched], tmp_path, range_rows=1, storage=MemoryStorage())
        with pytest.raises(Died):
            job.attempt(dies_after_a_delete_of("key"), policy=STRICT, shares_store=False)
        assert s3.current(PLACE) is None
        s3.put(PLACE, NEW)
        with pytest.raises(TooManyFailuresError, match="PreconditionFailed 1"):
            job.attempt(DeleteObject(), policy=STRICT, shares_store=False)
        assert_newer_body_is_current(s3)
        assert s3.current("bucket/untouched") is None


class TestMoves:
    """Within one bucket, where targets may be keys of other rows, and others write."""

    @pytest.mark.parametrize("method", ["HEAD", "PUT"])
    def test_what_is_written_to_the_target_in_between_stays(self, s3: StrictS3, method: str) -> None:
        """Before the object is looked at, and between the look and the copy."""
        obj = seen_by_manifest(s3)

        def before(asked: Asked) -> None:
            if (asked.method, asked.number) == (method, 1) and s3.current("bucket/moved/key") is None:
                s3.put("bucket/moved/key", NEW)

        s3.before = lambda asked: before(asked) if "scratch" not in asked.key else None
        outcome = outcome_of(s3, obj, MoveObject("bucket", "moved"))
        kept = [s3.current(place) for place in (PLACE, "bucket/moved/key")]
        assert [version and version.body for version in kept] == [OLD, NEW]
        assert outcome.error_code == "TargetExists"

    @pytest.mark.parametrize("ignores", [frozenset(), frozenset({"absence"})], ids=["conditional", "by a look"])
    def test_rows_whose_targets_are_rows_lose_nothing(self, strict: StrictS3, ignores: frozenset[str]) -> None:
        """A chain, a ring, and two rows to one key; later attempts move what has become free."""
        strict.ignores = ignores
        targets = {"a": "b", "b": "c", "c": "d", "x": "y", "y": "x", "one": "same", "two": "same"}
        for key in targets:
            strict.put(f"bucket/{key}", key.encode())
        rows = [
            S3Object("bucket", key, size=len(key), columns={"to": to})._replace(
                e_tag=strict.versions[f"bucket/{key}"][-1].headers["etag"].strip('"')
            )
            for key, to in targets.items()
        ]
        move = MoveObject("bucket", target_key=Column("to"))
        one_by_one = Policy(tolerate=frozenset(), keep_going=True, max_concurrency=1)
        left = rows
        for _ in range(3):
            found = outcomes_of(strict.server, left, move, policy=one_by_one)
            left = [row for row in left if not found[row.key, None].is_success]
            bodies = {version.body for place in strict.versions if (version := strict.current(place))}
            assert bodies == {key.encode() for key in targets}
        assert {row.key for row in left} == {"x", "y", "two"}
        shown = strict.current("bucket/d")
        assert shown is not None
        assert shown.body == b"c"

    def test_many_rows_to_one_key_leave_one_there_and_the_others_where_they_are(self, s3: StrictS3) -> None:
        """All at once."""
        rows = []
        for number in range(40):
            version = s3.put(f"bucket/many-{number}", b"%d" % number)
            e_tag = version.headers["etag"].strip('"')
            rows.append(S3Object("bucket", f"many-{number}", e_tag=e_tag, columns={"to": "same"}))
        move = MoveObject("bucket", target_key=Column("to"))
        policy = Policy(tolerate=frozenset(), keep_going=True, max_concurrency=16)
        found = outcomes_of(s3.server, rows, move, policy=policy)
        assert sum(outcome.is_success for outcome in found.values()) == 1
        bodies = [version.body for place in s3.versions if (version := s3.current(place)) and place != PLACE]
        assert sorted(bodies) == sorted(b"%d" % number for number in range(40))


class Died(BaseException):
    """Stands for the end of a process."""


def dies_after_a_delete_of(key: str) -> Operation:
    """Return a DeleteObject that ends the attempt once *key* was deleted and before anybody noted that."""

    def steps(self: DeleteObject, obj: S3Object, context: Any) -> Any:
        outcome = yield from DeleteObject.steps(self, obj, context)
        if obj.key == key and "/scratch/" not in obj.key:
            raise Died
        return outcome

    kind = type("DeleteObject", (DeleteObject,), {"steps": steps, "is_batchable": lambda *_: False})
    operation: Operation = kind()
    return operation


@pytest.mark.parametrize("ignored", ["source", "target"])
def test_a_rewrite_is_refused_where_the_store_ignores_a_condition(strict: StrictS3, ignored: str) -> None:
    """Before the first object is touched; either condition alone would let a body be lost."""
    strict.ignores = frozenset({ignored})
    strict.put(PLACE, OLD)
    with pytest.raises(CapabilityError, match=f"ignores If-Match .*{ignored} condition.*No object of the manifest"):
        outcome_of(strict, seen_by_manifest(strict), REWRITES[0])
    assert [asked for asked in strict.asked if asked.is_copy] == []


def test_a_delete_is_refused_where_the_store_ignores_its_condition(strict: StrictS3) -> None:
    """Before the first object is touched."""
    strict.ignores = frozenset({"delete", "bulk"})
    strict.put(PLACE, OLD)
    with pytest.raises(CapabilityError, match="ignores If-Match on deletes"):
        outcome_of(strict, seen_by_manifest(strict), DeleteObject())
    assert strict.asked == []


def test_deletes_go_one_by_one_where_the_store_ignores_conditions_in_bulk(strict: StrictS3) -> None:
    """And are as safe as in bulk elsewhere."""
    strict.ignores = frozenset({"bulk"})
    strict.put(PLACE, OLD)
    obj = seen_by_manifest(strict)
    write_at(strict, lambda asked: asked.method == "DELETE")
    assert outcome_of(strict, obj, DeleteObject()).error_code == "PreconditionFailed"
    assert_newer_body_is_current(strict)
    assert {asked.method for asked in strict.asked} == {"DELETE", "HEAD"}


@dataclass
class Writers:
    """
    Threads that keep overwriting random objects with bodies that are all different.

    Attributes:
        latest: by key the body of the last write that the store confirmed.
    """

    server: Server
    bucket: str
    keys: list[str]
    latest: dict[str, bytes] = field(default_factory=dict)
    is_over: threading.Event = field(default_factory=threading.Event)
    has_begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def write(self, keys: list[str], seed: int) -> None:
        """Overwrite some of *keys* until it is over; nobody else writes those."""
        chance, client = random.Random(seed), client_of(self.server)
        number = 0
        while not self.is_over.is_set():
            number += 1
            key = chance.choice(keys)
            body = f"{seed} {number} {key}".encode()
            client.put_object(Bucket=self.bucket, Key=key, Body=body)
            self.latest[key] = body
            self.has_begun.release()


def bodies_at(server: Server, bucket: str, key: str, *, in_any_version: bool) -> list[bytes]:
    """Return the body that is current, or those of all versions."""
    client = client_of(server)
    if not in_any_version:
        return [client.get_object(Bucket=bucket, Key=key)["Body"].read()]
    shown = client.list_object_versions(Bucket=bucket, Prefix=key)["Versions"]
    return [client.get_object(Bucket=bucket, Key=key, VersionId=v["VersionId"])["Body"].read() for v in shown]


STORES = ["strict", "strict, versioned", "seaweedfs", "ministack"]
OPERATIONS = {
    "rewrite": RewriteObject("SSE-S3"),
    "delete in bulk": DeleteObject(),
    "delete without ETags": DeleteObject(),
}


@pytest.mark.parametrize("work", list(OPERATIONS))
@pytest.mark.parametrize("store", STORES)
def test_no_confirmed_body_is_lost_to_a_job_under_constant_writes(
    request: pytest.FixtureRequest, bucket: BucketFactory, store: str, work: str
) -> None:
    """
    Each object that was hit before its turn is told; all others are done.

    SeaweedFS checks the condition of a copy first and acts then, so that one body in hundreds that are written at the
    same moment is buried; there the test asks for it among the versions. MiniStack ignores it and is refused.
    """
    operation = OPERATIONS[work]
    server: Server = request.getfixturevalue(store.partition(",")[0])
    if store.startswith("strict"):
        strict = request.getfixturevalue("strict")
        strict.versioning, server = ("Enabled" if "versioned" in store else ""), strict.server
    is_among_versions = store == "seaweedfs" and work == "rewrite"
    name, keys = bucket(server), [f"k{number:03d}" for number in range(120)]
    if is_among_versions:
        client_of(server).put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    objects = put_objects(server, name, keys)
    if work == "delete without ETags":
        objects = [obj._replace(e_tag=None) for obj in objects]
    writers = Writers(server, name, keys)
    outcomes: dict[Any, Outcome] = {}
    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(writers.write, keys[part::6], part) for part in range(3)]
        try:
            for _ in range(20):
                assert writers.has_begun.acquire(timeout=30)
            if store == "ministack" and work == "rewrite":
                with pytest.raises(CapabilityError, match="ignores If-Match"):
                    outcomes_of(server, objects, operation, policy=QUICK)
            else:
                outcomes = outcomes_of(server, objects, operation, policy=QUICK, max_concurrency=16)
        finally:
            writers.is_over.set()
        for job in jobs:
            job.result()
    for key, body in writers.latest.items():
        assert body in bodies_at(server, name, key, in_any_version=is_among_versions)
    failed = {key: outcome.error_code for (key, _), outcome in outcomes.items() if not outcome.is_success}
    assert set(failed.values()) <= {"PreconditionFailed"}
    assert set(failed) <= set(writers.latest)
    if outcomes and work != "delete without ETags":
        assert failed, "writers were at work before the job began"
