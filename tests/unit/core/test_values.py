"""Small values: URLs, job ids, fingerprints, tallies, manifests, errors."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_s3batch.core import errors
from airflow_s3batch.core.errors import ArgumentError, JobDamagedError, S3BatchError
from airflow_s3batch.core.identity import fingerprint, job_id
from airflow_s3batch.core.layout import SeriesLayout
from airflow_s3batch.core.manifest import Manifest, ShardFile, ShardRef
from airflow_s3batch.core.operation_names import operation_name
from airflow_s3batch.core.outcomes import NOT_ATTEMPTED, Tally
from airflow_s3batch.core.s3url import S3Url


def test_urls_name_bucket_and_key() -> None:
    """Parts are split at the first slash, and joined with one."""
    assert S3Url.parse("s3://b/a/b.json") == S3Url("b", "a/b.json")
    assert str(S3Url("b", "jobs/") / "x") == "s3://b/jobs/x"
    assert str(S3Url("b", "") / "x") == "s3://b/x"


@pytest.mark.parametrize("text", ["", "b/k", "s3:/b/k", "s3://", "s3:///k", "http://b/k"])
def test_what_is_no_url_is_refused_with_its_argument(text: str) -> None:
    """The sentence names the argument and the expected form."""
    with pytest.raises(ArgumentError, match=r"job_url=.*expected s3://bucket/key"):
        S3Url.parse(text, what="job_url")


@given(st.text(), st.text(), st.text(), st.integers(-1, 5))
def test_job_ids_are_fit_for_keys(dag_id: str, run_id: str, task_id: str, map_index: int) -> None:
    """Whatever Airflow's ids hold."""
    assert re.fullmatch(r"[a-z0-9-]{12,80}", job_id(dag_id, run_id, task_id, map_index))


def test_job_ids_are_stable_and_tell_map_indexes_apart() -> None:
    """Later attempts find the same job; a mapped group has a job per index."""
    run = "scheduled__2026-11-22T00:00:00+00:00"
    assert job_id("classify", run, "g.manifest") == job_id("classify", run, "g.manifest")
    assert job_id("classify", run, "g.manifest", 0) != job_id("classify", run, "g.manifest", 1)
    assert job_id("classify", run, "g.manifest").startswith("classify-2026-11-22t0000-")


def test_fingerprints_ignore_the_order_of_keys_and_nothing_else() -> None:
    """The same declaration has the same fingerprint."""
    assert fingerprint({"a": 1, "b": [1, 2]}) == fingerprint({"b": [1, 2], "a": 1})
    assert fingerprint({"b": [1, 2]}) != fingerprint({"b": [2, 1]})


def test_tallies_add_up_and_survive_json() -> None:
    """Counts, codes and the first few examples."""
    one, two = Tally(5, 0, 50), Tally()
    one.add_failures("AccessDenied", 2, ["s3://b/1", "s3://b/2"])
    two.add_failures("AccessDenied", 3, ["s3://b/3", "s3://b/4"])
    two.add_failures("NoSuchKey", 1, ["s3://b/5"])
    one.add(two)
    assert (one.objects, one.succeeded, one.failed) == (11, 5, 6)
    assert one.examples["AccessDenied"] == ["s3://b/1", "s3://b/2", "s3://b/3"]
    assert Tally.from_json(one.to_json()) == one
    assert one.sentence() == "6 of 11 objects failed (AccessDenied 5, NoSuchKey 1)"


def test_rows_without_outcome_can_not_be_tolerated() -> None:
    """They always count."""
    tally = Tally()
    tally.add_failures(NOT_ATTEMPTED, 2, [])
    tally.add_failures("NoSuchKey", 3, [])
    assert tally.counted_failures(frozenset({NOT_ATTEMPTED, "NoSuchKey"})) == 2


def manifest() -> Manifest:
    """Return a manifest of two shards."""
    shards = (ShardFile(0, "k0", 600, 1, 2, "aa"), ShardFile(1, "k1", 599, 1, 2, "bb"))
    return Manifest(S3Url("b", "job"), 1199, 2, 250, ("team",), shards, "ff")


