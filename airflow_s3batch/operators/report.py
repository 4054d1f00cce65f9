"""`BatchReportOperator`: the completion report, the notifications, and the colour of the run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import TriggerRule

from airflow_s3batch.core.errors import InfrastructureError, ManifestError, S3BatchError, TooManyFailuresError
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.hooks.airflow_names import AirflowSkipException
from airflow_s3batch.hooks.arguments import raise_for
from airflow_s3batch.hooks.policies import policy_problems
from airflow_s3batch.hooks.task_ids import check_task_ids
from airflow_s3batch.operators.base import S3BatchOperator, about
from airflow_s3batch.operators.lineage import report_lineage
from airflow_s3batch.operators.manifest import MANIFEST_KEY
from airflow_s3batch.operators.notices import send_notices, send_unmarked
from airflow_s3batch.operators.outlets import report_facts, tell_nothing, tell_outlets
from airflow_s3batch.operators.report_news import tell_report

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_s3batch.reports.summary import JobSummary


class BatchReportOperator(S3BatchOperator):
    """
    Account for every object of the manifest, write the completion report, notify, and decide the colour of the run.

    Runs whatever happened upstream (``trigger_rule`` is ``all_done``). Objects without an outcome are reported as
    ``NotAttempted``. Fails if more objects failed than *allowed_failures*; clearing the failed operation tasks runs
    this task again, and only what failed. Skipped if the manifest task was skipped.

    A notification that failed makes the task red, even if the job is green, and is retried. Where there is no manifest
    (the inventory is missing, a guard was tripped), there is no report: the notifications are sent with counts of 0 and
    the reason, once per try, and the task fails.

    Returns the counts and the URLs of what was written.

    Args:
        manifest_task_id: the `InventoryToManifestOperator`'s full task id, task group included.
        operation_task_id: the `BatchOperationOperator`'s full task id.
        notifications: Airflow notifiers. In their templates ``{{ report }}`` is a sentence and ``report.failed``,
            ``report.report_url``, … are the summary's values. Each is sent once per generation of the report; the
            report is of another generation once its rows have changed.
        tolerate: error codes that don't count; what the operation task said when it last started, if left out.
        allowed_failures: a number of objects, or a fraction below 1; likewise if left out.
        verification_task_id: the `BatchVerificationOperator`'s full task id, if there is one: what it found counts, and
            without it the job is not green.
        kwargs: see `S3BatchOperator`; ``retries`` is 2 unless given here or in ``default_args``.
    """

    template_fields: Sequence[str] = ("manifest_task_id", "operation_task_id", *S3BatchOperator.template_fields)

    def __init__(
        self,
        *,
        manifest_task_id: str,
        operation_task_id: str,
        notifications: Sequence[Any] = (),
        tolerate: Collection[str] | None = None,
        allowed_failures: float | None = None,
        verification_task_id: str | None = None,
        trigger_rule: str = TriggerRule.ALL_DONE,
        retries: int | None = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(trigger_rule=trigger_rule, retries=retries, **kwargs)
        self.manifest_task_id = manifest_task_id
        self.operation_task_id = operation_task_id
        self.notifications = notifications
        self.tolerate = tolerate
        self.allowed_failures = allowed_failures
        self.verification_task_id = verification_task_id
        raise_for(type(self).__name__, report_problems(notifications, tolerate, allowed_failures))

    def run(self, context: Context) -> dict[str, Any]:
        """Write the report and tell of it."""
        from airflow_s3batch.engine.jobs.running import forget_running
        from airflow_s3batch.manifests.planning.series import note_report
        from airflow_s3batch.reports.build import build_report

        try:
            named = ["verification_task_id"] if self.verification_task_id else []
            check_task_ids(self, context, "manifest_task_id", "operation_task_id", *named)
            job_url = S3Url.parse(self._job_url(context["ti"]), what="job")
        except S3BatchError as error:
            self._tell_of_no_manifest(error, context)
            raise
        storage = self.store.storage()
        summary = build_report(
            storage,
            job_url,
            self.operation_task_id,
            tolerate=self.tolerate,
            allowed_failures=self.allowed_failures,
            about=about(context),
            now=datetime.now(UTC),
            links=_links(context["ti"]),
            is_verified=self.verification_task_id is not None,
        )
        if not summary.dry_run:  # the next run's since="previous" asks what was done
            note_report(storage, job_url)
        forget_running(storage, JobLayout(job_url), self.operation_task_id)
        self._tell_airflow(summary, context)
        self.log.info("%s", summary.sentence())
        self.log.info("Report: %s", summary.report_url)
        if summary.dry_run:
            tell_nothing(context, self)
        else:
            tell_outlets(context, self.outlets, report_facts(summary))
        self.note_lineage(lambda: report_lineage(summary))
        failures = send_notices(self.notifications, summary, context, storage=storage, report=JobLayout(job_url).report)
        _decide(summary, failures)
        return _result(summary)

    def _tell_airflow(self, summary: JobSummary, context: Context) -> None:
        """Let Airflow's pages show what *summary* says."""
        tell_report(
            context["ti"], summary, {"manifest": str(self.manifest_task_id), "operation": str(self.operation_task_id)}
        )

    def _tell_of_no_manifest(self, error: S3BatchError, context: Context) -> None:
        """
        Send the notifications with *error* as the sentence.

        Raises:
            InfrastructureError: one was not sent; the next attempt sends all of them again.
        """
        from airflow_s3batch.reports.summary import JobSummary

        summary = JobSummary.of_no_manifest(self.operation_task_id, str(error))
        self._tell_airflow(summary, context)
        if failures := send_unmarked(self.notifications, summary, context):
            raise InfrastructureError(_with_failed_notices(str(error), failures)) from None

    def _job_url(self, ti: Any) -> str:
        """Return the folder of the job; where there is no manifest, say why and end."""
        state = _state_of(ti, self.manifest_task_id)
        if state == "skipped":
            raise AirflowSkipException(f"Task {self.manifest_task_id!r} was skipped, so there is no job to report on.")
        totals = ti.xcom_pull(task_ids=self.manifest_task_id, key=MANIFEST_KEY) if state in ("success", "") else None
        if not isinstance(totals, Mapping):
            raise ManifestError(
                f"there is no manifest to report on: task {self.manifest_task_id!r} is "
                f"{state or 'without a manifest'}. It published none in this attempt, though earlier attempts may have "
                "worked on objects; fix the cause and clear it"
            )
        self.log.info("Manifest of %s objects in %s shards: %s", totals["rows"], totals["shards"], totals["job"])
        return str(totals["job"])


