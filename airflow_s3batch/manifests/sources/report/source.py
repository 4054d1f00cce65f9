"""Completion reports as a source: the objects that failed, or those that succeeded, for the next job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_s3batch.core.errors import InventoryError, JobDamagedError
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.manifest import FIXED_COLUMNS, Manifest
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.columns import TYPES, InventoryColumn
from airflow_s3batch.manifests.sources.dataset import Dataset, Found, Place
from airflow_s3batch.manifests.sources.dataset_json import pin_datasets, read_datasets
from airflow_s3batch.manifests.sources.file_list import url_problems
from airflow_s3batch.manifests.sources.row_values import parquet_type
from airflow_s3batch.manifests.sql.quoting import identifier

if TYPE_CHECKING:
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.manifests.sources.report.files import Report

OBJECTS: Mapping[str, tuple[str, ...]] = {
    "failed": ("failed",),
    "succeeded": ("succeeded",),
    "all": ("succeeded", "failed"),
}
"""Statuses of the rows that each choice takes, as in reports."""

_AWS_COLUMNS = ("bucket", "key", "version_id")


@dataclass(frozen=True, slots=True)
class CompletionReport:
    """
    The objects of an earlier job, by what became of them: those that failed to be done again, or those that succeeded.

    SQL sees what the report tells of each object: ``task_status`` (``succeeded`` or ``failed``), ``error_code``,
    ``http_status_code`` and ``result_message``. From a report of ours it also sees all that the job's manifest knew
    *before* the job: ``version_id``, ``size``, ``e_tag``, ``storage_class``, ``is_latest``, and its extra columns by
    their names. AWS's reports tell bucket, key and version only; one of a job that was cancelled, or that failed, is
    silent on the objects that AWS did not get to.

    Args:
        url: of a job of ours, of a report's ``manifest.json``, or of the folder that is in.
        objects: ``failed`` (objects that were not attempted are among them), ``succeeded`` or ``all``.

    Source:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-examples-reports.html
    """

    url: str
    objects: str = "failed"

    kind: ClassVar[str] = "report"
    may_repeat: ClassVar[bool] = True

    def problems(self) -> list[str]:  # noqa: D102 - the protocol's docstrings hold
        found = url_problems((self.url,), what="url")
        if self.objects not in OBJECTS:
            found.append(f"objects={self.objects!r} is unknown; use 'failed', 'succeeded' or 'all'")
        return found

    def name(self) -> str:  # noqa: D102
        return self.url

    def essence(self) -> dict[str, Any]:  # noqa: D102
        return {"report": self.url, "objects": self.objects}

    def is_same(self, then: Mapping[str, Any], name: str) -> bool:  # noqa: D102
        return bool(then.get(name) == self.essence().get(name))

    def known_columns(self) -> tuple[InventoryColumn, ...] | None:  # noqa: D102
        return None

    def find(self, place: Place) -> Found:
        """
        Return the rows of the report that is there now; they are copied to the job's folder.

        Raises:
            InventoryError: there is no report, it is not whole, or objects were worked on since it was made.
        """
        from airflow_s3batch.manifests.sources.report.files import check_up_to_date, find_report

        report = find_report(place.storage, S3Url.parse(self.url, what="url"))
        if report.summary is None:
            dataset = self._of_aws(place, report)
        else:
            check_up_to_date(place.storage, report)
            dataset = self._of_ours(place, report)
        place.log(f"{report.url}: rows of status {self.objects} copied to {len(dataset.files):,} files of this job")
        return Found((dataset,), pin_datasets(place, [dataset], report=str(report.url), md5=report.md5))

    def again(self, place: Place, pinned: Mapping[str, Any]) -> Found:  # noqa: D102
        return Found(read_datasets(place, pinned), dict(pinned))

    def _of_aws(self, place: Place, report: Report) -> Dataset:
        from airflow_s3batch.manifests.sources.report.rows import aws_files, workbench
        from airflow_s3batch.manifests.sources.report.sql import TOLD

        listed = {result.status for result in report.results}
        if "succeeded" in OBJECTS[self.objects] and "succeeded" not in listed:
            raise InventoryError(
                f"{report.url}: it lists no file of objects that succeeded, so either none did, or AWS's job was told "
                "to report failures only (ReportScope FailedTasksOnly), and nobody can tell which did"
            )
        columns = tuple(InventoryColumn(name, "VARCHAR") for name in _AWS_COLUMNS)
        dataset = _without_files(place, report, (*columns, *TOLD))
        wanted = [result for result in report.results if result.status in OBJECTS[self.objects]]
        with workbench(place) as bench:
            return replace(dataset, files=tuple(aws_files(bench, wanted)))

    def _of_ours(self, place: Place, report: Report) -> Dataset:
        from airflow_s3batch.manifests.sources.report.rows import our_files, workbench
        from airflow_s3batch.manifests.sources.report.sql import TOLD

        manifest = _manifest(place.storage, report)
        told = {column.name for column in TOLD}
        extra = {name: kind for name, kind in _extra(place.storage, manifest).items() if name.lower() not in told}
        if hidden := sorted(set(manifest.columns) - set(extra)):
            place.log(f"{report.url}: columns {', '.join(hidden)} of its manifest are hidden by the report's own")
        fixed = [InventoryColumn(name, TYPES[name]) for name in FIXED_COLUMNS]
        columns = (*fixed, *(InventoryColumn(name, kind) for name, kind in extra.items()), *TOLD)
        dataset = _without_files(place, report, columns)
        with workbench(place) as bench:
            rows = our_files(bench, report, manifest, tuple(extra), OBJECTS[self.objects])
            return replace(dataset, files=tuple(rows))


def _without_files(place: Place, report: Report, columns: Sequence[InventoryColumn]) -> Dataset:
    """Return the dataset of *report* before its rows are copied; the SQL over it is checked first."""
    extra = {"is_latest": "CAST(NULL AS BOOLEAN)", "is_delete_marker": "FALSE"}
    names = [column.name for column in columns]
    dataset = Dataset(
        report.url,
        "",
        report.created,
        "",
        place.layout.source.bucket,
        "Parquet",
        tuple(columns),
        (),
        extra={name: sql for name, sql in extra.items() if name not in names},
        values={name: identifier(name) for name in names},
    )
    if place.wanted is not None:
        place.wanted.of(dataset)
    return dataset


def _manifest(storage: Storage, report: Report) -> Manifest:
    layout = JobLayout(report.job_url)
    body = storage.read(layout.manifest)
    if body is None:
        raise JobDamagedError(f"{layout.manifest}: missing, so nobody can tell what the job knew of its objects")
    manifest = Manifest.from_json(body, place=str(layout.manifest)).of(report.job_url)
    told = int((report.summary or {})["objects"])
    if manifest.rows != told:
        raise InventoryError(
            f"{report.url}: it is about {told:,} objects, but the job's manifest has {manifest.rows:,}; clear the "
            "job's report task, so that it makes the report again"
        )
    return manifest


def _extra(storage: Storage, manifest: Manifest) -> dict[str, str]:
    """Return the DuckDB type of each extra column of *manifest*, by name."""
    from airflow_s3batch.manifests.sources.parquet.heads import parquet_columns

    if not manifest.shards or not manifest.columns:
        return dict.fromkeys(manifest.columns, "VARCHAR")
    url = S3Url(manifest.job_url.bucket, manifest.shards[0].key)
    files = [file for file in storage.list(url) if file.url == url]
    if not files:
        raise JobDamagedError(f"{url}: missing, although the job's manifest lists it")
    found = parquet_columns(storage, files)
    return {name: parquet_type(found[name]) for name in manifest.columns}
