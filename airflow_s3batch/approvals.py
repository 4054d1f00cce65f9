"""Whether somebody has to say yes before a job runs, who, and what happens if nobody answers. Light to import."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from airflow_s3batch.operations.base import Operation

__all__ = ["Approval"]

APPROVE: Final = "approve"
REJECT: Final = "reject"
MOST_EXAMPLES = 50


@dataclass(frozen=True)
class Approval:
    """
    How a job is approved.

    Args:
        timeout: how long people have to answer; ``None`` waits for as long as it takes.
        default: the answer if nobody gives one in time: ``"reject"`` or ``"approve"``.
        default_may_destroy: needed for ``default="approve"`` where the operation destroys data: that nobody has looked
            is then enough.
        assigned_users: who may answer: ids of Airflow users, or dicts with ``id`` and ``name``; all who may act on the
            Dag if empty.
        notifiers: Airflow notifiers that are sent when the question is asked; ``{{ task.subject }}`` and
            ``{{ task.body }}`` are in their templates.
        examples: how many keys are shown, 0 to 50.
    """

    timeout: timedelta | None = timedelta(days=1)
    default: Literal["approve", "reject"] = REJECT
    default_may_destroy: bool = False
    assigned_users: Sequence[str | Mapping[str, str]] = ()
    notifiers: Sequence[Any] = ()
    examples: int = 5

    def problems(self, operation: Any = None) -> Iterator[str]:
        """Yield what is wrong with the approval of *operation*, a clause each."""
        if self.timeout is not None and not (isinstance(self.timeout, timedelta) and self.timeout > timedelta(0)):
            yield f"timeout={self.timeout!r}: expected a timedelta above 0, or None to wait for as long as it takes"
        if self.default not in (APPROVE, REJECT):
            yield f"default={self.default!r}: expected {APPROVE!r} or {REJECT!r}"
        elif self.default == APPROVE and destroys(operation) and not self.default_may_destroy:
            yield (
                f"default='approve': {type(operation).__name__} destroys data, and would do so without anybody having "
                "looked; say default_may_destroy=True if that is meant"
            )
        if isinstance(self.assigned_users, str | Mapping) or not isinstance(self.assigned_users, Sequence):
            yield f"assigned_users={self.assigned_users!r}: expected a list"
        elif wrong := [user for user in self.assigned_users if not _is_user(user)]:
            yield f"assigned_users: {wrong[0]!r} is neither the id of a user nor a dict with id and name"
        if isinstance(self.notifiers, str) or not isinstance(self.notifiers, Sequence):
            yield f"notifiers={self.notifiers!r} is not a list of notifiers"
        elif wrong := [notifier for notifier in self.notifiers if not callable(notifier)]:
            yield f"notifiers: {wrong[0]!r} is not a notifier"
        is_number = isinstance(self.examples, int) and not isinstance(self.examples, bool)
        if not is_number or not 0 <= self.examples <= MOST_EXAMPLES:
            yield f"examples={self.examples!r}: expected a number from 0 to {MOST_EXAMPLES}"

    @property
    def users(self) -> list[dict[str, str]]:
        """Those who may answer, as Airflow takes them."""
        return [{"id": user, "name": user} if isinstance(user, str) else dict(user) for user in self.assigned_users]


def approval_for(
    operation: Any,
    approval: bool | Approval | None,  # noqa: FBT001 - as the arguments of the task group are called
    dry_run: bool | str = False,  # noqa: FBT001, FBT002
) -> Approval | None:
    """
    Return how *operation* has to be approved, ``None`` if it needs nobody.

    *approval* ``None`` asks where the operation destroys data; ``True`` always, ``False`` never. A dry run needs
    nobody; where *dry_run* is a template, the task that asks sees when it runs. *operation* may be a list.
    """
    if dry_run is True or approval is False or (approval is None and not destroys(operation)):
        return None
    return approval if isinstance(approval, Approval) else Approval()


def approval_problems(operation: Any, approval: Any) -> list[str]:
    """Return all that is wrong with the argument *approval* for *operation*, a clause each."""
    if isinstance(approval, Approval):
        return [f"approval: {problem}" for problem in approval.problems(operation)]
    if approval is None or isinstance(approval, bool):
        return []
    return [f"approval={approval!r}: expected True, False, None or an Approval"]


def destroys(operation: Operation | Sequence[Operation] | Any) -> bool:
    """Return whether *operation*, or one of a list of them, loses data for good."""
    if isinstance(operation, list | tuple):
        return any(map(destroys, operation))
    return bool(getattr(operation, "destroys", False))


def _is_user(user: Any) -> bool:
    if isinstance(user, Mapping):
        return set(user) == {"id", "name"} and all(isinstance(value, str) and value for value in user.values())
    return isinstance(user, str) and bool(user)
