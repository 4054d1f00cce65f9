"""
Generations of an operation task: which folder an attempt works in, and the guard against resuming another operation.

A generation holds what was done with one operation, unchanged. ``resume=False`` opens a new one beside the old. What a
dry run has looked at, and what was really done, are never in the same one.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import JobChangedError, JobDamagedError
from airflow_s3batch.core.formats import check_format
from airflow_s3batch.core.identity import fingerprint
from airflow_s3batch.engine.checks.rehearsal_notes import is_only_rehearsed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_s3batch.core.layout import GenerationLayout, JobLayout, OperationLayout
    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.engine.policy import Policy
    from airflow_s3batch.operations.base import Operation

FORMAT = "airflow-s3batch-operation/1"
_NO_TASKS = frozenset({"manifest", "report", "source"})
"""Folders of a job that are no operation task's."""


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
    dry_run: bool = False,
) -> GenerationLayout:
    """
    Return the generation that this attempt at *shard* works in; the first attempt of all writes ``operation.json``.

    A job that was a dry run is never resumed by a real one, nor the other way round. With ``resume=False`` the real one
    may begin beside the dry one; a dry run beside real work would take its place in the report, and is always refused.
    A rehearsal is no reason to start over: what comes after it goes on in its generation, also with ``resume=False``.

    The managed engine has no shards to itself: it names the folder of a *bucket* instead.

    A refusal is noted beside the generations, so that the report does not call the run green: what somebody cleared the
    task for was not done.

    Raises:
        JobChangedError: the job was begun with another operation, or as a dry run, and *resume* is true; or it was
            really begun, and this is a dry run.
        JobDamagedError: ``operation.json`` is missing or unreadable.
    """
    refusal = task.bucket_refusal(bucket) if shard is None else task.refusal(shard)
    number = newest_generation(storage, task)
    if not number:
        return _opened(
            storage, task.generation(1), operation, policy, opened, is_managed=shard is None, dry_run=dry_run
        )
    newest = task.generation(number)
    known = operation_document(storage, newest)
    if known is None:
        raise JobDamagedError(
            f"{newest.operation}: missing; restore it: without it nobody can tell what was done to the objects"
        )
    is_same = operation.completed(known["operation"]) == operation.to_json()
    was_dry = known["dry_run"]
    changed = ""
    if was_dry != dry_run and (resume or dry_run):
        changed = (_WAS_DRY if was_dry else _WAS_REAL).format(newest.url)
    elif resume and not is_same:
        changed = _changed(newest, operation.completed(known["operation"]), operation.to_json())
    if changed:
        note = {"asked_for": operation.to_json(), "dry_run": dry_run, "refused": opened}
        storage.write(refusal, json.dumps(note, indent=1).encode(), "application/json")
        raise JobChangedError(changed)
    if resume:
        _forget_refusal(storage, refusal)
        return newest
    _forget_refusal(storage, refusal)
    begun = storage.folders(newest.managed) if shard is None else storage.folders(newest.url)
    if is_same and was_dry == dry_run:
        is_begun = (bucket if shard is None else f"shard-{shard:05d}") in set(begun)
        if not is_begun or (shard is not None and is_only_rehearsed(storage, newest, shard)):
            return newest
    return _opened(
        storage, task.generation(number + 1), operation, policy, opened, is_managed=shard is None, dry_run=dry_run
    )


def newest_generation(storage: Storage, task: OperationLayout) -> int:
    """Return the number of the task's newest generation, 0 if it was never started."""
    return max((int(name[1:]) for name in storage.folders(task.url) if re.fullmatch(r"g\d{4,}", name)), default=0)


def newest_generations(storage: Storage, job: JobLayout) -> Iterator[tuple[str, GenerationLayout]]:
    """Yield id and newest generation of each operation task of *job* that was ever started."""
    for task_id in storage.folders(job.url):
        if task_id not in _NO_TASKS and (number := newest_generation(storage, job.operation(task_id))):
            yield task_id, job.operation(task_id).generation(number)


def _forget_refusal(storage: Storage, refusal: S3Url) -> None:
    if storage.read(refusal) is not None:
        storage.delete(refusal)


def _opened(
    storage: Storage,
    generation: GenerationLayout,
    operation: Operation,
    policy: Policy,
    opened: str,
    *,
    is_managed: bool,
    dry_run: bool,
) -> GenerationLayout:
    actions = operation.managed_iam_actions() if is_managed else operation.iam_actions()
    document = {
        "format": FORMAT,
        "operation": operation.to_json(),
        **({"dry_run": True} if dry_run else {}),
        "fingerprint": _fingerprint(operation.to_json(), dry_run=dry_run),
        "policy": policy.to_json(),
        "iam_actions": sorted(actions),
        "opened": opened,
    }
    storage.write(generation.operation, json.dumps(document, indent=1).encode(), "application/json")
    return generation


def _fingerprint(operation: dict[str, Any], *, dry_run: bool) -> str:
    """Return what tells generations apart: a release that knows no dry runs takes one for damaged, not for work."""
    return fingerprint({"dry_run": operation} if dry_run else operation)


def operation_document(storage: Storage, generation: GenerationLayout) -> dict[str, Any] | None:
    """
    Return ``operation``, ``dry_run``, ``fingerprint``, ``policy`` and ``iam_actions`` of a generation.

    ``None`` if it has no ``operation.json``.

    Raises:
        JobDamagedError: the file is not one of ours.
    """
    body = storage.read(generation.operation)
    if body is None:
        return None
    try:
        document: dict[str, Any] = json.loads(body)
        check_format(document["format"], FORMAT, place=str(generation.operation))
        dry_run = bool(document.get("dry_run", False))
        if _fingerprint(document["operation"], dry_run=dry_run) != document["fingerprint"]:
            raise JobDamagedError(f"{generation.operation}: altered since it was written; restore it")
        known = {name: document[name] for name in ("operation", "fingerprint", "policy")}
        return {**known, "dry_run": dry_run, "iam_actions": list(document.get("iam_actions", ()))}
    except (ValueError, KeyError, TypeError) as error:
        raise JobDamagedError(f"{generation.operation}: not an operation of this package ({error!r})") from None


_WAS_DRY = (
    "this job was a dry run ({}), and a real one can't go on from there: nothing was done. Start a new Dag run for the "
    "real thing, or pass resume=False to do it in this one"
)
_WAS_REAL = (
    "this job was really begun ({}), so it can't be a dry run any more: that would take the place of what was done in "
    "the report. Start a new Dag run with dry_run=True"
)


def _changed(generation: GenerationLayout, before: dict[str, Any], now: dict[str, Any]) -> str:
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    changes = ", ".join(f"{name} was {before.get(name)!r} and is {now.get(name)!r}" for name in names)
    return (
        f"the operation was edited since this job began ({changes}), so what {generation.url} holds can't be resumed; "
        "restore it, or pass resume=False to start over with the new one"
    )
