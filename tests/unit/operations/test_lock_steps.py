"""PutObjectRetention and PutObjectLegalHold: what they ask for, whom they refuse, and how they are tried."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from scripted_store import answer, drive

from airflow_s3batch.core.errors import ArgumentError, CapabilityError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.operations import (
    Column,
    Operation,
    PutObjectLegalHold,
    PutObjectRetention,
    Request,
    RunContext,
)
from airflow_s3batch.operations.locks import event_holds
from airflow_s3batch.operations.managed_forms import operation_from_create_job
from airflow_s3batch.operations.probing import SCRATCH_BODY
from airflow_s3batch.operations.requests import BucketFacts, Response

OBJECT = S3Object("b", "k", "v1")
UNTIL = datetime(2030, 1, 31, tzinfo=UTC)
GOVERNANCE = b"<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2030</RetainUntilDate></Retention>"


def params(operation: Operation, obj: S3Object = OBJECT) -> dict[str, Any]:
    """Return the parameters of the request for *obj*, which the store grants."""
    outcome, (request,) = drive(operation.for_object(obj).steps(obj, RunContext()), [answer()])
    assert outcome.is_success
    assert (request.bucket, request.key, request.version_id) == ("b", "k", "v1")
    return request.call.params


@pytest.mark.parametrize("until", [UNTIL, "2030-01-31", "2030-01-31T01:00:00+01:00", "2030-01-31 00:00:00"])
def test_retention_until_a_date(until: Any) -> None:
    """A datetime, or ISO 8601; UTC where it names no zone."""
    assert params(PutObjectRetention("GOVERNANCE", until)) == {
        "Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": UNTIL}
    }


def test_retention_for_days_ends_with_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that all objects of a day share one date, and none has less than was asked for."""
    now = [datetime(2030, 1, 1, 23, 59, 59, tzinfo=UTC)]
    monkeypatch.setattr(PutObjectRetention, "_utc_now", staticmethod(lambda: now[0]))
    operation = PutObjectRetention("COMPLIANCE", days=30)
    assert params(operation)["Retention"]["RetainUntilDate"] == datetime(2030, 2, 1, tzinfo=UTC)
    now[0] += timedelta(seconds=2)
    assert params(operation)["Retention"]["RetainUntilDate"] == datetime(2030, 2, 2, tzinfo=UTC)


def test_retention_by_columns() -> None:
    """Each object has its own mode and date; a value that won't do is refused."""
    operation = PutObjectRetention(Column("mode"), Column("until"))
    row = OBJECT._replace(columns={"mode": "COMPLIANCE", "until": datetime(2030, 1, 31)})  # noqa: DTZ001 - as DuckDB has it
    assert params(operation, row) == {"Retention": {"Mode": "COMPLIANCE", "RetainUntilDate": UNTIL}}
    for columns in (
        {"mode": "X", "until": "2030-01-31"},
        {"mode": "COMPLIANCE", "until": "soon"},
        {"mode": None, "until": None},
    ):
        with pytest.raises(ArgumentError):
            operation.for_object(OBJECT._replace(columns=columns))


def test_removal_is_asked_for_by_name() -> None:
    """No argument that is missing by accident takes a retention away."""
    with pytest.raises(ArgumentError, match="remove=True"):
        PutObjectRetention()
    operation = PutObjectRetention(remove=True, bypass_governance_retention=True)
    assert params(operation) == {"Retention": {}, "BypassGovernanceRetention": True}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"mode": "GOVERNANCE"}, "retain_until or days"),
        ({"retain_until": UNTIL}, "give mode"),
        ({"mode": "GOVERNANCE", "retain_until": UNTIL, "days": 1}, "either"),
        ({"mode": "LOOSE", "days": 1}, "mode='LOOSE'"),
        ({"mode": "GOVERNANCE", "days": 0}, "days=0"),
        ({"mode": "GOVERNANCE", "retain_until": "soon"}, "retain_until='soon'"),
        ({"remove": True, "days": 1}, "takes no days"),
        ({"remove": True, "event_hold": "OFF"}, "takes no event_hold"),
        ({"event_hold": "ON", "event_hold_days": 40_000}, "36,500"),
        ({"event_hold": "ON", "event_hold_days": 1, "event_hold_years": 1}, "either"),
        ({"event_hold_days": 1}, "go with event_hold"),
        ({"mode": "GOVERNANCE", "days": 1, "confirmed": "yes"}, "confirmed='yes'"),
    ],
)
def test_wrong_retention_is_told_at_parse_time(arguments: dict[str, Any], said: str) -> None:
    """A clause for each mistake."""
    with pytest.raises(ArgumentError, match=said):
        PutObjectRetention(**arguments)


