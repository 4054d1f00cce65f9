"""In which order selected rows go into shards: so that what runs at one time is in many parts of the key space."""

from __future__ import annotations

import contextlib
from itertools import pairwise
from typing import TYPE_CHECKING

from airflow_s3batch.manifests.planning.cutting.stage_files import RowReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from airflow_s3batch.manifests.planning.cutting.stage_files import StagedFile

SECTIONS = 61
"""A prime, so that rounds, ranges and shards of round sizes don't all begin in the same section."""


def turn_rows_for(range_rows: int) -> int:
    """Return how many rows in a row come from one section: so many that a row range has rows from all of them."""
    return max(1, range_rows // SECTIONS)


def dealt(files: Sequence[StagedFile], turn_rows: int, sections: int = SECTIONS) -> Iterator[pa.RecordBatch]:
    """
    Yield all rows of *files*, as cards are dealt: a few from each part of the deck, round after round.

    The rows are cut into equal *sections*, in the order of the files, which is about the order of the keys. Each round
    takes *turn_rows* rows of every section, and begins one section further than the round before. So any few hundred
    rows that follow one another, and the rows at which several shards are at work at one time, come from all over the
    key space, and S3 sees the requests on many of its partitions. The order depends on the rows alone, not on how they
    are laid out in files; up to *sections* rows keep their order. Each section is read once, from first to last.
    """
    total = sum(file.rows for file in files)
    cuts = [total * section // sections for section in range(sections + 1)]
    with contextlib.ExitStack() as stack:
        readers = [stack.enter_context(RowReader(files, *cut)) for cut in pairwise(cuts)]
        begin = 0
        while any(reader.left for reader in readers):
            for turn in range(sections):
                yield from readers[(begin + turn) % sections].take(turn_rows)
            begin += 1
