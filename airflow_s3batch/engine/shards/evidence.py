"""What the attempts at one shard left behind, checked against the manifest and against what the store lists."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from airflow_s3batch.core.commits import Commit, PartFile, ordinals_in
from airflow_s3batch.core.completion_report import parse_rows
from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.core.formats import check_format
from airflow_s3batch.core.s3url import S3Url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_s3batch.core.manifest import RowRange, ShardFile
    from airflow_s3batch.engine.files.storage import Storage, StoredFile

SUMMARY_FORMAT = "airflow-s3batch-shard/1"
_ID = r"(\d{4,}-\d{13,}-[0-9a-f]{6})"
_COMMIT = re.compile(rf"range-(\d{{6,}})-{_ID}\.commit\.json")
_PART = re.compile(rf"range-(\d{{6,}})-{_ID}\.(?:succeeded|failed)\.csv")
_CLAIM = re.compile(rf"range-(\d{{6,}})-{_ID}\.claim\.json")
_SUMMARY = re.compile(rf"summary-{_ID}\.json")
_ATTEMPT = re.compile(rf"attempt-{_ID}\.json")

log = logging.getLogger(__name__)


class AttemptSummary(NamedTuple):
    """
    What an attempt said when it ended in order.

    Attributes:
        stopped: why it ended early, empty if it did not.
        abandoned: objects that were begun and have no outcome, for nobody waited for their last answer.
        failed: objects that failed.
        aws_job: id of the AWS job that it was; empty if a worker was at work.
        objects: that have an outcome, by the attempt's own count.
    """

    requests: int
    retries: int
    slow_downs: int
    stopped: str
    started: str
    ended: str
    abandoned: int = 0
    failed: int = 0
    aws_job: str = ""
    objects: int = 0


@dataclass(frozen=True, slots=True)
class ShardEvidence:
    """
    The files of one shard's folder.

    Attributes:
        shard: as the manifest has it.
        parts: the listed result files, by key; also those that no commit names.
        commits: URLs of the commit objects, by range index.
        attempts: oldest first.
        announcements: URLs of what attempts wrote when they started, by attempt.
        summaries: by attempt; an attempt that was killed has none.
        unrun: why nothing but a rehearsal was done to the shard, a clause; empty if more was, or nothing at all.
    """

    shard: ShardFile
    parts: Mapping[str, StoredFile] = field(default_factory=dict)
    commits: Mapping[int, list[S3Url]] = field(default_factory=dict)
    attempts: tuple[str, ...] = ()
    announcements: Mapping[str, S3Url] = field(default_factory=dict)
    summaries: Mapping[str, AttemptSummary] = field(default_factory=dict)
    unrun: str = ""

    @property
    def why_not_attempted(self) -> str:
        """Why rows of this shard may lack an outcome, for the report's ResultMessage."""
        if self.unrun:
            return self.unrun
        if not self.attempts:
            return "no attempt reached this object"
        last = self.summaries.get(self.attempts[-1])
        if last is None:
            return "the last attempt was cut short before this object"
        if last.stopped:
            return f"the shard stopped before this object: {last.stopped}"
        return "no attempt reached this object"

    def read_commits(self, storage: Storage, row_range: RowRange) -> list[Commit]:
        """
        Return the commits for *row_range*.

        Raises:
            JobDamagedError: one contradicts the manifest, or a file that it names is missing or altered.
        """
        return [self._read_commit(storage, url, row_range) for url in self.commits.get(row_range.index, ())]

    def _read_commit(self, storage: Storage, url: S3Url, row_range: RowRange) -> Commit:
        body = storage.read(url)
        if body is None:
            raise JobDamagedError(f"{url}: the commit was deleted while the report was made")
        commit = Commit.from_json(body, place=str(url))
        if commit.range != row_range or not url.key.endswith(f"-{commit.attempt}.commit.json"):
            raise JobDamagedError(
                f"{url}: the commit is about {commit.range} of attempt {commit.attempt}, the manifest has {row_range}"
            )
        if sum(commit.tally.codes.values()) != commit.tally.failed:
            raise JobDamagedError(f"{url}: the failures by code don't add up to {commit.tally.failed}")
        if not (_is_time(commit.started) and _is_time(commit.ended)):
            raise JobDamagedError(f"{url}: {commit.started!r} to {commit.ended!r} are not times in ISO 8601")
        for part in (commit.succeeded_file, commit.failed_file):
            if part:
                self._check_part(storage, part, url)
        return commit

    def _check_part(self, storage: Storage, part: PartFile, commit: S3Url) -> None:
        stored = self.parts.get(part.key)
        place = S3Url(commit.bucket, part.key)
        if stored is None:
            raise JobDamagedError(
                f"{place}: missing, although {commit} names it; restore it or start over (resume=False)"
            )
        is_same = (stored.size, stored.e_tag) == (part.bytes, part.e_tag)
        if not is_same and not (stored.size == part.bytes and _md5(storage, place) == part.md5):  # was it put back?
            raise JobDamagedError(
                f"{place}: altered since it was written: {stored.size} bytes with ETag {stored.e_tag}, "
                f"but {commit} says {part.bytes} bytes with ETag {part.e_tag}"
            )


