"""Tasks of seeded jobs, and what they tell: news as the operators push them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from seeded_database import Task

from airflow_s3batch.core.news import PLAN_KEY, PROGRESS_KEY, REPORT_KEY, PlanNews, ProgressNews, ReportNews

MANIFEST, OPERATION, REPORT = "InventoryToManifestOperator", "BatchOperationOperator", "BatchReportOperator"
MANAGED, APPROVAL = "ManagedBatchJobOperator", "ApprovalOperator"
REHEARSAL, VERIFICATION = "BatchRehearsalOperator", "BatchVerificationOperator"
TAGGING = {"operation": "PutObjectTagging", "tags": {"quarantine": "true"}}
DELETE = {"operation": "DeleteObject", "bypass_governance": False}


class SeededTasks:
    """Makes tasks; times are in minutes before *now*."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def at(self, minutes: float) -> datetime:
        """Return the time so many minutes ago."""
        return self.now - timedelta(minutes=minutes)

    def iso(self, minutes: float) -> str:
        """Return it as text."""
        return self.at(minutes).isoformat(timespec="milliseconds")

    def task(
        self,
        group: str,
        part: str,
        operator: str,
        state: str | None = None,
        index: int = -1,
        start: float | None = None,
    ) -> Task:
        """Return a task without news."""
        label = f"shard {index}" if index >= 0 else None
        began = None if start is None else self.at(start)
        return Task(task_id_of(group, part), operator, state, index, start=began, label=label)

    def plan(
        self, group: str, began: float, ti_state: str, *, told: bool = True, minutes: float = 1, **news: Any
    ) -> Task:
        """Return a manifest task, *told* if it has begun."""
        approval = news.pop("approval", None)
        parts = news.pop("parts", {})
        over = ti_state not in ("running", None)
        plan = PlanNews(
            job=self.job_url(group) if news.get("state", "published") == "published" else "",
            **{"state": "published", "operation": TAGGING, **news},
            source="inventory",
            source_name="s3://inventories/prod-lake/daily",
            as_of=self.iso(began + 600),
            sql="encryption_status = 'NOT-SSE' AND is_latest AND NOT is_delete_marker",
            columns={"team": "split_part(key, '/', 1)"},
            bytes=news.get("rows", 0) * 1_048_576,
            shards=max(1, news.get("rows", 0) // 50_000) if news.get("rows") else 0,
            guards={"max_objects": 5_000_000, "max_change": 0.5, "allowed_buckets": ["prod-lake"]},
            started=self.iso(began),
            ended=self.iso(began - minutes) if over else None,
            storage_classes={"STANDARD": [news.get("rows", 0), news.get("rows", 0) * 1_048_576]},
            jobs=(
                {"operation": task_id_of(group, "run"), "report": task_id_of(group, "report")}
                | ({"approval": approval} if approval else {})
                | parts,
            ),
            task_id=task_id_of(group, "manifest"),
        )
        return Task(
            task_id_of(group, "manifest"),
            MANIFEST,
            ti_state,
            start=self.at(began) if told else None,
            end=self.at(began - minutes) if told and over else None,
            xcoms={PLAN_KEY: plan.to_json()} if told else {},
        )

    def shard(
        self,
        group: str,
        index: int,
        rows: int,
        done: int,
        failed: int,
        ti_state: str,
        *,
        began: float = 10,
        told: str = "",
        tries: int = 1,
        **news: Any,
    ) -> Task:
        """Return the task of a shard that has told how far it is."""
        is_over = ti_state in ("success", "failed")
        seconds = (min(20, began / 2) if is_over else began - 0.1) * 60
        ended = began - seconds / 60
        progress = ProgressNews(
            job=self.job_url(group),
            shard=index,
            operation="put_object_tagging",
            rows=rows,
            done=done,
            failed=failed,
            state=told or ("ended" if is_over else "running"),
            requests_per_s=news.get("rate"),
            in_flight=0 if is_over else 96,
            window=96.0,
            most=128,
            started=self.iso(began),
            at=self.iso(ended),
            history=history(seconds, done, failed, news.get("slow_downs", 0)),
            **{"codes": {"AccessDenied": (failed, ("s3://lake/a%20b.gz",))} if failed else {}, **news},
        )
        return Task(
            task_id_of(group, "run"),
            OPERATION,
            ti_state,
            index,
            tries,
            self.at(began),
            self.at(ended) if ti_state in ("success", "failed", "up_for_retry") else None,
            f"shard {index} · {rows:,} objects",
            {PROGRESS_KEY: progress.to_json()},
        )

    def aws_job(self, bucket: str, index: int, rows: int, done: int, failed: int, status: str = "Active") -> Task:
        """Return the task of a bucket for which AWS works."""
        job_id = f"f3cc4fd9-3c9f-4a1c-9f3c-{index:012d}"
        progress = ProgressNews(
            job=self.job_url("tag"),
            bucket=bucket,
            engine="managed",
            operation="put_object_tagging",
            rows=rows,
            done=done,
            failed=failed,
            started=self.iso(48),
            at=self.iso(0.4),
            history=history(2_850, done, failed, 0),
            aws_job={
                "id": job_id,
                "status": status,
                "url": f"https://console.aws.amazon.com/s3/jobs/{job_id}?region=eu-central-1",
            },
        )
        start, label = self.at(48), f"{bucket} · {rows:,} objects"
        return Task("tag.run", MANAGED, "deferred", index, 1, start, None, label, {PROGRESS_KEY: progress.to_json()})

    def report(self, group: str, began: float, ti_state: str, **news: Any) -> Task:
        """Return a report task that has ended."""
        failed = news.get("failed", 0)
        url = f"{self.job_url(group)}/report"
        codes = {"AccessDenied": (failed - failed // 3, ("s3://lake/a%20b.gz",)), "NoSuchKey": (failed // 3, ())}
        told = ReportNews(
            job=self.job_url(group),
            operation="put_object_tagging",
            declared=TAGGING,
            **{
                "is_green": True,
                "codes": codes if failed else {},
                "sentence": f"put_object_tagging: {failed:,} of {news.get('objects', 0):,} objects failed.",
                **news,
            },
            counted_failures=failed,
            bytes=news.get("succeeded", 0) * 1_048_576,
            duration_s=1_200.0,
            rate=round(news.get("objects", 0) / 1_200, 1),
            started=self.iso(began + 20),
            ended=self.iso(began),
            report_url=f"{url}/manifest.json",
            failed_url=f"{url}/failed.csv" if failed else "",
            html_url=f"{url}/report.html",
            summary_url=f"{url}/summary.json",
            task_ids={name: task_id_of(group, part) for name, part in (("manifest", "manifest"), ("operation", "run"))},
        )
        start, end = self.at(began), self.at(began - 0.5)
        return Task(
            task_id_of(group, "report"), REPORT, ti_state, start=start, end=end, xcoms={REPORT_KEY: told.to_json()}
        )

    def approval(self, ti_state: str, began: float, **answer: Any) -> Task:
        """Return a task that asks people."""
        is_over = ti_state not in ("deferred", "awaiting_input")
        return Task(
            "expire.approve",
            APPROVAL,
            ti_state,
            start=self.at(began),
            end=self.at(began - 5) if is_over else None,
            request={
                "subject": "Delete 1,204,511 objects (1.2 TB)?",
                "body": "They are noncurrent versions, older than three months.",
                "created_at": self.at(began),
                **answer,
            },
        )

    def job_url(self, group: str) -> str:
        """Return a job's folder."""
        return f"s3://ops/s3batch/seeded-{group or 'by-hand'}-0123456789ab"


def history(seconds: float, done: int, failed: int, slow_downs: int) -> tuple[tuple[float, int, int, int], ...]:
    """Return points of an attempt that was slow in the middle."""
    points = []
    for index in range(31):
        share = index / 30
        bent = share if share < 0.4 else 0.4 + (share - 0.4) * 0.3 if share < 0.6 else 0.46 + (share - 0.6) * 1.35
        points.append(
            (round(seconds * share, 1), int(done * bent), int(failed * bent), int(slow_downs * (share > 0.4)))
        )
    return tuple(points)


def task_id_of(group: str, part: str) -> str:
    """Return the id of a task of the job in *group*, or of one without a group."""
    return f"{group}.{part}" if group else part
