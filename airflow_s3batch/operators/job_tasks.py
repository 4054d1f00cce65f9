"""Which tasks of a Dag belong to the jobs of a manifest task: read off the Dag while the task runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airflow_s3batch.core.news.parts import APPROVAL, GROUP, GROUPS, MANIFEST, OPERATION, PARTS


def jobs_of(task: Any) -> list[dict[str, str]]:
    """
    Return, for each operation on the manifest that *task* publishes, the ids of the job's tasks by their part.

    One dict without ``operation`` if the Dag does not show any. Mapped or not, tasks are of SDK classes.
    """
    others = [other for other in _tasks(task) if other.task_id != task.task_id]
    of_manifest = [other for other in others if _argument(other, "manifest_task_id") == task.task_id]
    named = {str(name) for other in of_manifest if (name := _argument(other, "operation_task_id"))}
    operations = sorted(
        named | {other.task_id for other in others if part_of(other) == OPERATION and _is_mapped_over(other, task)}
    )
    found = []
    for operation in operations or [""]:
        job = {OPERATION: operation} if operation else {}
        for other in others:
            part = part_of(other)
            about = _argument(other, "operation_task_id")
            is_ours = about == operation if about else other in of_manifest or _is_planning(part, other, task)
            if part not in ("", OPERATION, MANIFEST) and (is_ours or _is_between(other, task, operation)):
                job[part] = other.task_id
        found.append(job)
    return found


def declared_by(task: Any, operation_task_id: str) -> tuple[Any, Any]:
    """Return the arguments *operation* and *dry_run* of the operation task in *task*'s Dag, as they were declared."""
    for other in _tasks(task):
        if other.task_id == operation_task_id:
            return _argument(other, "operation"), _argument(other, "dry_run")
    return None, None


def part_of(task: Any) -> str:
    """Return what *task* is to a job, also if its operator is of a sub-class; empty if it is nothing."""
    operator = getattr(task, "operator_class", type(task))
    for ancestor in getattr(operator, "__mro__", ()):
        if ancestor.__name__ in PARTS and ancestor.__module__.startswith("airflow_s3batch."):
            return PARTS[ancestor.__name__]
        if ancestor.__name__ == "HITLOperator":
            return APPROVAL
    return ""


def _tasks(task: Any) -> list[Any]:
    dag = task.get_dag() if hasattr(task, "get_dag") else None
    return list(dag.tasks) if dag is not None else []


def _argument(task: Any, name: str) -> Any:
    """Return what argument *name* of *task* was declared as, of a mapped one, too; ``None`` if it has none."""
    given = getattr(task, "partial_kwargs", None)
    return given.get(name) if isinstance(given, Mapping) else getattr(task, name, None)


def _is_mapped_over(task: Any, manifest: Any) -> bool:
    """Whether *task* is expanded over the output of *manifest*."""
    return any(operator.task_id == manifest.task_id for operator in _mapped_over(task))


def _mapped_over(task: Any) -> Iterator[Any]:
    expand_input = getattr(task, "expand_input", None)
    if expand_input is not None:
        for operator, _ in expand_input.iter_references():
            yield operator


def _is_planning(part: str, task: Any, manifest: Any) -> bool:
    """Whether *task* plans groups of the inventory for *manifest*."""
    if part == GROUPS:
        return bool(_argument(task, "manifest_task_id") == manifest.task_id)
    return part == GROUP and manifest.task_id in task.downstream_task_ids


def _is_between(task: Any, manifest: Any, operation: str) -> bool:
    """Whether *task*, which asks people, comes after *manifest* and before the operation."""
    if part_of(task) != APPROVAL or not operation:
        return False
    after = task.get_flat_relative_ids(upstream=False)
    return operation in after and manifest.task_id in task.get_flat_relative_ids(upstream=True)
