"""Planning in several tasks: the same rows and guards as in one, whatever is killed, retried or done twice."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from deliveries import JOBS, NOW, PREFIX, deliver, job_files, objects, published_rows, select

from airflow_s3batch.core.errors import (
    ArgumentError,
    JobChangedError,
    JobDamagedError,
    S3BatchError,
    SelectionError,
)
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.manifest import Manifest, ShardFile
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.planning.cutting.evening import evened
from airflow_s3batch.manifests.planning.grouped import Planning
from airflow_s3batch.manifests.planning.groups import GroupPlan, GroupRef, file_groups, joined, most_shards
from airflow_s3batch.manifests.sources.dataset import DataFile, Dataset
from airflow_s3batch.testing.inventories import write_inventory
from airflow_s3batch.testing.storage import MemoryStorage

if TYPE_CHECKING:
    from collections.abc import Sequence

Publish = Callable[..., Manifest]
MANIFEST = "manifest/manifest.json"


class _KilledError(Exception):
    """Stands for kill -9."""


def planning(storage: MemoryStorage, where: str = "TRUE", **more: Any) -> Planning:
    options = {name: more.pop(name) for name in ("about", "log") if name in more}
    return Planning(storage, select(PREFIX, where=where, **more), NOW, threads=1, **options)


def planned(storage: MemoryStorage, groups: int = 3, where: str = "TRUE", **more: Any) -> Manifest:
    """Plan as the Dag does, task by task; what XCom carries goes through JSON."""
    resume, job_id = more.pop("resume", True), more.pop("job_id", "job")
    started = planning(storage, where, **more).start(JOBS, job_id, groups, resume=resume)
    refs = [GroupRef.from_xcom(json.loads(json.dumps(ref.to_xcom()))) for ref in started]
    for ref in refs:
        planning(storage, where, **more).plan(ref)
    return planning(storage, where, **more).publish(refs)


def keys(storage: MemoryStorage, manifest: Manifest) -> Counter[str]:
    return Counter(row["key"] for row in published_rows(storage, manifest))


def dataset(sizes: Sequence[int], name: str = "a") -> Dataset:
    files = tuple(DataFile(f"{name}/{n:03d}", size) for n, size in enumerate(sizes))
    return Dataset(S3Url("inv", name), "", NOW, "lake", "inv", "CSV", (), files)


def test_groups_select_the_rows_that_one_task_selects(storage: MemoryStorage, publish: Publish) -> None:
    deliver(storage, objects(1_000), files=7, file_format="Parquet")
    arguments: dict[str, Any] = {"columns": {"team": "split_part(key, '/', 1)"}, "objects_per_shard": 40}
    one = publish("size % 3 = 0", job_id="one", **arguments)
    several = planned(storage, 3, "size % 3 = 0", **arguments)
    assert several.rows == one.rows == 334
    assert several.bytes == one.bytes
    assert several.columns == one.columns == ("team",)

    def whole(manifest: Manifest) -> list[tuple[Any, ...]]:
        return sorted(tuple(map(str, row.values())) for row in published_rows(storage, manifest))

    assert whole(several) == whole(one)


def test_groups_hold_files_of_several_inventories(storage: MemoryStorage) -> None:
    deliver(storage, objects(40), files=3)
    pond = write_inventory(
        storage, "s3://inventories/all", "pond", objects(30), created=NOW, files=2, file_format="ORC"
    )
    plans = Planning(storage, select(PREFIX, pond, where="size < 20", objects_per_shard=5), NOW, threads=1)
    refs = plans.start(JOBS, "job", 3)
    assert sum(ref.files for ref in refs) == 5
    for ref in refs:
        plans.plan(ref)
    rows = published_rows(storage, plans.publish(refs))
    assert Counter(row["bucket"] for row in rows) == {"lake": 20, "pond": 20}


def test_sizes_are_not_compared_with_those_of_a_delta(storage: MemoryStorage, publish: Publish) -> None:
    about = {"dag_id": "dag", "task_id": "manifest"}
    old = deliver(storage, objects(100), days_ago=3)
    deliver(storage, objects(102), days_ago=2)
    assert publish(job_id="one", about=about, since=str(old)).rows == 2
    assert planned(storage, 2, job_id="two", about=about, max_change=0.1).rows == 102


@pytest.mark.parametrize("groups", [1, 2, 5, 64])
def test_every_data_file_is_in_exactly_one_group(groups: int) -> None:
    sizes = [5, 900, 40, 40, 40, 1, 300, 300, 0, 77]
    both = [dataset(sizes), dataset(sizes[::-1], "b")]
    parts = file_groups(both, groups)
    assert len(parts) == min(groups, 20)
    assert all(len(part) == 2 and any(one.files for one in part) for part in parts)
    for n, whole in enumerate(both):
        assert Counter(file for part in parts for file in part[n].files) == Counter(whole.files)
        assert all(list(part[n].files) == sorted(part[n].files, key=whole.files.index) for part in parts)


def test_groups_weigh_about_the_same_and_neighbours_are_apart() -> None:
    sizes = [100 + n % 7 for n in range(400)]
    parts = file_groups([dataset(sizes)], 8)
    weights = [part[0].bytes for part in parts]
    assert max(weights) - min(weights) <= 10
    in_a_row = [sum(1 for file in part[0].files if "a/100" <= file.key < "a/180") for part in parts]
    assert min(in_a_row) >= 5  # 80 neighbours, 8 groups: a prefix that lies in them is found in every group


def test_no_data_file_still_makes_one_group(storage: MemoryStorage) -> None:
    deliver(storage, [], schema=["bucket", "key"])
    manifest = planned(storage, 4)
    assert (manifest.rows, manifest.shards) == (0, ())


@pytest.mark.parametrize("groups", [1, 3, 7])
def test_all_groups_together_never_make_more_shards_than_allowed(storage: MemoryStorage, groups: int) -> None:
    deliver(storage, objects(2_000), files=9)
    manifest = planned(storage, groups, objects_per_shard=10, max_shards=7)
    assert len(manifest.shards) == 7
    assert [shard.index for shard in manifest.shards] == list(range(7))
    assert sum(most_shards(group, groups, 7) for group in range(groups)) == 7


def test_shards_come_out_about_equal(storage: MemoryStorage) -> None:
    deliver(storage, objects(4_000), files=16)
    rows = [shard.rows for shard in planned(storage, 4, "size % 3 = 0", max_shards=20, objects_per_shard=10).shards]
    assert len(rows) == 20
    assert max(rows) <= 1.1 * min(rows)


def test_unequal_shards_are_cut_anew(storage: MemoryStorage, publish: Publish) -> None:
    """Nearly all rows are in one data file, so in one group; a retry gives the same files."""
    deliver(storage, objects(4_000), files=16)
    arguments: dict[str, Any] = {"where": "size % 16 = 0 OR size < 100", "max_shards": 8, "objects_per_shard": 10}
    manifest = planned(storage, 4, **arguments)
    assert [shard.rows for shard in manifest.shards] == [43] * 7 + [42]
    assert keys(storage, manifest) == keys(storage, publish(job_id="one", **arguments))
    again = planned(storage, 4, job_id="again", **arguments)
    assert [shard.sha256 for shard in again.shards] == [shard.sha256 for shard in manifest.shards]


def test_many_groups_with_few_rows_do_not_make_many_shards(storage: MemoryStorage) -> None:
    deliver(storage, objects(100), files=12)
    assert [shard.rows for shard in planned(storage, 12, max_shards=20).shards] == [100]


def test_a_shard_that_was_altered_is_not_cut_anew(storage: MemoryStorage) -> None:
    deliver(storage, objects(100), files=12)
    plans = planning(storage)
    refs = plans.start(JOBS, "job", 12)
    for ref in refs:
        plans.plan(ref)
    url = next(url for url in storage.files if url.key.endswith(".parquet") and "group-00007" in url.key)
    storage.files[url] += b"x"
    with pytest.raises(JobDamagedError, match="altered since"):
        plans.publish(refs)


def test_too_many_rows_for_one_task_stay_unequal_and_are_told(storage: MemoryStorage) -> None:
    lines: list[str] = []
    shards = tuple(ShardFile(n, f"k{n}", rows, 0, 0, "") for n, rows in enumerate([300, 10, 10]))
    layout = JobLayout(JOBS / "job")
    kept = evened(storage, layout, shards, [107, 107, 106], staging_dir=None, log=lines.append, most_rows=319)
    assert kept == shards
    assert [line for line in lines if "fewer planning tasks" in line]
    lines.clear()
    assert evened(storage, layout, shards, [160, 160], staging_dir=None, log=lines.append, most_rows=319) == shards
    assert not lines  # within twice what is wanted


def test_shards_that_run_at_one_time_are_of_different_groups() -> None:
    """Each group has some of the data files only, so some of the store's partitions."""

    def plan(group: int, shards: int) -> GroupPlan:
        files = tuple(ShardFile(n, f"{group}/{n}", 1, 1, 1, "") for n in range(shards))
        return GroupPlan(group, {"rows": shards}, files)

    shards = joined([plan(0, 3), plan(1, 1), plan(2, 2)])
    assert [shard.key for shard in shards] == ["0/0", "1/0", "2/0", "0/1", "2/1", "0/2"]
    assert [shard.index for shard in shards] == list(range(6))


