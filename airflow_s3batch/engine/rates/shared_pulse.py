"""
Signs of life among the attempts of several jobs that share a rate: a file each in a folder below the ``job_url``.

As with the pulses of one job the file's *name* is the news, and all times are the store's. It is gone once the attempt
has ended; one that was killed is not counted after three beats, and its file is deleted by whoever finds it old.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from airflow_s3batch.core.errors import AccessError
from airflow_s3batch.engine.rates.shared_share import STALE, read_sharers, sharer_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.engine.rates.shared_share import SharedShare, Sharer

log = logging.getLogger(__name__)


class SharedPulse:
    """
    Tells the others what one attempt wants of a shared rate, and hears them. For the heart's thread.

    A beat is a write and a listing, and a delete where something else is wanted than before. Nothing here raises: what
    goes wrong is logged once, and the attempt goes on with a careful share.

    Args:
        folder: of all that share the rate.
        job: name of the job's folder.
        share: what is kept up to date.
    """

    def __init__(self, storage: Storage, folder: S3Url, job: str, attempt: str, share: SharedShare) -> None:
        self._storage = storage
        self._folder = folder
        self._job = job
        self._attempt = attempt
        self._share = share
        self._last: S3Url | None = None
        self._may_delete = True
        self._has_complained = self._has_warned = False

    def beat(self) -> None:
        """Tell, then listen; in this order of two attempts that join at once at least one hears of the other."""
        try:
            told = self._share.wish() if self._may_delete else math.inf
            self._tell(told)
            sharers = read_sharers(self._storage.list(self._folder / ""))
            self._warn(self._share.hear(told, sharers))
            self._sweep(sharers)
        except Exception as error:  # noqa: BLE001 - advice only: the attempt goes on without it
            self._complain(error)

    def leave(self) -> None:
        """Take the file away, so that the others have this attempt's share at once."""
        try:
            if self._last is not None and self._may_delete:
                self._storage.delete(self._last)
        except Exception as error:  # noqa: BLE001 - see above
            self._complain(error)

    def _tell(self, per_s: float) -> None:
        place, last = self._folder / sharer_name(self._job, self._attempt, self._share.stated, per_s), self._last
        self._storage.write(place, b"")
        self._last = place
        if last is not None and last != place:
            self._drop(last)

    def _sweep(self, sharers: dict[str, Sharer]) -> None:
        """Delete what somebody left who was killed long ago, one file a beat."""
        own = sharers.get(self._attempt)
        if own is None or not self._may_delete:
            return
        for sharer in sharers.values():
            if sharer.at < own.at - STALE:
                self._drop(self._folder / sharer_name(sharer.job, sharer.attempt, sharer.limit, sharer.per_s))
                return

    def _drop(self, place: S3Url) -> None:
        try:
            self._storage.delete(place)
        except AccessError:
            self._may_delete = False
            raise

    def _warn(self, others: Sequence[Sharer]) -> None:
        """Say once that Dags state different limits."""
        view, stated = self._share.view, self._share.stated
        odd = next((sharer for sharer in others if sharer.limit != round(stated, 6)), None)
        if odd is None or self._has_warned:
            return
        self._has_warned = True
        log.warning(
            "SharedRate(%r): this job states %g requests/s, job %s states %g; %g, the lowest of all that run, counts. "
            "State the same in all Dags",
            view.name,
            stated,
            odd.job,
            odd.limit,
            view.per_s,
        )

    def _complain(self, error: Exception) -> None:
        if not self._has_complained:
            self._has_complained = True
            log.warning(
                "SharedRate(%r): the jobs that share it may not know of one another, so this one takes a careful "
                "share: %s",
                self._share.view.name,
                error,
            )
