"""Brings the outcomes that AWS's completion report lists into the job's own form: result parts and commits."""

from __future__ import annotations

import datetime as dt
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.core.iso_times import iso_now
from airflow_s3batch.core.layout import GenerationLayout, JobLayout
from airflow_s3batch.core.manifest import Manifest, ShardFile
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import OUTCOME_UNKNOWN, Outcome, Summary, Tally
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.files.staging import staging_folder
from airflow_s3batch.engine.files.storage import Storage
from airflow_s3batch.engine.jobs.job_manifest import published_manifest
from airflow_s3batch.engine.policy import Policy
from airflow_s3batch.engine.shards.attempt import Attempt
from airflow_s3batch.engine.shards.recorder import Recorder
from airflow_s3batch.engine.shards.shard_verdict import judge_shard
from airflow_s3batch.managed.aws_report import JobEnd, ReportPendingError, find_report, job_end
from airflow_s3batch.managed.control import JobControl
from airflow_s3batch.managed.outcome_join import OutcomeJoin, ReportCounts, ToldRow
from airflow_s3batch.managed.progress import CANCELLED_BY_TASK
from airflow_s3batch.managed.round import Round
from airflow_s3batch.managed.round_files import RoundFiles, StoredRequest, read_round, write_harvested
from airflow_s3batch.managed.rows import RowBatch, unfinished_rows
from airflow_s3batch.reports.read import read_rows

__all__ = ["ReportPendingError", "bring_home", "harvest"]

UNLISTED = Outcome(200, "", "Successful; AWS's report lists only what failed")
_UNKNOWN = Outcome(
    0,
    OUTCOME_UNKNOWN,
    "AWS may have worked on this object, its report does not say; done again with replay_unsafe=True",
)

log = logging.getLogger(__name__)


def harvest(
    round: Round,  # noqa: A002 - the word of this package
    *,
    storage: Storage,
    control: JobControl,
    policy: Policy | None = None,
    progress: Callable[[str], None] = lambda _: None,
    now: dt.datetime | None = None,
) -> Summary:
    """
    Commit what AWS's report says of the objects of *round*, whose AWS job has ended; return the counts.

    Rows that the report lacks stay without an outcome. Can be killed at any point and called again; calling it after
    it returned or raised changes nothing and ends in the same way.

    Raises:
        TooManyFailuresError: more failed, or were not reached, than ``policy.allowed_failures``; everything is
            committed. Names AWS's reasons if the job failed or was cancelled.
        ReportPendingError: the report is not there yet: AWS writes it minutes, for checksums hours, after the last
            task.
        InfrastructureError: the job still runs, was cancelled because its task was stopped, or what failed may succeed
            in another attempt.
        JobDamagedError: the report, or one of the job's files, was altered.
        ManifestError: the report is not in AWS's format.
    """
    policy = policy or Policy()
    summary, to_do = bring_home(round, storage=storage, control=control, policy=policy, progress=progress, now=now)
    stopped = CANCELLED_BY_TASK in summary.stopped
    judge_shard(round.name, summary, to_do, round.ref.rows, policy, is_asked_to_stop=stopped)
    return summary


def bring_home(
    round: Round,  # noqa: A002
    *,
    storage: Storage,
    control: JobControl,
    policy: Policy,
    progress: Callable[[str], None],
    now: dt.datetime | None = None,
) -> tuple[Summary, int]:
    """Do as `harvest` does, but judge nothing; return the counts, and how many objects the job was made for."""
    work = _Harvest(round, storage, control, policy, progress, now or dt.datetime.now(dt.UTC))
    done = work.files.harvested or work.bring_home()
    summary = Summary(Tally.from_json(done["tally"]), stopped=str(done["stopped"]), earlier=int(done["earlier"]))
    progress(f"{round.name}: {summary.tally.sentence()}")
    return summary, int(done["to_do"])


