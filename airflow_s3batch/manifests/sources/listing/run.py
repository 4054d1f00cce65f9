"""Sends the requests of a walk through the engine, and falls back to a slower way where the store is out of order."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from airflow_s3batch.engine.loop.executor import Executor
from airflow_s3batch.manifests.sources.listing.ranges import BINARY, BY_FOLDER, Order, Target
from airflow_s3batch.manifests.sources.listing.rows import record_batch
from airflow_s3batch.manifests.sources.listing.walk import OutOfOrderError, Walk
from airflow_s3batch.operations.base import Operation, Replay
from airflow_s3batch.operations.requests import RunContext

if TYPE_CHECKING:
    from airflow_s3batch.core.objects import S3Object
    from airflow_s3batch.core.outcomes import Outcome
    from airflow_s3batch.engine.access import S3Access
    from airflow_s3batch.engine.policy import Policy
    from airflow_s3batch.manifests.sources.listing.files import ListingFiles
    from airflow_s3batch.manifests.sources.listing.pages import Entries
    from airflow_s3batch.operations.requests import Steps

ORDERS: Sequence[Order | None] = (BINARY, BY_FOLDER, None)
_TELL_EVERY_S = 10.0


@dataclass(frozen=True, eq=False)
class _ListObjects(Operation):
    """Do the works of *walk*; each is an "object" whose key is the work's number."""

    walk: Walk

    name: ClassVar[str] = "list_objects"
    replay: ClassVar[Replay] = Replay.SAFE
    is_probed: ClassVar[bool] = False

    def problems(self) -> list[str]:
        return []

    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:  # noqa: ARG002
        return self.walk.steps(obj.key)

    def probe(self, scratch: S3Object, sample: S3Object) -> Steps[Mapping[str, str]]:  # noqa: ARG002
        yield from ()
        return {}

    def iam_actions(self) -> set[str]:
        return {"s3:ListBucket", "s3:ListBucketVersions"}


class Listed(NamedTuple):
    """
    What a listing cost.

    Attributes:
        requests: sent, repeats included.
        probes: how many of them only looked for places to cut.
        order: of the store; empty where it keeps to none that is known.
    """

    requests: int
    probes: int
    order: str
    seconds: float


def list_into(
    make_files: Callable[[], ListingFiles],
    access: S3Access,
    policy: Policy,
    targets: Sequence[Target],
    *,
    log: Callable[[str], None],
    orders: Sequence[Order | None] = ORDERS,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[ListingFiles, Listed]:
    """
    List *targets* into files, and return these; each order in *orders* is tried in turn until the store keeps to it.

    *make_files* is called once for each try, as what was written in vain is thrown away.

    Raises:
        AccessError: the store refuses.
        InfrastructureError: it does not answer.
        ManifestError: what it says can't be understood.
    """
    for order, following in zip(orders, (*orders[1:], None), strict=True):
        files = make_files()
        try:
            return files, _walked(Walk(targets, order, _Rows(files, log, clock)), access, policy, clock)
        except OutOfOrderError as error:
            files.close()
            files.discard()
            way = f"in parallel, {following.name}" if following else "one page after the other, which takes longer"
            log(f"the store does not list in {order.name if order else 'any order'} ({error}): listing anew {way}")
        except BaseException:
            files.close()
            raise
    raise AssertionError("the last order is trusted, so it can't be wrong")


def _walked(walk: Walk, access: S3Access, policy: Policy, clock: Callable[[], float]) -> Listed:
    began = clock()
    with Executor(access, policy) as executor:
        executor.run(_ListObjects(walk), walk.works(), RunContext(), walk.done)
        name = walk.order.name if walk.order else ""
        return Listed(executor.requests, walk.probes, name, clock() - began)


class _Rows:
    """Takes entries from the walk to the files, and tells how far it is."""

    def __init__(self, files: ListingFiles, log: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._files = files
        self._log = log
        self._clock = clock
        self._began = self._told = clock()

    def __call__(self, target: Target, entries: Entries, start: int, end: int, *, is_marker: bool) -> None:
        """Take the entries from *start* up to *end*."""
        files = self._files
        files.add(record_batch(files.schema, entries, start, end, bucket=target.bucket, is_marker=is_marker))
        now = self._clock()
        if now - self._told >= _TELL_EVERY_S:
            self._told = now
            self._log(f"listed {files.rows:,} objects ({files.rows / (now - self._began):,.0f}/s)")
