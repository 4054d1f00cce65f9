"""``since``: what was done is not done again, and nothing is skipped, whatever happens in between."""

from __future__ import annotations

import datetime as dt
import io
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deliveries import JOBS, NOW, PREFIX, Rows, deliver, published_rows
from finished_jobs import finish, keys, row
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from airflow_s3batch.core.errors import ArgumentError, InventoryError, ManifestError
from airflow_s3batch.core.manifest import Manifest
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.planning.publish import publish_manifest
from airflow_s3batch.manifests.planning.selection import Selection
from airflow_s3batch.manifests.planning.series import note_report
from airflow_s3batch.manifests.sources.parquet.source import ParquetFiles
from airflow_s3batch.reports.build import build_report

if TYPE_CHECKING:
    from airflow_s3batch.testing.storage import MemoryStorage

Publish = Callable[..., Manifest]
ABOUT = {"dag_id": "compliance", "task_id": "tag.manifest", "map_index": -1}


class Killed(BaseException):
    """What a kill -9 is like: nothing is cleaned up in the store."""


@pytest.fixture
def run(storage: MemoryStorage, publish: Publish) -> Callable[..., Manifest]:
    """Publish as run *name* of one recurring task does."""
    runs: dict[str, int] = {}

    def call(name: str, where: str = "TRUE", **more: Any) -> Manifest:
        moment = NOW + dt.timedelta(days=runs.setdefault(name, len(runs)))
        options = {"since": "previous", "about": {**ABOUT, "run_id": name}, "now": moment, **more}
        return publish(where, job_id=f"compliance-{name}", **options)

    return call


def test_each_object_is_touched_once_over_three_runs_with_failures_in_between(
    storage: MemoryStorage, run: Callable[..., Manifest]
) -> None:
    deliver(storage, [row("a"), row("b b"), row("c"), row("ü+%")], days_ago=9)
    first = run("one")
    assert keys(storage, first) == ["a", "b b", "c", "ü+%"]
    finish(storage, first, failed={"b b", "ü+%"})
    deliver(storage, [row("a"), row("b b"), row("c", 2), row("ü+%"), row("d")], days_ago=8)
    second = run("two")
    assert keys(storage, second) == ["b b", "c", "d", "ü+%"]  # what failed, what changed, what is new
    finish(storage, second, failed={"d"})
    deliver(storage, [row("a"), row("b b"), row("c", 2), row("ü+%")], days_ago=7)
    third = run("three")
    assert keys(storage, third) == []  # what failed is gone meanwhile
    finish(storage, third)
    deliver(storage, [row("a"), row("d")], days_ago=6)
    assert keys(storage, run("four")) == ["d"]


def test_a_row_that_matches_only_now_counts_as_new(storage: MemoryStorage, run: Callable[..., Manifest]) -> None:
    """It has grown old enough since, or was moved to another storage class, with nothing else changed."""
    dates = {key: NOW - dt.timedelta(days=days) for key, days in (("old", 50), ("young", 35))}
    rows = [row(key, last_modified_date=date) for key, date in dates.items()]
    for days_ago, name, expected in ((10, "one", ["old"]), (1, "two", ["young"]), (0, "three", [])):
        deliver(storage, rows, days_ago=days_ago)
        manifest = run(name, "last_modified_date < $snapshot_time - INTERVAL 30 DAY")
        assert keys(storage, manifest) == expected
        finish(storage, manifest)


def test_dates_among_the_parameters_may_differ_from_run_to_run(
    storage: MemoryStorage, run: Callable[..., Manifest]
) -> None:
    rows = [row(f"day {n}", last_modified_date=dt.datetime(2026, 1, n, 12, tzinfo=dt.UTC)) for n in range(1, 6)]
    for day, name, expected in ((3, "one", ["day 1", "day 2"]), (5, "two", ["day 3", "day 4"])):
        deliver(storage, rows, days_ago=10 - day)
        cutoff = dt.datetime(2026, 1, day, tzinfo=dt.UTC)
        manifest = run(name, "last_modified_date < $cutoff", params={"cutoff": cutoff})
        assert keys(storage, manifest) == expected
        finish(storage, manifest)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"where": "size > 0"}, "where was 'TRUE', is 'size > 0'"),
        ({"columns": {"x": "size"}}, r"columns was {}, is {'x': 'size'}"),
        ({"include_delete_markers": True}, "include_delete_markers was False, is True"),
        ({"where": "size < $n", "params": {"n": 9}}, "where was"),
    ],
)
def test_where_the_selection_has_changed_everything_comes_again_and_the_log_says_so(
    storage: MemoryStorage, run: Callable[..., Manifest], more: dict[str, Any], said: str
) -> None:
    deliver(storage, [row("a"), row("b")])
    lines: list[str] = []
    finish(storage, run("one", log=lines.append))
    assert "as no job of this task was reported on before" in " ".join(lines)
    assert keys(storage, run("two", **more, log=lines.append)) == ["a", "b"]
    assert f"the selection has changed since {JOBS}/compliance-one: {said}" in " ".join(lines)


