"""Jobs never write under each other's prefix: what their folders are called, and which places are refused."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_s3batch.core.errors import ArgumentError, RivalError
from airflow_s3batch.core.formats import JOB
from airflow_s3batch.core.identity import job_id, series_id
from airflow_s3batch.core.layout import OF_ALL_JOBS, JobLayout, SeriesLayout, cleanup_note, running_jobs, shared_rates
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.planning.ownership import check_owner, check_place, place_problems
from airflow_s3batch.manifests.planning.pin import Job, newest_job
from airflow_s3batch.reports.job_folders import job_names
from airflow_s3batch.testing import MemoryStorage

JOBS = S3Url("ops", "s3batch")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
NAMES = st.text(alphabet="aB1._- :+", min_size=1, max_size=6)
TASKS = st.tuples(NAMES, NAMES, NAMES, st.integers(-1, 3))
CLASHING = ("team a", "team-a", "team.a", "Team_A", "team-a-2", "TEAM A")
"""Names that are the same once what folders can't hold is left out."""


def inside(one: S3Url, other: S3Url) -> bool:
    """Whether a file below the folder *one* is also below *other*."""
    return (one / "").key.startswith((other / "").key)


def apart(urls: list[S3Url]) -> bool:
    return not any(inside(one, other) for one, other in itertools.permutations(urls, 2))


def folders(task: tuple[str, str, str, int]) -> list[S3Url]:
    """Return where jobs of *task* may write: three starts from scratch."""
    name = job_id(*task)
    return [JOBS / name, JOBS / f"{name}-2", JOBS / f"{name}-10"]


@given(st.lists(TASKS, min_size=2, max_size=4, unique=True))
@example([("team a", "run", "t", -1), ("team-a", "run", "t", -1)])
@example([("a", "scheduled__2026-11-23T00:00:00+00:00", "t", -1), ("a", "manual__2026-11-23T00:00:00+00:00", "t", -1)])
@example([("a", "r", "g1.manifest", -1), ("a", "r", "g1_manifest", -1), ("a", "r", "manifest", 1)])
@example([("a", "r", "t", 1), ("a", "r", "t", 11), ("a", "r", "t", -1)])
def test_no_two_jobs_share_a_folder_nor_lie_in_one_another(tasks: list[tuple[str, str, str, int]]) -> None:
    """Whatever Dag, run, task group and map index are called, and however often they start from scratch."""
    assert apart([url for task in tasks for url in folders(task)])


def test_names_that_look_alike_have_folders_of_their_own() -> None:
    tasks = [(dag, run, task, -1) for dag in CLASHING for run in CLASHING for task in CLASHING]
    assert len({job_id(*task) for task in tasks}) == len(tasks)
    assert len({series_id(dag, task) for dag, task in itertools.product(CLASHING, repeat=2)}) == len(CLASHING) ** 2


@given(TASKS)
def test_what_belongs_to_all_jobs_lies_in_no_job_and_no_job_in_it(task: tuple[str, str, str, int]) -> None:
    """And none of it is taken for a job when all jobs are listed."""
    series = SeriesLayout.of(JOBS, {"dag_id": task[0], "task_id": task[2]})
    assert series is not None
    common = [series.url, S3Url("ops", cleanup_note(JOBS).key.rpartition("/")[0])]
    common += [running_jobs(JOBS), shared_rates(JOBS, "lake")]
    assert {url.key.split("/")[1] for url in common} == OF_ALL_JOBS
    assert apart([*common, *folders(task)])
    storage = MemoryStorage()
    for url in common:
        storage.write(url / "file", b"")
    assert list(job_names(storage, JOBS)) == []


@given(st.lists(NAMES, min_size=2, max_size=4, unique=True))
def test_operation_tasks_of_one_job_have_folders_of_their_own(names: list[str]) -> None:
    job = JobLayout(JOBS / "job")
    usable = [name for name in names if name not in (".", "..") and "/" not in name]
    own = [job.source, job.report, S3Url("ops", job.manifest.key.rpartition("/")[0])]
    assert apart([*own, *(job.operation(name).url for name in usable)])


@pytest.mark.parametrize("name", ["manifest", "report", "source", "job.json", "control.json", ".", ".."])
def test_an_operation_task_can_not_be_called_as_other_files_of_the_job_are(name: str) -> None:
    with pytest.raises(ArgumentError, match="call the task"):
        JobLayout(JOBS / "job").operation(name)


def job_at(storage: MemoryStorage, url: S3Url, **about: Any) -> Job:
    document = {
        "format": JOB,
        "job_id": url.key.rpartition("/")[2],
        "selection": {},
        "source": {},
        "fingerprint": "0" * 16,
        "about": about,
        "created": "2026-11-23T10:00:00+00:00",
    }
    storage.write(JobLayout(url).job, json.dumps(document).encode())
    job, _ = newest_job(storage, JobLayout(url).jobs, url.key.rpartition("/")[2])
    assert job is not None
    return job


@pytest.mark.parametrize("below", ["", "/run", "/run/g0001", "/report/results"])
def test_a_job_url_in_the_folder_of_a_job_is_refused(below: str) -> None:
    """Its jobs would be cleaned up with that one, and be taken for tasks of it."""
    storage = MemoryStorage()
    name = job_id("a", "r", "t")
    job_at(storage, JOBS / name)
    with pytest.raises(ArgumentError, match=rf"lies in the folder of a job \(s3://ops/s3batch/{name}\).*use s3://ops/"):
        check_place(storage, S3Url("ops", f"s3batch/{name}{below}"))


@pytest.mark.parametrize("key", ["", "s3batch", "s3batch/", "s3batch/team-a", "elsewhere/s3batch"])
def test_other_folders_are_fine(key: str) -> None:
    """Also one beside jobs, and one whose name begins as a job's."""
    storage = MemoryStorage()
    job_at(storage, JOBS / "team-a-0123456789ab")
    storage.write(JOBS / "job.json", b'{"format": "somebody else\'s", "job_id": "s3batch"}')
    check_place(storage, S3Url("ops", key))


@pytest.mark.parametrize("key", ["a//b", "../a", "a/./b", "/a", "a/.."])
def test_folders_that_some_stores_take_for_others_are_refused_while_the_dag_is_parsed(key: str) -> None:
    assert "which some stores take for another folder" in place_problems(S3Url("ops", key))[0]


def test_the_folder_of_another_airflow_is_refused_with_the_way_on() -> None:
    job = job_at(MemoryStorage(), JOBS / "job", airflow="0a1b2c")
    with pytest.raises(RivalError, match=r"installation '0a1b2c'.*at 2026-11-23T10.*s3batch_installation to '0a1b2c'"):
        check_owner(job, {"airflow": "ffff00"})


@pytest.mark.parametrize(("owner", "own"), [("a", "a"), ("", "b"), ("a", ""), ("", "")])
def test_the_same_airflow_and_one_that_is_not_known_go_on(owner: str, own: str) -> None:
    """Jobs of earlier releases, and tasks that can't ask Airflow, are not locked out."""
    job = job_at(MemoryStorage(), JOBS / "job", **({"airflow": owner} if owner else {}))
    check_owner(job, {"airflow": own} if own else {})
