"""What may be given as ``operation=``: an operation, or a list of them."""

from __future__ import annotations

from typing import Any

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.operations.base import Operation
from airflow_s3batch.operations.in_order import InOrder


def declared(operation: Any) -> Any:
    """
    Return *operation* as the engines take it: a list of operations becomes `InOrder`, a list of one that operation.

    What is neither is returned as it is, for `declaration_problems` to tell.

    Raises:
        ArgumentError: the operations of a list can't follow each other.
    """
    if not isinstance(operation, (list, tuple)):
        return operation
    if len(operation) == 1 and isinstance(operation[0], Operation):
        return operation[0]
    return InOrder(tuple(operation))


def declaration_problems(operation: Any) -> list[str]:
    """Return what is wrong with an argument ``operation``, whichever engine it is for, a clause each."""
    try:
        found = declared(operation)
    except ArgumentError as error:
        return [f"operation: {error}"]
    if isinstance(found, Operation):
        return []
    return [f"operation={operation!r} is not an operation; pass e.g. PutObjectTagging({{'k': 'v'}})"]


def worker_problems(operation: Any) -> list[str]:
    """Return what is wrong with an argument ``operation`` for the worker engine, a clause each."""
    if problems := declaration_problems(operation):
        return problems
    if declared(operation).runs_on_workers:
        return []
    return [f"operation={operation!r} is done by AWS alone; use engine='managed'"]


def for_workers(operation: Any) -> Operation:
    """
    Return the operation that the worker engine runs for *operation*, checked.

    Raises:
        ArgumentError: lists all that is wrong with it.
    """
    if problems := worker_problems(operation):
        raise ArgumentError("; ".join(problems))
    found: Operation = declared(operation)
    found.validate()
    return found
