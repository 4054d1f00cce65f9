"""RestoreObject: what it asks for by storage class, and what each answer means."""

from __future__ import annotations

from typing import Any

import pytest
from scripted_store import answer, drive

from airflow_s3batch.core.errors import ArgumentError, CapabilityError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.operations import Column, RestoreObject, RunContext
from airflow_s3batch.operations.archives.restoring import archive_state
from airflow_s3batch.operations.managed_forms import operation_from_create_job
from airflow_s3batch.operations.probing import SCRATCH_BODY

OBJECT = S3Object("b", "k", "v1")
FIRST = RunContext()
AGAIN = RunContext(is_replay=True)
ONGOING = 'ongoing-request="true"'
FINISHED = 'ongoing-request="false", expiry-date="Fri, 23 Dec 2026 00:00:00 GMT"'


@pytest.mark.parametrize(
    ("operation", "wanted"),
    [
        (RestoreObject(days=7), {"Days": 7, "GlacierJobParameters": {"Tier": "Bulk"}}),
        (RestoreObject(days="7", tier="EXPEDITED"), {"Days": 7, "GlacierJobParameters": {"Tier": "Expedited"}}),
        (RestoreObject(tier="STANDARD"), {"GlacierJobParameters": {"Tier": "Standard"}}),
    ],
)
def test_request_has_days_only_if_given(operation: RestoreObject, wanted: dict[str, Any]) -> None:
    """As S3's API spells them; the version is the manifest's."""
    outcome, (request,) = drive(operation.steps(OBJECT, FIRST), [answer(202)])
    assert outcome.is_success
    assert request.call.params == {"RestoreRequest": wanted}
    assert (request.bucket, request.key, request.version_id) == ("b", "k", "v1")


@pytest.mark.parametrize(
    ("operation", "storage_class", "said"),
    [
        (RestoreObject(), "GLACIER", "needs days"),
        (RestoreObject(), "DEEP_ARCHIVE", "needs days"),
        (RestoreObject(days=1), "INTELLIGENT_TIERING", "takes no days"),
        (RestoreObject(days=1, tier="EXPEDITED"), "DEEP_ARCHIVE", "no tier EXPEDITED"),
    ],
)
def test_wrong_kind_fails_before_it_is_asked_for(operation: RestoreObject, storage_class: str, said: str) -> None:
    """What the manifest knows is not left to the store."""
    outcome, requests = drive(operation.steps(OBJECT._replace(storage_class=storage_class), FIRST), [])
    assert (outcome.http_status, outcome.error_code) == (400, "InvalidArgument")
    assert said in outcome.message
    assert not requests


@pytest.mark.parametrize("storage_class", [None, "GLACIER", "DEEP_ARCHIVE", "STANDARD"])
def test_days_by_column_may_be_null_for_the_other_kind(storage_class: str | None) -> None:
    """One manifest holds both kinds."""
    operation = RestoreObject(days=Column("days"), tier=Column("tier"))
    cold = OBJECT._replace(storage_class=storage_class, columns={"days": 5, "tier": "STANDARD"})
    _, (request,) = drive(operation.for_object(cold).steps(cold, FIRST), [answer(202)])
    assert request.call.params["RestoreRequest"]["Days"] == 5
    tiered = OBJECT._replace(storage_class="INTELLIGENT_TIERING", columns={"days": None, "tier": "BULK"})
    _, (request,) = drive(operation.for_object(tiered).steps(tiered, FIRST), [answer(202)])
    assert "Days" not in request.call.params["RestoreRequest"]


@pytest.mark.parametrize(
    "columns", [{"days": 0, "tier": "BULK"}, {"days": 1, "tier": "Bulk"}, {"days": 1, "tier": None}]
)
def test_column_values_that_will_not_do_are_refused(columns: dict[str, Any]) -> None:
    """The engine fails that object alone."""
    with pytest.raises(ArgumentError):
        RestoreObject(days=Column("days"), tier=Column("tier")).for_object(OBJECT._replace(columns=columns))


@pytest.mark.parametrize("arguments", [{"days": 0}, {"days": -1}, {"days": True}, {"days": 1.5}, {"tier": "FAST"}])
def test_wrong_arguments_are_told_at_parse_time(arguments: dict[str, Any]) -> None:
    """Each of them."""
    with pytest.raises(ArgumentError, match=r"days=|tier="):
        RestoreObject(**arguments)


def test_restored_before_means_a_new_expiry() -> None:
    """S3 answers 200 instead of 202."""
    outcome, _ = drive(RestoreObject(days=1).steps(OBJECT, FIRST), [answer(200)])
    assert (outcome.http_status, outcome.error_code) == (200, "")
    assert "expiry" in outcome.message