def report_problems(notifications: Any, tolerate: Any, allowed_failures: Any) -> list[str]:
    """Return all that is wrong with a report's arguments."""
    given = {"tolerate": tolerate, "allowed_failures": allowed_failures}
    found = policy_problems(**{name: value for name, value in given.items() if value is not None})
    if isinstance(notifications, str) or not isinstance(notifications, Sequence):
        found.append(f"notifications={notifications!r} is not a list of notifiers")
    else:
        found.extend(f"notifications: {item!r} is not a notifier" for item in notifications if not callable(item))
    return found


def _state_of(ti: Any, task_id: str) -> str:
    """Return the state of task *task_id* in this Dag run; empty if Airflow does not tell."""
    states = ti.get_task_states(dag_id=ti.dag_id, task_ids=[task_id], run_ids=[ti.run_id])
    return str((states.get(ti.run_id) or {}).get(task_id) or "")


def _links(ti: Any) -> dict[str, str]:
    url = getattr(ti, "log_url", None)
    return {"Airflow": url} if isinstance(url, str) else {}


def _decide(summary: JobSummary, failed_notices: Sequence[str]) -> None:
    """
    End red if there is cause to.

    Raises:
        InfrastructureError: a notice was not sent; the next attempt tries only that again, and then tells the verdict.
        TooManyFailuresError: more objects failed than allowed.
    """
    if not failed_notices and not summary.is_green:
        raise TooManyFailuresError(summary.sentence())
    if failed_notices:
        raise InfrastructureError(
            f"{_with_failed_notices(summary.sentence(), failed_notices)}. Report: {summary.report_url}"
        )


def _with_failed_notices(sentence: str, failed_notices: Sequence[str]) -> str:
    return f"{sentence.rstrip('.')}. Also a notification failed: {'; '.join(failed_notices)}"


def _result(summary: JobSummary) -> dict[str, Any]:
    return {
        "objects": summary.objects,
        "succeeded": summary.succeeded,
        "failed": summary.failed,
        "not_attempted": summary.not_attempted,
        "report_url": str(summary.report_url),
        "failed_url": str(summary.failed_url) if summary.failed_url else None,
        "html_url": str(summary.html_url),
        "summary_url": str(summary.summary_url),
    }