def test_manifests_survive_json() -> None:
    """What is written is read back."""
    assert Manifest.from_json(manifest().to_json(), place="x") == manifest()


def test_a_manifest_whose_totals_do_not_add_up_is_refused() -> None:
    """A lost shard is noticed."""
    text = manifest().to_json().replace('"rows": 1199', '"rows": 1200')
    with pytest.raises(JobDamagedError, match="add up"):
        Manifest.from_json(text, place="x")


@given(st.integers(1, 5000), st.integers(1, 700))
def test_ranges_cover_every_row_once(rows: int, range_rows: int) -> None:
    """No gap, no overlap, numbered from 0."""
    ranges = list(ShardFile(0, "k", rows, 0, 0, "").ranges(range_rows))
    covered = [number for entry in ranges for number in range(entry.first, entry.first + entry.rows)]
    assert covered == list(range(rows))
    assert [entry.index for entry in ranges] == list(range(len(ranges)))


def test_shard_references_are_small() -> None:
    """XCom carries counts and pointers."""
    url = "s3://some-company-operations/s3batch/" + job_id("a_rather_long_dag_id", "manual__2026-11-22T10:00", "g.m")
    data = ShardRef(url, 199, 50_000).to_xcom()
    assert len(str(data)) <= 180
    assert ShardRef.from_xcom(data) == ShardRef(url, 199, 50_000)


def test_every_error_survives_pickling() -> None:
    """Airflow carries exceptions between processes."""
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, S3BatchError)]
    assert len(classes) > 10
    for cls in classes:
        copy = pickle.loads(pickle.dumps(cls("a sentence")))
        assert (type(copy), str(copy), copy.is_retryable) == (cls, "a sentence", cls.is_retryable)


def test_codes_that_a_store_makes_up_do_not_make_a_tally_large() -> None:
    """What is beyond the bound counts under one name, which can't be tolerated; codes of our own keep their names."""
    whole = Tally()
    for shard in range(3):
        tally = Tally()
        for number in range(1_000):
            tally.add_failures(f"Made-{shard}-{number}", 1, [f"s3://b/{number}"])
        tally.add_failures(NOT_ATTEMPTED, 5, [])
        tally.add_failures("NoSuchKey", 2, ["s3://b/gone"])
        whole.add(tally)
    assert (whole.failed, sum(whole.codes.values())) == (3_021, 3_021)
    assert (whole.codes[NOT_ATTEMPTED], whole.codes["NoSuchKey"]) == (15, 6)
    assert len(whole.codes) <= Tally.MOST_CODES + 5
    assert len(str(whole.to_json())) < 20_000
    assert len(whole.sentence()) < 400
    assert whole.counted_failures(frozenset({*whole.codes, "NoSuchKey"})) == 15 + whole.codes["OtherCodes"] > 2_000


@pytest.mark.parametrize(
    ("declared", "name"),
    [
        ({"operation": "PutObjectTagging"}, "put_object_tagging"),
        ({"operations": [{"operation": "CopyObject"}, 7, {"operation": "DeleteObject"}]}, "copy_object+delete_object"),
        ({}, ""),
        (None, ""),
        ("DeleteObject", ""),
    ],
)
def test_an_operation_has_the_same_name_everywhere(declared: object, name: str) -> None:
    """Whatever a file or an XCom that somebody else wrote declares."""
    assert operation_name(declared) == name


def test_runs_of_a_task_that_names_no_usable_map_index_are_one_series() -> None:
    about = {"dag_id": "d", "task_id": "t"}
    series = SeriesLayout.of(S3Url("ops", "jobs"), about)
    assert series == SeriesLayout.of(S3Url("ops", "jobs"), {**about, "map_index": "x"})
    assert series != SeriesLayout.of(S3Url("ops", "jobs"), {**about, "map_index": 0})
