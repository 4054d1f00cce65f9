"""Old job folders go, and only those."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from cli_jobs import DENIED, JOBS, OK, at, write_job

from airflow_s3batch.core.cleanup_rules import CleanupRules
from airflow_s3batch.core.control import PAUSE, Control
from airflow_s3batch.core.errors import ArgumentError, InfrastructureError, JobChangedError, SelectionError
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.planning.pin import Job, read_job
from airflow_s3batch.manifests.planning.series import Series, note_report
from airflow_s3batch.reports.cleanup.cleanup import Cleanup, clean_up
from airflow_s3batch.reports.cleanup.cleanup_judging import AT_WORK, FAILED, LAST, NEEDED, PAUSED, PREVIOUS, YOUNG
from airflow_s3batch.reports.read import read_rows
from airflow_s3batch.testing.storage import MemoryStorage

NOW = at("30T00:00")
OLD = timedelta(days=7)


class Store(MemoryStorage):
    """Files whose time tests set: what is written now was written at *time*."""

    def __init__(self) -> None:
        self.time = at("01T00:00")
        super().__init__(clock=lambda: self.time)


@pytest.fixture
def store() -> Store:
    return Store()


def job(store: Store, name: str = "old", *, day: datetime | None = None, **how: Any) -> JobLayout:
    """Write a job that was over on *day*, of a task of its own."""
    store.time = day or at("01T00:00")
    return write_job(store, [("a", OK)], **{"name": name, "dag_id": name, **how})


def cleaned(store: Store, *, dry_run: bool = False, now: datetime = NOW, **how: Any) -> Cleanup:
    store.time = now
    rules, work = {"older_than": OLD, "keep_last": 0}, {}
    for key, value in how.items():
        (work if key in ("is_at_work", "by") else rules)[key] = value
    return clean_up(store, JOBS, CleanupRules(**rules), now=now, dry_run=dry_run, **work)  # type: ignore[arg-type]


def names(store: Store) -> set[str]:
    """Return the folders below the job_url that have a ``job.json``."""
    return {url.key.split("/")[1] for url in store.files if url.key.endswith("/job.json")}


def files(store: Store, layout: JobLayout) -> set[str]:
    return {url.key.removeprefix(f"{layout.url.key}/") for url in store.files if url.key.startswith(layout.url.key)}


def test_old_jobs_go_whole_and_young_ones_stay_whole(store: Store) -> None:
    old, young = job(store, "old"), job(store, "young", day=at("29T00:00"))
    there, size = files(store, old), sum(len(body) for url, body in store.files.items() if "/old/" in url.key)
    before = files(store, young)
    result = cleaned(store)
    assert files(store, old) == set()
    assert files(store, young) == before
    assert (result.jobs, result.files) == (1, len(there))
    assert result.bytes >= size  # job.json is a little longer when it goes
    assert result.kept == {YOUNG: 1}
    assert result.named == [str(old.url)]


def test_the_last_sign_of_life_counts_not_the_start(store: Store) -> None:
    layout = job(store)
    store.time = at("29T00:00")
    store.write(layout.operation("q.run").generation(1).pulses / "shard-00000_x", b"")
    assert cleaned(store).kept == {YOUNG: 1}


def test_the_stores_clock_counts_not_the_workers(store: Store) -> None:
    """A worker whose clock runs years ahead removes nothing young."""
    job(store, day=at("29T00:00"))
    store.time = NOW
    rules = CleanupRules(older_than=OLD, keep_last=0)
    assert clean_up(store, JOBS, rules, now=NOW + timedelta(days=4_000)).jobs == 0
    assert clean_up(store, JOBS, rules, now=NOW).kept == {YOUNG: 1}


def test_folders_that_are_no_jobs_of_ours_stay(store: Store) -> None:
    """Somebody's files, a copy of a job under another name, a job of another format."""
    copied = job(store, "copied")
    for url, body in list(store.files.items()):
        store.files[S3Url(url.bucket, url.key.replace("/copied/", "/backup/"))] = body
    job(store, "foreign")
    document = json.loads(store.files[JOBS / "foreign/job.json"])
    store.files[JOBS / "foreign/job.json"] = json.dumps({**document, "format": "airflow-s3batch-job/9"}).encode()
    store.files[JOBS / "mine/data.csv"] = b"x"
    store.files[JOBS / "broken/job.json"] = b"{"
    assert cleaned(store).named == [str(copied.url)]
    assert names(store) == {"backup", "foreign", "broken"}
    assert JOBS / "mine/data.csv" in store.files


