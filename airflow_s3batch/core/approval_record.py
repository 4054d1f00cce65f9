"""What is kept of an approval: who was asked what, when, and what was answered. Reads and writes ``approval.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.core.formats import check_format
from airflow_s3batch.core.identity import fingerprint
from airflow_s3batch.core.manifest import Manifest, Text

FORMAT = "airflow-s3batch-approval/1"
ASKED, APPROVED, REJECTED = STATES = ("asked", "approved", "rejected")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRecord:
    """
    One question, and its answer if there is one.

    Attributes:
        state: one of `STATES`.
        task_id: of the task that asked; *asked* is when, ISO, and *deadline* until when, ``None`` without an end.
        subject: what was asked, in a line.
        operation: the declaration that was shown; *manifest* stands for the manifest that was (see `manifest_mark`).
        objects: how many; *bytes* of them.
        default: what counts if nobody answers.
        by: who answered, as Airflow names them; empty if nobody did, and the default counts.
        at: when it was answered, ISO; ``None`` until then.
        manifest_try: which try of the manifest task had published, or found, the manifest.
    """

    state: str
    task_id: str
    asked: str
    deadline: str | None
    subject: str
    operation: Mapping[str, Any]
    manifest: str
    objects: int
    bytes: int
    default: str
    manifest_try: int = 0
    by: str = ""
    at: str | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def operation_mark(self) -> str:
        """Stands for the operation that was shown."""
        return fingerprint(self.operation)

    @property
    def mark(self) -> str:
        """Stands for question and answer. Airflow is told it, so that a file of somebody else is not believed."""
        told = asdict(self)
        del told["manifest_try"]  # which may be written anew after the answer
        return fingerprint(told)

    def answered(self, state: str, by: str, at: str) -> Self:
        """Return the record with its answer."""
        return replace(self, state=state, by=by, at=at)

    def sentence(self) -> str:
        """Return who said what and when, or that nobody has yet."""
        if self.state == ASKED:
            return f"asked at {self.asked}, and not answered yet"
        if self.by:
            return f"{self.state} by {self.by} at {self.at}"
        return f"{self.state} at {self.at}: nobody answered in time, and {self.default!r} is the default"

    def to_json(self) -> str:
        """Return the text of ``approval.json``."""
        document = {"format": FORMAT, **asdict(self), "operation_fingerprint": self.operation_mark}
        return json.dumps(document, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: Text, *, place: str) -> Self:
        """
        Return the record that `to_json` wrote; *place* is its URL for the error.

        Raises:
            JobDamagedError: it is none, or was altered.
        """
        try:
            document = dict(json.loads(text))
            check_format(document.pop("format"), FORMAT, place=place)
            mark = document.pop("operation_fingerprint")
            record = cls(**{name: document[name] for name in document if name in cls.__dataclass_fields__})
            is_ours = record.state in STATES and record.operation_mark == mark
        except (ValueError, KeyError, TypeError) as error:
            raise JobDamagedError(f"{place}: not an approval of this package ({error!r})") from None
        if not is_ours:
            raise JobDamagedError(f"{place}: altered since it was written; clear the task that asks")
        return record


def manifest_mark(manifest: Manifest) -> str:
    """Return 16 hex digits that stand for what *manifest* holds: other rows, another mark."""
    return fingerprint([str(manifest.job_url), manifest.rows, [shard.sha256 for shard in manifest.shards]])
