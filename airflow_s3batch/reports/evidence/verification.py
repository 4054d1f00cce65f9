"""What second looks at a job's objects have shown: counts for the summary, and the objects that are not as left."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.commits import merge, number_in
from airflow_s3batch.core.outcomes import Tally
from airflow_s3batch.core.row_samples import sample_sizes
from airflow_s3batch.engine.checks.verification_asked import Asked, asked_for
from airflow_s3batch.engine.shards.evidence import ShardEvidence, gather
from airflow_s3batch.operations.verification import DIFFERENCES
from airflow_s3batch.reports.accounts.failed_manifest import FailedManifest
from airflow_s3batch.reports.accounts.failed_rows import failed_lines
from airflow_s3batch.reports.accounts.shards import RANGES_AHEAD, THREADS, in_order
from airflow_s3batch.reports.evidence.verification_text import verification_sentence

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_s3batch.core.layout import OperationLayout
    from airflow_s3batch.core.manifest import Manifest, RowRange
    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.reports.accounts.accounting import RangeAccount
    from airflow_s3batch.reports.accounts.generations import OperationRun


class SucceededByShard:
    """Counts, while a report is made, how many rows of each shard succeeded."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self.counts = [0] * len(manifest.shards)

    def counting(self, accounts: Iterator[RangeAccount]) -> Iterator[RangeAccount]:
        """Yield *accounts*, one for each row range of the manifest, in order."""
        manifest = self._manifest
        owners = (shard.index for shard in manifest.shards for _ in shard.ranges(manifest.range_rows))
        for shard, account in zip(owners, accounts, strict=True):
            self.counts[shard] += account.tally.succeeded
            yield account


@dataclass(slots=True)
class Verdicts:
    """
    What second looks at one or more row ranges have shown.

    Attributes:
        right: rows that are as they should be.
        differing: `core.outcomes.Tally` of those that are not, and *unread* of those that could not be looked at.
        lines: rows of the report's form, of both.
    """

    right: int = 0
    differing: Tally = field(default_factory=Tally)
    unread: Tally = field(default_factory=Tally)
    lines: list[str] = field(default_factory=list)

    def add_line(self, line: str) -> None:
        """Add the row of an object that is not known to be right."""
        bucket, key, _, _, _, code, _ = line.split(",", 6)
        tally = self.differing if code in DIFFERENCES else self.unread
        tally.add_failures(code, 1, [f"s3://{bucket}/{key}"])
        self.lines.append(line)

    def add_counts(self, other: Verdicts) -> None:
        """Add the counts of *other*, not its lines."""
        self.right += other.right
        self.differing.add(other.differing)
        self.unread.add(other.unread)


def verification_of(
    storage: Storage,
    manifest: Manifest,
    task: OperationLayout,
    run: OperationRun,
    succeeded: Sequence[int],
    *,
    tolerate: Collection[str],
    is_due: bool,
    report: S3Url,
    folder: Path,
) -> dict[str, Any] | None:
    """
    Return what `JobSummary.verification` holds, and write the lists of what differs below *report*.

    Args:
        storage: where the job's files are.
        manifest: of the job.
        task: where the operation task keeps its files.
        run: what was done.
        succeeded: rows that succeeded, by shard.
        tolerate: codes that are told and don't count.
        is_due: a second look belongs to the job, even if no attempt at it has left a trace; where nothing has
            succeeded, there is nothing to look at.
        report: folder of the report.
        folder: a local one with room for the lists.

    Raises:
        JobDamagedError: files of the job are missing or altered.
    """
    asked = asked_for(storage, task)
    if asked is None and not (is_due and any(succeeded)):
        return None
    lists = _Lists(folder)
    found, missing = Verdicts(), 0
    due = _due(manifest, asked, succeeded)
    with ThreadPoolExecutor(THREADS, "s3batch-verdicts") as pool:
        for shard in manifest.shards:
            seen = 0
            for verdicts in _verdicts(storage, manifest, task, run, shard.index, pool):
                found.add_counts(verdicts)
                lists.add(verdicts.lines)
                seen += verdicts.right + verdicts.differing.failed + verdicts.unread.failed
            missing += max(0, due[shard.index] - seen)
    differences_url, reasons_url = lists.publish(storage, report)
    told: dict[str, Any] = {
        "asked": asked.objects if asked else None,
        "has_begun": asked is not None,
        "of": sum(succeeded),
        "checked": found.right + found.differing.failed,
        "differ": found.differing.failed,
        "counted": sum(n for code, n in found.differing.codes.items() if code not in tolerate),
        "unread": found.unread.failed,
        "missing": missing,
        "codes": {**found.differing.codes, **found.unread.codes},
        "examples": {**found.differing.examples, **found.unread.examples},
        "differences_url": differences_url,
        "reasons_url": reasons_url,
    }
    return {**told, "sentence": verification_sentence(told)}