def test_paused_jobs_stay(store: Store) -> None:
    store.write(job(store).control, Control(state=PAUSE).to_bytes())
    assert cleaned(store).kept == {PAUSED: 1}


def test_a_control_file_that_nobody_can_read_keeps_the_job(store: Store) -> None:
    store.write(job(store).control, b"{")
    assert cleaned(store).kept == {PAUSED: 1}


def test_jobs_whose_run_is_not_over_stay(store: Store) -> None:
    """It may wait for approval, for a worker, or for a retry, for longer than anything was written."""
    job(store, "runs")
    job(store, "ended")
    asked: list[Mapping[str, Any]] = []

    def is_at_work(about: Mapping[str, Any]) -> bool:
        asked.append(about)
        return about["dag_id"] == "runs"

    assert cleaned(store, is_at_work=is_at_work).kept == {AT_WORK: 1}
    assert names(store) == {"runs"}
    assert {about["run_id"] for about in asked} == {"scheduled__1"}


def test_jobs_at_aws_stay_as_long_as_aws_may_be_at_it(store: Store) -> None:
    round_ = job(store).operation("q.run").generation(1).round("lake", 1)
    store.write(round_.request, b"{}")
    store.write(round_.job, b"{}")
    assert cleaned(store).jobs == 0
    store.write(round_.harvested, b"{}")
    store.modified[round_.harvested] = at("01T00:00")
    assert cleaned(store).jobs == 1


def test_a_job_that_aws_was_silent_about_for_long_goes(store: Store) -> None:
    layout = job(store)
    store.write(layout.operation("q.run").generation(1).round("lake", 1).request, b"{}")
    assert cleaned(store, now=NOW + timedelta(days=200)).jobs == 1


def test_the_last_jobs_of_each_task_stay(store: Store) -> None:
    for number in range(4):
        job(store, f"a-{number}", dag_id="a", created=f"2026-11-0{number + 1}T00:00:00+00:00")
    job(store, "b-0", dag_id="b")
    assert cleaned(store, keep_last=2).kept == {LAST: 3}
    assert names(store) == {"a-2", "a-3", "b-0"}


def test_what_the_next_run_compares_with_stays(store: Store) -> None:
    """``since="previous"`` reads manifest and report of the job that was reported on last."""
    layout = job(store)
    note_report(store, layout.url)
    assert cleaned(store).kept == {PREVIOUS: 1}
    found = read_job(store, layout)
    assert found is not None
    series = Series.of_job(found)
    assert series is not None
    del store.files[series.layout.reported]
    assert cleaned(store).jobs == 1


def test_failed_jobs_stay_if_asked_for(store: Store) -> None:
    job(store, "green")
    write_job(store, [("a", DENIED)], name="red", dag_id="red")
    job(store, "unreported", is_reported=False)
    assert cleaned(store, keep_failed=True).kept == {FAILED: 2}
    assert names(store) == {"red", "unreported"}


def test_earlier_starts_stay_as_long_as_a_later_one_lies_beside(store: Store) -> None:
    """Attempts find the newest start by counting up from the first."""
    job(store, "x-0123456789ab")
    job(store, "x-0123456789ab-2", day=at("29T00:00"))
    assert cleaned(store).kept == {YOUNG: 1, NEEDED: 1}
    store.files[JOBS / "x-0123456789ab-2/job.json"] = b"{"
    assert cleaned(store).kept == {NEEDED: 1}


def test_reports_are_kept_whole(store: Store) -> None:
    """The report points at result files in the operation task's folder."""
    layout = job(store)
    generation = layout.operation("q.run").generation(1)
    for url in (generation.operation, generation.verdict, generation.commit(0, 0, "0001-1"), generation.pulses / "x"):
        store.write(url, b"{}")
    store.time = at("01T00:00")
    rows = list(read_rows(store, str(layout.url)))
    result = cleaned(store, keep_reports=True)
    assert files(store, layout) == {
        "job.json",
        "report/summary.json",
        "report/report.html",
        "report/manifest.json",
        "q.run/g0001/operation.json",
        "q.run/g0001/shard-00000/range-000000-0001-1790000000001-000000.succeeded.csv",
        "q.run/g0001/shard-00000/range-000000-0001-1790000000001-000000.failed.csv",
    }
    assert list(read_rows(store, str(layout.url))) == rows
    assert result.files == 5
    again = cleaned(store, keep_reports=True)
    assert (again.jobs, again.files) == (0, 0)
    assert cleaned(store, keep_reports=False).jobs == 1
    assert files(store, layout) == set()


