"""`ManagedBatchJobOperator`: one operation on every object of a bucket, by AWS S3 Batch Operations."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.identity import job_id
from airflow_s3batch.core.outcomes import VANISHED, Summary, Tally
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.hooks.airflow_names import TaskDeferralTimeout, conf
from airflow_s3batch.hooks.arguments import as_int, bool_problems, raise_for
from airflow_s3batch.hooks.errors import airflow_error, airflow_errors
from airflow_s3batch.hooks.s3 import access_of, storage_on
from airflow_s3batch.links import S3BatchJobLink
from airflow_s3batch.links.s3_batch_job import JOB_KEY, publish_job
from airflow_s3batch.operations.base import Operation
from airflow_s3batch.operations.declared import declared
from airflow_s3batch.operators.approved import approval_task_problems, check_approval
from airflow_s3batch.operators.aws_news import BucketTold
from airflow_s3batch.operators.lineage import work_lineage
from airflow_s3batch.operators.managed_arguments import (
    POLL_INTERVAL_S,
    SETTINGS,
    WAITING,
    managed_argument_problems,
    source_problems,
)
from airflow_s3batch.operators.mapped import arguments_named, with_defaults, with_slots
from airflow_s3batch.operators.metrics import TaskMetrics, task_tags
from airflow_s3batch.operators.pausing import PausableOperator
from airflow_s3batch.triggers.s3_batch_job import S3BatchJobTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.definitions.mappedoperator import OperatorPartial

    from airflow_s3batch.engine.policy import Policy
    from airflow_s3batch.hooks.s3_batch import S3BatchHook
    from airflow_s3batch.managed import BucketRef, ManagedSettings, Round
    from airflow_s3batch.operators.bucket_job import BucketJob

RETRIES = 3
MAP_INDEX_TEMPLATE = "{{ task.label }}"
_SOURCE = ("bucket", "manifest_url", "manifest_generator", "job_url")
_FLAGS = ("resume", "manifest_has_versions")
_CHECKED = (*SETTINGS, *WAITING, "tolerate", "allowed_failures", "replay_unsafe", "if_running")


class ManagedBatchJobOperator(PausableOperator):
    """
    Let AWS S3 Batch Operations run *operation* on every object of one bucket of a manifest.

    Mapped over the buckets that ``InventoryToManifestOperator(engine="managed")`` returns, for AWS takes one bucket per
    job. The task makes the job, waits for its end, and brings AWS's completion report into the form that
    `BatchReportOperator` reads. A later attempt finds the job that an earlier one made, even if that was killed before
    it could note the job's id; after a job that is over, an attempt makes a new one for what failed or was never
    invoked. Returns the bucket's counts.

    ``s3batch pause`` cancels AWS's job, for AWS can't pause one; after ``s3batch resume`` a new one does what is left.

    Alone, with *manifest_url* or *manifest_generator*, there is no manifest of ours and no `BatchReportOperator`: AWS's
    own report is summed up, and decides whether the task is green. A later attempt makes a job for what AWS's report
    lists as failed; what a cancelled job has not reached is known to AWS only, and needs ``resume=False``. So does
    another list than the one that the first attempt was given.

    Args:
        operation: what to do to each object; its text fields are templates. No `Column`: AWS takes the same values for
            all objects.
        bucket: one bucket's dict; comes through ``expand``.
        manifest_url: instead of *bucket*: a CSV manifest in AWS's form (``S3BatchOperations_CSV_20180820``), with the
            columns Bucket and Key.
        manifest_has_versions: whether that has a third column, VersionId.
        manifest_generator: instead of *bucket*: CreateJob's ``S3JobManifestGenerator``; AWS lists the objects itself.
        job_url: with the two above: folder for all jobs' files; each job makes its own folder in it.
        role_arn: IAM role that AWS assumes for the job; ``airflow_s3batch.operations.iam_policy`` prints what it needs.
        account_id: that owns the job, 12 digits; that of the credentials, asked of STS, if left out.
        priority: 0 to 2,147,483,647; AWS runs higher ones first.
        confirmation_required: the job does nothing until somebody confirms it, in the console or through the API.
        description: of the job; the Dag's and the task's name if left out.
        job_tags: of the job, not of the objects.
        report_scope: ``AllTasks``, or ``FailedTasksOnly`` for a shorter report by AWS.
        expected_bucket_owner: account that owns the bucket of the job's files; ``True`` is *account_id*, ``False`` any.
        tolerate: error codes that are reported but don't count as failures.
        allowed_failures: a number of objects, or a fraction below 1, up to which the task is a success. AWS itself
            ends a job, from 1,000 objects on, once more than half of them failed.
        replay_unsafe: let a later job do again what AWS's report is silent about, even where the operation says that
            this isn't safe.
        if_running: what to do if another job is at work on the same objects, as for `BatchOperationOperator`; only with
            *bucket*.
        resume: ``False`` starts over with every object, beside what earlier attempts have left.
        deferrable: wait in the triggerer, without a worker slot; ``[operators] default_deferrable`` if left out.
        poll_interval_s: seconds between two looks at the job, 30 at least.
        cancel_on_kill: cancel AWS's job when the task is killed or its time is up. While it is deferred, Airflow tells
            of a kill from 3.3 on; before that the job goes on, and the next attempt finds it.
        approval_task_id: full id of a `BatchApprovalOperator`: without its yes to this operation on this manifest, no
            job is made. Only with *bucket*.
        job_aws_conn_id: connection for the job's files, if other credentials are needed for them.
        kwargs: see `S3BatchOperator`; ``retries`` is 3 unless given here or in ``default_args``.
    """

    template_fields: Sequence[str] = (
        "operation",
        "bucket",
        "manifest_url",
        "manifest_generator",
        "job_url",
        "role_arn",
        "account_id",
        "priority",
        "description",
        "job_tags",
        "expected_bucket_owner",
        "job_aws_conn_id",
        *PausableOperator.template_fields,
    )
    text_fields = frozenset({"account_id", "description", "job_tags", "expected_bucket_owner"})
    template_fields_renderers = {"operation": "json", "bucket": "json", "job_tags": "json"}  # noqa: RUF012 - as Airflow declares it
    operator_extra_links = (S3BatchJobLink(),)
    ui_color = "#f4ead5"
    _work: BucketJob | None = None
    has_job = False
    """Whether this attempt has told which job of AWS it runs."""

    def __init__(
        self,
        *,
        operation: Operation,
        role_arn: str,
        bucket: Mapping[str, Any] | None = None,
        manifest_url: str | None = None,
        manifest_has_versions: bool = False,
        manifest_generator: Mapping[str, Any] | None = None,
        job_url: str | None = None,
        account_id: str | None = None,
        priority: int | str = 10,
        confirmation_required: bool = False,
        description: str = "",
        job_tags: Mapping[str, str] | None = None,
        report_scope: str = "AllTasks",
        expected_bucket_owner: bool | str = True,
        tolerate: Collection[str] = tuple(sorted(VANISHED)),
        allowed_failures: float = 0,
        replay_unsafe: bool = False,
        if_running: str | None = None,
        resume: bool = True,
        deferrable: bool | None = None,
        poll_interval_s: float = POLL_INTERVAL_S,
        cancel_on_kill: bool = True,
        approval_task_id: str | None = None,
        job_aws_conn_id: str | None = None,
        retries: int | None = RETRIES,
        map_index_template: str | None = MAP_INDEX_TEMPLATE,
        **kwargs: Any,
    ) -> None:
        super().__init__(retries=retries, map_index_template=map_index_template, **kwargs)
        self.operation = operation
        self.bucket = bucket
        self.manifest_url = manifest_url
        self.manifest_has_versions = manifest_has_versions
        self.manifest_generator = manifest_generator
        self.job_url = job_url
        self.role_arn = role_arn
        self.account_id = account_id
        self.priority = priority
        self.confirmation_required = confirmation_required
        self.description = description
        self.job_tags = {} if job_tags is None else job_tags
        self.report_scope = report_scope
        self.expected_bucket_owner = expected_bucket_owner
        self.tolerate = tolerate
        self.allowed_failures = allowed_failures
        self.replay_unsafe = replay_unsafe
        self.if_running = if_running
        self.resume = resume
        self.deferrable = waits_deferred(deferrable)
        self.poll_interval_s = poll_interval_s
        self.cancel_on_kill = cancel_on_kill
        self.approval_task_id = approval_task_id
        self.job_aws_conn_id = job_aws_conn_id
        raise_for(
            type(self).__name__,
            [
                *managed_argument_problems(operation, **{name: getattr(self, name) for name in _CHECKED}),
                *source_problems(**{name: getattr(self, name) for name in _SOURCE}),
                *approval_task_problems(approval_task_id),
                *bool_problems(**{name: getattr(self, name) for name in _FLAGS}),
                *(["approval_task_id= goes with bucket="] if approval_task_id and bucket is None else []),
            ],
        )
        self.operation = declared(operation)

    @classmethod
    def partial(cls, **kwargs: Any) -> OperatorPartial:
        """
        Take the arguments that all buckets share; ``expand(bucket=…)`` follows.

        They are checked here, while the Dag is parsed.
        """
        given = {"role_arn": None, **{name: kwargs[name] for name in _CHECKED if name in kwargs}}
        found = managed_argument_problems(kwargs.get("operation"), **given)
        found.extend(approval_task_problems(kwargs.get("approval_task_id")))
        found.extend(bool_problems(**{name: kwargs[name] for name in _FLAGS if name in kwargs}))
        if "manifest_url" in kwargs or "manifest_generator" in kwargs:
            found.extend(source_problems(**{name: kwargs.get(name) for name in _SOURCE}))
        raise_for(cls.__name__, found)
        kwargs["operation"] = declared(kwargs.get("operation"))
        defaults = {"retries": RETRIES, "map_index_template": MAP_INDEX_TEMPLATE}
        partial = super().partial(**kwargs)
        fill = with_defaults if waits_deferred(arguments_named(partial, kwargs).get("deferrable")) else with_slots
        return fill(partial, kwargs, defaults)

    def run(self, context: Context) -> dict[str, Any]:
        """Have a job for what is left of the bucket, wait for its end, and read AWS's report; or defer."""
        self._work = work = self._bucket_job(self._ref(context["ti"]))
        try:
            files = self.store.with_connection(self.job_aws_conn_id).storage
            url = work.ref.job_url
            check_approval(self.approval_task_id, url, self.operation, files, self.log.info, context["ti"])
            if self._is_killed:  # while Airflow was still making the connection
                work.stop(cancels=self.cancel_on_kill)
            settings = self._settings(work.hook, context)
            resume = self.resume or self._goes_on
            current = work.open(settings, resume=resume, try_number=context["ti"].try_number)
            if current is None:
                return self._counts(work.ref, Summary(Tally(), earlier=work.ref.rows), context)
            self._wait(work, current, context)
            return self._counts(current.ref, work.harvest(current), context)
        finally:
            self._work = None  # it can't be copied, and Airflow copies operators

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> dict[str, Any]:
        """Take over from the trigger: read AWS's report, or tell what went wrong."""
        if event["status"] == "error":
            raise airflow_error(event["message"], is_retryable=event["is_retryable"])
        if event["status"] == "paused":
            self.log.info("%s", event["message"])
            self._goes_on = True
            self._wait_deferred()
        with airflow_errors():
            from airflow_s3batch.managed import Round
            from airflow_s3batch.managed.aws_report import ReportPendingError
            from airflow_s3batch.operators.bucket_job import REPORT_INTERVAL_S

            ended = Round.from_json(event["carried"])
            work = self._bucket_job(ended.ref)
            try:
                return self._counts(ended.ref, work.harvest_now(ended), context)
            except ReportPendingError as error:
                self.log.info("%s", error)
        self._defer(ended, max(self.poll_interval_s, REPORT_INTERVAL_S), pauses_first=True)
        return {}

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after the deferral; where the task's time was up meanwhile, cancel the job as `on_kill` would."""
        self.has_job = True
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except TaskDeferralTimeout:
            ti = context["ti"]
            job = ti.xcom_pull(task_ids=ti.task_id, map_indexes=ti.map_index, key=JOB_KEY)
            if self.cancel_on_kill and isinstance(job, Mapping):
                from airflow_s3batch.managed import CANCELLED_BY_TASK

                with airflow_errors():
                    hook = self.store.batch_hook(str(job["account_id"]))
                    status = hook.cancel_job(str(job["job_id"]), CANCELLED_BY_TASK)
                    self.log.info("The time is up: AWS job %s was cancelled, it is %s.", job["job_id"], status)
            raise

    def on_kill(self) -> None:
        """Stop waiting, and cancel AWS's job if *cancel_on_kill* says so; called on SIGTERM and on a timeout."""
        super().on_kill()
        if self._work is not None:
            self._work.stop(cancels=self.cancel_on_kill)

    @property
    def paused_job(self) -> str:
        """URL of the folder of the job that this task works on."""
        return _bucket_ref(self.bucket).job_url

    def _bucket_job(self, ref: BucketRef) -> BucketJob:
        from airflow_s3batch.operators.bucket_job import BucketJob, LoneBucketJob

        hook = self.store.batch_hook(self.account_id)
        job_store = self.store.with_connection(self.job_aws_conn_id)
        arguments: dict[str, Any] = {
            "hook": hook,
            "storage": storage_on(access_of(hook)) if job_store == self.store else job_store.storage(),
            "task_id": self.task_id,
            "policy": self._policy(),
            "log": self.log.info,
            "poll_interval_s": self.poll_interval_s,
        }
        if self.bucket is not None:
            return BucketJob(ref, self.operation, **arguments)
        source = (str(self.manifest_url or ""), self.manifest_has_versions)
        return LoneBucketJob(ref, self.operation, source=source, **arguments)

    def _ref(self, ti: Any) -> BucketRef:
        """Return which objects the job is about: those of a bucket, or those of the list that lies in a folder."""
        from airflow_s3batch.managed import BucketRef

        if self.bucket is not None:
            return _bucket_ref(self.bucket)
        name = job_id(ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index)
        return BucketRef(str(S3Url.parse(str(self.job_url), what="job_url") / name), self.label, 0)

    @property
    def label(self) -> str:
        """What the grid calls a mapped instance."""
        if isinstance(self.bucket, Mapping) and "bucket" in self.bucket:
            return f"{self.bucket['bucket']} · {self.bucket['rows']:,} objects"
        return str(self.manifest_url or (self.manifest_generator or {}).get("SourceBucket", "").rpartition(":")[2])

    def _wait(self, work: BucketJob, current: Round, context: Context) -> None:
        """Return once the job is over; defer instead where the task may."""
        url = work.hook.console_url(current.job_id)
        self.has_job = True
        publish_job(context["ti"], current.job_id, current.account_id, url)
        told = BucketTold(context["ti"], work.ref, self.operation.name)
        news = told.begin({"id": current.job_id, "account_id": current.account_id, "url": url})
        work.tell = told.look
        if url:
            self.log.info("%s: %s", current.name, url)
        work.check_stopped(current)
        progress = work.look(current)
        if self.deferrable and not (progress is not None and progress.is_over):
            self._defer(current, self.poll_interval_s, news=news)
        work.wait(current)

    def _defer(
        self,
        current: Round,
        poll_interval_s: float,
        *,
        pauses_first: bool = False,
        news: Mapping[str, Any] | None = None,
    ) -> None:
        """Let the triggerer wait for the job of round *current*; `execute_complete` goes on."""
        trigger = S3BatchJobTrigger(
            job_id=current.job_id,
            account_id=current.account_id,
            poll_interval_s=poll_interval_s,
            cancel_on_kill=self.cancel_on_kill,
            carried=current.to_json(),
            pauses_first=pauses_first,
            news=news,
            pausable=None if self.bucket is None else {"job_url": self.paused_job, **asdict(self.job_store)},
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
            verify=self.verify,
            botocore_config=self.botocore_config,
        )
        self.defer(trigger=trigger, method_name="execute_complete", timeout=self.execution_timeout)

    def _counts(self, ref: BucketRef, summary: Summary, context: Context) -> dict[str, Any]:
        """Tell metrics, page and lineage what was done; return its `_counts`."""
        TaskMetrics(task_tags(context["ti"], self.operation.name, "managed"), ref.bucket).take_aws(summary)
        counts = _counts(ref, summary)
        BucketTold(context["ti"], ref, self.operation.name).end(summary, has_told=self.has_job)
        buckets = [] if self.bucket is None else [ref.bucket]
        self.note_lineage(lambda: work_lineage(S3Url.parse(ref.job_url), buckets, self.operation, counts))
        return counts

    def _settings(self, hook: S3BatchHook, context: Context) -> ManagedSettings:
        from airflow_s3batch.managed import ManagedSettings

        ti = context["ti"]
        return ManagedSettings(
            account_id=hook.account_id,
            region=hook.region,
            role_arn=str(self.role_arn),
            priority=as_int("priority", self.priority) or 0,
            confirmation_required=self.confirmation_required,
            description=str(self.description) or f"{ti.dag_id} {ti.task_id} {ti.run_id}"[:220],
            tags={str(key): str(value) for key, value in self.job_tags.items()},
            report_scope=self.report_scope,  # type: ignore[arg-type] # checked by the engine
            expected_bucket_owner=self.expected_bucket_owner,
            manifest_generator=self.manifest_generator,
        )

    def _policy(self) -> Policy:
        from airflow_s3batch.engine.policy import Policy

        return Policy(
            tolerate=frozenset(self.tolerate),
            allowed_failures=self.allowed_failures,
            replay_unsafe=self.replay_unsafe,
            if_running=self.if_running,
        )


def waits_deferred(deferrable: bool | None) -> bool:  # noqa: FBT001 - as the argument is called
    """Return whether a task that was given *deferrable* waits in the triggerer, where it holds no slot."""
    return conf.getboolean("operators", "default_deferrable", fallback=False) if deferrable is None else deferrable


def _bucket_ref(bucket: Any) -> BucketRef:
    from airflow_s3batch.managed import BucketRef

    try:
        return BucketRef.from_xcom(bucket)
    except (TypeError, KeyError, ValueError):
        raise ArgumentError(
            f"bucket={bucket!r} is not what InventoryToManifestOperator(engine='managed') returns; "
            "map the task with .expand(bucket=manifest.output); after a change of engine, clear the manifest task, too"
        ) from None


def _counts(ref: BucketRef, summary: Summary) -> dict[str, Any]:
    """Return what goes to XCom: counts only."""
    return {
        "bucket": ref.bucket,
        "objects": ref.rows or summary.objects,
        "succeeded": summary.earlier + summary.succeeded,
        "failed": summary.failed,
        "seconds": round(summary.duration_s, 1),
    }
