"""From data files to staged rows: the same rows from every format, counted, within the disk that they may take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
from deliveries import NOW, Rows, deliver, objects

from airflow_s3batch.core.errors import InfrastructureError, InventoryError, ManifestError
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.planning.cutting import staged as staged_module
from airflow_s3batch.manifests.planning.cutting.shards import shard_sizes, write_shards
from airflow_s3batch.manifests.planning.cutting.spread import dealt
from airflow_s3batch.manifests.planning.cutting.staged import Stage, Staged, stage_rows
from airflow_s3batch.manifests.planning.filtering.fetch import room_for_rows
from airflow_s3batch.manifests.planning.guards import Guards
from airflow_s3batch.manifests.planning.selection import Selection
from airflow_s3batch.manifests.sources.dataset import Place
from airflow_s3batch.manifests.sources.inventory import Inventory
from airflow_s3batch.manifests.sql.duck import open_locked
from airflow_s3batch.testing.storage import MemoryStorage

ONE_PIECE = 10**9


def stage(storage: MemoryStorage, folder: Path, urls: list[S3Url], where: str = "TRUE", **more: Any) -> Staged:
    """Stage what *where* selects from the inventories at *urls*."""
    options = {name: more.pop(name) for name in ("staging_limit", "batch_bytes") if name in more}
    selection = Selection(Inventory.of(*map(str, urls)), where, **more)
    place = Place(storage, JobLayout(S3Url("ops", "job")), None, NOW, lambda _line: None)
    datasets = selection.source.find(place).datasets
    folder.mkdir(exist_ok=True)
    with open_locked(folder.resolve(), threads=2) as connection:
        return stage_rows(connection, place, datasets, selection, folder.resolve(), **options)


def rows_of(staged: Staged) -> Rows:
    """Return the staged rows in their order."""
    return [row for batch in dealt(staged.files, ONE_PIECE, 1) for row in batch.to_pylist()]


def test_inventories_in_different_formats_give_one_manifest(storage: MemoryStorage, tmp_path: Path) -> None:
    """The same bytes as from inventories that are all of one format, in one batch or in many."""
    rows = objects(300)
    thirds = [rows[:100], rows[100:200], rows[200:]]
    digests = []
    for formats, batch_bytes in ((["CSV", "Parquet", "ORC"], None), (["CSV"] * 3, 1), (["Parquet"] * 3, 5_000)):
        urls = [
            deliver(storage, third, config_id=f"{n}-{'-'.join(formats)}", file_format=formats[n], files=2)
            for n, third in enumerate(thirds)
        ]
        folder = tmp_path / "-".join(formats)
        where = "encryption_status = 'NOT-SSE'"
        staged = stage(storage, folder, urls, where, columns={"n": "size * 2"}, batch_bytes=batch_bytes)
        assert (staged.rows, staged.bytes, staged.columns) == (150, sum(range(1, 300, 2)), ("n",))
        assert staged.read == (300 if "CSV" not in formats else None)
        sizes = shard_sizes(staged.rows, 40, 10)
        digests.append([shard.sha256 for shard in write_shards(staged.files, sizes, 10, folder)])
        assert not [path for path in folder.iterdir() if path.name.startswith("data-")]
    assert digests[0] == digests[1] == digests[2]


def test_the_order_of_the_files_is_kept_through_many_batches(storage: MemoryStorage, tmp_path: Path) -> None:
    url = deliver(storage, objects(100), files=1)
    one = rows_of(stage(storage, tmp_path / "one", [url]))
    assert [row["size"] for row in one] == list(range(100))


def test_rows_that_do_not_fit_stop_with_a_sentence_before_the_disk_is_full(
    storage: MemoryStorage, tmp_path: Path
) -> None:
    url = deliver(storage, objects(20_000), file_format="Parquet")
    with pytest.raises(ManifestError) as caught:
        stage(storage, tmp_path / "small", [url], staging_limit=1_500_000, batch_bytes=10_000)
    assert "the selected rows don't fit on local disk: 20,000 of them take 0.00" in str(caught.value)
    assert "Raise staging_limit" in str(caught.value)
    assert stage(storage, tmp_path / "enough", [url], staging_limit=8_000_000).rows == 20_000


def test_files_that_do_not_fit_stop_before_one_is_fetched(storage: MemoryStorage, tmp_path: Path) -> None:
    url = deliver(storage, objects(5_000))
    fetched: list[S3Url] = []
    storage.before = lambda verb, found: fetched.append(found) if verb == "download" else None
    with pytest.raises(ManifestError, match=r"staging_limit=10,000 is too small .* set it to \d+,\d+ or more"):
        stage(storage, tmp_path / "small", [url], staging_limit=10_000)
    assert not fetched


@pytest.mark.parametrize(("file_format", "held"), [("CSV", 2_000), ("ORC", 5_000)])
def test_the_room_for_rows_is_what_two_batches_leave(
    storage: MemoryStorage, tmp_path: Path, file_format: str, held: int
) -> None:
    """And an ORC file as Parquet, three times its size."""
    url = deliver(storage, objects(10), file_format=file_format)
    place = Place(storage, JobLayout(S3Url("ops", "job")), None, NOW, print)
    (dataset,) = Inventory.of(str(url)).find(place).datasets
    files = tuple(type(file)(file.key, 1_000, file.md5) for file in dataset.files * 5)
    files_of = {field: getattr(dataset, field) for field in ("url", "md5", "created", "source_bucket", "bucket")}
    large = type(dataset)(**files_of, file_format=file_format, schema=dataset.schema, files=files)
    assert room_for_rows([large], 10, 100_000) == 100_000 - held


def test_a_disk_that_is_nearly_full_is_a_retryable_sentence(
    storage: MemoryStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staged_module, "_LEAST_FREE", 2**62)
    url = deliver(storage, objects(10))
    with pytest.raises(InfrastructureError, match=r"its disk is nearly full .* set staging_dir to a larger one"):
        stage(storage, tmp_path / "full", [url])


@pytest.mark.parametrize(
    ("guards", "strays", "stray"),
    [
        (Guards(), 0, ""),
        (Guards(allowed_buckets=("lake",)), 0, ""),
        (Guards(allowed_buckets=("pond", "sea")), 9, "s3://lake/team0/object 0"),
        (Guards(allowed_prefixes=("team0/", "team1/")), 3, "s3://lake/team2/object 2"),
        (Guards(allowed_prefixes=("s3://lake/team0/", "s3://pond/team1/")), 6, "s3://lake/team1/object 1"),
        (Guards(allowed_prefixes=("s3://lake",)), 0, ""),
        (Guards(allowed_buckets=("lake",), allowed_prefixes=("team2/object 5",)), 8, "s3://lake/team0/object 0"),
        (Guards(allowed_buckets=("pond",), allowed_prefixes=("team2/",)), 9, "s3://lake/team0/object 0"),
    ],
)
def test_rows_outside_the_guards_are_counted_and_the_first_named(
    storage: MemoryStorage, tmp_path: Path, guards: Guards, strays: int, stray: str
) -> None:
    url = deliver(storage, objects(9), files=1)
    staged = stage(storage, tmp_path / "rows", [url], guards=guards)
    assert (staged.strays, staged.stray, staged.buckets) == (strays, stray, {"lake": 9})


def test_columns_that_differ_from_query_to_query_are_a_sentence(tmp_path: Path) -> None:
    select = "SELECT 'b' AS bucket, 'k' AS key, CAST(1 AS BIGINT) AS size, '' AS storage_class, {} AS x"
    stage_ = Stage(tmp_path, Guards(), most_bytes=10**9)
    with duckdb.connect() as connection:
        stage_.add(connection, select.format("1"))
        with pytest.raises(ManifestError, match="'x' is int32 and string"):
            stage_.add(connection, select.format("'1'"))


def test_files_begin_uncompressed_and_are_compressed_when_disk_gets_scarce(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staged_module, "_FILE_BYTES", 1)
    stage_ = Stage(tmp_path, Guards(), most_bytes=20_000_000)
    with duckdb.connect() as connection:
        fields = "'b' AS bucket, repeat('k', 90) AS key, CAST(i AS BIGINT) AS size, 'STANDARD' AS storage_class"
        query = f"SELECT {fields} FROM range(100000) AS n(i)"
        assert stage_.add(connection, query) == 100_000
    sizes = [file.path.stat().st_size / file.rows for file in stage_.staged(read=None).files if file.rows]
    assert sizes[0] > 100
    assert sizes[-1] < 30
    numbers = [n for batch in dealt(stage_.staged(read=None).files, ONE_PIECE, 1) for n in batch["size"].to_pylist()]
    assert numbers == list(range(100_000))


def test_a_file_that_was_replaced_since_it_was_pinned_is_not_read(storage: MemoryStorage, tmp_path: Path) -> None:
    """Where nobody tells an MD5, the ETag must still be the one of then."""
    url = deliver(storage, objects(3), files=1, file_format="Parquet")
    place = Place(storage, JobLayout(S3Url("ops", "job")), None, NOW, print)
    source = Inventory.of(str(url))
    (dataset,) = source.find(place).datasets
    e_tag = next(found.e_tag for found in storage.list(dataset.file_url(dataset.files[0])))

    def staged_with(told: str) -> int:
        file = type(dataset.files[0])(dataset.files[0].key, dataset.files[0].size, "", told)
        fields = {name: getattr(dataset, name) for name in ("url", "md5", "created", "source_bucket", "bucket")}
        pinned = type(dataset)(**fields, file_format="Parquet", schema=dataset.schema, files=(file,))
        folder = (tmp_path / told[:4]).resolve()
        folder.mkdir()
        with open_locked(folder, threads=1) as connection:
            return stage_rows(connection, place, [pinned], Selection(source, "TRUE"), folder).rows

    assert staged_with(e_tag) == 3
    with pytest.raises(InventoryError, match=r"its ETag is .*, but it was other when this job was started"):
        staged_with("other")


def test_an_error_in_the_middle_of_the_rows_is_duckdbs_own(tmp_path: Path) -> None:
    """So that it is told like any other one, though it comes through Arrow."""
    key = "CASE WHEN i = 90000 THEN error('bad row') ELSE 'k' END"
    query = f"SELECT 'b' AS bucket, {key} AS key, i AS size, '' AS storage_class FROM range(100000) AS n(i)"
    with duckdb.connect() as connection, pytest.raises(duckdb.Error, match="bad row"):
        Stage(tmp_path, Guards(), most_bytes=10**9).add(connection, query)


def test_no_rows_have_columns_too(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    stage_ = Stage(tmp_path, Guards(), most_bytes=10**9)
    query = "SELECT 'b' AS bucket, 'k' AS key, CAST(1 AS BIGINT) AS size, '' AS storage_class WHERE FALSE"
    assert stage_.add(connection, query) == 0
    assert stage_.staged(read=7)[2:] == (0, 0, 7, {}, 0, "", 0, {})
