"""From objects to exchanges: what the executor drives, one object or one batch of them at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations.base import Operation
from airflow_s3batch.operations.requests import Request, Response, RunContext, Steps


class Work(NamedTuple):
    """One object to do; *number* identifies it to whoever asked."""

    number: int
    obj: S3Object


class Exchange:
    """
    A generator under way: one object, or one batch of them; none for a probe.

    Attributes:
        request: the one that is waiting, in flight or answered.
        attempt: which try of *request* it is, from 1.
        corrections: how often clock or credentials were set right for it.
        is_ambiguous: an earlier try of *request* may have been executed.
        failure: the last answer to *request*, if it is tried again; ``None`` on the first try.
        unexplained: the refusal of a HEAD, which has no body, while a GET is asked for the reason.
    """

    __slots__ = ("attempt", "corrections", "failure", "is_ambiguous", "request", "steps", "unexplained", "works")

    def __init__(self, works: Sequence[Work], steps: Steps[Any]) -> None:
        self.works = works
        self.steps = steps
        self.unexplained: Response | None = None

    def begin(self, request: Request) -> None:
        """Take the next *request*, which was not tried yet."""
        self.request = request
        self.attempt = 1
        self.corrections = 0
        self.is_ambiguous = False
        self.failure: Response | None = None


def exchanges(operation: Operation, source: Iterator[Work | None], context: RunContext) -> Iterator[Exchange | None]:
    """
    Yield the exchanges for *source*; ``None`` where it has nothing at the moment.

    An empty version id means none: taken for a version, it would lift the conditions of a delete.
    """
    may_batch = operation.batch_size > 1
    batch: list[Work] = []
    for work in source:
        if work is None:
            if batch:  # what the source waits for may be in it
                yield _batched(operation, batch, context)
                batch = []
            yield None
            continue
        obj = work.obj
        if obj.version_id == "":
            obj = obj._replace(version_id=None)
        if not (may_batch and operation.is_batchable(obj, context)):
            yield Exchange((work,), _steps(operation, obj, context))
            continue
        if batch and (len(batch) == operation.batch_size or batch[0].obj.bucket != obj.bucket):
            yield _batched(operation, batch, context)
            batch = []
        batch.append(work._replace(obj=obj))
    if batch:
        yield _batched(operation, batch, context)


def _nothing() -> Steps[None]:
    yield from ()


END = Exchange((), _nothing())
"""Stands for the end of a stream of exchanges."""


def _steps(operation: Operation, obj: S3Object, context: RunContext) -> Steps[Outcome]:
    """Return the steps for one object; where its column values won't do, steps that refuse it."""
    try:
        return operation.for_object(obj).steps(obj, context)
    except ArgumentError as error:
        return _refused(Outcome(400, operation.invalid_code, str(error)[:500]))


def _refused(outcome: Outcome) -> Steps[Outcome]:
    yield from ()
    return outcome


def _batched(operation: Operation, batch: list[Work], context: RunContext) -> Exchange:
    return Exchange(batch, operation.batch_steps([work.obj for work in batch], context))
