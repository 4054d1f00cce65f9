"""`BatchApprovalOperator`: somebody looks at what is about to be done, with its figures, and says yes or no."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from airflow.providers.standard.operators.hitl import ApprovalOperator, HITLOperator

from airflow_s3batch.approvals import APPROVE, Approval, approval_problems
from airflow_s3batch.core.errors import JobDamagedError, ManifestError
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.hooks.arguments import as_flag, flag_problems, raise_for
from airflow_s3batch.hooks.errors import airflow_errors
from airflow_s3batch.hooks.task_ids import check_task_ids
from airflow_s3batch.operations.declared import declaration_problems, declared
from airflow_s3batch.operators.approved import APPROVAL_KEY
from airflow_s3batch.operators.base import S3BatchOperator
from airflow_s3batch.operators.manifest import MANIFEST_KEY

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_s3batch.core.approval_record import ApprovalRecord
    from airflow_s3batch.core.manifest import Manifest
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.operations.base import Operation
    from airflow_s3batch.operators.approval_text import Question

_STATE_KEY = "s3batch_approval"

log = logging.getLogger(__name__)

_TIME_LIMIT = (
    "response_timeout" if "response_timeout" in inspect.signature(HITLOperator).parameters else "execution_timeout"
)


class BatchApprovalOperator(S3BatchOperator, ApprovalOperator):
    """
    Ask in Airflow's own pages whether *operation* may be done to the manifest's objects, and wait for the answer.

    Whoever answers is shown what would be done with which parameters, whether it destroys data, to how many objects of
    which storage classes, from which source of which time, by which SQL and guards, a few keys, what it is expected to
    cost, and what the rehearsal came to. The answer, by whom and when, is kept in the job's ``approval.json``.

    It holds for exactly this manifest and this operation: an operation task with ``approval_task_id=`` of this task
    does nothing without it, whoever clears what. After **Reject** the tasks right behind this one are skipped, and the
    report, which counts every object as not attempted, is red. Clearing this task asks again. Where the manifest task
    has run again and has found the same manifest, and the operation is the same, what was approved stays approved: from
    Airflow 3.3 on, whose state store remembers the answer; before, somebody is asked again.

    Nobody is asked where the manifest is empty, or in a dry run.

    Args:
        manifest_task_id: the manifest task's full id, task group included.
        operation: what the operation task is given; text fields are templates.
        rehearsal_task_id: of the rehearsal task, if there is one and it comes before this task.
        approval: who may answer until when, and what counts if nobody does.
        dry_run: of the job: ``True``, ``False`` or a template of these.
        engine: ``worker`` or ``managed``, for people to see.
        job_aws_conn_id: connection for the job's files, if they lie in another store than the objects.
        kwargs: see `S3BatchOperator`; ``retries`` is 2 unless given here or in ``default_args``.
    """

    template_fields: Sequence[str] = (
        "manifest_task_id",
        "operation",
        "rehearsal_task_id",
        "dry_run",
        "job_aws_conn_id",
        *S3BatchOperator.template_fields,
    )
    template_fields_renderers = {"operation": "json"}  # noqa: RUF012 - as Airflow declares it
    ui_color = "#fbe3e4"
    dry_run: bool | str = False  # type: ignore[assignment] # in place of a method of this name that Airflow never calls

    def __init__(
        self,
        *,
        manifest_task_id: str,
        operation: Operation | Sequence[Operation],
        rehearsal_task_id: str | None = None,
        approval: Approval | None = None,
        dry_run: bool | str = False,
        engine: str = "worker",
        job_aws_conn_id: str | None = None,
        retries: int | None = 2,
        **kwargs: Any,
    ) -> None:
        approval = approval or Approval()
        raise_for(
            type(self).__name__,
            [
                *declaration_problems(operation),
                *approval_problems(operation, approval),
                *flag_problems("dry_run", dry_run),
            ],
        )
        # never default_args' execution_timeout, which Airflow would take for the time that people have
        limit: dict[str, Any] = {"execution_timeout": None, _TIME_LIMIT: approval.timeout}
        super().__init__(
            subject=f"May {declared(operation).name} be done?",
            defaults=[self.APPROVE if approval.default == APPROVE else self.REJECT],
            notifiers=list(approval.notifiers),
            assigned_users=approval.users or None,
            retries=retries,
            **{**limit, **kwargs},
        )
        self.manifest_task_id = manifest_task_id
        self.operation = declared(operation)
        self.rehearsal_task_id = rehearsal_task_id
        self.approval = approval
        self.dry_run = dry_run
        self.engine = engine
        self.job_aws_conn_id = job_aws_conn_id

    def run(self, context: Context) -> Any:
        """Ask, unless there is nothing to ask; ends by waiting for the answer."""
        from airflow_s3batch.engine.jobs.approval import write_approval
        from airflow_s3batch.engine.jobs.job_manifest import published_manifest

        ids = ("manifest_task_id", "rehearsal_task_id") if self.rehearsal_task_id else ("manifest_task_id",)
        check_task_ids(self, context, *ids)
        totals = self._totals(context["ti"])
        job, storage = JobLayout(S3Url.parse(str(totals["job"]), what="job")), self._storage()
        manifest = published_manifest(storage, job)
        if why := self._why_not_asked(manifest, storage, totals, context):
            self.log.info("Nobody is asked: %s.", why)
            return {"asked": False, "why": why}
        question = self._question(context["ti"], storage, job, manifest)
        self.subject, self.body = question.subject(), question.body()
        write_approval(storage, job, self._record(question, totals))
        self.log.info("Asked: %s", self.subject)
        return ApprovalOperator.execute(self, context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Keep the answer, before anything follows from it; called by Airflow."""
        if "error" not in event:
            with airflow_errors():
                self._keep_answer(context, event)
        return ApprovalOperator.execute_complete(self, context, event)

    def _keep_answer(self, context: Context, event: Mapping[str, Any]) -> None:
        from airflow_s3batch.core.approval_record import APPROVED, REJECTED
        from airflow_s3batch.engine.jobs.approval import read_approval, write_approval

        totals = self._totals(context["ti"])
        job, storage = JobLayout(S3Url.parse(str(totals["job"]), what="job")), self._storage()
        asked = read_approval(storage, job)
        if asked is None or asked.task_id != self.task_id:
            raise JobDamagedError(f"{job.approval}: what was asked is not there any more; clear the task to ask again")
        is_yes = list(event["chosen_options"]) == [self.APPROVE]
        at = event.get("responded_at") or datetime.now(UTC)
        at = at if isinstance(at, datetime) else datetime.fromisoformat(str(at))
        record = asked.answered(APPROVED if is_yes else REJECTED, _name_of(event.get("responded_by_user")), _iso(at))
        write_approval(storage, job, record)
        _tell(context, record)
        self.log.info("It was %s.", record.sentence())

    def _storage(self) -> Storage:
        return self.store.with_connection(self.job_aws_conn_id).storage()

    def _totals(self, ti: Any) -> Mapping[str, Any]:
        """
        Return what the manifest task has told.

        Raises:
            ManifestError: it has told nothing.
        """
        totals = ti.xcom_pull(task_ids=self.manifest_task_id, key=MANIFEST_KEY)
        if not isinstance(totals, Mapping):
            raise ManifestError(f"task {self.manifest_task_id!r} has published no manifest, so there is nothing to ask")
        return totals

    def _why_not_asked(self, manifest: Manifest, storage: Storage, totals: Mapping[str, Any], context: Context) -> str:
        """Return why nobody needs to be asked, a clause; empty if somebody does."""
        from airflow_s3batch.core.approval_record import APPROVED
        from airflow_s3batch.engine.jobs.approval import read_approval, why_other, write_approval

        if not manifest.rows:
            return "the manifest is empty"
        if as_flag("dry_run", self.dry_run):
            return "a dry run changes nothing"
        record = read_approval(storage, JobLayout(manifest.job_url))
        if record is None or record.state != APPROVED or record.task_id != self.task_id:
            return ""
        found_in = _try_number(totals)
        is_cleared = record.manifest_try == found_in  # this task, and not the manifest's, runs again
        if is_cleared or why_other(record, manifest, self.operation) or not _is_remembered(context, record):
            return ""
        _tell(context, record)
        write_approval(storage, JobLayout(manifest.job_url), replace(record, manifest_try=found_in))
        return f"this operation on this manifest was {record.sentence()}"

    def _question(self, ti: Any, storage: Storage, job: JobLayout, manifest: Manifest) -> Question:
        from airflow_s3batch.engine.checks.estimates import read_estimate
        from airflow_s3batch.engine.checks.example_rows import example_rows
        from airflow_s3batch.operators.approval_text import Question
        from airflow_s3batch.reports.evidence.origin import Origin

        document = Origin.read(storage, job).document
        rehearsal = (
            ti.xcom_pull(task_ids=self.rehearsal_task_id, key="return_value") if self.rehearsal_task_id else None
        )
        limit = self.approval.timeout
        return Question(
            operation=self.operation,
            manifest=manifest,
            engine=self.engine,
            selection=document["selection"],
            source=document["source"],
            cost=read_estimate(storage, job),
            rehearsal=rehearsal if isinstance(rehearsal, Mapping) else None,
            examples=example_rows(storage, manifest, self.approval.examples),
            deadline=datetime.now(UTC) + limit if limit else None,
            default=self.approval.default,
        )

    def _record(self, question: Question, totals: Mapping[str, Any]) -> ApprovalRecord:
        from airflow_s3batch.core.approval_record import ASKED, ApprovalRecord, manifest_mark

        figures = {"cost": question.cost.total if question.cost else None, "rehearsal": question.rehearsal}
        return ApprovalRecord(
            state=ASKED,
            task_id=self.task_id,
            asked=_iso(datetime.now(UTC)),
            deadline=_iso(question.deadline) if question.deadline else None,
            subject=question.subject(),
            operation=self.operation.to_json(),
            manifest=manifest_mark(question.manifest),
            objects=question.manifest.rows,
            bytes=question.manifest.bytes,
            default=self.approval.default,
            manifest_try=_try_number(totals),
            figures={name: value for name, value in figures.items() if value},
        )


