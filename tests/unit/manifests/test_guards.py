"""Guards: nothing is written unless they hold, and none of them is passed because something is unknown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from deliveries import JOBS, deliver, job_files, objects, published_rows

from airflow_s3batch.core.errors import SelectionError
from airflow_s3batch.core.manifest import Manifest
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.planning.guards import Guards

if TYPE_CHECKING:
    from airflow_s3batch.testing.storage import MemoryStorage

Publish = Callable[..., Manifest]
ABOUT = {"dag_id": "d", "task_id": "m", "map_index": None}


@pytest.mark.parametrize(
    ("guards", "message"),
    [
        ({"max_objects": 9}, r"selects 10 objects, more than max_objects=9; nothing was done"),
        ({"min_objects": 11}, r"selects 10 objects, fewer than min_objects=11; nothing was done"),
        ({"max_bytes": 44}, r"selects 10 objects, 45 bytes in sum, more than max_bytes=44; nothing was done"),
        ({"max_objects": 9, "max_bytes": 44}, r"more than max_objects=9.*; 45 bytes in sum, more than max_bytes=44"),
        (
            {"allowed_buckets": ("pond",)},
            r"10 of them outside allowed_buckets=\('pond',\), such as s3://lake/team0/obj",
        ),
        (
            {"allowed_prefixes": ("team0/",)},
            r"6 of them outside allowed_prefixes=\('team0/',\), such as s3://lake/team",
        ),
        ({"allowed_prefixes": ("s3://lake/team0/", "s3://pond/")}, r"6 of them outside allowed_prefixes"),
        (
            {"allowed_prefixes": ("team0/", "s3://lake/team1/o")},
            r"3 of them outside .* such as s3://lake/team2/object%20",
        ),
    ],
)
@pytest.mark.parametrize("together", [{}, {"sample": 10}])
def test_a_guard_stops_the_job_before_anything_but_job_json_is_written(
    storage: MemoryStorage, publish: Publish, guards: dict[str, Any], message: str, together: dict[str, Any]
) -> None:
    """Whether rows are looked at one by one or together."""
    deliver(storage, objects(10))
    with pytest.raises(SelectionError, match=message):
        publish(**guards, **together)
    assert list(job_files(storage)) == [JOBS / "job/job.json"]


def test_guards_that_hold_let_everything_pass(storage: MemoryStorage, publish: Publish) -> None:
    deliver(storage, objects(10))
    limits = {"min_objects": 10, "max_objects": 10, "max_bytes": 45, "allowed_buckets": ("pond", "lake")}
    assert publish(**limits, allowed_prefixes=("s3://lake/team0/", "team1", "team2/object ")).rows == 10


@pytest.mark.parametrize("column", [None, "size"])
def test_sizes_that_nobody_knows_do_not_pass_in_silence(
    storage: MemoryStorage, publish: Publish, column: str | None
) -> None:
    """Whether the inventory has no sizes, or one object has none."""
    rows = [{"key": "a", "size": 1}, {"key": "b", "size": None}]
    deliver(storage, rows if column else [{"key": row["key"]} for row in rows])
    unknown = 1 if column else 2
    with pytest.raises(
        SelectionError, match=rf"{unknown} of them of unknown size, so nobody can tell whether max_bytes"
    ):
        publish(max_bytes=10)
    assert publish("key = 'a'", max_bytes=10, job_id="a").rows == 1 if column else True


def test_the_example_of_a_stray_is_escaped(storage: MemoryStorage, publish: Publish) -> None:
    deliver(storage, [{"key": "x\x1b[31m\n"}])
    with pytest.raises(SelectionError) as caught:
        publish(allowed_prefixes=("y",))
    assert "s3://lake/x%1B%5B31m%0A;" in str(caught.value)


def test_a_change_against_the_last_manifest_of_the_task(storage: MemoryStorage, publish: Publish) -> None:
    lines: list[str] = []

    def run(number: int, rows: int, **more: Any) -> Manifest:
        deliver(storage, objects(rows), days_ago=9 - number)
        return publish(job_id=f"run-{number}", about=ABOUT, log=lines.append, **more)

    run(1, 100, max_change=0.5)
    assert [line for line in lines if "no manifest to compare with" in line]
    assert run(2, 150, max_change=0.5).rows == 150
    for rows in (74, 226):
        with pytest.raises(
            SelectionError,
            match=rf"{rows} objects, and the last manifest of this task .*/run-2\) has 150: .*max_change=0.5",
        ):
            run(3, rows, max_change=0.5, resume=False)
    assert run(4, 226, max_change=0.51).rows == 226
    assert publish(job_id="other", about={**ABOUT, "map_index": 1}, max_change=0.01).rows == 226


def test_a_task_that_selected_nothing_last_time_is_not_stopped_by_that(
    storage: MemoryStorage, publish: Publish
) -> None:
    deliver(storage, objects(10))
    assert publish("FALSE", job_id="one", about=ABOUT, max_change=0.1).rows == 0
    assert publish(job_id="two", about=ABOUT, max_change=0.1).rows == 10
    with pytest.raises(SelectionError, match="a change of 100%"):
        publish("FALSE", job_id="three", about=ABOUT, max_change=0.1)


def test_a_delta_is_not_compared_in_size_with_everything(storage: MemoryStorage, publish: Publish) -> None:
    old = deliver(storage, objects(100), days_ago=3)
    publish(job_id="one", about=ABOUT)
    deliver(storage, objects(102), days_ago=2)
    assert publish(job_id="two", about=ABOUT, since=str(old), max_change=0.1).rows == 2
    deliver(storage, objects(110), days_ago=1)
    with pytest.raises(SelectionError, match=r"10 objects, and the last .* has 2"):
        publish(job_id="three", about=ABOUT, since=str(old), max_change=0.1)


def test_a_kill_before_the_series_is_told_is_made_good_by_the_next_attempt(
    storage: MemoryStorage, publish: Publish
) -> None:
    deliver(storage, objects(10))

    class Killed(BaseException):
        pass

    def kill(verb: str, place: S3Url) -> None:
        if verb == "write" and "/series/" in place.key:
            raise Killed

    storage.before = kill
    with pytest.raises(Killed):
        publish(about=ABOUT)
    storage.before = None
    assert len(published_rows(storage, publish(about=ABOUT))) == 10
    with pytest.raises(SelectionError, match="a change of 50%"):
        publish("size < 5", job_id="next", about=ABOUT, max_change=0.1)


@pytest.mark.parametrize(
    ("guards", "problem"),
    [
        (Guards(max_bytes=-1), "max_bytes=-1 must be at least 0"),
        (Guards(max_change=float("nan")), "max_change=nan must be at least 0"),
        (Guards(allowed_prefixes=("",)), "allowed_prefixes: '' would allow every key"),
        (Guards(allowed_prefixes=("gs://b/x",)), "allowed_prefixes='gs://b/x' is not an S3 URL"),
        (Guards(allowed_buckets=("s3://b",)), "allowed_buckets: 's3://b' is not the name of a bucket"),
        (Guards(min_objects=2, max_objects=1), "min_objects=2 is more than max_objects=1"),
    ],
)
def test_wrong_limits_are_told(guards: Guards, problem: str) -> None:
    assert [found for found in guards.problems() if found.startswith(problem)]
