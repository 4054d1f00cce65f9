"""How large the selected objects are, as the manifest counted them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.size_classes import BOUNDS

if TYPE_CHECKING:
    from airflow_s3batch.core.manifest import Manifest


def size_histogram(manifest: Manifest) -> dict[str, Any]:
    """
    Return ``classes`` (``at_least`` and ``below`` in bytes, ``objects``, ``bytes``) and ``unknown``, objects without.

    Empty where the manifest did not count: it is empty, or of an earlier release.
    """
    counts = manifest.sizes
    if not counts:
        return {}
    ends = zip((0, *BOUNDS), (*BOUNDS, None), strict=True)
    return {
        "classes": [
            {"at_least": least, "below": below, "objects": rows, "bytes": size}
            for (least, below), (rows, size) in zip(ends, counts, strict=True)
        ],
        "unknown": manifest.rows - sum(rows for rows, _ in counts),
    }
