"""
Set the retention of object versions, or take it away.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-retention-date.html
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Self, get_args

from airflow_s3batch.core.errors import CapabilityError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations.base import Operation, Replay
from airflow_s3batch.operations.fields import Column, choice_problems, is_day_count
from airflow_s3batch.operations.locks.event_holds import EventHold, event_hold_of, knows_event_holds
from airflow_s3batch.operations.locks.lock_look import READ_RETENTION, retention_shown
from airflow_s3batch.operations.locks.object_lock import body_problem, lock_problems, soon_by_store, tried_on_scratch
from airflow_s3batch.operations.moments import iso_text, moment_of, moment_problems
from airflow_s3batch.operations.requests import BucketFacts, Call, Request, Response, RunContext, Steps
from airflow_s3batch.operations.types import LockMode
from airflow_s3batch.operations.verification import Done, explained

MOST_DAYS = 1_000_000
"""S3 names no limit; this one keeps dates within what they can be written in."""

_GET_RETENTION = Call("GetObjectRetention")


@dataclass(frozen=True)
class PutObjectRetention(Operation):
    """
    Retain each object until a date, like S3 Batch Operations' ``S3PutObjectRetention``.

    The retention is on the version that the manifest names, or on the current one; it replaces the one that was there.
    The bucket needs Object Lock and versioning. In ``GOVERNANCE`` it can be shortened and removed by those who may
    bypass it. In ``COMPLIANCE`` **nobody can shorten or remove it**, nor change its mode, not even the account's root
    user; S3 refuses with ``AccessDenied``, and the report says so for each object.

    A store that is not known to be AWS is tried first: a scratch object in the objects' bucket is retained in
    GOVERNANCE for a minute, looked at, and deleted with bypass.

    Args:
        mode: ``"GOVERNANCE"`` or ``"COMPLIANCE"``.
        retain_until: datetime or ISO 8601 text, UTC where it names no zone; S3 wants it in the future.
        days: instead of *retain_until*: so many days from when the request is sent, up to the end of that day in UTC.
        bypass_governance_retention: may shorten or remove a GOVERNANCE retention (needs the permission of that name).
        remove: take the retention away instead of setting one.
        event_hold: ``"ON"`` keeps the version from being deleted until the event, ``"OFF"`` says that it has happened;
            S3 then retains it for *event_hold_days* or *event_hold_years* more. Needs a botocore that knows of it.
        event_hold_days: 1 to 36,500.
        event_hold_years: 1 to 100.
        confirmed: the store is known to keep retention, so nothing is tried; for those where we may not write.
    """

    mode: str | Column | None = None
    retain_until: datetime | str | Column | None = None
    days: int | str | Column | None = None
    bypass_governance_retention: bool = False
    remove: bool = False
    event_hold: str | Column | None = None
    event_hold_days: int | str | Column | None = None
    event_hold_years: int | str | Column | None = None
    confirmed: bool = False
    _calls: dict[datetime | None, Call] = field(init=False, repr=False, compare=False)

    name: ClassVar[str] = "put_object_retention"
    requests: ClassVar[tuple[str, ...]] = ("PutObjectRetention",)
    replay: ClassVar[Replay] = Replay.SAFE
    managed_name: ClassVar[str] = "S3PutObjectRetention"
    managed_most_objects: ClassVar[int] = 20_000_000_000
    goes_with_object: ClassVar[bool] = True
    compares: ClassVar[str] = "mode and time of the retention, and an event hold"
    denied_for: ClassVar[str] = (
        "the versions are retained already: in COMPLIANCE nobody can shorten that, in GOVERNANCE only "
        "bypass_governance_retention=True"
    )

    def __post_init__(self) -> None:
        """Check the fields; what is confirmed needs no trial."""
        object.__setattr__(self, "_calls", {})
        object.__setattr__(self, "is_probed", not self.confirmed)
        super().__post_init__()

    @classmethod
    def example(cls) -> Self:  # noqa: D102
        return cls("GOVERNANCE", "2030-01-01T00:00:00+00:00")

    def problems(self) -> list[str]:  # noqa: D102
        found = choice_problems(get_args(LockMode), mode=self.mode)
        found += [
            f"{name}={getattr(self, name)!r}: expected True or False"
            for name in ("bypass_governance_retention", "remove", "confirmed")
            if not isinstance(getattr(self, name), bool)
        ]
        if not is_day_count(self.days, MOST_DAYS):
            found.append(f"days={self.days!r}: expected a whole number from 1 to {MOST_DAYS:,}")
        found += moment_problems(retain_until=self.retain_until)
        found += self._event.problems()
        return found or self._conflicts()

    def _conflicts(self) -> list[str]:
        """Return what does not go together, a clause each."""
        ends = [name for name in ("retain_until", "days") if getattr(self, name) is not None]
        if self.remove:
            given = [name for name in ("mode", *ends) if getattr(self, name) is not None]
            given += [] if self._event.is_empty else ["event_hold"]
            return [f"remove=True takes no {', '.join(given)}"] if given else []
        if len(ends) == 2:
            return ["give either retain_until or days"]
        if self.mode is None and not ends and not self._event.is_empty:
            return []
        if self.mode is None or not ends:
            return ["give mode and either retain_until or days; remove=True takes the retention away"]
        return []

    @property
    def _event(self) -> EventHold:
        return EventHold(self.event_hold, self.event_hold_days, self.event_hold_years)

    def machine_problems(self) -> list[str]:  # noqa: D102
        if self._event.is_empty or knows_event_holds():
            return []
        return ["event_hold: the installed botocore does not know it; upgrade boto3 and botocore"]

    def managed_form(self) -> dict[str, Any]:  # noqa: D102
        form: dict[str, Any] = {"Retention": self._retention(self._until())}
        if until := form["Retention"].get("RetainUntilDate"):
            form["Retention"]["RetainUntilDate"] = iso_text(until)
        return {"BypassGovernanceRetention": True, **form} if self.bypass_governance_retention else form

    @classmethod
    def from_managed_form(cls, form: Mapping[str, Any]) -> Self:  # noqa: D102
        retention = form.get("Retention") or {}
        bypass = bool(form.get("BypassGovernanceRetention"))
        if not retention:
            return cls(remove=True, bypass_governance_retention=bypass)
        event = event_hold_of(retention)
        return cls(
            retention.get("Mode"),
            retention.get("RetainUntilDate"),
            bypass_governance_retention=bypass,
            event_hold=event.status,
            event_hold_days=event.days,
            event_hold_years=event.years,
        )

    def bucket_problems(self, facts: BucketFacts) -> list[str]:  # noqa: D102
        return lock_problems(facts)

    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:  # noqa: ARG002, D102
        response = yield Request(self._call(), obj.bucket, obj.key, obj.version_id)
        return response.outcome()

    def _call(self) -> Call:
        """Return the call that all objects of a day share."""
        until = self._until()
        if until not in self._calls:
            bypass = {"BypassGovernanceRetention": True} if self.bypass_governance_retention else {}
            self._calls[until] = Call("PutObjectRetention", {**bypass, "Retention": self._retention(until)})
        return self._calls[until]

    def marks(self, obj: S3Object) -> frozenset[str]:  # noqa: ARG002, D102
        return frozenset({"retention"})

    def compared(self, obj: S3Object, done: Done) -> Steps[Outcome]:  # noqa: D102
        mode = None if self.mode is None else str(self.mode)
        untils = {until for sent in (done.began, done.ended) if (until := self._until(sent)) is not None}
        wrong = yield from retention_shown(obj, mode, untils, self._event.shown())
        return (yield from explained(obj, wrong, done))

    def verification_iam_actions(self) -> set[str]:  # noqa: D102
        return super().verification_iam_actions() | READ_RETENTION

    def _until(self, sent: datetime | None = None) -> datetime | None:
        """Return until when a request retains that was *sent* then, or is about to be."""
        if self.days is None:
            return None if self.retain_until is None else moment_of(self.retain_until)  # type: ignore[arg-type]
        day = (sent or self._utc_now()) + timedelta(days=int(str(self.days)) + 1)
        return day.replace(hour=0, minute=0, second=0, microsecond=0)

    @staticmethod
    def _utc_now() -> datetime:
        return datetime.now(UTC)

    def _retention(self, until: datetime | None) -> dict[str, Any]:
        given = {"Mode": self.mode, "RetainUntilDate": until}
        return {**{name: value for name, value in given.items() if value is not None}, **self._event.params()}

    def for_probe(self, sample: S3Object) -> PutObjectRetention:  # noqa: ARG002, D102
        if self.remove:
            return self
        hold = None if self._event.is_empty else "ON"
        return PutObjectRetention("GOVERNANCE", days=1, confirmed=self.confirmed, event_hold=hold)

    def probe(self, scratch: S3Object, sample: S3Object) -> Steps[Mapping[str, str]]:  # noqa: D102
        if not self._event.is_empty:
            raise CapabilityError(
                f"{self.name}: event holds can't be tried without leaving a lock, and this store is not known to be "
                "AWS. No object was touched; if you know that the store keeps them, confirmed=True skips the trial"
            )
        yield from tried_on_scratch(self.name, scratch, sample, self._tried)
        return {}

    def _tried(self, obj: S3Object, put: Response) -> Steps[str]:
        """Retain *obj* for a minute, and let it go if that is what is asked; return what the store did wrong."""
        until = soon_by_store(put, self._utc_now())
        short = Call("PutObjectRetention", {"Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": until}})
        if wrong := (yield from _tried_call(obj, short, is_shown=True)):
            return wrong
        if not self.remove:
            return ""
        none = Call("PutObjectRetention", {"Retention": {}, "BypassGovernanceRetention": True})
        return (yield from _tried_call(obj, none, is_shown=False))

    def iam_actions(self) -> set[str]:  # noqa: D102
        bypass = {"s3:BypassGovernanceRetention"} if self.bypass_governance_retention else set()
        return {"s3:PutObjectRetention", *bypass}


def _tried_call(obj: S3Object, call: Call, *, is_shown: bool) -> Steps[str]:
    response = yield Request(call, obj.bucket, obj.key, obj.version_id)
    if wrong := (yield from body_problem(obj)):
        return wrong
    if not response.is_success:
        return f"answers {response.error_code} ({response.message})"
    shown = yield Request(_GET_RETENTION, obj.bucket, obj.key, obj.version_id)
    if (b"<Mode>GOVERNANCE</Mode>" in shown.body) != is_shown:
        return f"accepts the {'retention' if is_shown else 'removal of a retention'} but does not show it"
    return ""
