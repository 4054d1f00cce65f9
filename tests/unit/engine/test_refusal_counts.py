"""A run whose every object is refused for want of a permission."""

from __future__ import annotations

import pytest

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import SUCCESS, Outcome
from airflow_s3batch.engine.loop.refusals import Refusals
from airflow_s3batch.engine.policy import Policy
from airflow_s3batch.operations import CopyObject, InOrder, PutObjectRetention, PutObjectTagging

OBJ = S3Object("lake", "k")
DENIED = Outcome(403, "AccessDenied", "Access Denied")
GONE = Outcome(404, "NoSuchKey", "gone")
BROKEN = Outcome(500, "InternalError", "broken")
TAGGING = PutObjectTagging({"k": "v"})


def refusals(outcomes: list[Outcome], policy: Policy | None = None, rows: int | None = 1_000_000) -> Refusals:
    """Return the state after *outcomes*."""
    found = Refusals(TAGGING, policy or Policy(), rows)
    for number, outcome in enumerate(outcomes):
        if outcome.error_code:
            found.count(OBJ, outcome, succeeded=outcomes[:number].count(SUCCESS))
    return found


def test_a_hundred_refusals_and_nothing_else_end_the_run() -> None:
    """A million more would end the same."""
    assert refusals([DENIED] * 99).keep_going()
    stopped = refusals([GONE, *[DENIED] * 100, DENIED])
    assert not stopped.keep_going()
    assert stopped.reason == "the first 100 objects were all refused (AccessDenied)"


@pytest.mark.parametrize("other", [SUCCESS, BROKEN])
def test_one_other_outcome_and_the_run_goes_on(other: Outcome) -> None:
    """The permission may be missing for a part of the objects only; that is the threshold's business."""
    assert refusals([other, *[DENIED] * 500]).keep_going()


@pytest.mark.parametrize(
    ("policy", "rows", "stops_at"),
    [
        (Policy(keep_going=True), 1_000, None),
        (Policy(tolerate=frozenset({"AccessDenied"})), 1_000, None),
        (Policy(allowed_failures=300), 1_000, 301),
        (Policy(allowed_failures=0.2), 1_000, 201),
        (Policy(allowed_failures=0.2), None, None),
        (Policy(allowed_failures=5), None, 100),
    ],
)
def test_what_is_allowed_does_not_end_the_run(policy: Policy, rows: int | None, stops_at: int | None) -> None:
    """Nor does anything where the user wants every object attempted."""
    if stops_at is None:
        assert refusals([DENIED] * 900, policy, rows).keep_going()
        return
    assert refusals([DENIED] * (stops_at - 1), policy, rows).keep_going()
    assert not refusals([DENIED] * stops_at, policy, rows).keep_going()


def test_the_advice_names_the_action_once() -> None:
    """However many objects lack it."""
    assert refusals([DENIED] * 3).advice == (
        "The credentials lack s3:PutObjectTagging on arn:aws:s3:::lake/*, or a bucket policy, an SCP or a KMS key "
        "policy denies it."
    )


def test_retained_versions_may_be_what_is_refused() -> None:
    """Where the store gives no reason; a hundred of them end the run all the same."""
    found = Refusals(PutObjectRetention("COMPLIANCE", days=1), Policy(), None)
    found.count(OBJ, DENIED, succeeded=0)
    assert "lack s3:PutObjectRetention" in found.advice
    assert "nobody can shorten" in found.advice
    steps = InOrder((TAGGING, PutObjectRetention("COMPLIANCE", days=1)))
    found = Refusals(steps, Policy(), None)
    found.count(OBJ, DENIED, succeeded=0)
    assert "nobody can shorten" in found.advice


def test_locked_objects_are_no_missing_permission() -> None:
    """The next ones may not be locked, so the run goes on, and nobody is sent to look for a permission."""
    locked = Outcome(403, "AccessDenied", "Access Denied because object protected by object lock.")
    found = Refusals(PutObjectRetention("COMPLIANCE", days=1), Policy(), 1_000_000)
    for _ in range(500):
        found.count(OBJ, locked, succeeded=0)
    assert found.keep_going()
    assert "lack" not in found.advice
    assert found.advice.startswith("Object Lock protects versions in arn:aws:s3:::lake/*")


def test_a_named_permission_is_all_that_is_told() -> None:
    """Then it is no lock."""
    named = DENIED._replace(message='User: u is not authorized to perform: s3:PutObjectRetention on resource: "r"')
    found = Refusals(PutObjectRetention("COMPLIANCE", days=1), Policy(), None)
    found.count(OBJ, named, succeeded=0)
    assert "nobody can shorten" not in found.advice


def test_versions_need_another_action() -> None:
    """The row says whether the request names one."""
    found = Refusals(TAGGING, Policy(), None)
    found.count(OBJ._replace(version_id="v"), DENIED, succeeded=0)
    assert "lack s3:PutObjectVersionTagging on" in found.advice


def test_a_copy_needs_actions_on_both_buckets() -> None:
    """The refusal does not say where."""
    found = Refusals(CopyObject("vault", tags={}), Policy(), None)
    found.count(OBJ, DENIED, succeeded=0)
    assert (
        "lack one of s3:AbortMultipartUpload, s3:GetObject, s3:PutObject on arn:aws:s3:::lake/*, arn:aws:s3:::vault/*"
        in found.advice
    )


def test_there_is_no_advice_where_refusals_are_the_smaller_part() -> None:
    """It would send the reader the wrong way."""
    assert refusals([DENIED, BROKEN]).advice
    assert refusals([DENIED, BROKEN, BROKEN]).advice == ""
    assert refusals([SUCCESS, GONE]).advice == ""
