"""What OpenLineage is told of the tasks, in the words of its own client."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.providers.openlineage.extractors.base import DefaultExtractor
from fakes import SetTag, summary
from openlineage.client.serde import Serde

import airflow_s3batch.operators.lineage as module
from airflow_s3batch.core.manifest import Manifest, ShardFile, ShardRef
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.operations import ComputeObjectChecksum, CopyObject, DeleteObject, InOrder
from airflow_s3batch.operators.base import S3BatchOperator
from airflow_s3batch.operators.lineage import (
    Lineage,
    facets_of,
    manifest_lineage,
    report_lineage,
    shard_lineage,
    work_lineage,
)
from airflow_s3batch.testing import MemoryStorage

JOB = S3Url("ops", "s3batch/job-1")
COUNTS = {"objects": 3, "succeeded": 2, "failed": 1}


def wire(lineage: Lineage) -> dict[str, Any]:
    """Return the lineage as it goes over the wire, as far as it is ours."""
    said = facets_of(lineage)
    found: dict[str, Any] = {}
    for side, key in (("inputs", "inputFacets"), ("outputs", "outputFacets")):
        datasets = [json.loads(Serde.to_json(data)) for data in getattr(said, side)]
        found[side] = {
            f"{data['namespace']} {data['name']}": {
                name: {key: value for key, value in facet.items() if not key.startswith("_") and value is not None}
                for name, facet in data.get(key, {}).items()
            }
            for data in datasets
        }
    found["job"] = {name: json.loads(Serde.to_json(facet)) for name, facet in said.job_facets.items()}
    found["run"] = {name: json.loads(Serde.to_json(facet)) for name, facet in said.run_facets.items()}
    return found


def test_manifest_is_made_of_the_inventory() -> None:
    """Under the name of its configuration, which is the same for every delivery; rows, bytes and SQL are told."""
    shards = tuple(ShardFile(index, f"k{index}", 3, 5, 100, "0" * 64) for index in range(2))
    manifest = Manifest(JOB, 6, 10, 10, (), shards, "f")
    source = "s3://inv/daily/lake/config/2026-01-01T01-00Z/manifest.json, s3://inv/daily/web/config"
    told = wire(manifest_lineage(manifest, source, "size > 5"))
    assert told["inputs"] == {"s3://inv daily/lake/config": {}, "s3://inv daily/web/config": {}}
    assert told["outputs"] == {
        "s3://ops s3batch/job-1/manifest": {"outputStatistics": {"rowCount": 6, "size": 200, "fileCount": 2}}
    }
    assert told["job"]["sql"]["query"] == "size > 5"
    assert told["run"]["s3batch_job"]["job"] == {"url": "s3://ops/s3batch/job-1", "bytes": 10}


def test_shard_reads_the_manifest_and_changes_the_buckets_that_it_is_about() -> None:
    """`job.json` says which those are, also of several inventories."""
    storage = MemoryStorage()
    source = {"datasets": [{"source_bucket": "lake", "md5": "x"}, {"source_bucket": "web"}]}
    storage.write(JOB / "job.json", json.dumps({"source": source}).encode())
    told = wire(shard_lineage(ShardRef(str(JOB), 0, 3), SetTag("team"), COUNTS, storage))
    assert told["inputs"] == {
        "s3://ops s3batch/job-1/manifest": {"inputStatistics": {"rowCount": 3}},
        "s3://lake /": {},
        "s3://web /": {},
    }
    assert set(told["outputs"]) == {"s3://lake /", "s3://web /"}
    assert told["run"]["s3batch_job"]["job"] == {
        "url": "s3://ops/s3batch/job-1",
        "operation": "SetTag",
        "succeeded": 2,
        "failed": 1,
    }


@pytest.mark.parametrize(
    ("operation", "outputs"),
    [
        (CopyObject("copies"), {"s3://copies /": {"outputStatistics": {"rowCount": 2}}}),
        (InOrder((CopyObject("copies"), DeleteObject())), {"s3://copies /": {"outputStatistics": {"rowCount": 2}}}),
        (DeleteObject(), {"s3://lake /": {"outputStatistics": {"rowCount": 2}}}),
        (ComputeObjectChecksum("SHA256"), {}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_outputs_are_the_buckets_that_are_written_to(operation: Any, outputs: Any) -> None:
    """Copies have a target; what only reads has none."""
    assert wire(work_lineage(JOB, ["lake"], operation, COUNTS))["outputs"] == outputs


def test_report_tells_of_the_whole_job() -> None:
    made = summary(source={"source_bucket": "lake"})
    told = wire(report_lineage(made))
    job = S3Url.parse(made.job_url)
    assert told["inputs"] == {
        f"s3://{job.bucket} {job.key}/manifest": {"inputStatistics": {"rowCount": made.objects}},
        "s3://lake /": {},
    }
    assert told["outputs"] == {f"s3://{job.bucket} {job.key}/report": {"outputStatistics": {"rowCount": made.objects}}}
    facts = told["run"]["s3batch_job"]["job"]
    for name in ("succeeded", "failed", "counted_failures", "not_attempted", "bytes", "is_green", "dry_run"):
        assert facts[name] == getattr(made, name)
    assert (facts["report_url"], "examples" in facts) == (made.report_url, False)


def broken() -> Lineage:
    raise OSError("the store is away")


def test_operator_says_what_it_noted_and_nothing_where_it_noted_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As OpenLineage's own extractor asks it; trouble with the lineage is no trouble of the task."""
    monkeypatch.setattr(module, "is_listening", lambda: True)
    task = S3BatchOperator(task_id="run")
    extractor = DefaultExtractor(task)
    task.note_lineage(broken)
    assert extractor.extract_on_complete(None) is None
    task.note_lineage(lambda: Lineage(sql="TRUE"))
    said = extractor.extract_on_failure(None)
    assert said is not None
    assert set(said.job_facets) == {"sql"}


def test_lineage_is_not_even_computed_where_nobody_listens() -> None:
    """It may take a request."""
    task = S3BatchOperator(task_id="run")
    task.note_lineage(broken)
    assert not module.is_listening()
    assert task.get_openlineage_facets_on_complete(None) is None


def test_openlineage_settings_that_are_wrong_fail_no_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its provider raises on a transport that is no dict; the objects are done all the same."""

    def wrong() -> bool:
        raise ValueError("OpenLineage transport `[]` is not a dict")

    monkeypatch.setattr(module, "is_listening", wrong)
    task = module.TellsLineage()
    task.note_lineage(Lineage)
    assert task.get_openlineage_facets_on_complete(None) is None
