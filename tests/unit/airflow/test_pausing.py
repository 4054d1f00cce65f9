"""Tasks whose job is paused: how they wait, and how they go on."""

from __future__ import annotations

import asyncio
import json
import sys
import types
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest
from fakes import SetTag

import airflow_s3batch.triggers.job_control as module
from airflow_s3batch import BatchOperationOperator
from airflow_s3batch.core.control import PAUSE, Control
from airflow_s3batch.core.errors import AccessError, ArgumentError, InfrastructureError, PausedError
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.outcomes import Summary, Tally
from airflow_s3batch.core.running_record import RunningRecord
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.jobs.rivalry import RivalAtWorkError, RivalWatch
from airflow_s3batch.hooks.airflow_names import AirflowException
from airflow_s3batch.hooks.s3 import StoreSettings
from airflow_s3batch.managed import CANCELLED_BY_TASK, BucketRef
from airflow_s3batch.managed.round_files import StoredRequest, write_harvested, write_job, write_request
from airflow_s3batch.operators import pausing
from airflow_s3batch.testing import MemoryStorage
from airflow_s3batch.triggers import S3BatchJobControlTrigger
from airflow_s3batch.triggers.bucket_pause import BucketPause

if TYPE_CHECKING:
    from collections.abc import Callable

try:
    from airflow.sdk.exceptions import TaskDeferred
except ImportError:  # Airflow 3.1
    from airflow.exceptions import TaskDeferred

JOB = JobLayout(S3Url("ops", "s3batch/job-1"))
SHARD = {"job": str(JOB.url), "shard": 3, "rows": 50_000}
PAUSED = Control(PAUSE, by="ann")


class World:
    """A job's store, and an engine that is paused so many times, having begun or not."""

    def __init__(self) -> None:
        self.storage = MemoryStorage()
        self.pauses: list[bool] = []
        self.resumes: list[bool] = []
        self.connections: list[Any] = []
        self.ask(PAUSED)

    def ask(self, control: Control) -> None:
        self.storage.files[JOB.control] = control.to_bytes()

    def connect(self, settings: StoreSettings) -> MemoryStorage:
        self.connections.append(settings.aws_conn_id)
        return self.storage

    def run_shard(self, *_: Any, resume: bool, **__: Any) -> Summary:
        self.resumes.append(resume)
        if not self.pauses:
            return Summary(Tally(succeeded=50_000))
        error = PausedError("tag, shard 3: the job is paused")
        error.has_begun = self.pauses.pop(0)
        raise error


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    engine = types.ModuleType("airflow_s3batch.engine.shards.shard")
    engine.run_shard = made.run_shard  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, engine.__name__, engine)
    monkeypatch.setattr(StoreSettings, "access", lambda self: ("access", self.aws_conn_id))
    monkeypatch.setattr(StoreSettings, "storage", lambda self: made.connect(self))  # noqa: PLW0108 - a method has a self
    monkeypatch.setattr("airflow_s3batch.operators.pausing.storage_on", lambda access: ("on", access))
    monkeypatch.setattr(pausing, "POLL_INTERVAL_S", 0.001)
    return made


def operator(**arguments: Any) -> BatchOperationOperator:
    return BatchOperationOperator(**{"task_id": "run", "operation": SetTag("k"), "shard": SHARD, **arguments})


def execute(task: BatchOperationOperator, context: dict[str, Any]) -> Any:
    return type(task).execute.__wrapped__(task, context)


def deferred(run: Callable[[], Any]) -> S3BatchJobControlTrigger:
    """Return the trigger that *run* defers to, as the triggerer makes it."""
    with pytest.raises(TaskDeferred) as caught:
        run()
    assert (caught.value.method_name, caught.value.timeout) == ("go_on", None)
    path, arguments = caught.value.trigger.serialize()
    assert path == "airflow_s3batch.triggers.job_control.S3BatchJobControlTrigger"
    return S3BatchJobControlTrigger(**json.loads(json.dumps(arguments)))


def event_of(trigger: S3BatchJobControlTrigger, *, between: Callable[[], Any] = lambda: None) -> dict[str, Any]:
    """Return what *trigger* ends with; *between* is called whenever it sleeps."""

    async def run() -> dict[str, Any]:
        real, module.asyncio.sleep = asyncio.sleep, None  # type: ignore[assignment]

        async def sleep(_: float) -> None:
            between()
            await real(0)

        module.asyncio.sleep = sleep  # type: ignore[assignment]
        try:
            async for event in trigger.run():
                return dict(event.payload)
        finally:
            module.asyncio.sleep = real  # type: ignore[assignment]
        raise AssertionError

    return asyncio.run(run())


def test_a_paused_task_leaves_its_slot_and_goes_on_when_the_job_may(world: World, context: dict[str, Any]) -> None:
    """Its time has no limit, and its tries are not touched."""
    world.pauses = [True]
    trigger = deferred(lambda: execute(operator(), context))
    trigger.poll_interval_s = 0
    looks: list[int] = []

    def resume_later() -> None:
        looks.append(1)
        if len(looks) == 3:
            world.ask(Control(by="bob"))

    event = event_of(trigger, between=resume_later)
    assert event == {"why": f"{JOB.control}: runs as its Dag says by bob", "carried": {"has_begun": True}}
    assert len(looks) == 3
    assert operator().go_on(context, event)["succeeded"] == 50_000


