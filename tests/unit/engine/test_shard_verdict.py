"""Whether an attempt was good enough."""

from __future__ import annotations

import pytest

from airflow_s3batch.core.errors import InfrastructureError, TooManyFailuresError
from airflow_s3batch.core.outcomes import Summary, Tally
from airflow_s3batch.engine.policy import Policy
from airflow_s3batch.engine.shards.shard_verdict import judge_shard


def judge(
    codes: dict[str, int], *, succeeded: int = 10, to_do: int | None = None, stop: bool = False, **policy: object
) -> None:
    """Judge an attempt with these failures."""
    tally = Tally(succeeded)
    for code, number in codes.items():
        tally.add_failures(code, number, [f"s3://b/{code}"])
    rows = tally.objects if to_do is None else to_do
    judge_shard("tag, shard 0", Summary(tally), rows, rows, Policy(**policy), is_asked_to_stop=stop)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("codes", "policy"),
    [
        ({}, {}),
        ({"NoSuchKey": 5}, {}),
        ({"AccessDenied": 2}, {"allowed_failures": 2}),
        ({"AccessDenied": 1}, {"allowed_failures": 0.1}),
    ],
)
def test_what_is_allowed_or_tolerated_is_good_enough(codes: dict[str, int], policy: dict[str, object]) -> None:
    """Nothing is raised."""
    judge(codes, **policy)


def test_more_than_allowed_is_told_with_an_example_that_counts() -> None:
    """And with what to do; Airflow does not retry."""
    with pytest.raises(TooManyFailuresError) as caught:
        judge({"NoSuchKey": 9, "AccessDenied": 2, "InvalidTag": 1})
    assert str(caught.value) == (
        "tag, shard 0: 12 of 22 objects failed (NoSuchKey 9, AccessDenied 2, InvalidTag 1). "
        "First: s3://b/AccessDenied (AccessDenied). 3 count, 0 are allowed. "
        "Fix the cause and clear this task to run only these again"
    )


@pytest.mark.parametrize("code", ["InternalError", "SlowDown", "OperationTimedOut", "CouldNotConnect"])
def test_troubles_of_the_store_are_for_another_attempt(code: str) -> None:
    """Also where they made the shard stop early."""
    with pytest.raises(InfrastructureError, match="next attempt"):
        judge({code: 3, "NoSuchKey": 1}, to_do=50)


def test_a_permission_among_the_troubles_is_final() -> None:
    """Another attempt would end the same."""
    with pytest.raises(TooManyFailuresError):
        judge({"SlowDown": 3, "AccessDenied": 1})


def test_what_was_not_reached_counts() -> None:
    """It can't be tolerated."""
    with pytest.raises(TooManyFailuresError, match="NotAttempted 5"):
        judge({}, to_do=15)


def test_an_attempt_that_was_asked_to_stop_goes_on_later() -> None:
    """Unless it was done."""
    with pytest.raises(InfrastructureError, match="left to do"):
        judge({}, to_do=15, stop=True)
    judge({}, stop=True)
