"""Dags of jobs that are rehearsed, or only looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from lake import Lake

if TYPE_CHECKING:
    from dag_runs import DagFolder

pytestmark = [pytest.mark.integration, pytest.mark.parametrize("lake", ["seaweedfs"], indirect=True)]

KEYS = [f"k {number:02d} ü+%" for number in range(40)]
SAMPLE = 8

DAG = """
from airflow.sdk import Asset, Param, dag
from airflow_s3batch import (
    BatchOperationOperator, BatchRehearsalOperator, BatchReportOperator, InventoryToManifestOperator,
)
from airflow_s3batch.operations import PutObjectTagging

COMMON = {{"operation": PutObjectTagging({{"by": "job"}}), "dry_run": "{{{{ params.dry_run }}}}", "tolerate": []}}

PARAMS = {{"dry_run": {dry_run}, "objects": {objects}}}

@dag(dag_id={name!r}, schedule=None, params=PARAMS, default_args={{"retries": 0}})
def job_under_test():
    manifest = InventoryToManifestOperator(
        task_id="manifest", inventory={inventory!r}, where={where!r}, job_url={job_url!r}, objects_per_shard=20,
    )
    rehearse = BatchRehearsalOperator(
        task_id="rehearse", shards=manifest.output, operation_task_id="run",
        objects="{{{{ params.objects }}}}", **COMMON
    )
    run = BatchOperationOperator.partial(task_id="run", **COMMON).expand(shard=manifest.output)
    report = BatchReportOperator(
        task_id="report", manifest_task_id="manifest", operation_task_id="run", outlets=[Asset({asset!r})], tolerate=[]
    )
    manifest >> rehearse >> run >> report

job_under_test()
"""


def source(lake: Lake, *, dry_run: bool = False, where: str = "TRUE", objects: int = SAMPLE) -> str:
    return DAG.format(
        name=f"rehearsed_{lake.bucket[5:]}",
        asset=f"done-{lake.bucket}",
        inventory=lake.inventory,
        job_url=lake.job_url,
        where=where,
        dry_run=dry_run,
        objects=objects,
    )


def tagged(lake: Lake) -> set[str]:
    return {key for key in KEYS if lake.tags(key)}


def told(lake: Lake, run: Any) -> Any:
    return lake.json(run.xcom("report")["summary_url"])


def test_a_rehearsal_comes_before_the_job_and_the_report_has_its_figures(dags: DagFolder, lake: Lake) -> None:
    """Its result in XCom is counts alone."""
    lake.deliver(lake.put(KEYS).values())
    run = dags.run(source(lake))
    assert run.states == {"manifest": "success", "rehearse": "success", "run": ["success"] * 2, "report": "success"}
    figures = run.xcom("rehearse")
    assert {name: figures[name] for name in ("objects", "of", "succeeded", "failed", "counted_failures", "codes")} == {
        "objects": SAMPLE,
        "of": len(KEYS),
        "succeeded": SAMPLE,
        "failed": 0,
        "counted_failures": 0,
        "codes": {},
    }
    summary = told(lake, run)
    assert (summary["succeeded"], summary["rehearsal"]["succeeded"]) == (len(KEYS), SAMPLE)
    assert summary["requests"] - figures["requests"] == len(KEYS) - SAMPLE
    assert tagged(lake) == set(KEYS)
    assert run.events(f"done-{lake.bucket}")


def test_a_dry_run_changes_nothing_and_starts_no_other_dag(dags: DagFolder, lake: Lake) -> None:
    """Nothing is rehearsed either; the run is green and says what would be done."""
    lake.deliver(lake.put(KEYS).values())
    run = dags.run(source(lake, dry_run=True))
    assert run.states["rehearse"] == "success"
    assert run.is_green, run.states
    result = run.xcom("run", map_index=1)
    assert (result["succeeded"], result["would_be_done"], result["dry_run"]) == (0, 20, True)
    assert told(lake, run)["sentence"].startswith(f"dry run: put_object_tagging would be done to {len(KEYS)} objects")
    assert run.events(f"done-{lake.bucket}") == []
    assert tagged(lake) == set()
