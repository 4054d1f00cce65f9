"""
Jobs of all kinds, and their reports: what tests look at, and what people can look at.

``python tests/unit/reports/report_examples.py FOLDER`` writes ``report.html`` and ``summary.json`` of each to FOLDER.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from airflow_s3batch.core.approval_record import ApprovalRecord
from airflow_s3batch.core.commits import Commit, PartFile, spans_of
from airflow_s3batch.core.completion_report import format_row
from airflow_s3batch.core.identity import fingerprint
from airflow_s3batch.core.keys import encode_key
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.manifest import Manifest, ShardFile
from airflow_s3batch.core.outcomes import DRY_RUN, Outcome, Tally
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.core.size_classes import BOUNDS
from airflow_s3batch.engine.shards.versions import versions
from airflow_s3batch.reports import JobSummary, build_report
from airflow_s3batch.testing.storage import MemoryStorage

TASK = "quarantine.run"
JOBS = S3Url("ops", "s3batch")
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
BEGAN = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
TAGGING = {"operation": "PutObjectTagging", "tags": {"quarantine": "true", "team": {"column": "team"}}}
OK = Outcome(200)
DENIED = Outcome(403, "AccessDenied", "User is not authorized to perform: s3:PutObjectTagging")
GONE = Outcome(404, "NoSuchKey", "The specified key does not exist.")
BUSY = Outcome(503, "SlowDown", "Please reduce your request rate.")
WOULD = Outcome(0, DRY_RUN, "would be done")
EVIL = (
    '<script>alert("1")</script>/',
    '"><img src=x onerror=alert(1)>.jpg',
    '=HYPERLINK("http://evil.example","x")',
    "../../../etc/passwd",
    "\u202egpj.exe",
    "\x1b[2J\x1b[31mred",
    'a\nb\r\n,"quoted",',
    "שלום/عالم.csv",
    "{{ 7 * 7 }}{% raw %}",
    "</style></pre></code>",
    "%3Cscript%3E",
    "x" * 900,
)

OutcomeOf = Callable[[int], Outcome | None]


class Example(NamedTuple):
    """A job: its storage, and what the reporter is told."""

    storage: MemoryStorage
    url: S3Url
    about: Mapping[str, Any]
    links: Mapping[str, str]

    def report(self) -> JobSummary:
        return build_report(self.storage, self.url, TASK, about=self.about, now=NOW, links=self.links)

    def page(self) -> bytes:
        self.report()
        return self.storage.files[self.url / "report/report.html"]


class Rows(NamedTuple):
    """How many rows, what became of each (``None``: nothing yet), what their keys are, and in how many shards."""

    number: int
    outcome: OutcomeOf
    key: Callable[[int], str] = lambda n: f"team-{n % 7}/2026/{n % 12 + 1:02d}/part-{n:07d}.parquet"
    shards: int = 4
    range_rows: int = 250
    rate: float = 800.0


def written(
    job_id: str,
    rows: Rows,
    *,
    operation: Mapping[str, Any] = TAGGING,
    policy: Mapping[str, Any] | None = None,
    selection: Mapping[str, Any] | None = None,
    storage: MemoryStorage | None = None,
    dry_run: bool = False,
    began: datetime = BEGAN,
) -> Example:
    """
    Return a job as planner and workers would leave it.

    Files of successes hold one line, whatever the commit says: the reporter does not read them.
    """
    storage = storage or MemoryStorage()
    layout = JobLayout(JOBS / job_id)
    shards = _manifest(storage, layout, rows)
    about = {
        "dag_id": "classify_unencrypted",
        "run_id": f"scheduled__{began.isoformat()}",
        "task_id": "quarantine.manifest",
        "map_index": -1,
        "run_type": "scheduled",
        "triggered_by": "ada@example.org",
    }
    document = {
        "format": "airflow-s3batch-job/1",
        "selection": {**SELECTION, **(selection or {})},
        "source": SOURCE,
        "comparison": {"asked": ["encryption_status = 'NOT-SSE' AND is_latest AND size > 1048576"]},
        "about": about,
        "versions": {"airflow_s3batch": "0.5.0", "duckdb": "1.4.1", "pyarrow": "22.0.0", "python": "3.12.7"},
        "created": (began - timedelta(minutes=3)).isoformat(),
    }
    storage.write(layout.job, json.dumps(document).encode())
    generation = layout.operation(TASK).generation(1)
    opened = {
        "format": "airflow-s3batch-operation/1",
        "operation": operation,
        "fingerprint": fingerprint({"dry_run": operation} if dry_run else operation),
        "policy": {
            "tolerate": ["NoSuchKey", *([DRY_RUN] if dry_run else [])],
            "allowed_failures": 0,
            "max_requests_per_s": None,
            **(policy or {}),
        },
        "iam_actions": ["s3:PutObjectTagging", "s3:PutObjectVersionTagging"],
        "dry_run": dry_run,
        "opened": "2026-11-22T10:00:00.000Z",
    }
    storage.write(generation.operation, json.dumps(opened).encode())
    for shard in shards:
        _work(storage, layout, shard, rows, began, opened["policy"])
    return Example(storage, layout.url, {**about, "task_id": "quarantine.report", "try_number": 1}, LINKS)


SELECTION = {
    "kind": "inventory",
    "inventory": "s3://inventories/prod-lake/daily",
    "where": "encryption_status = 'NOT-SSE'\n  AND is_latest AND size > $least",
    "columns": {"team": "split_part(key, '/', 1)"},
    "params": {"least": 1048576},
    "include_delete_markers": False,
    "guards": {"max_objects": 5_000_000, "allowed_buckets": ["prod-lake"]},
    "objects_per_shard": None,
    "max_shards": 200,
}
SOURCE = {
    "manifest": "s3://inventories/prod-lake/daily/2026-11-22T01-00Z/manifest.json",
    "md5": "9e107d9d372bb6826bd81d3542a419d6",
    "created": "2026-11-22T01:00:00+00:00",
    "source_bucket": "prod-lake",
    "format": "Parquet",
    "columns": ["bucket", "key", "size"],
    "files": 128,
    "bytes": 9_731_402_112,
}
LINKS = {"Airflow": "https://airflow.example.org/dags/classify_unencrypted/runs/scheduled__2026-11-22?tab=logs&x=1"}


def _manifest(storage: MemoryStorage, layout: JobLayout, rows: Rows) -> list[ShardFile]:
    base, extra = divmod(rows.number, rows.shards) if rows.number else (0, 0)
    numbers = [base + (n < extra) for n in range(rows.shards)]
    shards = [_shard(index, number, layout) for index, number in enumerate(n for n in numbers if n)]
    total = sum(shard.bytes for shard in shards)
    classes = {
        "STANDARD": (rows.number - rows.number // 5, total * 2 // 5),
        "GLACIER": (rows.number // 5, total * 3 // 5),
    }
    manifest = Manifest(
        layout.url,
        rows.number,
        total,
        rows.range_rows,
        ("team",),
        tuple(shards),
        "0b5ce7a9d1e4f283",
        rows.number * 37 + 11,
        classes,
    )
    storage.write(layout.manifest, manifest.to_json().encode())
    return shards


def _shard(index: int, rows: int, layout: JobLayout) -> ShardFile:
    digest = hashlib.sha256(f"{layout.url} {index}".encode()).hexdigest()
    shares = (0, 1, 4, 10, 25, 34, 18, 6, 1, 1, 0)
    counts = [rows * part // 100 for part in shares]
    counts[5] += rows - sum(counts)
    sizes = tuple((n, n * bound * 2 // 3) for n, bound in zip(counts, (0, *BOUNDS), strict=True))
    size = sum(entry[1] for entry in sizes)
    return ShardFile(index, layout.shard(index, digest).key, rows, size, rows * 90, digest, sizes)


def _work(
    storage: MemoryStorage, layout: JobLayout, shard: ShardFile, rows: Rows, began: datetime, policy: Any
) -> None:
    """Write what two attempts at *shard* leave: the first did half and was killed, 40 minutes before the other."""
    generation = layout.operation(TASK).generation(1)
    at, first, attempt = began + timedelta(seconds=shard.index * 1.7), shard.index * (rows.number // rows.shards), ""
    for row_range in shard.ranges(rows.range_rows):
        half = 2 if row_range.first > shard.rows // 2 else 1
        if not attempt.startswith(f"{half:04d}"):
            at += timedelta(minutes=40 * (half - 1))
            attempt = f"{half:04d}-{int(at.timestamp() * 1000):013d}-00000{shard.index % 10}"
            storage.write(
                generation.attempt(shard.index, attempt),
                json.dumps({"policy": policy, "versions": versions()}).encode(),
            )
        outcomes = [rows.outcome(first + row_range.first + n) for n in range(row_range.rows)]
        slower = 1 + 0.5 * ((row_range.index * 7 + shard.index * 3) % 5) / 5
        ended = at + timedelta(seconds=row_range.rows * rows.shards / rows.rate * slower)
        if any(outcomes):
            commit = _commit(storage, layout, shard, attempt, row_range, outcomes, rows, first, (at, ended))
            storage.write(generation.commit(shard.index, row_range.index, attempt), commit.to_json().encode())
        at = ended
    done = {
        "format": "airflow-s3batch-shard/1",
        "shard": shard.index,
        "attempt": attempt,
        "tally": Tally().to_json(),
        "requests": shard.rows + 20,
        "retries": 20,
        "slow_downs": 3,
        "stopped": "",
        "started": _iso(began),
        "ended": _iso(at),
    }
    storage.write(generation.summary(shard.index, attempt), json.dumps(done).encode())


def _commit(
    storage: MemoryStorage,
    layout: JobLayout,
    shard: ShardFile,
    attempt: str,
    row_range: Any,
    outcomes: list[Outcome | None],
    rows: Rows,
    first: int,
    times: tuple[datetime, datetime],
) -> Commit:
    generation = layout.operation(TASK).generation(1)
    attempted = [n for n, outcome in enumerate(outcomes) if outcome is not None]
    failed = [n for n in attempted if not outcomes[n].is_success]
    tally = Tally(
        succeeded=len(attempted) - len(failed), bytes=(len(attempted) - len(failed)) * shard.bytes // shard.rows
    )
    lines = []
    for n in failed:
        outcome, key = outcomes[n], encode_key(rows.key(first + row_range.first + n))
        tally.add_failures(outcome.error_code, 1, [f"s3://prod-lake/{key}"])
        lines.append(format_row("prod-lake", key, None, outcome))
    part = {
        status: generation.part(shard.index, row_range.index, attempt, status) for status in ("succeeded", "failed")
    }
    succeeded = _part(storage, part["succeeded"], b"not read\n", tally.succeeded)
    failures = _part(storage, part["failed"], "".join(lines).encode(), len(failed))
    return Commit(
        attempt, row_range, spans_of(attempted), spans_of(failed), succeeded, failures, tally, *map(_iso, times)
    )


def _part(storage: MemoryStorage, url: S3Url, body: bytes, rows: int) -> PartFile | None:
    if not rows:
        return None
    e_tag = storage.write(url, body)
    return PartFile(url.key, rows, len(body), hashlib.md5(body).hexdigest(), e_tag)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def small() -> Example:
    return written("small", Rows(12, lambda _: OK, shards=1))


def empty() -> Example:
    return written("empty", Rows(0, lambda _: OK))


def failed(storage: MemoryStorage | None = None, job_id: str = "failed", began: datetime = BEGAN) -> Example:
    """A job with several causes of failure; every row that failed is in a file."""

    def outcome(n: int) -> Outcome | None:
        if n % 97 == 0:
            return GONE
        if n % 7 == 3 and n % 2:
            return DENIED
        return BUSY if n % 311 == 5 else OK

    return written(job_id, Rows(12_000, outcome), storage=storage, began=began)


APPROVAL = ApprovalRecord(
    state="approved",
    task_id="quarantine.approve",
    asked="2026-11-22T09:57:20Z",
    deadline="2026-11-23T09:57:20Z",
    subject="PutObjectTagging on 12,000 objects of prod-lake?",
    operation=TAGGING,
    manifest="5d41402abc4b2a76",
    objects=12_000,
    bytes=556_193_382_400,
    default="reject",
    by="grace@example.org",
    at="2026-11-22T09:59:41Z",
    figures={"cost": "0.06 $"},
)


def trend() -> Example:
    """A task's job after 40 others, two of them dry runs."""
    storage = MemoryStorage()
    storage.write(JobLayout(JOBS / "failed").approval, APPROVAL.to_json().encode())
    series = "s3batch/series/classify-unencrypted-quarantine-manifest-"
    example = failed(storage)
    example.report()
    own = next(url for url in storage.files if "/history/" in url.key)
    assert own.key.startswith(series)
    point = json.loads(storage.files[own])
    for week in range(1, 41):
        began = BEGAN - timedelta(days=7 * week)
        left = 3_000 * week + (week % 4) * 900
        counts = {
            "objects": left,
            "succeeded": left - 120 * (week % 5),
            "failed": 120 * (week % 5),
            "not_attempted": 0,
            "counted_failures": 60 * (week % 5),
            "source_rows": 2_000_000 + 5_000 * (40 - week),
            "is_green": week % 5 == 0,
            "dry_run": week in (7, 40),
            "job_url": f"s3://ops/s3batch/earlier-{week}",
            "created": began.isoformat(),
        }
        moment = f"{began:%Y%m%dT%H%M%S%f}Z"
        name = f"{own.key.partition('/history/')[0]}/history/{moment[:6]}/{moment}-earlier-{week}.json"
        storage.files[S3Url("ops", name)] = json.dumps({**point, **counts}).encode()
    return example


