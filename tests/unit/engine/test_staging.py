"""A local disk that is full or broken is told by its folder."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from airflow_s3batch.core.errors import InfrastructureError
from airflow_s3batch.engine.files.staging import staging_folder


def test_the_folder_is_new_and_gone_afterwards(tmp_path: Path) -> None:
    with staging_folder(tmp_path) as folder:
        (folder / "file").write_text("x")
        assert folder.parent == tmp_path.resolve()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_full_disk_is_a_sentence_with_the_next_step(tmp_path: Path, number: int) -> None:
    with (
        pytest.raises(InfrastructureError, match=rf"^the staging folder {tmp_path}/s3batch-\w+ can't be .* TMPDIR"),
        staging_folder(tmp_path),
    ):
        raise OSError(number, "the kernel's words")
    assert list(tmp_path.iterdir()) == []


def test_other_trouble_passes_unchanged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), staging_folder(tmp_path):
        raise FileNotFoundError(errno.ENOENT, "not a matter of the disk")


def test_a_place_that_does_not_exist_is_told(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with (
        pytest.raises(InfrastructureError, match=f"no staging folder can be made in {missing}"),
        staging_folder(missing),
    ):
        pass
