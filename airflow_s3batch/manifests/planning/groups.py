"""
Data files in groups, for planning that is spread over several tasks: who reads what, and what each one left.

No I/O. `airflow_s3batch.manifests.planning.grouped` does the work.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.core.formats import check_format
from airflow_s3batch.core.identity import fingerprint
from airflow_s3batch.core.manifest import ShardFile

if TYPE_CHECKING:
    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.manifests.planning.pin import Job
    from airflow_s3batch.manifests.planning.selection import Selection
    from airflow_s3batch.manifests.sources.dataset import Dataset

FORMAT = "airflow-s3batch-group/1"
SET_WISE = ("sql", "keep_versions", "sample", "since", "exclude")
"""Arguments of a selection that must see all rows at once."""


class GroupRef(NamedTuple):
    """
    What one mapped planning task is given through XCom (at most about 150 bytes).

    Attributes:
        job_url: folder of the job.
        group: 0-based.
        of: how many groups there are.
        files: data files in the group.
    """

    job_url: str
    group: int
    of: int
    files: int

    def to_xcom(self) -> dict[str, Any]:
        """Return the dict that goes through XCom."""
        return {"job": self.job_url, "group": self.group, "of": self.of, "files": self.files}

    @classmethod
    def from_xcom(cls, data: Mapping[str, Any]) -> GroupRef:
        """Return the reference that `to_xcom` wrote."""
        return cls(str(data["job"]), int(data["group"]), int(data["of"]), int(data["files"]))


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """
    What one group came to: the content of its ``group.json``.

    Attributes:
        counts: what `Staged` says of the selected rows, files aside.
        shards: its shard files, numbered within the group.
    """

    group: int
    counts: Mapping[str, Any]
    shards: tuple[ShardFile, ...]

    @property
    def rows(self) -> int:
        """How many rows were selected."""
        return int(self.counts["rows"])

    def to_json(self) -> str:
        """Return the text of ``group.json``."""
        shards = [shard.to_json() for shard in self.shards]
        return json.dumps({"format": FORMAT, "group": self.group, "counts": self.counts, "shards": shards}, indent=1)

    @classmethod
    def from_json(cls, text: str | bytes, *, place: str) -> GroupPlan:
        """
        Return the plan that `to_json` wrote; *place* is its URL for the error.

        Raises:
            JobDamagedError: *text* is not such a plan, or its totals don't add up.
        """
        try:
            data = json.loads(text)
            check_format(data["format"], FORMAT, place=place, remedy="clear the task that made it")
            shards = tuple(ShardFile.from_json(shard) for shard in data["shards"])
            plan = cls(int(data["group"]), dict(data["counts"]), shards)
            adds_up = sum(shard.rows for shard in shards) == plan.rows
        except (ValueError, KeyError, TypeError) as error:
            raise JobDamagedError(f"{place}: not the plan of a group of data files ({error!r})") from None
        if not adds_up:
            raise JobDamagedError(f"{place}: the shards' rows don't add up to {plan.rows:,}; it was altered")
        return plan


def file_groups(datasets: Sequence[Dataset], groups: int) -> list[tuple[Dataset, ...]]:
    """
    Return *datasets* in parts of about equal bytes: at most *groups*, never one without a file unless there is none.

    Every data file is in exactly one part; the same files give the same parts. Neighbouring files go to different
    parts, so that a filter on a prefix, which a few neighbours may hold all rows of, finds rows in all parts.
    """
    files = [
        (file.size, n, position) for n, dataset in enumerate(datasets) for position, file in enumerate(dataset.files)
    ]
    number = max(1, min(groups, len(files)))
    lightest = [(0, part) for part in range(number)]
    owners: dict[tuple[int, int], int] = {}
    for size, n, place in sorted(files, key=lambda entry: (-entry[0], entry[1:])):
        weight, part = heapq.heappop(lightest)
        owners[n, place] = part
        heapq.heappush(lightest, (weight + max(size, 1), part))
    return [tuple(_part(dataset, n, owners, part) for n, dataset in enumerate(datasets)) for part in range(number)]


def _part(dataset: Dataset, n: int, owners: Mapping[tuple[int, int], int], part: int) -> Dataset:
    return replace(dataset, files=tuple(file for place, file in enumerate(dataset.files) if owners[n, place] == part))


def most_shards(group: int, groups: int, max_shards: int) -> int:
    """Return how many of *max_shards* the *group*-th of *groups* may make: shares that differ by at most one."""
    return max_shards * (group + 1) // groups - max_shards * group // groups


def groups_folder(job: Job, selection: Selection, groups: int) -> S3Url:
    """
    Return where the groups of *job* leave their plans and shards.

    Whoever asks for other groups or shards, or allows other buckets or prefixes, starts in a folder of its own, with
    nothing of the old one; so does a job that was pinned anew.
    """
    asked = {
        "job": job.fingerprint,
        "objects_per_shard": selection.objects_per_shard,
        "max_shards": selection.max_shards,
        "allowed": [selection.guards.allowed_buckets, selection.guards.allowed_prefixes],
    }
    return job.layout.url / f"manifest/groups-{groups}-{fingerprint(asked)[:8]}"


def joined(plans: Sequence[GroupPlan]) -> tuple[ShardFile, ...]:
    """
    Return the shards of all groups, numbered anew: a shard of each group in turn.

    So shards that run at the same time are of different groups, and of all parts of the key space together: a group
    has some of the data files only.
    """
    turns = zip_longest(*(plan.shards for plan in plans))
    shards = (shard for turn in turns for shard in turn if shard is not None)
    return tuple(replace(shard, index=index) for index, shard in enumerate(shards))


def group_problems(groups: Any, max_shards: Any, set_wise: Sequence[str]) -> list[str]:
    """Return why no planning in *groups* is possible; *set_wise* names arguments that must see all rows at once."""
    if not isinstance(groups, int) or isinstance(groups, bool) or groups < 1:
        return [f"planning_tasks={groups!r} is not a number of tasks, at least 1"]
    found = []
    if isinstance(max_shards, int) and groups > max_shards:
        found.append(
            f"planning_tasks={groups} is more than max_shards={max_shards}, but each group of files makes a shard; "
            "use fewer planning tasks, or raise max_shards"
        )
    if set_wise:
        names = ", ".join(f"{name}=" for name in set_wise)
        found.append(
            f"planning_tasks={groups}: {names} must see all rows at once, and no group of data files has them; "
            "leave planning_tasks out, or let Athena select from very large inventories"
        )
    return found