class _Harvest:
    """The state that the phases of `harvest` share."""

    def __init__(
        self,
        round_: Round,
        storage: Storage,
        control: JobControl,
        policy: Policy,
        progress: Callable[[str], None],
        now: dt.datetime,
    ) -> None:
        self.round = round_
        self.storage = storage
        self.control = control
        self.policy = policy
        self.say = progress
        self.now = now
        layout = JobLayout(S3Url.parse(round_.ref.job_url, what="job"))
        self.manifest: Manifest = published_manifest(storage, layout)
        self.generation: GenerationLayout = layout.operation(round_.task_id).generation(round_.generation)
        self.files: RoundFiles = read_round(storage, self.generation.round(round_.ref.folder, round_.number))
        if self.files.request is None:
            raise JobDamagedError(f"{self.files.place.request}: missing, although its job {round_.job_id} was made")
        self.request: StoredRequest = self.files.request

    def bring_home(self) -> dict[str, Any]:
        """Commit all outcomes that the report lists, then store and return the counts."""
        recorded = str((self.files.job or {}).get("recorded", iso_now()))
        scope = str(self.request.request["Report"]["ReportScope"])
        end = job_end(self.round, self.control, scope=scope, recorded=recorded, now=self.now)
        report = find_report(self.round, end, storage=self.storage, place=self.files.place, say=self.say)
        with staging_folder() as folder:
            join = OutcomeJoin(folder, self.round.ref)
            counts = join.take_rows(self._rows(folder))
            listed = join.take_report(read_rows(self.storage, str(report)) if report else ())
            tallies = self._commit(join, sum(counts.values()), listed, end)
        return self._conclude(counts, tallies, listed, end)

    def _rows(self, folder: Path) -> Iterator[RowBatch]:
        """Return the rows that the job was made for: those without the outcomes that this very harvest left."""
        return unfinished_rows(
            self.round.ref,
            storage=self.storage,
            manifest=self.manifest,
            generation=self.generation,
            folder=folder,
            without={self.request.attempt},
            with_unknown=not self.request.forbids_replay,
        )

    def _commit(self, join: OutcomeJoin, rows: int, listed: ReportCounts, end: JobEnd) -> dict[int, Tally]:
        """Commit the rows that have an outcome; return the counts by shard."""
        fill = self._outcome_of_unlisted(listed, rows, end)
        tallies: dict[int, Tally] = {}
        for index, told in itertools.groupby(join.rows(), key=lambda row: row.shard):
            tallies[index] = self._commit_shard(self.manifest.shards[index], told, fill, end)
        return tallies

    def _outcome_of_unlisted(self, listed: ReportCounts, rows: int, end: JobEnd) -> Outcome | None:
        """Return the outcome of rows that the report does not list; ``None`` if nobody knows."""
        if end.tells_all(listed) and end.progress.total == rows:
            return UNLISTED
        return _UNKNOWN if end.has_begun_more(listed) and self.request.forbids_replay else None

    def _commit_shard(self, shard: ShardFile, rows: Iterable[ToldRow], fill: Outcome | None, end: JobEnd) -> Tally:
        Attempt(shard.index, self.request.attempt, end.began).announce(self.storage, self.generation, self.policy)
        range_rows = self.manifest.range_rows
        with Recorder(
            self.storage,
            self.generation,
            shard.index,
            self.request.attempt,
            range_rows,
            {entry.index: entry for entry in shard.ranges(range_rows)},
            lambda: end.ended,
            end.began,
        ) as recorder:
            for row in rows:
                outcome = row.outcome or fill
                if outcome is not None:
                    recorder.wait_for_writers()
                    recorder.begin(row.number // range_rows).waiting += 1
                    obj = S3Object(self.round.ref.bucket, row.key, row.version_id, row.size)
                    recorder.record(row.number, obj, outcome)
            recorder.finish()
        return recorder.tally

    def _conclude(
        self, counts: Mapping[int, int], tallies: Mapping[int, Tally], listed: ReportCounts, end: JobEnd
    ) -> dict[str, Any]:
        to_do, total = sum(counts.values()), Tally()
        for tally in tallies.values():
            total.add(tally)
        if listed.rows > to_do:
            log.warning("%s: AWS's report has %d rows for %d objects", self.round.name, listed.rows, to_do)
        stopped = end.why_stopped(to_do - total.objects)
        for index, rows in counts.items():
            self._conclude_shard(index, tallies.get(index, Tally()), rows, stopped, end)
        done = {
            "job_id": self.round.job_id,
            "status": end.progress.status,
            "reasons": end.progress.why_it_ended,
            "tasks": {"total": end.progress.total, "succeeded": end.progress.succeeded, "failed": end.progress.failed},
            "began": end.began,
            "ended": end.ended,
            "to_do": to_do,
            "earlier": self.round.ref.rows - to_do,
            "tally": total.to_json(),
            "stopped": stopped,
        }
        write_harvested(self.storage, self.files.place, **done)
        return done

    def _conclude_shard(self, index: int, tally: Tally, rows: int, stopped: str, end: JobEnd) -> None:
        summary = Summary(tally, stopped=stopped if tally.objects < rows else "")
        attempt = Attempt(index, self.request.attempt, end.began)
        attempt.conclude(self.storage, self.generation, summary, {"aws_job": self.round.job_id})
