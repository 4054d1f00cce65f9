"""What OpenLineage is told of a task: which data it read and wrote, and how much. Nothing where nobody listens."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.s3url import S3Url

if TYPE_CHECKING:
    from airflow_s3batch.core.manifest import Manifest, ShardRef
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.reports.summary import JobSummary

MOST_BUCKETS = 50
MOST_CODES = 50
MOST_SQL = 10_000
log = logging.getLogger(__name__)


class Data(NamedTuple):
    """A dataset: the place *url*, and how many *rows*, *bytes* and *files* of it there are, as far as known."""

    url: S3Url
    rows: int | None = None
    bytes: int | None = None
    files: int | None = None


class Lineage(NamedTuple):
    """What a task read and wrote, the *sql* that it selected by, and a few *facts* about it, JSON-ready."""

    inputs: tuple[Data, ...] = ()
    outputs: tuple[Data, ...] = ()
    sql: str = ""
    facts: Mapping[str, Any] | None = None


class TellsLineage:
    """An operator that OpenLineage can ask; what it will say is noted while it runs."""

    _lineage: Lineage | None = None

    def note_lineage(self, of: Callable[[], Lineage]) -> None:
        """Keep what *of* returns, which is called only if OpenLineage listens. What it raises fails no task."""
        try:
            self._lineage = of() if is_listening() else None
        except Exception as error:  # noqa: BLE001 - the objects are done; only the tale of it is missing
            log.warning("OpenLineage is not told what this task read and wrote: %s: %s", type(error).__name__, error)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:  # noqa: ARG002 - theirs
        """Return what was noted; called by Airflow's OpenLineage provider when the task is over, failed or not."""
        return None if self._lineage is None else facets_of(self._lineage)


def is_listening() -> bool:
    """Return whether OpenLineage's provider is installed, and told where to send events."""
    try:
        from airflow.providers.openlineage.conf import is_disabled
    except ImportError:
        return False
    return not is_disabled()


def manifest_lineage(manifest: Manifest, source: str, sql: str) -> Lineage:
    """Return the lineage of a task that made *manifest* of *source*, a source's name, by *sql*."""
    from airflow_s3batch.manifests.sources.delivery import configuration_of

    urls = (text for text in source.split(", ") if text.startswith("s3://"))
    inputs = tuple(Data(S3Url.parse(configuration_of(url))) for url in urls)
    shards = manifest.shards
    made = Data(_manifest_of(manifest.job_url), manifest.rows, sum(shard.file_bytes for shard in shards), len(shards))
    return Lineage(inputs[:MOST_BUCKETS], (made,), sql[:MOST_SQL], _facts(manifest.job_url, bytes=manifest.bytes))


def shard_lineage(ref: ShardRef, operation: Any, counts: Mapping[str, Any], storage: Storage) -> Lineage:
    """Return the lineage of a task that worked on a shard; which buckets that is about, ``job.json`` tells."""
    job_url = S3Url.parse(ref.job_url)
    document = json.loads(storage.read(JobLayout(job_url).job) or b"{}")
    return work_lineage(job_url, buckets_in(document.get("source")), operation, counts)


def work_lineage(job_url: S3Url, buckets: Iterable[str], operation: Any, counts: Mapping[str, Any]) -> Lineage:
    """Return the lineage of a task that did *operation* to objects in *buckets*; *counts* is what it returned."""
    objects = [Data(S3Url(bucket, "")) for bucket in buckets]
    targets = [S3Url(bucket, "") for bucket in targets_of(operation)]
    if not targets and _writes(operation):
        targets = [data.url for data in objects]
    done = counts["succeeded"] if len(targets) == 1 else None
    return Lineage(
        (Data(_manifest_of(job_url), counts["objects"]), *objects),
        tuple(Data(url, done) for url in targets),
        facts=_facts(job_url, operation=_name(operation), succeeded=counts["succeeded"], failed=counts["failed"]),
    )


