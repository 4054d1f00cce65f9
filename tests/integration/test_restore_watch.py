"""Waiting for restores: how few requests it takes, and that it goes on where it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from archive_server import ArchiveS3, archive_s3
from server_jobs import NOW, TASK, ServerJob, publish

from airflow_s3batch.core.errors import AccessError, ArgumentError, TooManyFailuresError
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.engine import Policy
from airflow_s3batch.operations import RestoreObject
from airflow_s3batch.operations.requests import Capabilities
from airflow_s3batch.reports import build_report
from airflow_s3batch.reports.restores.restore_look import still_restoring
from airflow_s3batch.reports.restores.restores import MOST_WAITING, RestoreWatch
from airflow_s3batch.testing import MemoryStorage, Server

POLICY = Policy(max_concurrency=8)
LENIENT = Policy(max_concurrency=8, allowed_failures=1_000)
LONG_S = 3_600.0


@pytest.fixture
def s3() -> Iterator[ArchiveS3]:
    with archive_s3() as running:
        yield running


@pytest.fixture
def restore(s3: ArchiveS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ServerJob]:
    """``restore(keys)`` publishes a job of these keys, 50 a range, 4 ranges a shard, and asks for their restore."""
    monkeypatch.setattr("airflow_s3batch.engine.shards.shard.capabilities_for", lambda *_: Capabilities(is_aws=False))
    server = Server(s3.endpoint_url, "archive", "archive-secret", "us-east-1", 0, {})

    def run(keys: Sequence[str], policy: Policy = POLICY, range_rows: int = 50) -> ServerJob:
        job = published(keys, range_rows)
        again(job, policy)
        return job

    def published(keys: Sequence[str], range_rows: int) -> ServerJob:
        objects = [S3Object("b", key, size=1, storage_class="GLACIER") for key in keys]
        shards = -(-len(keys) // (4 * range_rows))
        storage = MemoryStorage()
        return publish(server, "s3://ops/job", objects, tmp_path, range_rows=range_rows, storage=storage, shards=shards)

    def again(job: ServerJob, policy: Policy) -> None:
        for shard in range(len(job.manifest.shards)):
            job.attempt(RestoreObject(days=1), shard, access=s3.access, policy=policy)
        build_report(job.storage, job.manifest.job_url, TASK, now=NOW)

    run.again, run.publish = again, published  # type: ignore[attr-defined]
    return run


def watch_of(job: ServerJob, s3: ArchiveS3) -> RestoreWatch:
    return RestoreWatch(job.storage, s3.access, job.manifest.job_url, TASK, POLICY)


def keys_of(number: int) -> list[str]:
    return [f"k{n:04d}" for n in range(number)]


def test_looks_cost_little_until_the_first_objects_are_ready(s3: ArchiveS3, restore: Callable[..., ServerJob]) -> None:
    """At each look about a hundred of a thousand; in sum little more than one HEAD for each object."""
    keys = keys_of(1_000)
    s3.archived.update(keys)
    job = restore(keys)
    s3.looked()
    assert watch_of(job, s3).look(LONG_S) is False
    assert MOST_WAITING <= s3.looked() <= MOST_WAITING + 50
    for _ in range(3):
        watch = watch_of(job, s3)
        watch.look(LONG_S)
        assert not watch.is_done
        assert s3.looked() == len(watch.state.waiting) <= MOST_WAITING + 50
    s3.finish()
    watch = watch_of(job, s3)
    assert watch.look(LONG_S) is False
    assert watch.is_done
    assert (watch.state.readable, watch.state.gone, watch.state.unrestored) == (1_000, 0, 0)
    assert s3.looked() <= 1_000 + MOST_WAITING + 50


def test_large_range_is_left_once_enough_is_seen(s3: ArchiveS3, restore: Callable[..., ServerJob]) -> None:
    """It is gone through again when what was met is ready, and each of its objects is counted once."""
    keys = keys_of(600)
    s3.archived.update(keys)
    job = restore(keys, range_rows=500)
    s3.looked()
    watch = watch_of(job, s3)
    watch.look(LONG_S)
    assert MOST_WAITING <= s3.looked() <= MOST_WAITING + 2 * POLICY.max_concurrency
    assert (len(watch.state.waiting), watch.state.counted) == (MOST_WAITING, 0)
    s3.finish()
    watch = watch_of(job, s3)
    watch.look(LONG_S)
    assert watch.is_done
    assert watch.state.counted == 600


def test_stragglers_alone_are_asked_again(s3: ArchiveS3, restore: Callable[..., ServerJob]) -> None:
    """A range of which all but a few were seen is never swept again, and each object is counted once."""
    keys = keys_of(450)
    s3.archived.update(keys)
    job = restore(keys)
    late = {"k0003", "k0207", "k0449"}
    s3.finish(*set(keys) - late)
    s3.looked()
    watch = watch_of(job, s3)
    watch.look(LONG_S)
    assert s3.looked() == 450
    assert {entry.key for entry in watch.state.waiting} == late
    assert watch.state.readable == 447
    s3.finish("k0207")
    assert {entry.key for entry in still_restoring(s3.access, POLICY, watch.state.waiting)} == late - {"k0207"}
    s3.looked()
    s3.finish()
    watch = watch_of(job, s3)
    watch.look(LONG_S)
    assert s3.looked() == 3
    assert watch.is_done
    assert watch.state.readable == 450
    assert "450 of 450" in watch.sentence()


def test_new_watch_goes_on_where_the_old_one_was(s3: ArchiveS3, restore: Callable[..., ServerJob]) -> None:
    """A look that runs out of time leaves its place; finished ranges are not asked again."""
    keys = keys_of(300)
    s3.archived.update(keys)
    job = restore(keys)
    s3.finish()
    s3.looked()
    looks = 0
    while (watch := watch_of(job, s3)).look(-1.0):
        looks += 1
        assert s3.looked() == 50
    assert looks == 6
    assert (watch.is_done, watch.state.readable) == (True, 300)
    assert s3.looked() == 0


def test_what_is_gone_or_was_not_restored_is_not_waited_for(s3: ArchiveS3, restore: Callable[..., ServerJob]) -> None:
    """The job's report has told of them; once it was cleared and restored them, they are waited for."""
    keys = keys_of(60)
    s3.archived.update(keys[:50])
    s3.refuses.update(keys[:3])
    job = restore(keys, LENIENT)
    s3.finish()
    s3.refuses.clear()
    watch = watch_of(job, s3)
    watch.look(LONG_S)
    assert watch.is_done
    assert (watch.state.readable, watch.state.gone, watch.state.unrestored) == (47, 10, 3)
    restore.again(job, LENIENT)  # type: ignore[attr-defined]
    watch = watch_of(job, s3)
    assert not watch.is_done
    watch.look(LONG_S)
    assert len(watch.state.waiting) == 3
    s3.finish()
    watch.look(LONG_S)
    assert watch.is_done
    assert (watch.state.readable, watch.state.gone, watch.state.unrestored) == (50, 10, 0)


