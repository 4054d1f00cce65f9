"""The second lock: what SQL can't do even if the filter check let it through."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.manifests.sql.duck import one_line, open_locked, quoted, sentences

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text({outside})",
        "SELECT * FROM read_csv({outside})",
        "SELECT * FROM read_blob({outside})",
        "SELECT * FROM glob({outside})",
        "SELECT * FROM read_text({dots})",
        "COPY (SELECT 1) TO {target}",
        "ATTACH {target}",
        "EXPORT DATABASE {target}",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "SET lock_configuration = false",
        "SET memory_limit = '1TB'",
        "SET TimeZone = 'Asia/Tokyo'",
        "RESET threads",
    ],
)
def test_a_locked_connection_reaches_nothing_and_changes_nothing(tmp_path: Path, sql: str) -> None:
    inside, outside, target = tmp_path / "in", tmp_path / "secret.txt", tmp_path / "written"
    inside.mkdir()
    outside.write_text("secret")
    dots = inside / ".." / "secret.txt"
    names = {"outside": outside, "target": target, "dots": dots}
    with open_locked(inside, threads=1) as connection, pytest.raises(duckdb.Error):
        connection.execute(sql.format(**{name: quoted(str(path)) for name, path in names.items()})).fetchall()
    assert not target.exists()


def test_files_in_the_folder_can_be_read_and_written(tmp_path: Path) -> None:
    target = quoted(str(tmp_path / "it's.parquet"))
    with open_locked(tmp_path, threads=1) as connection:
        connection.execute(f"COPY (SELECT 42 AS n) TO {target} (FORMAT parquet)")
        assert connection.execute(f"SELECT n FROM {target}").fetchall() == [(42,)]


def test_python_variables_are_not_tables(tmp_path: Path) -> None:
    import pandas as pd

    frame = pd.DataFrame({"n": [1]})
    with open_locked(tmp_path, threads=1) as connection, pytest.raises(duckdb.Error, match="frame"):
        connection.execute("SELECT * FROM frame")
    assert len(frame) == 1


def test_a_wrong_memory_limit_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="DuckDB can't be set up with memory_limit = 'lots'"):
        open_locked(tmp_path, memory_limit="lots")


def test_messages_are_one_line_with_keys_escaped() -> None:
    with pytest.raises(ManifestError) as caught, sentences("s3://i/manifest.json: reading failed"):
        raise duckdb.ConversionException("Conversion Error: key\x1b[31m 'ü'\nLINE 1: …")
    assert str(caught.value) == r"s3://i/manifest.json: reading failed: Conversion Error: key\x1b[31m 'ü'"
    assert one_line(ValueError("a\u202eb")) == r"a\u202eb"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('"lake","a"\n', "Expected Number of Columns: 3 Found: 2"),
        ('"lake","a\n"lake","b","5"\n', "Value with unterminated quote found."),
    ],
)
def test_a_csv_fault_keeps_its_reason_and_its_file(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    columns = "{'a': 'VARCHAR', 'b': 'VARCHAR', 'c': 'VARCHAR'}"
    with open_locked(tmp_path, threads=1) as connection, pytest.raises(duckdb.Error) as caught:
        connection.execute(f"SELECT * FROM read_csv({quoted(str(path))}, columns = {columns}, auto_detect = false)")
    assert one_line(caught.value) == f"Invalid Input Error: CSV Error on Line: 1; {reason}; file = {path}"
