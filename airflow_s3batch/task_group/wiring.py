"""The tasks of a job, and how they follow one another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow.sdk import TaskGroup, TriggerRule, chain

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.operators.batch_operation import BatchOperationOperator
from airflow_s3batch.operators.managed import ManagedBatchJobOperator
from airflow_s3batch.operators.manifest import ManifestOperator
from airflow_s3batch.operators.manifest_groups import planned_in_groups
from airflow_s3batch.operators.report import BatchReportOperator

_IF_ALL_WENT_WELL: Mapping[str, Any] = {"trigger_rule": TriggerRule.ALL_SUCCESS}
_WHATEVER_HAPPENED: Mapping[str, Any] = {"trigger_rule": TriggerRule.ALL_DONE}
"""Said to each task, for the Dag's ``default_args`` may say otherwise."""


@dataclass(frozen=True, kw_only=True)
class JobTasks:
    """
    What the tasks of a job are given.

    Attributes:
        manifest: makes the manifest, of *selection*; in several tasks if *planning_tasks* says how many.
        work: for the operation task, *rehearsal* and *verification* likewise; ``None`` leaves the task out.
        approval: for the task that asks; it comes before anything is touched if *approves_first*, else it follows the
            rehearsal.
        report: for the last task; *job_store* says where the job's files lie.
        airflow: what Airflow is told of the tasks, by name.
    """

    manifest: type[ManifestOperator]
    planning_tasks: int | None
    selection: Mapping[str, Any]
    work: Mapping[str, Any]
    report: Mapping[str, Any]
    job_store: Mapping[str, Any]
    approval: Mapping[str, Any] | None = None
    approves_first: bool = True
    rehearsal: Mapping[str, Any] | None = None
    verification: Mapping[str, Any] | None = None
    airflow: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def fill(self, group: TaskGroup) -> TaskGroup:
        """Make the tasks in *group*."""
        with group:
            manifest = self._manifest()
            run_id = f"{group.group_id}.run"
            approved = {} if self.approval is None else {"approval_task_id": f"{group.group_id}.approve"}
            before = self._before_run(manifest, run_id, approved)
            run = self._run(manifest, approved)
            after = self._after_run(manifest, run_id)
            chain(manifest, *before, run, *after)
        return group

    def _manifest(self) -> Any:
        if self.planning_tasks is None:
            return self.manifest(task_id="manifest", **self.selection, **self.airflow.get("manifest", {}))
        return planned_in_groups(self.planning_tasks, self.selection, self.airflow)

    def _before_run(self, manifest: Any, run_id: str, approved: Mapping[str, str]) -> list[Any]:
        """Return the tasks between the manifest and the work, in order."""
        approve: list[Any] = []
        rehearse: list[Any] = []
        if self.rehearsal is not None:
            from airflow_s3batch.operators.rehearsal import BatchRehearsalOperator

            given = {"operation_task_id": run_id, **self.rehearsal, **(approved if self.approves_first else {})}
            given |= _IF_ALL_WENT_WELL
            given |= self.airflow.get("rehearse", {})
            rehearse = [BatchRehearsalOperator(task_id="rehearse", shards=manifest.output, **given)]
        if self.approval is not None:
            from airflow_s3batch.operators.approval import BatchApprovalOperator

            shown = rehearse[0].task_id if rehearse and not self.approves_first else None
            about = {"manifest_task_id": manifest.task_id, "rehearsal_task_id": shown, **_IF_ALL_WENT_WELL}
            approve = [
                BatchApprovalOperator(task_id="approve", **about, **self.approval, **self.airflow.get("approve", {}))
            ]
        return [*approve, *rehearse] if self.approves_first else [*rehearse, *approve]

    def _run(self, manifest: Any, approved: Mapping[str, str]) -> Any:
        work = {**self.work, **_IF_ALL_WENT_WELL, **approved, **self.airflow.get("run", {})}
        if self.selection["engine"] == "managed":
            return ManagedBatchJobOperator.partial(task_id="run", **work).expand(bucket=manifest.output)
        return BatchOperationOperator.partial(task_id="run", **work).expand(shard=manifest.output)

    def _after_run(self, manifest: Any, run_id: str) -> list[Any]:
        """Return the tasks behind the work, in order."""
        verify: list[Any] = []
        if self.verification is not None:
            from airflow_s3batch.operators.verification import BatchVerificationOperator

            looks = {"operation_task_id": run_id, **_WHATEVER_HAPPENED, **self.verification}
            looks |= self.airflow.get("verify", {})
            verify = [BatchVerificationOperator.partial(task_id="verify", **looks).expand(shard=manifest.output)]
        report = BatchReportOperator(
            task_id="report",
            manifest_task_id=manifest.task_id,
            operation_task_id=run_id,
            verification_task_id=verify[0].task_id if verify else None,
            **_WHATEVER_HAPPENED,
            **self.report,
            **self.job_store,
            **self.airflow.get("report", {}),
        )
        return [*verify, report]


def job_group(group_id: str, default_args: Mapping[str, Any]) -> TaskGroup:
    """
    Return the job's task group, in the current one.

    Raises:
        ArgumentError: a group around it is mapped.
    """
    group = TaskGroup(group_id, default_args=dict(default_args))  # type: ignore[arg-type]
    mapped = next(iter(group.iter_mapped_task_groups()), None)
    if mapped is not None:
        raise ArgumentError(
            f"s3_batch_job {group_id!r}: task group {mapped.group_id!r} around it is mapped (expand): Airflow can map "
            "no task in it; loop over the items in the Dag file instead: for x in …: s3_batch_job(f'job_{x}', …)"
        )
    return group