def test_what_goes_through_xcom_is_small() -> None:
    url = "s3://my-operations-bucket/s3batch/a-dag-with-quite-a-long-name-2026-11-22t0000-0123456789ab"
    assert len(json.dumps(GroupRef(url, 1_023, 1_024, 6_500).to_xcom())) <= 150


def test_guards_hold_over_all_groups_before_anything_is_published(storage: MemoryStorage) -> None:
    deliver(storage, objects(90), files=3)
    with pytest.raises(SelectionError, match="max_objects"):
        planned(storage, 3, max_objects=89, objects_per_shard=30)
    assert not any(url.key.endswith(MANIFEST) for url in storage.files)
    shards = {url for url in storage.files if url.key.endswith(".parquet")}
    assert planned(storage, 3, max_objects=90, objects_per_shard=30).rows == 90
    assert {url for url in storage.files if url.key.endswith(".parquet")} == shards  # nothing was filtered again
    with pytest.raises(SelectionError, match="min_objects"):
        planned(storage, 3, "size < 5", min_objects=6, job_id="few")
    assert planned(storage, 3, "size < 5", min_objects=5, job_id="enough").rows == 5


@pytest.mark.parametrize("guard", [{"max_objects": 9}, {"max_bytes": 10}, {"allowed_prefixes": ("team9/",)}])
def test_a_group_that_trips_a_guard_by_itself_leaves_nothing(storage: MemoryStorage, guard: dict[str, Any]) -> None:
    deliver(storage, objects(90), files=3)
    ref, *_ = planning(storage, **guard).start(JOBS, "job", 3)
    with pytest.raises(SelectionError, match=rf"{next(iter(guard))}.*"):
        planning(storage, **guard).plan(ref)
    assert [url.key.rpartition("/")[2] for url in job_files(storage)] == ["job.json"]