def test_another_value_that_is_no_date_is_another_selection(
    storage: MemoryStorage, run: Callable[..., Manifest]
) -> None:
    deliver(storage, [row("a"), row("b")])
    finish(storage, run("one", "key <> $not", params={"not": "x"}))
    assert keys(storage, run("two", "key <> $not", params={"not": "y"})) == ["a", "b"]


def test_a_red_job_is_compared_with_too_and_what_was_not_attempted_comes_again(
    storage: MemoryStorage, run: Callable[..., Manifest]
) -> None:
    """With the reporter itself: nothing was ever attempted here."""
    deliver(storage, [row("a"), row("b\n")])
    first = run("one")
    summary = build_report(storage, first.job_url, "tag.run", now=NOW)
    assert not summary.is_green
    note_report(storage, first.job_url)
    deliver(storage, [row("a"), row("b\n"), row("c")], days_ago=0)
    assert keys(storage, run("two")) == ["a", "b\n", "c"]


def test_a_job_that_was_never_reported_on_is_not_compared_with(
    storage: MemoryStorage, run: Callable[..., Manifest]
) -> None:
    deliver(storage, [row("a")], days_ago=3)
    finish(storage, run("one"))
    deliver(storage, [row("a"), row("b")], days_ago=2)
    assert keys(storage, run("two")) == ["b"]
    deliver(storage, [row("a"), row("b"), row("c")], days_ago=1)
    assert keys(storage, run("three")) == ["b", "c"]


def test_a_report_that_is_made_again_late_does_not_turn_the_series_back(
    storage: MemoryStorage, run: Callable[..., Manifest]
) -> None:
    deliver(storage, [row("a")], days_ago=3)
    first = run("one")
    finish(storage, first)
    deliver(storage, [row("a"), row("b")], days_ago=2)
    finish(storage, run("two"))
    note_report(storage, first.job_url)
    deliver(storage, [row("a"), row("b"), row("c")], days_ago=1)
    assert keys(storage, run("three")) == ["c"]


def test_a_run_that_starts_over_compares_with_what_it_compared_with(
    storage: MemoryStorage, run: Callable[..., Manifest]
) -> None:
    deliver(storage, [row("a")], days_ago=3)
    finish(storage, run("one"))
    deliver(storage, [row("a"), row("b")], days_ago=2)
    finish(storage, run("two"))
    assert keys(storage, run("two", resume=False)) == ["b"]


@pytest.mark.parametrize("edit", [{"keep_versions": 1}, {"exclude": ()}, {"columns": {"x": "size"}}])
def test_a_run_that_starts_over_with_another_selection_compares_with_nothing(
    storage: MemoryStorage, run: Callable[..., Manifest], edit: dict[str, Any]
) -> None:
    """What the older selection left out was never done."""
    day = dt.timedelta(days=1)
    rows = [
        row("a", n, version_id=f"v{n}", is_latest=n == 9, is_delete_marker=False, last_modified_date=NOW + n * day)
        for n in (7, 8, 9)
    ]
    asked = {"where": "NOT is_latest", "keep_versions": 2}
    deliver(storage, rows, days_ago=3)
    finish(storage, run("other", since=None, **asked))
    other = str(JOBS / "compliance-other")
    first = run("one", **asked, exclude=(other,))
    assert not first.rows
    finish(storage, first)
    deliver(storage, rows, days_ago=2)
    second = run("two", **asked, exclude=(other,))
    finish(storage, second)
    again = run("two", **{**asked, "exclude": (other,), **edit}, resume=False)
    expected = {"keep_versions": ["v8"], "exclude": ["v7"], "columns": []}[next(iter(edit))]
    assert [each["version_id"] for each in published_rows(storage, again)] == expected


def test_a_retry_compares_with_the_same_report_though_it_was_made_anew(
    storage: MemoryStorage, run: Callable[..., Manifest]
) -> None:
    deliver(storage, [row("a"), row("b")])
    first = run("one")
    finish(storage, first, failed={"a"})

    def kill(verb: str, place: S3Url) -> None:
        if verb == "upload":
            raise Killed

    storage.before = kill
    with pytest.raises(Killed):
        run("two")
    storage.before = None
    finish(storage, first, failed={"b"})
    assert keys(storage, run("two")) == ["a"]


