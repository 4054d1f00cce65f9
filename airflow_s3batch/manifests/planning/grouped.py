"""
Planning spread over several tasks: one deals the data files out, many filter a part each, one publishes the manifest.

What a part leaves lies below ``manifest/`` and counts for nothing until ``manifest.json`` names it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import ArgumentError, JobDamagedError
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.manifest import Manifest
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.files.staging import staging_folder
from airflow_s3batch.manifests.planning.counting.class_totals import added
from airflow_s3batch.manifests.planning.cutting.evening import evened
from airflow_s3batch.manifests.planning.cutting.shards import range_rows_for, shard_sizes
from airflow_s3batch.manifests.planning.cutting.staged import STAGING_LIMIT, Staged, stage_rows
from airflow_s3batch.manifests.planning.groups import (
    SET_WISE,
    GroupPlan,
    GroupRef,
    file_groups,
    group_problems,
    groups_folder,
    joined,
    most_shards,
)
from airflow_s3batch.manifests.planning.pin import Job, read_job
from airflow_s3batch.manifests.planning.publish import (
    Log,
    noted,
    pinned_data,
    published_manifest,
    resumed_job,
    uploaded_shards,
    write_manifest,
)
from airflow_s3batch.manifests.planning.series import Series
from airflow_s3batch.manifests.sources.dataset import Place
from airflow_s3batch.manifests.sql import duck

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from airflow_s3batch.engine.access import S3Access
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.manifests.planning.selection import Selection
    from airflow_s3batch.manifests.sources.dataset import Dataset

_LATER = frozenset({"storage_classes"})
"""Counts that plans of an older release do not have."""


@dataclass(frozen=True, slots=True)
class Planning:
    """
    What the planning tasks of one job share; each makes its own.

    Attributes:
        access: for sources that send requests of their own.
        about: tells ``job.json`` and the task's series who asks.
        staging_dir: where the temporary folder is made.
        staging_limit: bytes in it at most.
        memory_limit: DuckDB's; *threads*, too.
    """

    storage: Storage
    selection: Selection
    now: dt.datetime
    access: Callable[[], S3Access] | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    staging_dir: Path | None = None
    staging_limit: int = STAGING_LIMIT
    memory_limit: str = duck.MEMORY_LIMIT
    threads: int | None = None
    log: Log = lambda _line: None

    def start(self, job_url: S3Url, job_id: str, groups: int, *, resume: bool = True) -> list[GroupRef]:
        """
        Start the job, or find it, and return who is to filter what: at most *groups* parts, at least one.

        Nothing but ``job.json``, and what the source itself writes, is written. Of a job whose manifest is published
        there is nothing to filter: one reference comes back, to no file.

        Raises:
            ArgumentError: the selection is wrong by itself, or needs to see all rows at once.
            S3BatchError: as `publish_manifest`.
        """
        if problems := [*self.selection.problems(), *self._problems(groups)]:
            raise ArgumentError.of("selection", problems)
        job, layout, published = resumed_job(
            self.storage, job_url, job_id, self.selection, resume=resume, about=self.about
        )
        if job is not None and published is not None:
            self.log(f"{job.layout.manifest} is published: {published.rows:,} objects, nothing to filter")
            return [GroupRef(str(job.layout.url), 0, 1, 0)]
        place = Place(self.storage, layout, self.access, self.now, self.log, staging_dir=self.staging_dir)
        with staging_folder(self.staging_dir) as folder, self._connection(folder) as connection:
            series = Series.of(job_url, self.about)
            job, found = pinned_data(place, connection, self.selection, job, series, self.about)
        parts = file_groups(found.datasets, groups)
        self.log(f"data files in {len(parts)} groups of about {_size(parts[0])}")
        refs = enumerate(sum(len(dataset.files) for dataset in part) for part in parts)
        return [GroupRef(str(job.layout.url), group, len(parts), files) for group, files in refs]

    def plan(self, ref: GroupRef) -> GroupPlan | None:
        """
        Filter one group of the data files, and leave its shards and its plan; ``None`` if the manifest is published.

        A later attempt gives the same files; a group that has left its plan is not filtered again. A group that trips
        a guard all by itself leaves nothing.

        Raises:
            JobChangedError: the job was started with another selection.
            SelectionError: a guard says no.
            S3BatchError: as `publish_manifest`.
        """
        job, published = self._job(ref)
        if published is not None:
            self.log(f"{job.layout.manifest} is published: nothing to do")
            return None
        url = self._plan_url(job, ref.group, ref.of)
        known = self.storage.read(url)
        if known is not None:
            self.log(f"{url} is there: nothing to do")
            return GroupPlan.from_json(known, place=str(url))
        place = Place(self.storage, job.layout, self.access, self.now, self.log, staging_dir=self.staging_dir)
        datasets = self._part(ref, self.selection.source.again(place, job.source).datasets)
        with staging_folder(self.staging_dir) as folder:
            with self._connection(folder) as connection:
                staged = stage_rows(
                    connection, place, datasets, self.selection, folder, job=job, staging_limit=self.staging_limit
                )
            self._check_group(ref, staged)
            plan = self._cut(job, ref, staged, folder)
        self.storage.write(url, plan.to_json().encode(), "application/json")
        self.log(f"selected {plan.rows:,} objects in {len(plan.shards)} shards: {url}")
        return plan

    def publish(self, refs: Sequence[GroupRef]) -> Manifest:
        """
        Check the guards over all groups, and publish the manifest that makes their shards count.

        Raises:
            JobChangedError: the job was started with another selection.
            JobDamagedError: a group has left no plan.
            SelectionError: a guard says no.
        """
        job, published = self._job(refs[0])
        series = Series.of(S3Url(job.layout.url.bucket, job.layout.url.key.rpartition("/")[0]), self.about)
        if published is not None:
            self.log(f"{job.layout.manifest} is published: {published.rows:,} objects")
            return noted(self.storage, series, job, published)
        plans = [self._left_plan(job, group, refs[0].of) for group in range(refs[0].of)]
        staged = _together(plans)
        guards = self.selection.guards
        last = series.comparable(self.storage, job) if series and guards.max_change is not None else None
        guards.check(staged, what=self.selection.source.name(), last=last, log=self.log)
        shards = evened(
            self.storage,
            job.layout,
            joined(plans),
            self._sizes(staged.rows, self.selection.max_shards, self.selection.slots),
            staging_dir=self.staging_dir,
            log=self.log,
        )
        manifest = Manifest(
            job.layout.url,
            staged.rows,
            sum(shard.bytes for shard in shards),
            range_rows_for([shard.rows for shard in shards]),
            staged.columns,
            shards,
            job.fingerprint,
            staged.read,
            staged.storage_classes,
            staged.buckets,
        )
        return noted(self.storage, series, job, write_manifest(self.storage, job, manifest, self.log))

    def _sizes(self, rows: int, most: int, slots: int) -> list[int]:
        return shard_sizes(rows, self.selection.objects_per_shard, most, slots)

    def _problems(self, groups: int) -> list[str]:
        set_wise = [name for name in SET_WISE if getattr(self.selection, name)]
        return group_problems(groups, self.selection.max_shards, set_wise)

    def _connection(self, folder: Path) -> Any:
        return duck.open_locked(folder, memory_limit=self.memory_limit, threads=self.threads)

    def _job(self, ref: GroupRef) -> tuple[Job, Manifest | None]:
        """Return the job that *ref* names, which must have been started for this selection, and its manifest."""
        job = read_job(self.storage, JobLayout(S3Url.parse(ref.job_url)))
        if job is None:
            raise JobDamagedError(f"{ref.job_url}: the job has no job.json; clear the task that made the groups")
        job.check_unchanged(self.selection)
        return job, published_manifest(self.storage, job)

    def _part(self, ref: GroupRef, datasets: Sequence[Dataset]) -> tuple[Dataset, ...]:
        parts = file_groups(datasets, ref.of)
        if len(parts) != ref.of:
            raise JobDamagedError(
                f"{ref.job_url}: the data has {len(parts)} groups of files, not {ref.of}: the job was pinned anew; "
                "clear the task that made the groups"
            )
        return parts[ref.group]

    def _check_group(self, ref: GroupRef, staged: Staged) -> None:
        guards = replace(self.selection.guards, min_objects=None, max_change=None)
        what = f"{self.selection.source.name()}, group {ref.group + 1} of {ref.of}"
        guards.check(staged, what=what, last=None, log=self.log)

    def _cut(self, job: Job, ref: GroupRef, staged: Staged, folder: Path) -> GroupPlan:
        """Cut the selected rows into shards, and upload them."""
        most = most_shards(ref.group, ref.of, self.selection.max_shards)
        sizes = self._sizes(staged.rows, most, max(1, self.selection.slots // ref.of))
        place = groups_folder(job, self.selection, ref.of)
        shards = uploaded_shards(
            self.storage,
            staged.files,
            sizes,
            range_rows_for(sizes),
            folder,
            lambda index, sha256: place / f"group-{ref.group:05d}-shard-{index:05d}-{sha256[:8]}.parquet",
        )
        return GroupPlan(ref.group, _counts(staged), shards)

    def _plan_url(self, job: Job, group: int, of: int) -> S3Url:
        return groups_folder(job, self.selection, of) / f"group-{group:05d}.json"

    def _left_plan(self, job: Job, group: int, of: int) -> GroupPlan:
        url = self._plan_url(job, group, of)
        text = self.storage.read(url)
        if text is None:
            raise JobDamagedError(
                f"{url}: group {group + 1} of {of} has left no plan for these arguments; "
                "clear the tasks that filter the groups (and the one that made them, if planning_tasks was changed)"
            )
        plan = GroupPlan.from_json(text, place=str(url))
        if plan.counts.keys() | _LATER != set(Staged._fields):
            raise JobDamagedError(f"{url}: left by another version of this package; clear the tasks of the groups")
        return plan


def _size(part: Sequence[Dataset]) -> str:
    return f"{sum(len(dataset.files) for dataset in part)} files, {sum(d.bytes for d in part) / 1e9:,.3f} GB"


def _counts(staged: Staged) -> dict[str, Any]:
    """Return what *staged* says of its rows as JSON gives it back; `_together` takes it."""
    counts: dict[str, Any] = json.loads(json.dumps(staged._replace(files=())._asdict()))
    return counts


def _together(plans: Sequence[GroupPlan]) -> Staged:
    """Return what all groups selected, for the guards; its files are not there."""
    parts = [Staged(**plan.counts) for plan in plans]
    read = [part.read for part in parts if part.read is not None]
    buckets: Counter[str] = Counter()
    for part in parts:
        buckets.update(part.buckets)
    return Staged(
        files=(),
        columns=tuple(parts[0].columns),
        rows=sum(part.rows for part in parts),
        bytes=sum(part.bytes for part in parts),
        read=sum(read) if len(read) == len(parts) else None,
        buckets=dict(buckets),
        strays=sum(part.strays for part in parts),
        stray=next((part.stray for part in parts if part.stray), ""),
        unsized=sum(part.unsized for part in parts),
        storage_classes=added([part.storage_classes for part in parts if part.rows]),
    )