def _tell(context: Context, record: ApprovalRecord) -> None:
    """Tell Airflow the answer: operation tasks believe nothing else, however the job's folder came to hold a file."""
    told = {"state": record.state, "by": record.by, "at": record.at, "mark": record.mark}
    context["ti"].xcom_push(key=APPROVAL_KEY, value=told)
    if (store := _state_store(context)) is not None:
        try:
            store.set(_STATE_KEY, record.mark)
        except Exception as error:  # noqa: BLE001 - the answer counts; it only has to be asked for again some day
            log.warning("Airflow's state store does not take the answer: %s", error)


def _is_remembered(context: Context, record: ApprovalRecord) -> bool:
    """Return whether Airflow knows from an earlier try of this task that *record* is its answer; not before 3.3."""
    store = _state_store(context)
    try:
        return store is not None and store.get(_STATE_KEY) == record.mark
    except Exception as error:  # noqa: BLE001 - asked again rather than believed
        log.warning("Airflow's state store can't be read, so somebody is asked again: %s", error)
        return False


def _state_store(context: Context) -> Any:
    """Return what survives a clear of this task, ``None`` where Airflow has no such thing (before 3.3)."""
    return cast("Mapping[str, Any]", context).get("task_state_store")


def _try_number(totals: Mapping[str, Any]) -> int:
    return int(totals.get("try_number") or 0)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _name_of(user: Any) -> str:
    """Return what Airflow calls *user*; empty if it is nobody."""
    if isinstance(user, Mapping):
        return str(user.get("name") or user.get("id") or "")
    return str(getattr(user, "name", None) or getattr(user, "id", None) or user or "")