def test_where_the_data_files_are_gone_before_their_manifest_everything_comes_again(
    storage: MemoryStorage, run: Callable[..., Manifest]
) -> None:
    """They are older by some minutes, so a lifecycle rule may take them a day earlier."""
    deliver(storage, [row("a"), row("b")], days_ago=3)
    finish(storage, run("one"))
    for place in [place for place in storage.files if "/data/" in place.key]:
        storage.delete(place)
    deliver(storage, [row("a"), row("b"), row("c")], days_ago=2)
    lines: list[str] = []
    assert keys(storage, run("two", log=lines.append)) == ["a", "b", "c"]
    assert "can't be read any more" in " ".join(lines)


def test_where_what_is_compared_with_is_gone_everything_comes_again(
    storage: MemoryStorage, run: Callable[..., Manifest]
) -> None:
    old = deliver(storage, [row("a")], days_ago=3)
    finish(storage, run("one"))
    storage.delete(old)
    deliver(storage, [row("a"), row("b")], days_ago=2)
    lines: list[str] = []
    second = run("two", log=lines.append)
    assert keys(storage, second) == ["a", "b"]
    assert "can't be read any more" in " ".join(lines)
    finish(storage, second)
    for place in [place for place in storage.files if place.key.startswith(f"{second.job_url.key}/")]:
        storage.delete(place)
    assert keys(storage, run("three")) == ["a", "b"]


def test_whatever_the_rows_come_from_they_are_compared_one_by_one(storage: MemoryStorage) -> None:
    """Each run reads a file of its own here."""
    manifests = []
    for name, bodies in (("one", {"a": 1, "b": 1, "d": 1}), ("two", {"a": 1, "b": 2, "c": 1, "d": 1})):
        table = pa.table(
            {"Bucket": ["lake"] * len(bodies), "Key": list(bodies), "ETag": [f"e{n}" for n in bodies.values()]}
        )
        pq.write_table(table, sink := io.BytesIO())
        storage.write(S3Url("ops", f"results/{name}/part.parquet"), sink.getvalue())
        selection = Selection(ParquetFiles(f"s3://ops/results/{name}"), "TRUE", since="previous")
        about = {**ABOUT, "run_id": name}
        manifests.append(publish_manifest(storage, JOBS, f"job-{name}", selection, now=NOW, about=about))
        finish(storage, manifests[-1], failed={"a"} if name == "one" else ())
    assert [keys(storage, manifest) for manifest in manifests] == [["a", "b", "d"], ["a", "b", "c"]]


def is_step(verb: str, place: S3Url) -> bool:
    """Whether a write could matter: result files count for nothing until the report names them."""
    return verb in ("write", "upload", "delete") and place.bucket == JOBS.bucket and "/results/" not in place.key


def steps(storage: MemoryStorage) -> list[tuple[str, S3Url]]:
    """Return a list that every later write to the jobs' bucket is added to before it is done."""
    seen: list[tuple[str, S3Url]] = []

    def note(verb: str, place: S3Url) -> None:
        if is_step(verb, place):
            seen.append((verb, place))

    storage.before = note
    return seen


@pytest.mark.parametrize("is_retried", [True, False])
def test_a_kill_between_any_two_writes_skips_nothing(
    storage: MemoryStorage, run: Callable[..., Manifest], *, is_retried: bool
) -> None:
    """And where the killed task is retried, nothing is done twice either."""
    first, second, third = (
        [row("a"), row("b")],
        [row("a"), row("b"), row("c")],
        [row("a"), row("b"), row("c", 2), row("d")],
    )
    deliver(storage, first, days_ago=3)
    done_first = finish(storage, run("one"), failed={"b"})
    deliver(storage, second, days_ago=2)
    before = dict(storage.files)
    seen = steps(storage)
    finish(storage, run("two"), failed={"c"})
    number = len(seen)
    assert [place.key.rpartition("/")[2] for _, place in seen][-3:] == [
        "published.json",
        "manifest.json",
        "reported.json",
    ]
    assert number == 7
    for kill_at in range(number):
        storage.before = None
        storage.files = dict(before)
        done = Counter(done_first)
        count = iter(range(number))

        def kill(verb: str, place: S3Url, count: Iterable[int] = count, kill_at: int = kill_at) -> None:
            if is_step(verb, place) and next(count) == kill_at:
                raise Killed

        storage.before = kill
        with pytest.raises(Killed):
            finish(storage, run("two"), failed={"c"})
        storage.before = None
        if is_retried:
            done.update(finish(storage, run("two"), failed={"c"}))
        deliver(storage, third, days_ago=1)
        done.update(finish(storage, run("three")))
        assert set(done) == {"a", "b", "c", "d"}, kill_at
        if is_retried:
            assert set(done.values()) == {1}, kill_at