def gather(storage: Storage, shard: ShardFile, folder: S3Url | None, last_range: int) -> ShardEvidence:
    """
    List *folder*, the shard's, once and read the attempts' summaries; without a folder nothing was ever done.

    Foreign files are left alone, with a warning.

    Raises:
        JobDamagedError: there is a commit for a range beyond *last_range*, or a summary is unreadable.
    """
    if folder is None:
        return ShardEvidence(shard)
    parts: dict[str, StoredFile] = {}
    commits: dict[int, list[S3Url]] = defaultdict(list)
    attempts: set[str] = set()
    announcements: dict[str, S3Url] = {}
    summaries: dict[str, AttemptSummary] = {}
    for file in storage.list(folder / ""):
        name = file.url.key.removeprefix(f"{folder.key}/")
        if match := _COMMIT.fullmatch(name):
            commits[int(match[1])].append(file.url)
            attempts.add(match[2])
        elif match := _SUMMARY.fullmatch(name):
            summaries[match[1]] = _read_summary(storage, file.url)
            attempts.add(match[1])
        elif match := _ATTEMPT.fullmatch(name):
            announcements[match[1]] = file.url
            attempts.add(match[1])
        elif _PART.fullmatch(name):
            parts[file.url.key] = file
        elif match := _CLAIM.fullmatch(name):
            attempts.add(match[2])
        else:
            log.warning("%r: ignored, not a file of this package", str(file.url))
    if commits and max(commits) > last_range:
        url = commits[max(commits)][0]
        raise JobDamagedError(f"{url}: the manifest's shard {shard.index} has no range {max(commits)}")
    return ShardEvidence(shard, parts, commits, tuple(sorted(attempts)), announcements, summaries)


def ordinals_of(storage: Storage, bucket: str, commit: Commit, code: str) -> Iterator[int]:
    """Yield the ordinals that failed with *code*, as *commit* has it; *bucket* is the job's."""
    if commit.failed_file is None or code not in commit.tally.codes:
        return
    if len(commit.tally.codes) == 1:
        yield from ordinals_in(commit.failed)
        return
    url = S3Url(bucket, commit.failed_file.key)
    rows = parse_rows((storage.read(url) or b"").decode(), place=str(url))
    for ordinal, row in zip(ordinals_in(commit.failed), rows, strict=True):
        if row.error_code == code:
            yield ordinal


def claimants(storage: Storage, folder: S3Url, range_index: int) -> frozenset[str]:
    """Return the attempts that claimed a range of the shard whose files lie in *folder*."""
    prefix = folder / f"range-{range_index:06d}-"
    names = (file.url.key.rpartition("/")[2] for file in storage.list(prefix))
    return frozenset(match[2] for match in map(_CLAIM.fullmatch, names) if match)


def _md5(storage: Storage, url: S3Url) -> str:
    return hashlib.md5(storage.read(url) or b"", usedforsecurity=False).hexdigest()


def _is_time(text: object) -> bool:
    try:
        return datetime.fromisoformat(str(text)).tzinfo is not None
    except ValueError:
        return False


def _read_summary(storage: Storage, url: S3Url) -> AttemptSummary:
    try:
        data = json.loads(storage.read(url) or b"null")
        check_format(data["format"], SUMMARY_FORMAT, place=str(url))
        if url.key.rpartition("/")[2] != f"summary-{data['attempt']}.json":
            raise JobDamagedError(f"{url}: this is the summary of attempt {data['attempt']}")
        return AttemptSummary(
            int(data["requests"]),
            int(data["retries"]),
            int(data["slow_downs"]),
            str(data["stopped"]),
            str(data["started"]),
            str(data["ended"]),
            int(data.get("abandoned", 0)),
            int(data["tally"]["failed"]),
            str(data.get("aws_job", "")),
            int(data["tally"]["succeeded"]) + int(data["tally"]["failed"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise JobDamagedError(f"{url}: not a shard summary of this package ({error!r})") from None