def test_event_holds_need_a_botocore_that_knows_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told before the first object; everything else works without."""
    hold = PutObjectRetention(event_hold="ON", event_hold_days=30)
    assert params(hold) == {"Retention": {"EventHold": "ON", "EventHoldDuration": {"Days": 30}}}
    monkeypatch.setattr("airflow_s3batch.operations.locks.retention.knows_event_holds", lambda: False)
    assert "upgrade" in hold.machine_problems()[0]
    assert not PutObjectRetention("GOVERNANCE", days=1).machine_problems()
    assert isinstance(event_holds.knows_event_holds(), bool)


def test_refusal_of_a_compliance_lock_is_told_as_it_is() -> None:
    """Nobody can shorten it, and nothing here pretends otherwise."""
    operation = PutObjectRetention("COMPLIANCE", UNTIL, bypass_governance_retention=True)
    outcome, _ = drive(operation.steps(OBJECT, RunContext(is_replay=True)), [answer(403, "AccessDenied")])
    assert (outcome.http_status, outcome.error_code) == (403, "AccessDenied")


@pytest.mark.parametrize(
    "operation",
    [
        PutObjectRetention("COMPLIANCE", UNTIL),
        PutObjectRetention("GOVERNANCE", UNTIL, bypass_governance_retention=True),
        PutObjectRetention(remove=True, bypass_governance_retention=True),
        PutObjectRetention("GOVERNANCE", UNTIL, event_hold="ON", event_hold_years=2),
        PutObjectLegalHold("ON"),
        PutObjectLegalHold("OFF"),
    ],
)
def test_managed_form_round_trips(operation: Operation) -> None:
    """What AWS is told is what a worker would do."""
    back = operation_from_create_job(operation.create_job_operation())
    assert type(back) is type(operation)
    assert params(back) == params(operation)
    assert not operation.managed_problems()


def test_columns_are_for_workers() -> None:
    """AWS takes one date for all."""
    assert PutObjectRetention("GOVERNANCE", Column("until")).managed_problems()
    assert PutObjectLegalHold(Column("held")).managed_problems()


def test_legal_hold_by_value_and_column() -> None:
    """``ON`` or ``OFF``, nothing else."""
    assert params(PutObjectLegalHold("ON")) == {"LegalHold": {"Status": "ON"}}
    row = OBJECT._replace(columns={"held": "OFF"})
    assert params(PutObjectLegalHold(Column("held")), row) == {"LegalHold": {"Status": "OFF"}}
    for status in ("on", None, True):
        with pytest.raises(ArgumentError):
            PutObjectLegalHold(status)  # type: ignore[arg-type]


@pytest.mark.parametrize("operation", [PutObjectRetention("GOVERNANCE", days=1), PutObjectLegalHold("ON")])
def test_bucket_needs_object_lock_and_versioning(operation: Operation) -> None:
    """What is unknown is no reason to refuse."""
    assert operation.bucket_problems(BucketFacts("Off", object_lock="Off"))
    assert operation.bucket_problems(BucketFacts("Enabled", object_lock="Off"))
    assert operation.bucket_problems(BucketFacts("Suspended", object_lock="Enabled"))
    assert not operation.bucket_problems(BucketFacts("Enabled", object_lock="Enabled"))
    assert not operation.bucket_problems(BucketFacts())


class LockStore:
    """A store with one versioned object, which keeps locks, or does not."""

    def __init__(self, *, ignores: bool = False, overwrites: bool = False, keeps: bool = False) -> None:
        self.ignores, self.overwrites, self.keeps = ignores, overwrites, keeps
        self.body, self.mode, self.hold = SCRATCH_BODY, b"", "OFF"
        self.objects: set[tuple[str, str]] = set()
        self.until: datetime | None = None

    def __call__(self, request: Request) -> Response:
        api, place = request.call.api, (request.bucket, request.key)
        if api == "PutObject":
            self.objects.add(place)
            return answer(x_amz_version_id="v9", date="Fri, 01 Mar 2030 10:00:00 GMT")
        assert place in self.objects
        if api == "GetObject":
            return answer(body=b"<xml/>" if self.overwrites else SCRATCH_BODY)
        assert request.version_id == "v9"
        if api == "DeleteObject":
            assert request.call.params == {"BypassGovernanceRetention": True}
            if self.keeps:
                return answer(403, "AccessDenied")
            self.objects.discard(place)
            return answer(204)
        return self.lock(api, request)

    def lock(self, api: str, request: Request) -> Response:
        if api == "PutObjectRetention":
            retention = request.call.params["Retention"]
            self.until = retention.get("RetainUntilDate", self.until)
            self.mode = b"" if self.ignores else GOVERNANCE if retention else b""
        if api == "PutObjectLegalHold" and not self.ignores:
            self.hold = request.call.params["LegalHold"]["Status"]
        if api == "GetObjectRetention":
            return answer(body=self.mode) if self.mode else answer(404, "NoSuchObjectLockConfiguration")
        return answer(body=f"<LegalHold><Status>{self.hold}</Status></LegalHold>".encode())


LOCKS = [
    PutObjectRetention("COMPLIANCE", days=365),
    PutObjectRetention(remove=True, bypass_governance_retention=True),
    PutObjectLegalHold("ON"),
]


@pytest.mark.parametrize("operation", LOCKS)
@pytest.mark.parametrize(
    "scratch", [S3Object("b", "jobs/j/scratch/1f/object"), S3Object("ops", "jobs/j/scratch/1f/object")]
)
def test_locks_are_tried_in_the_objects_bucket_and_cleaned_up(operation: Operation, scratch: S3Object) -> None:
    """The job's bucket may have no Object Lock. Never in COMPLIANCE, never for more than a minute."""
    store = LockStore()
    _, requests = drive(operation.for_probe(OBJECT).probe(scratch, OBJECT), store)
    assert not store.objects
    assert {request.bucket for request in requests} == {"b"}
    assert {request.key for request in requests} <= {"jobs/j/scratch/1f/object-other", ".s3batch-scratch/1f/object"}
    assert store.hold == "OFF"
    if isinstance(operation, PutObjectRetention):
        assert store.until == datetime(2030, 3, 1, 10, 1, tzinfo=UTC)


