"""One process at a time in a folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

LOCK = "lock"


@contextlib.contextmanager
def only_one(folder: Path, refusal: Exception) -> Iterator[None]:
    """
    Hold *folder*, which is made if it is missing and is readable by its owner alone.

    Raises:
        Exception: *refusal*; another process holds the folder.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise refusal from None
    else:
        yield
    finally:
        os.close(lock)