def test_kills_at_every_write_leave_a_job_that_goes_on(storage: MemoryStorage) -> None:
    """Killed before each write of each task in turn, and tried again; the manifest is the same."""
    deliver(storage, objects(60), files=4)
    expected = planned(storage, 2, objects_per_shard=10, job_id="calm")
    kills = writes = 0

    def kill(verb: str, url: S3Url) -> None:
        nonlocal writes
        if verb in ("write", "upload") and url.bucket == JOBS.bucket:
            writes += 1
            if writes == kills:
                raise _KilledError

    storage.before = kill
    while True:
        kills, writes = kills + 1, 0
        for url in [url for url in job_files(storage) if url.key.startswith("s3batch/job/")]:
            del storage.files[url]
        if not _killed(lambda: planned(storage, 2, objects_per_shard=10)):
            break
        manifest = planned(storage, 2, objects_per_shard=10)
        assert [(shard.rows, shard.sha256) for shard in manifest.shards] == [
            (shard.rows, shard.sha256) for shard in expected.shards
        ]
        assert keys(storage, manifest) == keys(storage, expected)
    assert kills > 8  # job.json, six shards, two plans, the manifest


def _killed(act: Callable[[], object]) -> bool:
    try:
        act()
    except _KilledError:
        return True
    return False


