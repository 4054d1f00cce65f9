"""
Generations of an operation task: which folder an attempt works in, and the guard against resuming another operation.

A generation holds what was done with one operation, unchanged. ``resume=False`` opens a new one beside the old.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import JobChangedError, JobDamagedError
from airflow_s3batch.core.identity import fingerprint

if TYPE_CHECKING:
    from airflow_s3batch.core.layout import GenerationLayout, OperationLayout
    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.engine.policy import Policy
    from airflow_s3batch.engine.storage import Storage
    from airflow_s3batch.operations.base import Operation

FORMAT = "airflow-s3batch-operation/1"


def open_generation(
    storage: Storage,
    task: OperationLayout,
    operation: Operation,
    policy: Policy,
    *,
    shard: int | None = None,
    bucket: str = "",
    resume: bool,
    opened: str,
) -> GenerationLayout:
    """
    Return the generation that this attempt at *shard* works in; the first attempt of all writes ``operation.json``.

    The managed engine has no shards to itself: it names the folder of a *bucket* instead.

    A refusal is noted beside the generations, so that the report does not call the run green: what somebody cleared the
    task for was not done.

    Raises:
        JobChangedError: the job was begun with another operation, and *resume* is true.
        JobDamagedError: ``operation.json`` is missing or unreadable.
    """
    refusal = task.bucket_refusal(bucket) if shard is None else task.refusal(shard)
    number = newest_generation(storage, task)
    if not number:
        return _opened(storage, task.generation(1), operation, policy, opened)
    newest = task.generation(number)
    known = operation_document(storage, newest)
    if known is None:
        raise JobDamagedError(
            f"{newest.operation}: missing; restore it: without it nobody can tell what was done to the objects"
        )
    is_same = operation.completed(known["operation"]) == operation.to_json()
    if resume:
        if not is_same:
            note = {"asked_for": operation.to_json(), "refused": opened}
            storage.write(refusal, json.dumps(note, indent=1).encode(), "application/json")
            raise JobChangedError(_changed(newest, operation.completed(known["operation"]), operation.to_json()))
        _forget_refusal(storage, refusal)
        return newest
    _forget_refusal(storage, refusal)
    begun = storage.folders(newest.managed) if shard is None else storage.folders(newest.url)
    if is_same and (bucket if shard is None else f"shard-{shard:05d}") not in set(begun):
        return newest
    return _opened(storage, task.generation(number + 1), operation, policy, opened)


def newest_generation(storage: Storage, task: OperationLayout) -> int:
    """Return the number of the task's newest generation, 0 if it was never started."""
    return max((int(name[1:]) for name in storage.folders(task.url) if re.fullmatch(r"g\d{4,}", name)), default=0)


def _forget_refusal(storage: Storage, refusal: S3Url) -> None:
    if storage.read(refusal) is not None:
        storage.delete(refusal)


def _opened(
    storage: Storage, generation: GenerationLayout, operation: Operation, policy: Policy, opened: str
) -> GenerationLayout:
    document = {
        "format": FORMAT,
        "operation": operation.to_json(),
        "fingerprint": fingerprint(operation.to_json()),
        "policy": policy.to_json(),
        "opened": opened,
    }
    storage.write(generation.operation, json.dumps(document, indent=1).encode(), "application/json")
    return generation


def operation_document(storage: Storage, generation: GenerationLayout) -> dict[str, Any] | None:
    """
    Return ``operation``, ``fingerprint`` and ``policy`` of a generation, ``None`` if it has no ``operation.json``.

    Raises:
        JobDamagedError: the file is not one of ours.
    """
    body = storage.read(generation.operation)
    if body is None:
        return None
    try:
        document: dict[str, Any] = json.loads(body)
        if document["format"] != FORMAT:
            raise JobDamagedError(
                f"{generation.operation}: format is {document['format']!r}; this version reads {FORMAT!r}"
            )
        if fingerprint(document["operation"]) != document["fingerprint"]:
            raise JobDamagedError(f"{generation.operation}: altered since it was written; restore it")
        return {name: document[name] for name in ("operation", "fingerprint", "policy")}
    except (ValueError, KeyError, TypeError) as error:
        raise JobDamagedError(f"{generation.operation}: not an operation of this package ({error!r})") from None


def _changed(generation: GenerationLayout, before: dict[str, Any], now: dict[str, Any]) -> str:
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    changes = ", ".join(f"{name} was {before.get(name)!r} and is {now.get(name)!r}" for name in names)
    return (
        f"the operation was edited since this job began ({changes}), so what {generation.url} holds can't be resumed; "
        "restore it, or pass resume=False to start over with the new one"
    )