def _due(manifest: Manifest, asked: Asked | None, succeeded: Sequence[int]) -> list[int]:
    """Return of how many rows of each shard there should be a verdict."""
    number = asked.objects if asked else None
    if number is None:
        return list(succeeded)
    sizes = sample_sizes(number, [shard.rows for shard in manifest.shards], str(manifest.job_url))
    return [min(size, done) for size, done in zip(sizes, succeeded, strict=True)]


def _verdicts(
    storage: Storage, manifest: Manifest, task: OperationLayout, run: OperationRun, index: int, pool: ThreadPoolExecutor
) -> Iterator[Verdicts]:
    """Yield what was seen of each row range of shard *index* that was looked at, in order."""
    if index not in run.folders:
        return
    generation = run.folders[index].key.rpartition("/")[0].rpartition("/")[2]
    shard = manifest.shards[index]
    ranges = {entry.index: entry for entry in shard.ranges(manifest.range_rows)}
    evidence = gather(storage, shard, task.second_looks(generation).shard(index), len(ranges) - 1)

    def of_range(row_range: RowRange) -> Verdicts:
        return _of_range(storage, evidence, row_range, manifest.job_url.bucket)

    yield from in_order(pool, of_range, (ranges[number] for number in sorted(evidence.commits)), RANGES_AHEAD)


def _of_range(storage: Storage, evidence: ShardEvidence, row_range: RowRange, bucket: str) -> Verdicts:
    state = merge(row_range, evidence.read_commits(storage, row_range))
    found = Verdicts(sum(number_in(spans) for spans in state.succeeded))
    for commit, kept in zip(state.commits, state.failed, strict=True):
        for line in failed_lines(storage, bucket, commit, kept):
            found.add_line(line)
    return found


class _Lists:
    """``differences.csv``, a manifest in AWS's form, and ``differences-reasons.csv``, rows of a completion report."""

    def __init__(self, folder: Path) -> None:
        own = folder / "differences"
        own.mkdir()
        self._manifest = FailedManifest(own)
        self._path = own / "reasons.csv"
        self._reasons = self._path.open("w", encoding="utf-8", newline="")
        self._rows = 0

    def add(self, lines: list[str]) -> None:
        for line in lines:
            if line.split(",", 6)[5] in DIFFERENCES:
                self._manifest.add([",".join(line.split(",", 3)[:3])])
            self._reasons.write(line + "\n")
            self._rows += 1

    def publish(self, storage: Storage, report: S3Url) -> tuple[str | None, str | None]:
        """Write both, or delete what an earlier report has left of them; return their URLs."""
        self._reasons.close()
        listed = self._manifest.publish(storage, report / "differences.csv")
        reasons = report / "differences-reasons.csv"
        if not self._rows:
            storage.delete(reasons)
            return None, None
        storage.upload(self._path, reasons, "text/csv")
        return (str(listed) if listed else None), str(reasons)