def test_a_retry_of_a_group_gives_the_same_files(storage: MemoryStorage) -> None:
    deliver(storage, objects(60), files=4)
    plans = planning(storage, objects_per_shard=10)
    refs = plans.start(JOBS, "job", 2)
    first = [plans.plan(ref) for ref in refs]
    files = job_files(storage)
    for url in files:
        if "/manifest/" in url.key:
            del storage.files[url]
    assert [plans.plan(ref) for ref in refs] == first
    assert job_files(storage) == files


def test_a_group_that_is_done_is_not_filtered_again(storage: MemoryStorage) -> None:
    deliver(storage, objects(60), files=4)
    plans = planning(storage)
    ref, *_ = plans.start(JOBS, "job", 2)
    first = plans.plan(ref)
    for url in [url for url in storage.files if "/data/" in url.key]:
        del storage.files[url]  # whoever reads them again fails
    assert plans.plan(ref) == first


def test_two_attempts_at_one_group_do_not_mix(storage: MemoryStorage) -> None:
    """One overtakes the other at each of its writes in turn; the plan always names shards that are there."""
    deliver(storage, objects(60), files=2)
    plans = planning(storage, objects_per_shard=10)
    for turn in range(1, 8):
        refs = plans.start(JOBS, f"job-{turn}", 1)
        count = 0

        def overtake(verb: str, _url: S3Url, refs: Sequence[GroupRef] = refs, turn: int = turn) -> None:
            nonlocal count
            count += verb in ("upload", "write")
            if count == turn:
                storage.before = None
                plans.plan(refs[0])

        storage.before = overtake
        plans.plan(refs[0])
        storage.before = None
        assert count == turn, "this attempt has fewer writes than the test thinks"
        manifest = plans.publish(refs)
        assert keys(storage, manifest) == Counter(row["key"] for row in objects(60))
        assert all(shard.sha256[:8] in shard.key for shard in manifest.shards)  # other bytes would have other names


def test_groups_stay_with_the_pinned_delivery(storage: MemoryStorage) -> None:
    deliver(storage, objects(10), days_ago=2)
    plans = planning(storage)
    refs = plans.start(JOBS, "job", 2)
    deliver(storage, objects(20), days_ago=1)
    for ref in refs:
        plans.plan(ref)
    assert plans.publish(refs).rows == 10
    assert planned(storage, 2).rows == 10
    assert planned(storage, 2, resume=False).rows == 20


def test_a_published_manifest_leaves_nothing_to_filter(storage: MemoryStorage, publish: Publish) -> None:
    """Also if it was published by one task, before the Dag was told to plan in several."""
    deliver(storage, objects(10))
    manifest = publish()
    files = job_files(storage)
    refs = planning(storage).start(JOBS, "job", 2)
    assert [(ref.group, ref.of, ref.files) for ref in refs] == [(0, 1, 0)]
    assert planning(storage).plan(refs[0]) is None
    assert planned(storage, 2) == manifest
    assert job_files(storage) == files


def test_prefixes_that_are_allowed_no_more_are_looked_at_again(storage: MemoryStorage) -> None:
    """What the groups counted as strays was counted by other rules."""
    deliver(storage, objects(60), files=6)
    plans = planning(storage)
    refs = plans.start(JOBS, "job", 2)
    for ref in refs:
        plans.plan(ref)
    stricter = planning(storage, allowed_prefixes=("team0/",))
    with pytest.raises(JobDamagedError, match="has left no plan for these arguments"):
        stricter.publish(refs)
    with pytest.raises(SelectionError, match="allowed_prefixes"):
        stricter.plan(refs[0])


