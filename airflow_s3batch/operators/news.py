"""When a task tells its news: not more often than is cheap, and never so that the work waits for it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from airflow_s3batch.hooks.news import Document, bears_threads, push

log = logging.getLogger(__name__)

EVERY_S = 10.0
MOST_PUSHES_PER_S = 10
"""Of all tasks of a job together, so that a thousand shards don't keep the API server busy."""
LONGEST_PAUSE_S = 300.0
_LAST_WAIT_S = 10.0
_SHARE = 0.01
"""Of a task's time that may go into pushes."""


def every_s(shards: int) -> float:
    """Return the seconds between two news of a shard, where there are so many *shards*."""
    return max(EVERY_S, shards / MOST_PUSHES_PER_S)


class Herald:
    """
    Tells the latest news of a task, not more often than is cheap. A context manager.

    Where Airflow's channel to the supervisor bears several threads (that of 3.3 does), a thread of its own pushes, so
    that a slow API server does not hold up the work; else the thread that calls `tell` does. The thread begins with the
    first news, and ends with the context; what it has not told by then, the calling thread does.

    Args:
        ti: the task instance.
        key: of the XCom.
        every_s: seconds between two pushes, at least; more if they take long or fail.
        has_thread: whether to push from a thread; what Airflow bears if left out.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        ti: Any,
        key: str,
        *,
        every_s: float = EVERY_S,
        has_thread: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ti = ti
        self._key = key
        self._every_s = every_s
        self._has_thread = bears_threads() if has_thread is None else has_thread
        self._clock = clock
        self._due = clock()
        self._pause_s = every_s
        self._latest: Document | None = None
        self._news = threading.Condition()
        self._is_over = False
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._news:
            self._is_over = True
            self._news.notify()
        if self._thread is not None:
            self._thread.join(_LAST_WAIT_S)
            if self._thread.is_alive():
                log.info("Airflow takes long to store how far the task is, so its last news are not shown")
                return
        self._push()

    def keep_to(self, every_s: float) -> None:
        """Leave so many seconds between two pushes from now on."""
        self._every_s = every_s

    def tell(self, document: Document) -> None:
        """Take the latest news; they replace those that were not pushed yet."""
        with self._news:
            self._latest = document
            self._news.notify()
        if not self._has_thread:
            if self._clock() >= self._due:
                self._push()
        elif self._thread is None:
            self._thread = threading.Thread(target=self._live, name="s3batch-news", daemon=True)
            self._thread.start()

    def _live(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._is_over or self._latest is not None)
                self._news.wait_for(lambda: self._is_over, max(0.0, self._due - self._clock()))
                if self._is_over:
                    return
            self._push()

    def _push(self) -> None:
        """Push what was told last, unless that is done; then take a pause that fits the time it took."""
        with self._news:
            document, self._latest = self._latest, None
        if document is None:
            return
        began = self._clock()
        is_pushed = push(self._ti, self._key, document)
        now = self._clock()
        wanted_s = max(self._every_s, (now - began) / _SHARE) if is_pushed else 2 * self._pause_s
        self._pause_s = min(LONGEST_PAUSE_S, wanted_s)
        self._due = now + self._pause_s
