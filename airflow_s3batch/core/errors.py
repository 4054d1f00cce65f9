"""
The exceptions of this package, and which of them a retry can cure.

```
S3BatchError
├── ArgumentError        wrong arguments, all of them at once (also a ValueError)
├── InventoryError       there is no usable inventory delivery, or it is damaged
├── ManifestError        a manifest, a filter or a column can't be used as it is
├── SelectionError       more or fewer objects were selected than the guards allow
├── JobChangedError      the job that is to be resumed is not the one that was started
├── JobDamagedError      files under the job's folder are missing, foreign or altered
│   └── LaterReleaseError  … or of a form that only a later release knows
├── CapabilityError      the store does not do what the operation needs
├── AccessError          the store refuses: permission, bucket, connection
├── TooManyFailuresError more objects failed than is allowed
├── PausedError          somebody has paused the job
├── ApprovalError        nobody has approved what is about to be done
├── RivalError           another job is at work on the same objects
└── InfrastructureError  the world misbehaved; trying again may help
```

Each message is a whole sentence for the person on call, and the only argument, so that every
exception survives pickling.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar


class S3BatchError(Exception):
    """Base of all errors that this package raises on purpose."""

    is_retryable: ClassVar[bool] = False
    """Whether running the same task again, with nothing changed, can succeed."""


class ArgumentError(S3BatchError, ValueError):
    """Arguments are wrong; the message lists every wrong one."""

    @classmethod
    def of(cls, owner: str, problems: Iterable[str]) -> ArgumentError:
        """Return one error that tells all *problems* of *owner*, an operator's or operation's name."""
        return cls(f"{owner}: " + "; ".join(problems))


class InventoryError(S3BatchError):
    """There is no inventory delivery that can be used, or one of its files is damaged."""


class ManifestError(S3BatchError):
    """A manifest, a filter or a column can't be used as it is."""


class SelectionError(S3BatchError):
    """The filter selects more or fewer objects than the guards allow."""


class JobChangedError(S3BatchError):
    """What is to be resumed was started with another selection, source or operation."""


class JobDamagedError(S3BatchError):
    """Files under the job's folder are missing, foreign or altered."""


class LaterReleaseError(JobDamagedError):
    """A file was written by a later release, in a form that this one does not know."""


class CapabilityError(S3BatchError):
    """The store, or the target bucket's configuration, does not do what the operation needs."""


class AccessError(S3BatchError):
    """The store refuses: a permission, bucket or credential is missing."""


class TooManyFailuresError(S3BatchError):
    """More objects failed than ``allowed_failures`` permits."""


class PausedError(S3BatchError):
    """
    Somebody has paused the job; all that was done is recorded, and what is left can be done once it may go on.

    Attributes:
        has_begun: something was done before, so that a start over must not begin again.
    """

    is_retryable = True
    has_begun = False


class ApprovalError(S3BatchError):
    """Nobody has approved what is about to be done: this operation, on this manifest."""


class RivalError(S3BatchError):
    """Another job, or another Airflow, is at work on what this one is about to work on."""


class InfrastructureError(S3BatchError):
    """The store or the network misbehaved for longer than the engine's own retries last."""

    is_retryable = True