def test_job_that_was_begun_anew_is_looked_at_anew(s3: ArchiveS3, restore: Callable[..., ServerJob]) -> None:
    """What was readable then may have expired, and was asked for again."""
    s3.archived.update(keys_of(60))
    job = restore(keys_of(60))
    job.storage.write(JobLayout(job.manifest.job_url).operation(TASK).refusal(0), b"{}")
    s3.finish(*keys_of(59))
    watch_of(job, s3).look(LONG_S)
    s3.archived, s3.readable, s3.restoring = s3.restoring | s3.readable, set(), set()
    assert watch_of(job, s3).state.readable == 59
    job.attempt(RestoreObject(days=1), access=s3.access, policy=POLICY, resume=False)
    watch = watch_of(job, s3)
    watch.look(LONG_S)
    assert len(watch.state.waiting) == 60


def test_all_is_looked_at_again_once_all_was_seen(s3: ArchiveS3, restore: Callable[..., ServerJob]) -> None:
    """Copies may have expired since: a sensor that is cleared must not say that they can be read."""
    s3.archived.update(keys_of(60))
    job = restore(keys_of(60))
    s3.finish()
    watch = watch_of(job, s3)
    watch.look(LONG_S)
    assert watch.is_done
    s3.archived, s3.readable = s3.readable, set()
    with pytest.raises(TooManyFailuresError, match="50 objects are archived"):
        watch_of(job, s3).look(LONG_S)


