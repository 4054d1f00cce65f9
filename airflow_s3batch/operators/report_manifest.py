"""`ReportToManifestOperator`: from the completion report of an earlier job to the manifest of the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.hooks.arguments import as_text
from airflow_s3batch.manifests.sources.report.source import CompletionReport
from airflow_s3batch.operators.manifest import ManifestOperator

if TYPE_CHECKING:
    from airflow.sdk import XComArg


class ReportToManifestOperator(ManifestOperator):
    """
    Publish the objects that failed in an earlier job, or those that succeeded, as the manifest of another job.

    SQL sees ``task_status``, ``error_code``, ``http_status_code`` and ``result_message``
    (``where="error_code = 'AccessDenied'"``), and from a job of ours all that its manifest knew, ETags and extra
    columns included. *where* is ``TRUE`` unless told otherwise. The rows are copied to the new job's folder, so a retry
    has the same ones whatever becomes of the report.

    To do failed objects again with the same operation, clear the earlier job's ``run`` task: that needs no new job.

    Args:
        url: of the earlier job, of a report's ``manifest.json`` (ours or AWS's), or of the folder that is in.
        objects: ``failed`` (those that were not attempted are among them), ``succeeded`` or ``all``.
        kwargs: see `ManifestOperator`.
    """

    kind = CompletionReport.kind
    everything = "TRUE"
    source_arguments = ("url", "objects")
    template_fields: Sequence[str] = ("url", "objects", *ManifestOperator.template_fields)

    def __init__(self, *, url: str | XComArg, objects: str = "failed", **kwargs: Any) -> None:
        super().__init__(own={"url": url, "objects": objects}, **kwargs)

    @classmethod
    def stand_ins(cls) -> Mapping[str, Any]:  # noqa: D102 - the base's docstrings hold
        return {"url": "s3://bucket/job", "objects": "failed"}

    @classmethod
    def source_of(cls, arguments: Mapping[str, Any]) -> CompletionReport:  # noqa: D102
        url = as_text("url", arguments["url"])
        if not url:
            raise ArgumentError("url names no job and no report")
        return CompletionReport(url, as_text("objects", arguments["objects"]))
