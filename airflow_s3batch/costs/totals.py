"""How much there is to work on, as far as a manifest tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_s3batch.core.manifest import UNKNOWN_CLASS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_s3batch.core.manifest import Manifest
    from airflow_s3batch.core.size_classes import SizeClasses


@dataclass(frozen=True, slots=True)
class Totals:
    """
    What an estimate is made of.

    Attributes:
        rows: objects.
        bytes: sum of their sizes, as far as known.
        storage_classes: rows and bytes by storage class; empty if nobody counted.
        sizes: objects and bytes by size class; empty if nobody counted.
        shards: in how many parts workers do them.
        jobs: how many jobs of AWS they would be, one for each bucket.
    """

    rows: int
    bytes: int
    storage_classes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    sizes: SizeClasses = ()
    shards: int = 1
    jobs: int = 1

    @classmethod
    def of(cls, manifest: Manifest, *, jobs: int = 1) -> Totals:
        """Return the totals of *manifest*, which AWS would work on in *jobs* jobs."""
        return cls(
            manifest.rows, manifest.bytes, manifest.storage_classes, manifest.sizes, len(manifest.shards) or 1, jobs
        )

    @property
    def classes(self) -> Mapping[str, tuple[int, int]]:
        """The storage classes; all rows are of an unknown one if nobody counted."""
        return self.storage_classes or {UNKNOWN_CLASS: (self.rows, self.bytes)}
