"""What rehearsals leave beside the shards' files: which attempts were theirs, and how they ended."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import JobDamagedError

if TYPE_CHECKING:
    from airflow_s3batch.core.layout import GenerationLayout
    from airflow_s3batch.engine.files.storage import Storage

FORMAT = "airflow-s3batch-rehearsal/1"
BEGAN, ENDED = "began", "ended"
_ATTEMPT = re.compile(r"attempt-(\d{4,}-\d{13,}-[0-9a-f]{6})\.json").fullmatch

Note = Mapping[str, Any]


def write_note(storage: Storage, generation: GenerationLayout, name: str, note: Note) -> None:
    """Write what the rehearsal *name* has to say: once when it begins, and once more when it ends."""
    body = json.dumps({"format": FORMAT, "rehearsal": name, **note}, indent=1)
    storage.write(generation.rehearsal(name), body.encode(), "application/json")


def read_notes(storage: Storage, generation: GenerationLayout) -> list[Note]:
    """
    Return what rehearsals in *generation* have said, oldest first.

    Raises:
        JobDamagedError: a file is not one of ours.
    """
    urls = sorted(file.url for file in storage.list(generation.rehearsals / "") if file.url.key.endswith(".json"))
    notes = []
    for url in urls:
        try:
            note = json.loads(storage.read(url) or b"null")
            has_attempts = isinstance(note["attempts"], dict)
            is_ours = has_attempts and note["format"] == FORMAT and note["state"] in (BEGAN, ENDED)
        except (ValueError, KeyError, TypeError):
            is_ours = False
        if not is_ours:
            raise JobDamagedError(f"{url}: not what a rehearsal of this package leaves; restore it")
        notes.append(note)
    return notes


def rehearsal_attempts(notes: Sequence[Note]) -> frozenset[str]:
    """Return all attempts that were rehearsals, whatever their shards."""
    return frozenset(str(attempt) for note in notes for attempt in note["attempts"].values())


def attempts_in(notes: list[Note], shard: int) -> frozenset[str]:
    """Return the attempts at *shard* that were rehearsals."""
    return frozenset(str(note["attempts"][str(shard)]) for note in notes if str(shard) in note["attempts"])


def is_only_rehearsed(storage: Storage, generation: GenerationLayout, shard: int) -> bool:
    """Whether rehearsals, and nothing else, were attempts at *shard* in *generation*."""
    rehearsed = attempts_in(read_notes(storage, generation), shard)
    if not rehearsed:
        return False
    return announced(storage, generation, shard) <= rehearsed


def announced(storage: Storage, generation: GenerationLayout, shard: int) -> set[str]:
    """Return the attempts at *shard* that have begun, whoever made them."""
    names = (file.url.key.rpartition("/")[2] for file in storage.list(generation.shard(shard) / "attempt-"))
    return {match[1] for match in map(_ATTEMPT, names) if match}
