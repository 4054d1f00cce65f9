"""Which generation an attempt works in, and the guard against another operation."""

from __future__ import annotations

import json

import pytest

from airflow_s3batch.core.errors import JobChangedError, JobDamagedError
from airflow_s3batch.core.identity import fingerprint
from airflow_s3batch.core.layout import OperationLayout
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.policy import Policy
from airflow_s3batch.engine.shards.generation import open_generation
from airflow_s3batch.operations import CopyObject, InOrder, Operation, PutObjectTagging
from airflow_s3batch.testing.storage import MemoryStorage

TASK = OperationLayout(S3Url("ops", "job/run"))
RED, BLUE = PutObjectTagging({"c": "red"}), PutObjectTagging({"c": "blue"})


def opened(storage: MemoryStorage, operation: Operation, *, shard: int = 0, resume: bool = True) -> str:
    """Open a generation, leave a trace of the shard in it, and return the generation's folder name."""
    layout = open_generation(storage, TASK, operation, Policy(), shard=shard, resume=resume, opened="now")
    storage.write(layout.attempt(shard, "0001-0000000000001-abcdef"), b"{}")
    return layout.url.key.rpartition("/")[2]


def test_attempts_and_shards_share_a_generation() -> None:
    """Retries and clears resume in it."""
    storage = MemoryStorage()
    assert [opened(storage, RED, shard=n) for n in (0, 1, 0)] == ["g0001"] * 3


def test_an_edited_operation_is_refused_with_what_changed() -> None:
    """And with what to do."""
    storage = MemoryStorage()
    opened(storage, RED)
    with pytest.raises(JobChangedError, match=r"'red'.*'blue'.*resume=False"):
        opened(storage, BLUE)


def test_a_refusal_is_noted_until_the_shard_goes_on() -> None:
    """For the report, which would else be green although nothing of what was asked for was done."""
    storage = MemoryStorage()
    opened(storage, RED)
    with pytest.raises(JobChangedError):
        opened(storage, BLUE)
    assert storage.read(TASK.refusal(0)) is not None
    opened(storage, RED)
    assert storage.read(TASK.refusal(0)) is None


def test_starting_over_opens_a_generation_that_the_other_shards_join() -> None:
    """All shards that are cleared together start over in the same one."""
    storage = MemoryStorage()
    for shard in (0, 1):
        opened(storage, RED, shard=shard)
    assert [opened(storage, RED, shard=n, resume=False) for n in (0, 1)] == ["g0002", "g0002"]
    assert opened(storage, RED, shard=0, resume=False) == "g0003"
    assert opened(storage, RED, shard=0) == "g0003"


def test_starting_over_takes_the_new_operation() -> None:
    """The one way to go on after an edit."""
    storage = MemoryStorage()
    opened(storage, RED)
    assert opened(storage, BLUE, resume=False) == "g0002"
    assert opened(storage, BLUE) == "g0002"
    with pytest.raises(JobChangedError):
        opened(storage, RED)


@pytest.mark.parametrize(
    ("operation", "left_out"),
    [(CopyObject("target"), "skip_existing"), (InOrder([RED, CopyObject("target")]), "skip_existing")],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_job_begun_before_an_upgrade_is_resumed_although_its_operation_has_got_fields(
    operation: Operation, left_out: str
) -> None:
    storage = MemoryStorage()
    opened(storage, operation)
    document = json.loads(storage.read(TASK.generation(1).operation) or b"")
    before = json.loads(json.dumps(document["operation"]), object_hook=lambda fields: _without(fields, left_out))
    assert before != document["operation"]
    document.update(operation=before, fingerprint=fingerprint(before))
    storage.write(TASK.generation(1).operation, json.dumps(document).encode())
    assert opened(storage, operation) == "g0001"


def _without(fields: dict[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in fields.items() if key != name}


@pytest.mark.parametrize("body", [None, b"", b"{}", b'{"format":"airflow-s3batch-operation/9"}'])
def test_a_damaged_guard_is_noticed(body: bytes | None) -> None:
    """Missing, empty, foreign, or of a later version."""
    storage = MemoryStorage()
    opened(storage, RED)
    url = TASK.generation(1).operation
    storage.delete(url)
    if body is not None:
        storage.write(url, body)
    with pytest.raises(JobDamagedError, match=r"operation\.json"):
        opened(storage, RED)
