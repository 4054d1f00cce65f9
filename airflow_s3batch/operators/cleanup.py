"""`S3BatchCleanupOperator`: removes the folders of old jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.cleanup_rules import CleanupRules
from airflow_s3batch.core.errors import InfrastructureError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.hooks.arguments import (
    as_flag,
    as_int,
    bool_problems,
    flag_problems,
    is_template,
    literal_or,
    raise_for,
)
from airflow_s3batch.operators.base import S3BatchOperator, about
from airflow_s3batch.operators.selecting import check_said, templates_in

if TYPE_CHECKING:
    from airflow.sdk import Context

_OVER = frozenset({"success", "failed"})


class S3BatchCleanupOperator(S3BatchOperator):
    """
    Remove the folders of old jobs below a ``job_url``; also what an earlier cleanup that was killed has left.

    Only folders that are provably jobs of this package: a ``job.json`` of its format that names the very folder. Never
    a job that is paused, whose Dag run is not over, that AWS may still be at, or that the next run of its task compares
    with (``since="previous"``); nor a job of which a later start from scratch lies beside it.

    In a bucket with versions the files become noncurrent; a lifecycle rule has to take them then. A run whose job was
    cleaned up can't be cleared and gone on with: it stops with a sentence.

    Returns the counts, and the URLs of the first hundred jobs.

    Args:
        job_url: where the jobs' folders lie, as in their Dags.
        older_than: since the job's last sign of life, by the store's clock; at least a day.
        keep_last: the newest so many jobs of each task stay, whatever their age.
        keep_failed: jobs without a green report stay.
        keep_reports: the report stays readable (report, result files, ``operation.json``, ``job.json``); the manifest's
            shards and all that the work itself left go.
        max_jobs: more jobs to remove are an error, before the first is touched; ``None`` is no limit.
        max_objects: likewise for the files in their folders.
        dry_run: only tell what would go, and write nothing; or a template of ``true`` or ``false``.
        allow_bucket_root: *job_url* may be a whole bucket.
        kwargs: see `S3BatchOperator`.
    """

    template_fields: Sequence[str] = (
        "job_url",
        "keep_last",
        "max_jobs",
        "max_objects",
        "dry_run",
        *S3BatchOperator.template_fields,
    )
    dry_run: bool | str = False  # type: ignore[assignment] # in place of a method of this name that Airflow never calls

    def __init__(
        self,
        *,
        job_url: str,
        older_than: timedelta,
        keep_last: int | str = 1,
        keep_failed: bool = False,
        keep_reports: bool = False,
        max_jobs: int | str | None = 1_000,
        max_objects: int | str | None = None,
        dry_run: bool | str = False,
        allow_bucket_root: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job_url = job_url
        self.older_than = older_than
        self.keep_last = keep_last
        self.keep_failed = keep_failed
        self.keep_reports = keep_reports
        self.max_jobs = max_jobs
        self.max_objects = max_objects
        self.dry_run = dry_run
        self.allow_bucket_root = allow_bucket_root
        self.rendered = templates_in({"max_jobs": max_jobs, "max_objects": max_objects})
        raise_for(type(self).__name__, self._problems())

    def run(self, context: Context) -> dict[str, Any]:
        """Clean up."""
        from airflow_s3batch.reports.cleanup.cleanup import clean_up

        check_said({name: getattr(self, name) for name in self.rendered})
        result = clean_up(
            self.store.storage(),
            S3Url.parse(self.job_url, what="job_url"),
            self._rules(as_int),
            now=datetime.now(UTC),
            dry_run=as_flag("dry_run", self.dry_run),
            is_at_work=lambda job: is_run_at_work(context["ti"], job),
            by=about(context),
        )
        self.log.info("%s: %s", self.job_url, result.sentence())
        return result.to_json()

    def _rules(self, number: Callable[[str, Any], Any]) -> CleanupRules:
        return CleanupRules(
            older_than=self.older_than,
            keep_last=number("keep_last", self.keep_last),
            keep_failed=self.keep_failed,
            keep_reports=self.keep_reports,
            max_jobs=number("max_jobs", self.max_jobs),
            max_objects=number("max_objects", self.max_objects),
            allow_bucket_root=self.allow_bucket_root,
        )

    def _problems(self) -> list[str]:
        """Return what is wrong with the arguments, as far as they are no templates."""
        place = None
        if not is_template(self.job_url):
            try:
                place = S3Url.parse(self.job_url, what="job_url")
            except ValueError as error:
                return [str(error)]
        rules = self._rules(lambda _, value: literal_or(value, 1))
        names = ("keep_failed", "keep_reports", "allow_bucket_root")
        flags = bool_problems(**{name: getattr(self, name) for name in names})
        return [*rules.problems(place), *flag_problems("dry_run", self.dry_run), *flags]


def is_run_at_work(ti: Any, job: Mapping[str, Any]) -> bool:
    """
    Return whether the Dag run that *job* (``about`` of its ``job.json``) belongs to is not over; one that Airflow does
    not know is.

    Raises:
        InfrastructureError: Airflow does not tell.
    """
    from airflow.sdk.exceptions import AirflowRuntimeError

    dag_id, run_id = job.get("dag_id"), job.get("run_id")
    if not isinstance(dag_id, str) or not isinstance(run_id, str):
        return False
    try:
        return str(ti.get_dagrun_state(dag_id, run_id)) not in _OVER
    except AirflowRuntimeError as error:
        if (error.error.detail or {}).get("status_code") == 404:
            return False
        raise InfrastructureError(
            f"Airflow does not tell the state of run {run_id!r} of Dag {dag_id!r}: {error}"
        ) from error