def test_restore_under_way_fails_unless_it_is_our_own() -> None:
    """By somebody else nobody knows for how long; after a crash, or a lost answer, it is what we asked for."""
    conflict = answer(409, "RestoreAlreadyInProgress")
    operation = RestoreObject(days=1)
    outcome, _ = drive(operation.steps(OBJECT, FIRST), [conflict])
    assert (outcome.http_status, outcome.error_code) == (409, "RestoreAlreadyInProgress")
    for context, response in ((AGAIN, conflict), (FIRST, conflict._replace(is_retried=True))):
        outcome, _ = drive(operation.steps(OBJECT, context), [response])
        assert outcome.is_success


@pytest.mark.parametrize("code", ["InvalidObjectState", "ObjectAlreadyInActiveTierError"])
@pytest.mark.parametrize(
    ("head", "is_success"),
    [
        (answer(200), True),
        (answer(200, x_amz_storage_class="STANDARD_IA"), True),
        (answer(200, x_amz_storage_class="INTELLIGENT_TIERING"), True),
        (answer(200, x_amz_storage_class="INTELLIGENT_TIERING", x_amz_archive_status="ARCHIVE_ACCESS"), False),
        (answer(200, x_amz_storage_class="GLACIER"), False),
        (answer(403, "AccessDenied"), False),
    ],
)
def test_what_is_not_archived_succeeds_once_a_head_confirms_it(code: str, head: Any, is_success: bool) -> None:
    """Else the store's own refusal is told."""
    outcome, requests = drive(RestoreObject().steps(OBJECT, FIRST), [answer(403, code), head])
    assert outcome.is_success is is_success
    assert is_success or (outcome.http_status, outcome.error_code) == (403, code)
    assert requests[1].version_id == "v1"


def test_other_refusals_are_told_as_they_are() -> None:
    """Among them a capacity that EXPEDITED has not got."""
    for refusal in (answer(404, "NoSuchKey"), answer(503, "GlacierExpeditedRetrievalNotAvailable")):
        outcome, _ = drive(RestoreObject(days=1).steps(OBJECT, AGAIN), [refusal])
        assert (outcome.http_status, outcome.error_code) == (refusal.status, refusal.error_code)


@pytest.mark.parametrize(
    ("headers", "state"),
    [
        ({}, "readable"),
        ({"x-amz-storage-class": "GLACIER_IR"}, "readable"),
        ({"x-amz-storage-class": "GLACIER"}, "archived"),
        ({"x-amz-storage-class": "DEEP_ARCHIVE", "x-amz-restore": ONGOING}, "restoring"),
        ({"x-amz-storage-class": "DEEP_ARCHIVE", "x-amz-restore": FINISHED}, "readable"),
        ({"x-amz-storage-class": "INTELLIGENT_TIERING", "x-amz-archive-status": "ARCHIVE_ACCESS"}, "archived"),
        (
            {"x-amz-storage-class": "INTELLIGENT_TIERING", "x-amz-archive-status": "A", "x-amz-restore": ONGOING},
            "restoring",
        ),
        ({"x-amz-storage-class": "INTELLIGENT_TIERING"}, "readable"),
    ],
)
def test_head_tells_the_archive_state(headers: dict[str, str], state: str) -> None:
    """As S3 documents its headers."""
    assert archive_state(headers) == state


def test_managed_form_round_trips_and_refuses_what_aws_has_not() -> None:
    """EXPEDITED and columns are for workers."""
    form = RestoreObject(days=3, tier="STANDARD").create_job_operation()
    assert form == {"S3InitiateRestoreObject": {"ExpirationInDays": 3, "GlacierJobTier": "STANDARD"}}
    assert operation_from_create_job(form) == RestoreObject(days=3, tier="STANDARD")
    assert RestoreObject().managed_form() == {"GlacierJobTier": "BULK"}
    assert not RestoreObject(days=3).managed_problems()
    assert "engine='worker'" in RestoreObject(days=3, tier="EXPEDITED").managed_problems()[0]
    assert "engine='worker'" in RestoreObject(days=Column("d")).managed_problems()[0]


def test_probe_restores_an_archived_scratch_object() -> None:
    """A store that does not show the restore, or has destroyed something, is refused."""
    scratch, length = S3Object("ops", "scratch/object"), str(len(SCRATCH_BODY))
    operation = RestoreObject(days=Column("days")).for_probe(OBJECT)

    def probe(restored: Any, intact: Any, head: Any) -> dict[str, str]:
        found, requests = drive(operation.probe(scratch, OBJECT), [answer(), restored, intact, head])
        assert all(request.bucket == "ops" and request.key.startswith("scratch/object") for request in requests)
        return dict(found)

    intact = answer(body=SCRATCH_BODY)
    shown = answer(x_amz_restore=ONGOING, content_length=length)
    assert probe(answer(202), intact, shown) == {}
    with pytest.raises(CapabilityError, match="does not show it"):
        probe(answer(202), intact, answer(content_length=length))
    with pytest.raises(CapabilityError, match="plain write"):
        probe(answer(202), intact, answer(x_amz_restore=ONGOING, content_length="3"))
    with pytest.raises(CapabilityError, match="MethodNotAllowed"):
        drive(operation.probe(scratch, OBJECT), [answer(), answer(405, "MethodNotAllowed"), intact])
