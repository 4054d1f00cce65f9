"""`S3BatchJobLink`: from a task to its job in the AWS console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey  # type: ignore[attr-defined,unused-ignore]

JOB_KEY = "s3_batch_job"
"""XCom key under which a task tells which job of AWS S3 Batch Operations it runs."""


class S3BatchJobLink(BaseOperatorLink):
    """
    The button *S3 Batch Operations job*.

    Airflow asks for the link when a task ends or defers, and keeps it; `publish_job` keeps it as soon as there is a
    job, so that it is there while a task polls, too.
    """

    name = "S3 Batch Operations job"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the job's page in the console; empty where there is no job, or a store without a console."""
        if not getattr(operator, "has_job", True):
            return ""  # to look for an XCom that is not there makes Airflow write an error into the log
        from airflow.sdk.execution_time.xcom import XCom

        job = XCom.get_value(key=JOB_KEY, ti_key=ti_key)
        return str(job.get("url", "")) if isinstance(job, dict) else ""


def publish_job(ti: Any, job_id: str, account_id: str, url: str) -> None:
    """Tell, by XCom, that task instance *ti* runs the job; *url* is its page in the console, or empty."""
    ti.xcom_push(key=JOB_KEY, value={"job_id": job_id, "account_id": account_id, "url": url})
    if url:
        ti.xcom_push(key=S3BatchJobLink().xcom_key, value=url)