def test_the_trigger_has_the_connection_of_the_jobs_files(world: World, context: dict[str, Any]) -> None:
    world.pauses = [False, False]
    own = {"aws_conn_id": "minio", "region_name": "eu-west-1", "verify": False, "botocore_config": {"a": 1}}
    trigger = deferred(lambda: execute(operator(**own), context))
    assert trigger.store == StoreSettings(**own)
    trigger = deferred(lambda: execute(operator(**own, job_aws_conn_id="aws"), context))
    assert trigger.store == StoreSettings("aws")
    world.ask(Control())
    event_of(trigger)
    assert world.connections[-1] == "aws"


@pytest.mark.parametrize(
    ("pauses", "resumes"),
    [([True], [False, True]), ([False], [False, False]), ([False, True, False], [False, False, True, True])],
)
@pytest.mark.parametrize("deferrable", [False, True])
def test_to_start_over_is_meant_once(
    world: World, context: dict[str, Any], pauses: list[bool], resumes: list[bool], deferrable: bool
) -> None:
    """``resume=False`` does not throw away what the attempt itself has done before it was paused."""
    world.pauses = list(pauses)
    task = operator(resume=False, deferrable=deferrable)
    if deferrable:
        trigger = deferred(lambda: execute(task, context))
        while world.pauses:
            event = {"why": "", "carried": trigger.carried}
            trigger = deferred(lambda e=event: operator(resume=False).go_on(context, e))
        operator(resume=False).go_on(context, {"why": "", "carried": trigger.carried})
    else:
        world.ask(Control())
        execute(task, context)
    assert world.resumes == resumes


def test_without_a_triggerer_it_waits_in_place(world: World, context: dict[str, Any]) -> None:
    world.pauses = [True]
    read, looks = world.storage.read, []

    def resumed_later(url: S3Url) -> bytes | None:
        looks.append(url)
        if len(looks) == 3:
            world.ask(Control())
        return read(url)

    world.storage.read = resumed_later  # type: ignore[method-assign]
    assert execute(operator(deferrable=False), context)["succeeded"] == 50_000
    assert looks == [JOB.control] * 3


def test_a_kill_ends_the_wait_in_place(world: World, context: dict[str, Any]) -> None:
    """It is retried: the next attempt waits again."""
    world.pauses = [True]
    task = operator(deferrable=False)
    world.storage.before = lambda *_: task.on_kill()
    with pytest.raises(AirflowException, match="asked to stop while its job was paused"):
        execute(task, context)


def test_triggers_of_one_job_look_once_for_all(world: World) -> None:
    """A job has hundreds of shards."""
    reads: list[S3Url] = []
    world.storage.before = lambda _verb, url: reads.append(url)

    async def first(trigger: S3BatchJobControlTrigger) -> Any:
        return await anext(trigger.run())

    async def run() -> list[Any]:
        triggers = [S3BatchJobControlTrigger(job_url=str(JOB.url), poll_interval_s=0.05) for _ in range(20)]
        waiting = [asyncio.create_task(first(trigger)) for trigger in triggers]
        while len(reads) < 2:
            await asyncio.wait(waiting, timeout=0.01)
            assert not any(task.done() for task in waiting)
        assert len(reads) < 20
        world.ask(Control())
        return [event.payload["why"] for event in await asyncio.gather(*waiting)]

    assert len(asyncio.run(run())) == 20
    assert world.connections == ["aws_default"]


@pytest.mark.parametrize("error", [AccessError("403: may not read"), InfrastructureError("503")])
def test_trouble_does_not_end_the_wait_unless_it_lasts(world: World, error: Exception) -> None:
    """A triggerer that may never read the file sends the task to look itself; a store may be ill for long."""
    troubles = 100

    def refuse(*_: Any) -> None:
        nonlocal troubles
        troubles -= 1
        if troubles:
            raise error
        world.ask(Control())

    world.storage.before = refuse
    why = event_of(S3BatchJobControlTrigger(job_url=str(JOB.url), poll_interval_s=0))["why"]
    if isinstance(error, AccessError):
        assert "may not read" in why
        assert troubles == 70
    else:
        assert why == f"{JOB.control}: runs as its Dag says"


def test_a_connection_that_can_not_be_used_sends_the_task_to_look_itself(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: StoreSettings) -> None:
        raise AccessError("Airflow has no such connection")

    monkeypatch.setattr(StoreSettings, "storage", refuse)
    assert "no such connection" in event_of(S3BatchJobControlTrigger(job_url=str(JOB.url), poll_interval_s=0))["why"]


REF = BucketRef(str(JOB.url), "lake", 10)


class Aws:
    """AWS's jobs, of which those that are over can't be cancelled."""

    def __init__(self, status: str = "Cancelling", error: Exception | None = None) -> None:
        self.status = status
        self.error = error
        self.cancelled: list[tuple[str, str]] = []

    def cancel_job(self, job_id: str, reason: str) -> str:
        self.cancelled.append((job_id, reason))
        if self.error:
            raise self.error
        return self.status