def report_lineage(summary: JobSummary) -> Lineage:
    """Return the lineage of a task that reported on a job."""
    job_url, report = S3Url.parse(summary.job_url), S3Url.parse(summary.report_url)
    buckets = [Data(S3Url(bucket, "")) for bucket in buckets_in(summary.source)]
    return Lineage(
        (Data(_manifest_of(job_url), summary.objects), *buckets),
        (Data(S3Url(report.bucket, report.key.rpartition("/")[0]), summary.objects),),
        facts=_facts(
            job_url,
            operation=str(summary.operation.get("operation", "")),
            succeeded=summary.succeeded,
            failed=summary.failed,
            codes=dict(list(summary.codes.items())[:MOST_CODES]),
            counted_failures=summary.counted_failures,
            not_attempted=summary.not_attempted,
            bytes=summary.bytes,
            duration_s=summary.duration_s,
            engine=summary.engine,
            dry_run=summary.dry_run,
            is_green=summary.is_green,
            report_url=summary.report_url,
            fingerprint=summary.fingerprint,
        ),
    )


def buckets_in(source: Any) -> list[str]:
    """Return the buckets that the pinned *source* of a job says its objects are in; some of them, if there are many."""
    return list(dict.fromkeys(_source_buckets(source)))[:MOST_BUCKETS]


def targets_of(operation: Any) -> list[str]:
    """Return the buckets that *operation*, or its steps, write to by name."""
    names = (getattr(step, "target_bucket", None) for step in _steps(operation))
    return list(dict.fromkeys(name.rpartition(":")[2] for name in names if isinstance(name, str)))


def facets_of(lineage: Lineage) -> Any:
    """Return *lineage* in OpenLineage's words."""
    from airflow.providers.common.compat.openlineage.facet import SQLJobFacet
    from airflow.providers.openlineage.extractors import OperatorLineage

    return OperatorLineage(
        inputs=[_input(data) for data in lineage.inputs],
        outputs=[_output(data) for data in lineage.outputs],
        run_facets={"s3batch_job": _run_facet(lineage.facts)} if lineage.facts else {},
        job_facets={"sql": SQLJobFacet(query=lineage.sql)} if lineage.sql else {},
    )


def _input(data: Data) -> Any:
    from airflow.providers.common.compat.openlineage.facet import InputDataset

    facets: dict[str, Any] = {}
    if data.rows is not None:
        try:
            from openlineage.client.generated.input_statistics_input_dataset import InputStatisticsInputDatasetFacet
        except ImportError:  # older clients know statistics of outputs only
            pass
        else:
            facets["inputStatistics"] = InputStatisticsInputDatasetFacet(rowCount=data.rows, size=data.bytes)
    return InputDataset(**_place(data.url), inputFacets=facets)


def _output(data: Data) -> Any:
    from airflow.providers.common.compat.openlineage.facet import OutputDataset, OutputStatisticsOutputDatasetFacet

    counted = {"rowCount": data.rows, "size": data.bytes, "fileCount": data.files}
    known: dict[str, Any] = {name: value for name, value in counted.items() if value is not None}
    facets: dict[str, Any] = {"outputStatistics": OutputStatisticsOutputDatasetFacet(**known)} if known else {}
    return OutputDataset(**_place(data.url), outputFacets=facets)


def _run_facet(facts: Mapping[str, Any]) -> Any:
    import attrs
    from airflow.providers.common.compat.openlineage.facet import RunFacet

    @attrs.define
    class S3BatchRunFacet(RunFacet):
        job: dict[str, Any] = attrs.field(factory=dict)

    return S3BatchRunFacet(job=dict(facts))


def _place(url: S3Url) -> dict[str, Any]:
    """Return how OpenLineage calls *url*: the bucket is the namespace, its root is ``/``."""
    return {"namespace": f"s3://{url.bucket}", "name": url.key.rstrip("/") or "/"}


def _manifest_of(job_url: S3Url) -> S3Url:
    return job_url / "manifest"


def _facts(job_url: S3Url, **more: Any) -> dict[str, Any]:
    return {"url": str(job_url), **more}


def _name(operation: Any) -> str:
    return ", ".join(type(step).__name__ for step in _steps(operation))


def _steps(operation: Any) -> tuple[Any, ...]:
    return tuple(getattr(operation, "operations", (operation,)))


def _writes(operation: Any) -> bool:
    """Return whether any request of *operation* is more than a look; of none is known what it does."""
    requests = [name for step in _steps(operation) for name in step.requests]
    return not requests or not all(name.startswith(("Get", "Head", "List")) for name in requests)


def _source_buckets(source: Any) -> Iterator[str]:
    if isinstance(source, Mapping):
        if isinstance(source.get("source_bucket"), str) and source["source_bucket"]:
            yield source["source_bucket"]
        for value in source.values():
            yield from _source_buckets(value)
    elif isinstance(source, list):
        for value in source:
            yield from _source_buckets(value)
