"""Stand-ins for what Airflow, the engine and the reports give to the operators."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.outcomes import SUCCESS
from airflow_s3batch.operations.base import Operation, Replay
from airflow_s3batch.operations.requests import Call, Request
from airflow_s3batch.reports.summary import JobSummary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_s3batch.core.objects import S3Object
    from airflow_s3batch.core.outcomes import Outcome
    from airflow_s3batch.operations.requests import Capabilities, Steps


@dataclass(frozen=True)
class SetTag(Operation):
    """A small operation with two fields."""

    name = "set_tag"
    replay = Replay.SAFE

    key: str
    value: Any = "x"

    def problems(self) -> list[str]:
        return [] if self.key else ["key='' is empty"]

    def steps(self, obj: S3Object, capabilities: Capabilities) -> Steps[Outcome]:
        yield Request(Call("PutObjectTagging"), obj.bucket, obj.key)
        return SUCCESS

    def probe(self, scratch: S3Object, sample: S3Object) -> Steps[Mapping[str, str]]:
        yield Request(Call("PutObjectTagging"), scratch.bucket, scratch.key)
        return {}

    def iam_actions(self) -> set[str]:
        return {"s3:PutObjectTagging"}


@dataclass
class TaskInstance:
    """As much of Airflow's task instance as operators use."""

    dag_id: str = "tagging"
    run_id: str = "manual__1"
    task_id: str = "job.report"
    map_index: int = -1
    try_number: int = 1
    states: dict[str, str] = field(default_factory=lambda: {"job.manifest": "success"})
    xcoms: dict[tuple[str, str], Any] = field(default_factory=dict)
    log_url: str = "http://localhost:8080/dags/tagging"

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[self.task_id, key] = value

    def xcom_pull(self, task_ids: str, key: str) -> Any:
        return self.xcoms.get((task_ids, key))

    def get_task_states(self, dag_id: str, task_ids: list[str], run_ids: list[str]) -> dict[str, Any]:
        return {self.run_id: {name: self.states[name] for name in task_ids if name in self.states}}


def summary(**changes: Any) -> JobSummary:
    """Return the summary of a job of three objects, of which one failed unless *changes* say otherwise."""
    values: dict[str, Any] = {
        "job_url": "s3://ops/s3batch/job-1",
        "task_id": "job.run",
        "operation": {"operation": "SetTag", "key": "team"},
        "objects": 3,
        "succeeded": 2,
        "failed": 1,
        "bytes": 30,
        "codes": {"AccessDenied": 1},
        "examples": {"AccessDenied": ["s3://lake/a%20b"]},
        "requests": 3,
        "retries": 0,
        "slow_downs": 0,
        "started": None,
        "ended": None,
        "duration_s": 1.0,
        "allowed_failures": 0,
        "tolerate": (),
        "report_url": "s3://ops/s3batch/job-1/report/manifest.json",
        "failed_url": "s3://ops/s3batch/job-1/report/failed.csv",
        "html_url": "s3://ops/s3batch/job-1/report/report.html",
        "summary_url": "s3://ops/s3batch/job-1/report/summary.json",
        "fingerprint": "abc",
        "created": "2026-11-01T00:00:00+00:00",
    }
    return JobSummary(**{**values, **changes})


GREEN: dict[str, Any] = {"succeeded": 3, "failed": 0, "codes": {}, "examples": {}, "failed_url": None}