@pytest.mark.parametrize("operation", LOCKS)
@pytest.mark.parametrize(
    ("store", "said", "is_left"),
    [
        (LockStore(ignores=True), "does not show it", False),
        (LockStore(overwrites=True), "plain write", False),
        (LockStore(keeps=True), "could not be deleted", True),
    ],
)
def test_store_that_keeps_no_locks_is_refused(operation: Operation, store: LockStore, said: str, is_left: bool) -> None:
    """The scratch object goes in any case, or else the error names it."""
    with pytest.raises(CapabilityError, match=said) as caught:
        drive(operation.for_probe(OBJECT).probe(S3Object("b", "s/1f/object"), OBJECT), store)
    assert "confirmed=True" in str(caught.value)
    assert bool(store.objects) is is_left
    store.objects.clear()


@pytest.mark.parametrize("operation", LOCKS)
def test_those_who_may_not_write_are_told_what_to_do(operation: Operation) -> None:
    """The store may well have locks."""
    with pytest.raises(CapabilityError, match=r"can't write .*AccessDenied.*confirmed=True"):
        drive(operation.for_probe(OBJECT).probe(S3Object("ops", "s/1f/object"), OBJECT), [answer(403, "AccessDenied")])


@pytest.mark.parametrize(
    "arguments",
    [
        {"days": 1_000_001},
        {"days": "9" * 5_000},
        {"retain_until": "0001-01-01T00:00:00+05:00"},
        {"retain_until": "9999-12-31T23:59:59-05:00"},
    ],
)
def test_dates_that_no_calendar_has_are_told_at_parse_time(arguments: dict[str, Any]) -> None:
    """And of columns, as that object's failure."""
    with pytest.raises(ArgumentError, match=r"days=|retain_until="):
        PutObjectRetention("GOVERNANCE", **arguments)
    columns: dict[str, Any] = {name: Column(name) for name in arguments}
    with pytest.raises(ArgumentError):
        PutObjectRetention("GOVERNANCE", **columns).for_object(OBJECT._replace(columns=arguments))


def test_confirmed_store_is_not_tried() -> None:
    """The user's word; nothing is written."""
    for operation in (
        PutObjectRetention("GOVERNANCE", days=1, confirmed=True),
        PutObjectLegalHold("ON", confirmed=True),
    ):
        assert not operation.is_probed
        assert not operation.for_probe(OBJECT).is_probed
    assert PutObjectLegalHold("ON").is_probed
    assert PutObjectRetention("GOVERNANCE", days=1).is_probed
    hold = PutObjectRetention(event_hold="ON")
    with pytest.raises(CapabilityError, match="event holds"):
        drive(hold.for_probe(OBJECT).probe(S3Object("b", "s/1f/object"), OBJECT), [])