def dry_run() -> Example:
    return written("dry", Rows(2_400, lambda n: DENIED if n % 400 == 7 else WOULD), dry_run=True)


def million() -> Example:
    def outcome(n: int) -> Outcome | None:
        return DENIED if n % 4_001 == 9 else GONE if n % 50_021 == 3 else OK

    return written("million", Rows(1_000_000, outcome, shards=16, range_rows=6_250, rate=9_300.0))


def managed() -> Example:
    example = written("managed", Rows(5_000, lambda n: DENIED if n % 1_000 == 9 else OK))
    generation = JobLayout(example.url).operation(TASK).generation(1)
    for number, bucket in enumerate(("prod-lake", "prod-logs"), start=1):
        place = generation.round(bucket, 1)
        arn = f"arn:aws:s3:eu-central-1:111122223333:job/0000000{number}-aaaa-bbbb-cccc-000000000000"
        request = {"request": {"RoleArn": "arn:aws:iam::111122223333:role/s3batch"}}
        for url, document in (
            (place.request, request),
            (place.job, {"job_id": arn.rpartition("/")[2], "job_arn": arn}),
            (place.harvested, {"status": "Complete", "reasons": ""}),
        ):
            example.storage.write(url, json.dumps(document).encode())
    return example


def hostile() -> Example:
    """Keys, codes, SQL and run ids that somebody else chose."""
    evil = "".join(EVIL)
    outcome = Outcome(403, 'Access<b>Denied,"x"', evil)
    example = written(
        "hostile",
        Rows(
            300,
            lambda n: Outcome(400, f"Code{n}<i>", evil) if n < 200 else outcome,
            key=lambda n: EVIL[n % len(EVIL)] + f"/{n}",
        ),
        operation={"operation": "PutObjectTagging<script>", "tags": {evil: evil * 20}},
        selection={
            "where": f"key = '{evil}' " * 400,
            "columns": {f"c{n}": evil for n in range(300)},
            "params": {f"p{n}": evil for n in range(300)},
            "exclude": [evil] * 300,
            "since": evil,
            "guards": {"allowed_prefixes": [evil] * 500},
        },
    )
    links = {f"{evil}{n}": evil for n in range(50)} | {"bad": "javascript:alert(1)", "worse": "http://[", **LINKS}
    about = {"dag_id": evil, "run_id": evil + "\ud800", "triggered_by": evil, "logical_date": evil, "task_id": evil}
    return example._replace(about={**example.about, **about}, links=links)


EXAMPLES: Mapping[str, Callable[[], Example]] = {
    made.__name__: made for made in (small, empty, failed, trend, dry_run, million, managed, hostile)
}


def main(folder: Path) -> None:
    """Write the examples' reports to *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, made in EXAMPLES.items():
        example = made()
        example.report()
        for file, suffix in (("report.html", "html"), ("summary.json", "json")):
            (folder / f"{name}.{suffix}").write_bytes(example.storage.files[example.url / f"report/{file}"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