def aws_round(storage: MemoryStorage, number: int, bucket: str, *, is_over: bool = False) -> None:
    """Leave an AWS job in the job's folder."""
    generation = JOB.operation("run").generation(1)
    place = generation.round(bucket, number)
    storage.write(generation.operation, b"{}")
    write_request(storage, place, StoredRequest("a", None, (0,), {}))
    write_job(storage, place, job_id=f"{bucket}-{number}", account_id="123456789012", region="eu-west-1")
    if is_over:
        write_harvested(storage, place, status="Complete")


def test_what_an_earlier_attempt_has_left_running_is_cancelled_for_a_pause() -> None:
    """Of its own bucket, and with the task's own reason: the next round does what is left."""
    world, aws, lines = World(), Aws(), []
    aws_round(world.storage, 1, "lake", is_over=True)
    aws_round(world.storage, 2, "lake")
    aws_round(world.storage, 1, "other")
    pause = BucketPause(REF, world.storage, aws, lines.append)  # type: ignore[arg-type]
    with pytest.raises(PausedError, match="tag, bucket lake: nothing was begun; the job is paused by ann"):
        pause.check_before("tag, bucket lake")
    assert aws.cancelled == [("lake-2", CANCELLED_BY_TASK)]


@pytest.mark.parametrize(
    ("aws", "is_paused"),
    [
        (Aws(), True),
        (Aws("Cancelled"), True),
        (Aws("Complete"), False),
        (Aws(error=AccessError("s3:UpdateJobStatus is missing")), False),
    ],
    ids=["cancelling", "cancelled", "over already", "refused"],
)
def test_a_pause_ends_the_wait_for_a_job_of_aws_if_that_can_be_cancelled(aws: Aws, is_paused: bool) -> None:
    """One that is over is accounted for as ever; one that can't be cancelled goes on, and the log says why."""
    world, lines = World(), []
    world.ask(Control())
    pause = BucketPause(REF, world.storage, aws, lines.append)  # type: ignore[arg-type]
    pause.check_before("tag")
    pause.check("tag", "aws-1")
    assert not aws.cancelled
    world.ask(PAUSED)
    if is_paused:
        with pytest.raises(PausedError, match="tag: cancelled, for AWS can't pause it") as caught:
            pause.check("tag", "aws-1")
        assert caught.value.has_begun
    else:
        pause.check("tag", "aws-1")
    assert aws.cancelled == [("aws-1", CANCELLED_BY_TASK)]
    assert any("UpdateJobStatus" in line for line in lines) == bool(aws.error)


def test_where_to_wait_is_checked_while_the_dag_is_parsed() -> None:
    with pytest.raises(ArgumentError, match="deferrable='no' is not a bool"):
        operator(deferrable="no")
    with pytest.raises(ArgumentError, match="deferrable=1 is not a bool"):
        BatchOperationOperator.partial(task_id="run", operation=SetTag("k"), deferrable=1)


RIVAL = RunningRecord("s3://ops/s3batch/job-2", "s3://ops/s3batch/job-2/run/g0001", "run", "set_tag", "w")


def rival_at_work(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let another job be at work, as long as it has a sign of life that has not ended."""
    pulses = JobLayout(S3Url.parse(RIVAL.job_url)).operation("run").generation(1)
    world.storage.write(pulses.pulse(0, "0001-1700000000000-abc123", 0, 0, "runs"), b"")

    def run_shard(*_: Any, **__: Any) -> Summary:
        if not any(url.key.endswith("_runs") for url in world.storage.files):
            return Summary(Tally(succeeded=50_000))
        error = RivalAtWorkError("tag, shard 3: waits")
        error.rival = asdict(RIVAL)
        raise error

    monkeypatch.setattr(sys.modules["airflow_s3batch.engine.shards.shard"], "run_shard", run_shard)


def end_rival(world: World) -> None:
    world.storage.files = {url: body for url, body in world.storage.files.items() if not url.key.endswith("_runs")}


def test_a_task_that_waits_for_another_job_is_deferred_until_that_has_ended(
    world: World, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds no worker slot meanwhile; whether the own job is paused is another matter."""
    rival_at_work(world, monkeypatch)
    trigger = deferred(lambda: execute(operator(if_running="wait"), context))
    assert trigger.rival == asdict(RIVAL)
    event = event_of(trigger, between=lambda: end_rival(world))
    assert event["why"] == "s3://ops/s3batch/job-2 is not at work any more"


def test_where_there_is_no_triggerer_it_waits_in_place(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rival_at_work(world, monkeypatch)
    looks = []

    def look(self: RivalWatch) -> str:
        looks.append(self)
        end_rival(world)
        return "" if len(looks) < 3 else "gone"

    monkeypatch.setattr(RivalWatch, "look", look)
    task = operator(if_running="wait", deferrable=False)
    task._wait_in_place(asdict(RIVAL))
    assert len(looks) == 3
