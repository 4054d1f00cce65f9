"""What the managed engine has left in a generation, for those who only have to know that it was at work."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow_s3batch.core.errors import JobChangedError
from airflow_s3batch.engine.shards.generation import newest_generation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_s3batch.core.layout import GenerationLayout, OperationLayout
    from airflow_s3batch.engine.files.storage import Storage


def rounds_in(storage: Storage, generation: GenerationLayout) -> Iterator[tuple[str, int]]:
    """Yield folder and number of each round of AWS jobs, in this order; none where only workers were at work."""
    for folder in sorted(storage.folders(generation.managed)):
        names = (re.fullmatch(r"round-(\d{4,})", name) for name in storage.folders(generation.bucket_rounds(folder)))
        for number in sorted(int(name[1]) for name in names if name):
            yield folder, number


def refuse_beside_aws(storage: Storage, task: OperationLayout, name: str) -> None:
    """
    Check that no AWS job may be at work on the objects that *name*, an operation and a shard, is about to touch.

    A request that is stored may be a job already: whoever sent it may have been killed before the job's id was noted.

    Raises:
        JobChangedError: there is one whose outcomes are not committed yet, or may be one.
    """
    number = newest_generation(storage, task)
    generation = task.generation(number)
    for folder, round_number in rounds_in(storage, generation) if number else ():
        place = generation.round(folder, round_number)
        if storage.read(place.harvested) is not None:
            continue
        if (made := storage.read(place.job) is not None) or storage.read(place.request) is not None:
            has = f"has made an AWS job ({place.job})" if made else f"may have made an AWS job ({place.request})"
            raise JobChangedError(
                f"{name}: engine='managed' {has} for these objects whose outcomes are not accounted for, so two "
                "engines might work on them; clear the task with engine='managed' once more, then engine='worker' can "
                "do what is left"
            )