def test_nobody_goes_on_with_a_job_whose_files_were_cleaned_up(store: Store) -> None:
    layout = job(store)
    cleaned(store, keep_reports=True)
    found = read_job(store, layout)
    assert isinstance(found, Job)
    with pytest.raises(JobChangedError, match="cleaned up at 2026-11-30"):
        found.check_unchanged(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("keep_reports", [False, True])
def test_a_cleanup_that_is_killed_anywhere_is_finished_by_the_next(*, keep_reports: bool) -> None:
    """``job.json`` goes last, so the rest is never nobody's."""
    for steps in range(60):
        store = Store()
        layout = job(store)
        left = [steps]

        def die(verb: str, _: S3Url, left: list[int] = left) -> None:
            if verb in ("write", "delete"):
                left[0] -= 1
                if left[0] < 0:
                    raise InfrastructureError("killed")

        store.before = die
        try:
            cleaned(store, keep_reports=keep_reports)
        except InfrastructureError:
            is_over = False
        else:
            is_over = True
        store.before = None
        assert layout.job in store.files or not files(store, layout)
        cleaned(store, keep_reports=keep_reports)
        expected = 6 if keep_reports else 0
        assert len(files(store, layout)) == expected
        if is_over:
            return
    pytest.fail("it never came to an end")


def test_a_killed_removal_is_finished_even_if_failed_jobs_stay(store: Store) -> None:
    """Its report is gone, so it looks like a job that was never reported on."""
    layout = job(store)
    document = json.loads(store.files[layout.job])
    for url in [url for url in store.files if "/old/" in url.key]:
        del store.files[url]
    store.write(layout.job, json.dumps({**document, "cleaned": "2026-11-29T00:00:00+00:00"}).encode())
    assert cleaned(store, keep_failed=True, keep_last=3).jobs == 1
    assert names(store) == set()


@pytest.mark.parametrize(("guard", "name"), [({"max_jobs": 2}, "max_jobs=2"), ({"max_objects": 20}, "max_objects=20")])
def test_guards_refuse_before_anything_goes(store: Store, guard: dict[str, int], name: str) -> None:
    for number in range(3):
        job(store, f"job-{number}")
    before = dict(store.files)
    with pytest.raises(SelectionError, match=rf"{name} .*Nothing was removed"):
        cleaned(store, **guard)
    assert {url: body for url, body in store.files.items() if "/cleanup/" not in url.key} == before
    assert name in cleaned(store, dry_run=True, **guard).refused


def test_a_dry_run_writes_nothing_and_tells_the_same(store: Store) -> None:
    job(store, "one")
    job(store, "two")
    before = dict(store.files)
    dry = cleaned(store, dry_run=True)
    assert store.files == before
    real = cleaned(store)
    assert (dry.jobs, dry.files, dry.named) == (real.jobs, real.files, real.named)
    assert dry.sentence().startswith("would remove")


def test_a_bucket_is_no_folder_of_jobs_unless_told(store: Store) -> None:
    write_job(store, [("a", OK)], name="old", jobs=S3Url("ops", ""))
    rules = CleanupRules(older_than=OLD, keep_last=0)
    with pytest.raises(ArgumentError, match="allow_bucket_root"):
        clean_up(store, S3Url("ops", ""), rules, now=NOW)
    store.time = NOW
    rules = CleanupRules(older_than=OLD, keep_last=0, allow_bucket_root=True)
    assert clean_up(store, S3Url("ops", ""), rules, now=NOW).jobs == 1


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        ({"older_than": timedelta(hours=1)}, "at least a day"),
        ({"older_than": OLD, "keep_last": -1}, "keep_last=-1"),
        ({"older_than": OLD, "max_jobs": 0}, "max_jobs=0"),
    ],
)
def test_rules_that_cant_be_meant_are_refused(store: Store, rules: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        clean_up(store, JOBS, CleanupRules(**rules), now=NOW)


def test_what_was_done_is_noted_beside_the_jobs(store: Store) -> None:
    layout = job(store)
    cleaned(store, by={"dag_id": "cleanup"})
    note = json.loads(store.files[JOBS / "cleanup/last.json"])
    assert (note["jobs"], note["named"], note["by"]) == (1, [str(layout.url)], {"dag_id": "cleanup"})