def test_an_earlier_delivery_by_its_url_or_by_its_configuration(storage: MemoryStorage, publish: Publish) -> None:
    old = deliver(storage, [row("a"), row("b")], days_ago=3)
    newest = deliver(storage, [row("a"), row("b", 2), row("c")], days_ago=2)
    for since in (str(old), PREFIX):
        assert keys(storage, publish(since=since, job_id=since[-4:])) == ["b", "c"]
    with pytest.raises(InventoryError, match="the very delivery that is selected from"):
        publish(since=str(newest), job_id="same")
    assert keys(storage, publish(since=str(old), compare=("storage_class",), job_id="class")) == ["c"]
    with pytest.raises(ManifestError, match=r"compare: .* has no column 'owner'"):
        publish(since=str(old), compare=("owner",), job_id="owner")


def test_without_anything_to_compare_changes_are_not_passed_over_in_silence(
    storage: MemoryStorage, publish: Publish
) -> None:
    old = deliver(storage, [{"key": "a"}], days_ago=3)
    deliver(storage, [{"key": "a"}], days_ago=2)
    with pytest.raises(ManifestError, match="nobody can tell which objects have changed; name columns in compare="):
        publish(since=str(old))


BODIES = st.dictionaries(
    st.tuples(st.sampled_from(["a", "b c", "d%2B+", "\U0001f600\t"]), st.sampled_from([None, "v1", "v2"])),
    st.sampled_from([None, 1, 2]),
    max_size=9,
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(then={("a", None): 1}, now={("a", "v1"): 1, ("a", None): 1}, had_versions=False, has_versions=True)
@example(then={("a", "v1"): 1, ("a", None): 2}, now={("a", "v1"): 1}, had_versions=True, has_versions=False)
@given(then=BODIES, now=BODIES, had_versions=st.booleans(), has_versions=st.booleans())
def test_new_or_changed_is_what_the_model_says(
    storage: MemoryStorage,
    publish: Publish,
    then: dict[Any, Any],
    now: dict[Any, Any],
    had_versions: bool,
    has_versions: bool,
) -> None:
    """Inventories of all versions, of current ones, and one of each; an unknown ETag equals an unknown ETag."""
    storage.files.clear()
    old = listed(storage, then, versions=had_versions, days_ago=2)
    rows = listed(storage, now, versions=has_versions, days_ago=1)
    manifest = publish("size IS NULL OR size < 5", since=str(old[0]))
    if has_versions == had_versions:
        known = {(each["key"], each.get("version_id"), each["e_tag"]) for each in old[1]}
        expected = [each for each in rows[1] if (each["key"], each.get("version_id"), each["e_tag"]) not in known]
    else:
        known = {(each["key"], each["e_tag"]) for each in old[1] if each.get("is_latest", True)}
        expected = [
            each for each in rows[1] if not each.get("is_latest", True) or (each["key"], each["e_tag"]) not in known
        ]
    assert keys(storage, manifest) == sorted(each["key"] for each in expected)


def listed(storage: MemoryStorage, bodies: dict[Any, Any], *, versions: bool, days_ago: int) -> tuple[S3Url, Rows]:
    """Deliver *bodies*, by key and version; of a bucket's current versions if not *versions*."""
    rows: Rows = []
    for (key, version), body in bodies.items():
        is_latest = version == max((str(v), v) for k, v in bodies if k == key)[1]
        known = {"key": key, "e_tag": body and f"e{body}", "size": body}
        if versions:
            rows.append({**known, "version_id": version, "is_latest": is_latest, "is_delete_marker": False})
        elif is_latest:
            rows.append(known)
    schema = ["bucket", "key", *(("version_id", "is_latest", "is_delete_marker") if versions else ()), "size", "e_tag"]
    return deliver(storage, rows, days_ago=days_ago, schema=schema), rows


def test_arguments_that_contradict_each_other_are_told(storage: MemoryStorage, publish: Publish) -> None:
    deliver(storage, [row("a")])
    with pytest.raises(ArgumentError, match=r"sample= is for rehearsals.*"):
        publish(since="previous", sample=5)
    with pytest.raises(ArgumentError, match="since= goes with where="):
        publish("", sql="SELECT * FROM inventory", since="previous")
    with pytest.raises(ManifestError, match="nobody said which task this is"):
        publish(since="previous")