def test_another_number_of_groups_starts_with_nothing_of_the_old_ones(storage: MemoryStorage) -> None:
    deliver(storage, objects(60), files=6)
    plans = planning(storage)
    for ref in plans.start(JOBS, "job", 2)[:1]:
        plans.plan(ref)
    assert keys(storage, planned(storage, 3)) == Counter(row["key"] for row in objects(60))


def test_groups_of_two_deliveries_are_not_mixed(storage: MemoryStorage) -> None:
    """A zombie of the first task pins a newer delivery after the groups of the older one were started."""
    deliver(storage, objects(10), days_ago=2)
    plans = planning(storage)
    refs = plans.start(JOBS, "job", 2)
    plans.plan(refs[0])
    deliver(storage, objects(20), days_ago=1)
    plans.start(JOBS, "zombie", 2)
    storage.files[JOBS / "job/job.json"] = storage.files[JOBS / "zombie/job.json"]
    plans.plan(refs[1])
    with pytest.raises(JobDamagedError, match="group 1 of 2 has left no plan"):
        plans.publish(refs)


def test_a_manifest_is_not_made_of_some_of_the_groups(storage: MemoryStorage) -> None:
    deliver(storage, objects(60), files=6)
    plans = planning(storage)
    refs = plans.start(JOBS, "job", 3)
    for ref in refs[:2]:
        plans.plan(ref)
    with pytest.raises(JobDamagedError, match="group 3 of 3 has left no plan"):
        plans.publish(refs)
    assert not any(url.key.endswith(MANIFEST) for url in storage.files)


@pytest.mark.parametrize("step", ["plan", "publish"])
def test_an_edited_filter_stops_the_other_tasks(storage: MemoryStorage, step: str) -> None:
    """A template that renders differently in each task must not mix two selections in one manifest."""
    deliver(storage, objects(10))
    refs = planning(storage).start(JOBS, "job", 2)
    edited = planning(storage, "size > 3")
    with pytest.raises(JobChangedError, match="where was"):
        edited.plan(refs[0]) if step == "plan" else edited.publish(refs)


@pytest.mark.parametrize(
    ("arguments", "groups", "sentence"),
    [
        ({"sample": 5}, 2, "sample= must see all rows at once"),
        ({"since": "s3://inv/old/manifest.json", "exclude": ("s3://ops/job",)}, 2, "since=, exclude= must see"),
        ({"max_shards": 3}, 4, "planning_tasks=4 is more than max_shards=3"),
        ({}, 0, "planning_tasks=0 is not a number of tasks"),
    ],
)
def test_what_cannot_be_planned_in_groups_is_refused(
    storage: MemoryStorage, arguments: dict[str, Any], groups: int, sentence: str
) -> None:
    deliver(storage, objects(10))
    with pytest.raises(ArgumentError, match=sentence):
        planning(storage, **arguments).start(JOBS, "job", groups)
    assert not job_files(storage)


def test_wrong_sql_fails_before_any_group_is_started(storage: MemoryStorage) -> None:
    deliver(storage, objects(10))
    with pytest.raises(S3BatchError, match="sise"):
        planning(storage, "sise > 3").start(JOBS, "job", 2)
    assert not job_files(storage)


def test_a_damaged_plan_is_told(storage: MemoryStorage) -> None:
    deliver(storage, objects(10), files=1)
    plans = planning(storage)
    (ref,) = plans.start(JOBS, "job", 1)
    plans.plan(ref)
    (url,) = (url for url in storage.files if url.key.endswith("group-00000.json"))
    whole = storage.files[url].decode()
    wrong = whole.replace('"rows": 10', '"rows": 9', 1), whole.replace("stray", "other")
    for text in ("", "{}", '{"format": "other"}', *wrong):
        storage.files[url] = text.encode()
        with pytest.raises(JobDamagedError, match=r"group-00000\.json"):
            plans.publish([ref])
