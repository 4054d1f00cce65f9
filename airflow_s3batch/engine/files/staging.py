"""Local folders for files on their way, and what is said when their disk is full."""

from __future__ import annotations

import contextlib
import errno
import tempfile
from collections.abc import Iterator
from pathlib import Path

from airflow_s3batch.core.errors import InfrastructureError

_DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})
NEXT_STEP = "free space on its disk, or use another one (staging_dir= for the manifest task, TMPDIR for the others)"


@contextlib.contextmanager
def staging_folder(within: Path | None = None) -> Iterator[Path]:
    """
    Yield a new folder in *within* (by default where temporary files go), resolved; it is deleted at the end.

    Raises:
        InfrastructureError: it can't be made, or the block came upon a disk that is full or broken.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix="s3batch-", dir=within, ignore_cleanup_errors=True)
    except OSError as error:
        place = within or "the system's folder for temporary files"
        raise InfrastructureError(f"no staging folder can be made in {place}: {error}; {NEXT_STEP}") from error
    with folder as name, disk_sentences(Path(name)):
        yield Path(name).resolve()


@contextlib.contextmanager
def disk_sentences(folder: Path) -> Iterator[None]:
    """Turn what a full or broken disk does to the block into a sentence about *folder*; other errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK_ERRORS:
            raise
        raise InfrastructureError(
            f"the staging folder {folder} can't be written: {error.strerror}; {NEXT_STEP}"
        ) from error
