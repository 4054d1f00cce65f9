"""What must hold of the selected rows before a shard is written: a filter that went wrong ends here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import ArgumentError, SelectionError
from airflow_s3batch.core.keys import encode_key
from airflow_s3batch.core.s3url import S3Url

if TYPE_CHECKING:
    from airflow_s3batch.manifests.planning.cutting.staged import Staged
    from airflow_s3batch.manifests.planning.series import Published

_WHOLE = ("min_objects", "max_objects", "max_bytes")


@dataclass(frozen=True, slots=True)
class Guards:
    """
    Limits of a selection; ``None`` and ``()`` are no limit.

    Attributes:
        min_objects: fewer is an error.
        max_objects: more is an error.
        max_bytes: a larger sum of sizes is an error, and so is a size that nobody knows.
        allowed_buckets: names; a row of another bucket is an error.
        allowed_prefixes: of keys, or ``s3://bucket/prefix``; a row outside all of them is an error.
        max_change: share (0.5 is half) by which the number of objects may differ from the task's last manifest.
    """

    min_objects: int | None = None
    max_objects: int | None = None
    max_bytes: int | None = None
    allowed_buckets: tuple[str, ...] = ()
    allowed_prefixes: tuple[str, ...] = ()
    max_change: float | None = None

    def problems(self) -> list[str]:
        """Return what is wrong with the limits themselves."""
        found = []
        for name in (*_WHOLE, "max_change"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                found.append(f"{name}={value} must be at least 0")
        if self.min_objects is not None and self.max_objects is not None and self.min_objects > self.max_objects:
            found.append(f"min_objects={self.min_objects} is more than max_objects={self.max_objects}")
        return [*found, *self._bucket_problems(), *self._prefix_problems()]

    def _bucket_problems(self) -> Iterator[str]:
        for bucket in self.allowed_buckets:
            if not bucket or "/" in bucket:
                yield f"allowed_buckets: {bucket!r} is not the name of a bucket"

    def _prefix_problems(self) -> Iterator[str]:
        for prefix in self.allowed_prefixes:
            if not prefix:
                yield "allowed_prefixes: '' would allow every key; name a prefix, or leave the argument out"
            elif "://" in prefix:
                try:
                    S3Url.parse(prefix, what="allowed_prefixes")
                except ArgumentError as error:
                    yield str(error)

    def to_json(self) -> dict[str, Any]:
        """Return the limits that are set."""
        return {name: value for name, value in asdict(self).items() if value not in (None, ())}

    def check(self, staged: Staged, *, what: str, last: Published | None, log: Callable[[str], None]) -> None:
        """
        Check what was selected from *what*, a name for the error, before any of it is written.

        *last* is the manifest that the same task published before, ``None`` if there is none or nobody asked; where
        there is nothing to compare with, *log* says so.

        Raises:
            SelectionError: tells all guards that say no, and what to do.
        """
        found = [*self._count_problems(staged), *self._size_problems(staged), *self._stray_problems(staged)]
        if self.max_change is not None:
            found += self._change_problems(staged, last, log)
        if found:
            raise SelectionError(f"{what}: the filter selects {staged.rows:,} objects, {'; '.join(found)}")

    def _count_problems(self, staged: Staged) -> Iterator[str]:
        if self.max_objects is not None and staged.rows > self.max_objects:
            yield (
                f"more than max_objects={self.max_objects:,}; nothing was done to them. "
                "Narrow the filter, or raise max_objects if all of them are meant"
            )
        if self.min_objects is not None and staged.rows < self.min_objects:
            yield (
                f"fewer than min_objects={self.min_objects:,}; nothing was done to them. "
                "Look whether the filter and the inventory are the right ones, or lower min_objects"
            )

    def _size_problems(self, staged: Staged) -> Iterator[str]:
        if self.max_bytes is None:
            return
        if staged.bytes > self.max_bytes:
            yield (
                f"{staged.bytes:,} bytes in sum, more than max_bytes={self.max_bytes:,}; nothing was done to them. "
                "Narrow the filter, or raise max_bytes if all of them are meant"
            )
        if staged.unsized:
            yield (
                f"{staged.unsized:,} of them of unknown size, so nobody can tell whether max_bytes={self.max_bytes:,} "
                "holds; nothing was done to them. Use a source that tells sizes (Size is an optional field of an "
                "inventory, and delete markers have none), or use max_objects instead"
            )

    def _stray_problems(self, staged: Staged) -> Iterator[str]:
        if not staged.strays:
            return
        first = S3Url.parse(staged.stray)
        names = ("allowed_buckets", "allowed_prefixes")
        limits = " and ".join(f"{name}={getattr(self, name)!r}" for name in names if getattr(self, name))
        yield (
            f"{staged.strays:,} of them outside {limits}, such as s3://{first.bucket}/{encode_key(first.key)}; nothing "
            "was done to any of them. Narrow the filter, or allow these too if they are meant"
        )

    def _change_problems(self, staged: Staged, last: Published | None, log: Callable[[str], None]) -> Iterator[str]:
        if last is None or not last.rows:
            why = "the last one is empty" if last else "there is none of the same kind"
            log(f"max_change={self.max_change}: {staged.rows:,} objects, and no manifest to compare with: {why}")
            return
        change = abs(staged.rows - last.rows) / last.rows
        if self.max_change is not None and change > self.max_change:
            yield (
                f"and the last manifest of this task ({last.job_url}) has {last.rows:,}: a change of {change:.0%}, "
                f"more than max_change={self.max_change} allows; nothing was done to them. Look whether the filter "
                "and the inventory are the right ones, or raise max_change for this run"
            )
