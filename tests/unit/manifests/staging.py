"""Staged files made by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from airflow_s3batch.manifests.planning.cutting.stage_files import StagedFile, StageWriter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def staged_files(folder: Path, rows: int, layout: Sequence[int]) -> list[StagedFile]:
    """Stage rows ``0 .. rows - 1`` in *folder*, in files of batches of as many rows as *layout* says."""
    files: list[StagedFile] = []
    first = 0
    while first < rows or not files:
        sizes = layout[len(files) % len(layout) :] or layout
        path = folder / f"rows-{rows}-{len(layout)}-{len(files)}.arrow"
        schema = pa.schema({"bucket": pa.string(), "key": pa.string(), "size": pa.int64(), "team": pa.string()})
        with StageWriter(path, schema) as writer:
            for size in sizes:
                numbers = range(first, min(first + size, rows))
                first += len(numbers)
                columns = [["b"] * len(numbers), [f"k{n}" for n in numbers], list(numbers), ["a"] * len(numbers)]
                writer.write(pa.record_batch(columns, schema))
        files.append(writer.file)
    return files
