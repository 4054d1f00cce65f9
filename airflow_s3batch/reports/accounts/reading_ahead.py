"""Many small reads from a store at once, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

THREADS = 10
"""As many as boto3 keeps connections open."""
AHEAD = 4 * THREADS

Item = TypeVar("Item")
Result = TypeVar("Result")


def reading_ahead(read: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """
    Yield what *read* returns for each of *items*, in their order; it is called in threads, for a few dozen ahead.

    What it raises is raised in its turn. Closing the iterator waits for the calls under way, and makes no more.
    """
    with ThreadPoolExecutor(THREADS, thread_name_prefix="s3batch-read") as threads:
        pending: deque[Future[Result]] = deque()
        try:
            for item in items:
                pending.append(threads.submit(read, item))
                if len(pending) >= AHEAD:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            threads.shutdown(wait=True, cancel_futures=True)
