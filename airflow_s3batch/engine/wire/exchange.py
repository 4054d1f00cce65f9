"""From objects to exchanges: what the executor drives, one object or one batch of them at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
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


def exchanges(
    operation: Operation,
    source: Iterator[Work | None],
    context: RunContext,
    is_untouched: Callable[[int], bool] = lambda _: False,
) -> Iterator[Exchange | None]:
    """
    Yield the exchanges for *source*; ``None`` where it has nothing at the moment.

    Of the works whose numbers are known to be *is_untouched*, none is a replay.

    An empty version id or ETag means none: taken for one, it would lift the conditions of a delete.
    """
    may_batch = operation.batch_size > 1
    batch: list[Work] = []
    fresh = replace(context, is_replay=False)
    for work in source:
        if work is None:
            if batch:  # what the source waits for may be in it
                yield _batched(operation, batch, context)
                batch = []
            yield None
            continue
        obj = work.obj
        if obj.version_id == "" or obj.e_tag == "":
            obj = obj._replace(version_id=obj.version_id or None, e_tag=obj.e_tag or None)
        if not (may_batch and operation.is_batchable(obj, context)):
            own = fresh if context.is_replay and is_untouched(work.number) else context
            try:
                steps = operation.for_object(obj).steps(obj, own)
            except ArgumentError as error:  # its column values won't do
                steps = _refused(Outcome(400, operation.invalid_code, str(error)[:500]))
            yield Exchange((work,), steps)
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


def _refused(outcome: Outcome) -> Steps[Outcome]:
    yield from ()
    return outcome


def _batched(operation: Operation, batch: list[Work], context: RunContext) -> Exchange:
    return Exchange(batch, operation.batch_steps([work.obj for work in batch], context))
