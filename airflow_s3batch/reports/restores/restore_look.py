"""What one look at objects that are being restored shows, and what there is to say about those that can't be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_s3batch.core.keys import encode_key
from airflow_s3batch.core.outcomes import VANISHED, Outcome
from airflow_s3batch.core.permissions import PERMISSION_CODES, bucket_objects, missing_permission, object_actions
from airflow_s3batch.core.verdicts import Verdict, verdict_for
from airflow_s3batch.engine.loop.executor import Executor
from airflow_s3batch.engine.wire.exchange import Work
from airflow_s3batch.operations.archives.readability import RESTORING, LookAtReadability
from airflow_s3batch.operations.requests import RunContext

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_s3batch.core.objects import S3Object
    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.engine.access import S3Access
    from airflow_s3batch.engine.policy import Policy
    from airflow_s3batch.reports.restores.restore_state import Waiting

LOOK = LookAtReadability()
_PASSING = frozenset({Verdict.RETRY, Verdict.THROTTLE})


@dataclass(slots=True)
class Seen:
    """
    What a look has shown; *pending* objects are looked at again, *barred* ones can't be read, or looked at.

    Unless it *is_told* which restores have failed, nothing is barred: it may yet be restored.
    """

    is_told: bool = True
    pending: list[Work] = field(default_factory=list)
    readable: list[Work] = field(default_factory=list)
    gone: list[Work] = field(default_factory=list)
    barred: list[tuple[Work, Outcome]] = field(default_factory=list)

    @property
    def total(self) -> int:
        """How many objects were seen."""
        return len(self.pending) + len(self.readable) + len(self.gone) + len(self.barred)

    def note(self, work: Work, outcome: Outcome) -> None:
        """Add what `LOOK` says of one object; trouble of the store is no reason to give it up."""
        code = outcome.error_code
        if not code:
            self.readable.append(work)
        elif code in VANISHED:
            self.gone.append(work)
        elif not self.is_told or code == RESTORING or verdict_for(outcome.http_status, code) in _PASSING:
            self.pending.append(work)
        else:
            self.barred.append((work, outcome))


def unseen(obj: S3Object, outcome: Outcome) -> str:
    """Return the sentence about an object that we may not look at."""
    code = outcome.error_code
    reason = f"{code} ({outcome.message})"
    if code in PERMISSION_CODES:
        actions = object_actions(LOOK.iam_actions(), has_version=bool(obj.version_id))
        reason = f"{code}; {missing_permission(code, outcome.message, actions, bucket_objects(obj.bucket))}"
    return f"can't tell whether {_url(obj)} is restored: {reason}"


def _url(obj: S3Object) -> str:
    return f"s3://{obj.bucket}/{encode_key(obj.key)}"


def expired(job_url: S3Url, restored: list[S3Object]) -> str:
    """Return the sentence about objects that were restored and are archived."""
    number = f"{len(restored):,} objects are" if len(restored) > 1 else "an object is"
    return (
        f"{job_url}: {number} archived although the restore was accepted, e.g. {_url(restored[0])}: the copy has "
        "expired, or the object was written anew. Restore for more days, with resume=False to ask for all again"
    )


def still_restoring(access: S3Access, policy: Policy, waiting: Iterable[Waiting]) -> list[Waiting]:
    """
    Return those of *waiting* that are not ready; one HEAD each.

    Raises:
        AccessError: no object can be looked at with these credentials.
        InfrastructureError: the store does not answer.
    """
    entries = list(waiting)
    seen = Seen()
    with Executor(access, policy) as executor:
        works = (Work(number, entry.obj) for number, entry in enumerate(entries))
        executor.run(LOOK, works, RunContext(), seen.note)
    return [entries[work.number] for work in seen.pending]