def test_job_without_a_report_may_restore_more(s3: ArchiveS3, restore: Callable[..., ServerJob]) -> None:
    """It has not begun, or has done one of its shards: archived is no failure yet."""
    keys = keys_of(60)
    s3.archived.update(keys)
    job = restore.publish(keys, range_rows=10)  # type: ignore[attr-defined]
    watch = watch_of(job, s3)
    watch.look(LONG_S)
    assert (watch.is_done, watch.state.unrestored) == (False, 0)
    assert "no report yet" in watch.sentence()
    job.attempt(RestoreObject(days=1), 0, access=s3.access, policy=POLICY)
    s3.finish()
    watch = watch_of(job, s3)
    watch.look(LONG_S)
    assert (watch.is_done, watch.state.unrestored, len(watch.state.waiting)) == (False, 0, 30)
    restore.again(job, POLICY)  # type: ignore[attr-defined]
    s3.finish()
    watch = watch_of(job, s3)
    watch.look(LONG_S)
    assert (watch.is_done, watch.state.readable) == (True, 60)


def test_report_of_another_task_is_an_error(s3: ArchiveS3, restore: Callable[..., ServerJob]) -> None:
    """The task that is meant has done nothing."""
    job = restore(keys_of(1))
    with pytest.raises(ArgumentError, match=f"'group.rum'.*{TASK!r}"):
        RestoreWatch(job.storage, s3.access, job.manifest.job_url, "group.rum", POLICY)


def test_objects_that_can_not_be_seen_count_as_the_job_says(s3: ArchiveS3, restore: Callable[..., ServerJob]) -> None:
    """One that it could not restore either holds nothing up."""
    keys = keys_of(20)
    s3.archived.update(keys)
    s3.refuses.update(keys[:2])
    job = restore(keys, LENIENT)
    s3.finish()
    watch = watch_of(job, s3)
    watch.look(LONG_S)
    assert watch.is_done
    assert (watch.state.readable, watch.state.unrestored) == (18, 2)


def test_object_that_is_archived_again_is_an_error(s3: ArchiveS3, restore: Callable[..., ServerJob]) -> None:
    """Its copy has expired: waiting would not bring it back. The next attempt sees it again."""
    keys = keys_of(60)
    s3.archived.update(keys)
    job = restore(keys)
    watch = watch_of(job, s3)
    watch.look(LONG_S)
    s3.finish()
    s3.readable.discard("k0001")
    s3.archived.add("k0001")
    for _ in range(2):
        with pytest.raises(TooManyFailuresError, match="s3://b/k0001"):
            watch_of(job, s3).look(LONG_S)


def test_tiered_objects_are_waited_for_as_well(s3: ArchiveS3, restore: Callable[..., ServerJob]) -> None:
    """They show another header."""
    s3.archived.add("k")
    s3.tiered.add("k")
    job = restore(["k"])
    watch = watch_of(job, s3)
    watch.look(LONG_S)
    assert len(watch.state.waiting) == 1
    s3.finish()
    watch.look(LONG_S)
    assert watch.is_done


def test_missing_permission_is_a_sentence(s3: ArchiveS3, restore: Callable[..., ServerJob]) -> None:
    """With the action that is missing."""
    s3.archived.add("k")
    job = restore(["k"])
    s3.refuses.add("k")
    with pytest.raises(AccessError, match="s3:GetObject"):
        watch_of(job, s3).look(LONG_S)
