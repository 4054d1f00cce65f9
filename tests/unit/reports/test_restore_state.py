"""The file that says how far the look at a restore job is."""

from __future__ import annotations

import pytest

from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.reports.restores.restore_state import RestoreState, Waiting
from airflow_s3batch.testing import MemoryStorage

URL = S3Url("ops", "job/restore.run/restores.json")


def test_state_is_read_as_it_was_written() -> None:
    """Keys of any kind included."""
    storage = MemoryStorage()
    assert RestoreState.read(storage, URL) is None
    waiting = [
        Waiting(1, 2, "b", "ü\n\x01 \U0001f600", "v", is_owed=True),
        Waiting(1, 3, "b", "k", None, is_owed=False),
    ]
    state = RestoreState("mark", 1, 2, 3, 4, 5, waiting)
    state.write(storage, URL)
    assert RestoreState.read(storage, URL) == state
    assert waiting[0].obj.version_id == "v"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"format": "other"}', b'{"format": "airflow-s3batch-restores/1"}']
)
def test_foreign_file_is_an_error_with_a_next_step(body: bytes) -> None:
    """Rather than a wrong count."""
    storage = MemoryStorage()
    storage.write(URL, body)
    with pytest.raises(JobDamagedError, match="delete it"):
        RestoreState.read(storage, URL)
