"""Which attempts at an operation count: those with its newest form, and of each shard the newest start from scratch."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.engine.checks.rehearsal_notes import Note, read_notes
from airflow_s3batch.engine.shards.generation import operation_document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_s3batch.core.layout import GenerationLayout, OperationLayout
    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.engine.files.storage import Storage

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OperationRun:
    """
    What was done, and where its traces lie.

    Attributes:
        operation: the declaration, as `Operation.to_json` gives it; empty if no shard was ever started.
        fingerprint: of the operation; empty likewise.
        policy: what counts as failure, as the operation task declared it at first.
        folders: of each shard that was ever started, by index: the folder of its newest generation.
        generations: those with this very operation, newest first.
        iam_actions: that the operation needs on the objects; empty if not known.
        dry_run: whether it was only looked what would be done.
        rehearsals: what rehearsals in *generations* have said of themselves, oldest first.
    """

    operation: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str = ""
    policy: Mapping[str, Any] = field(default_factory=dict)
    folders: Mapping[int, S3Url] = field(default_factory=dict)
    generations: tuple[GenerationLayout, ...] = ()
    iam_actions: tuple[str, ...] = ()
    dry_run: bool = False
    rehearsals: tuple[Note, ...] = ()


def find_run(storage: Storage, task: OperationLayout) -> OperationRun:
    """
    Return what was done by the operation task whose files lie in *task*.

    The highest generation says which operation is meant. For each shard the highest generation with that same
    operation counts; a shard without any is absent from the result.

    Raises:
        JobDamagedError: a generation has shards, but its operation.json is missing or unreadable.
    """
    current: Mapping[str, Any] = {}
    folders: dict[int, S3Url] = {}
    generations: list[GenerationLayout] = []
    for number in _numbers(storage, task.url, r"g(\d{4,})")[::-1]:
        generation = task.generation(number)
        shards = _numbers(storage, generation.url, r"shard-(\d{5,})")
        document = operation_document(storage, generation)
        if document is None:
            if shards:
                raise JobDamagedError(f"{generation.operation}: missing, although shards were worked on beside it")
            log.warning("%s: ignored, it has no operation.json", generation.url)
            continue
        current = current or document
        if document["fingerprint"] == current["fingerprint"]:
            generations.append(generation)
            folders.update({index: generation.shard(index) for index in shards if index not in folders})
    if not current:
        return OperationRun()
    return OperationRun(
        current["operation"],
        current["fingerprint"],
        current["policy"],
        folders,
        tuple(generations),
        tuple(map(str, current["iam_actions"])),
        current["dry_run"],
        tuple(note for generation in generations[::-1] for note in read_notes(storage, generation)),
    )


def _numbers(storage: Storage, folder: S3Url, pattern: str) -> list[int]:
    matches = (re.fullmatch(pattern, name) for name in storage.folders(folder))
    return sorted(int(match[1]) for match in matches if match)
