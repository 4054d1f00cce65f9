"""Jobs that somebody pauses and resumes while their Dag runs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import paused_calls
import pytest
from lake import Lake

from airflow_s3batch.cli.main import main
from airflow_s3batch.engine.jobs.pause_watch import PauseWatch
from airflow_s3batch.engine.loop.steering import Steering
from airflow_s3batch.operators import pausing

if TYPE_CHECKING:
    from dag_runs import DagFolder

pytestmark = [pytest.mark.integration, pytest.mark.parametrize("lake", ["seaweedfs"], indirect=True)]

KEYS = [f"{number:03d} ü+%.csv" for number in range(40)]
DAG = """
from airflow.sdk import dag
from airflow_s3batch import s3_batch_job
from airflow_s3batch.operations import PythonInvoke

@dag(dag_id={name!r}, schedule=None, default_args={{"retries": 0}})
def job_under_test():
    s3_batch_job(
        "job",
        inventory={lake.inventory!r},
        where="TRUE",
        operation=PythonInvoke("paused_calls:touch"),
        job_url={lake.job_url!r},
        objects_per_shard=20,
        max_concurrency=4,
        resume={resume},
        deferrable={deferrable},
    )

job_under_test()
"""


class People:
    """Whoever works with the command line while the job runs."""

    def __init__(self, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lake = lake
        self.looks = 0
        self.waits = threading.Event()
        server = lake.server
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.secret_key)
        look, obey = PauseWatch.look, Steering.obey
        people = self

        def counted(watch: PauseWatch) -> str:
            why = look(watch)
            people.looks += 1
            if people.looks == 2:
                people.waits.set()
            return why

        def noticed(steering: Steering, change: Any) -> bool:
            goes_on = obey(steering, change)
            if not goes_on:
                paused_calls.noticed.set()
            return goes_on

        monkeypatch.setattr(PauseWatch, "look", counted)
        monkeypatch.setattr(Steering, "obey", noticed)
        monkeypatch.setattr(pausing, "POLL_INTERVAL_S", 0.1)

    def pause(self) -> None:
        """Pause the job, and resume it once its task waits."""
        assert self._say("pause", "--reason", "lunch") == 0
        threading.Thread(target=self._resume, daemon=True).start()

    def _resume(self) -> None:
        if self.waits.wait(60):
            self._say("resume")

    def _say(self, verb: str, *more: str) -> int:
        (name,) = {key.split("/")[1] for key in self.lake.job_files() if key.endswith("/job.json")}
        server = self.lake.server
        url = f"{self.lake.job_url}/{name}/manifest/manifest.json"
        return main([verb, url, "--endpoint-url", server.endpoint_url, "--region", server.region, *more])


@pytest.mark.parametrize(("deferrable", "resume"), [(True, False), (False, True)])
def test_a_job_that_is_paused_in_its_midst_does_every_object_once(
    dags: DagFolder, lake: Lake, monkeypatch: pytest.MonkeyPatch, deferrable: bool, resume: bool
) -> None:
    """No retry is used up, and a function that must not be called twice is not; ``retries`` is 0."""
    people = People(lake, monkeypatch)
    paused_calls.reset(people.pause)
    lake.deliver(lake.put(KEYS).values())
    name = f"job_{lake.bucket[5:]}"
    run = dags.run(DAG.format(name=name, lake=lake, deferrable=deferrable, resume=resume))
    assert run.states == {"job.manifest": "success", "job.run": ["success"] * 2, "job.report": "success"}
    assert people.looks > 2
    assert set(paused_calls.CALLS) == set(KEYS)
    assert set(paused_calls.CALLS.values()) == {1}
    result = run.xcom("job.report")
    assert (result["objects"], result["succeeded"]) == (len(KEYS), len(KEYS))
    shard = run.xcom("job.run", map_index=0)
    assert (shard["objects"], shard["succeeded"], shard["failed"]) == (20, 20, 0)
