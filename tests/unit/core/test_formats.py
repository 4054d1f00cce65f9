"""What becomes of a file that says it is of another format, or of a later form of ours."""

from __future__ import annotations

import pytest

from airflow_s3batch.core.errors import JobDamagedError, LaterReleaseError
from airflow_s3batch.core.formats import JOB, check_format
from airflow_s3batch.version import __version__

PLACE = "s3://ops/job/job.json"


def test_our_own_format_is_taken() -> None:
    check_format(JOB, JOB, place=PLACE)


@pytest.mark.parametrize("found", ["airflow-s3batch-job/2", "airflow-s3batch-job/10"])
def test_a_later_form_is_refused_with_what_to_do(found: str) -> None:
    with pytest.raises(LaterReleaseError) as caught:
        check_format(found, JOB, place=PLACE, remedy="delete it")
    said = str(caught.value)
    assert all(word in said for word in (PLACE, found, JOB, "upgrade where this runs", __version__))
    assert "delete" not in said, "nobody is to delete what a newer release works with"


@pytest.mark.parametrize(
    "found", ["airflow-s3batch-job/0", "airflow-s3batch-manifest/2", "airflow-s3batch-job/2x", "", None, 2, ["\u202e"]]
)
def test_anything_else_is_foreign(found: object) -> None:
    with pytest.raises(JobDamagedError, match=r"this version reads 'airflow-s3batch-job/1'; delete it$") as caught:
        check_format(found, JOB, place=PLACE, remedy="delete it")
    assert not isinstance(caught.value, LaterReleaseError)
    assert str(caught.value).isprintable()
