"""The managed engine's operator: what it hands to the engine, how it waits, and how it ends."""

from __future__ import annotations

import copy
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from fake_jobs import ACCOUNT, JOB, ROLE, FakeHook, at

from airflow_s3batch import ManagedBatchJobOperator
from airflow_s3batch.core.errors import AccessError, InfrastructureError, TooManyFailuresError
from airflow_s3batch.core.outcomes import Summary, Tally
from airflow_s3batch.hooks.airflow_names import AirflowException, AirflowFailException, TaskDeferralTimeout
from airflow_s3batch.hooks.s3 import StoreSettings
from airflow_s3batch.managed import CANCELLED_BY_TASK, BucketRef, Round
from airflow_s3batch.managed.aws_report import ReportPendingError
from airflow_s3batch.operations import PutObjectTagging
from airflow_s3batch.operators import bucket_job
from airflow_s3batch.operators import managed as managed_module
from airflow_s3batch.operators.managed_arguments import POLL_INTERVAL_S
from airflow_s3batch.triggers import S3BatchJobTrigger

if TYPE_CHECKING:
    from collections.abc import Callable

try:
    from airflow.sdk.exceptions import TaskDeferred
except ImportError:  # Airflow 3.1
    from airflow.exceptions import TaskDeferred

BUCKET = {"job": "s3://ops/s3batch/job-1", "bucket": "lake", "rows": 10}
REF = BucketRef("s3://ops/s3batch/job-1", "lake", 10)
ROUND = Round(REF, "run", "put_object_tagging", 1, 1, 10, ACCOUNT, "eu-west-1", JOB)


class Engine:
    """An engine that keeps what it was asked, and does what the test tells it."""

    def __init__(self) -> None:
        self.hook = FakeHook()
        self.begun: list[dict[str, Any]] = []
        self.harvested: list[Round] = []
        self.rounds: list[Round | None] = [ROUND]
        self.harvests: list[Summary | Exception] = [Summary(Tally(succeeded=9, failed=1), duration_s=0.04)]
        self.before_begin: Callable[[], None] = lambda: None

    def begin_round(self, ref: BucketRef, operation: Any, **more: Any) -> Round | None:
        self.before_begin()
        self.begun.append({"ref": ref, "operation": operation, **more})
        return self.rounds[min(len(self.begun), len(self.rounds)) - 1]

    def harvest(self, ended: Round, **more: Any) -> Summary:
        self.harvested.append(ended)
        found = self.harvests[min(len(self.harvested), len(self.harvests)) - 1]
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    found = Engine()
    monkeypatch.setattr(StoreSettings, "batch_hook", lambda _self, _account_id=None: found.hook)
    monkeypatch.setattr(StoreSettings, "storage", lambda self: ("storage", self.aws_conn_id, self.region_name))
    monkeypatch.setattr(managed_module, "access_of", lambda hook: "access")
    monkeypatch.setattr(managed_module, "storage_on", lambda access: ("on", access))
    monkeypatch.setattr(bucket_job, "begin_round", found.begin_round)
    monkeypatch.setattr(bucket_job, "harvest", found.harvest)
    monkeypatch.setattr(bucket_job, "REPORT_INTERVAL_S", 0)
    for name in ("check_before", "check"):  # nobody pauses the job
        monkeypatch.setattr(bucket_job.BucketPause, name, lambda *_: None)
    return found


def operator(**arguments: Any) -> ManagedBatchJobOperator:
    """Return the operator, which does not wait between two looks."""
    interval = arguments.pop("poll_interval_s", None)
    given = {"task_id": "run", "operation": PutObjectTagging({"k": "v"}), "bucket": BUCKET, "role_arn": ROLE}
    task = ManagedBatchJobOperator(**{**given, "deferrable": False, **arguments})
    task.poll_interval_s = interval or 0
    return task


def execute(task: ManagedBatchJobOperator, context: dict[str, Any]) -> Any:
    return type(task).execute.__wrapped__(task, context)


def test_engine_gets_bucket_settings_and_policy(engine: Engine, context: dict[str, Any]) -> None:
    """The operator adds nothing of its own but who asks."""
    task = operator(
        priority="7",
        confirmation_required=True,
        job_tags={"team": "lake"},
        report_scope="FailedTasksOnly",
        expected_bucket_owner=False,
        tolerate=["NoSuchKey"],
        allowed_failures=5,
        replay_unsafe=True,
        resume=False,
    )
    context["ti"].try_number = 2
    assert execute(task, context) == {"bucket": "lake", "objects": 10, "succeeded": 9, "failed": 1, "seconds": 0.0}
    (asked,) = engine.begun
    assert (asked["ref"], asked["operation"]) == (REF, PutObjectTagging({"k": "v"}))
    assert (asked["task_id"], asked["try_number"], asked["resume"]) == ("run", 2, False)
    assert (asked["control"], asked["storage"]) == ("control", ("on", "access"))
    settings, policy = asked["settings"], asked["policy"]
    assert (settings.account_id, settings.region, settings.role_arn) == (ACCOUNT, "eu-west-1", ROLE)
    assert (settings.priority, settings.confirmation_required, settings.tags) == (7, True, {"team": "lake"})
    assert (settings.report_scope, settings.expected_bucket_owner) == ("FailedTasksOnly", False)
    assert settings.description == "tagging job.report manual__1"
    assert (policy.tolerate, policy.allowed_failures, policy.replay_unsafe) == (frozenset({"NoSuchKey"}), 5, True)
    assert engine.harvested == [ROUND]


def test_shard_of_the_worker_engine_is_refused_with_the_way_out(engine: Engine, context: dict[str, Any]) -> None:
    """It comes where the engine was changed, and only the mapped task was cleared. Airflow asks for the label first."""
    task = operator(bucket={"job": "s3://ops/s3batch/job-1", "shard": 0, "rows": 10})
    assert task.label == ""
    with pytest.raises(AirflowFailException, match="after a change of engine, clear the manifest task, too"):
        execute(task, context)
    assert engine.begun == []


def test_result_is_small(engine: Engine, context: dict[str, Any]) -> None:
    """At most about 150 bytes go through XCom for a bucket, however large it is."""
    name, rows = "b" * 63, 20 * 10**9
    engine.rounds = [ROUND._replace(ref=BucketRef("s3://ops/job", name, rows))]
    assert len(json.dumps(execute(operator(bucket={**BUCKET, "bucket": name, "rows": rows}), context))) <= 150


def test_nothing_left_makes_no_job(engine: Engine, context: dict[str, Any]) -> None:
    """All objects succeeded in earlier attempts."""
    engine.rounds = [None]
    assert execute(operator(), context)["succeeded"] == 10
    assert (engine.hook.asked, engine.harvested) == (0, [])


def test_job_is_shown_as_soon_as_there_is_one(engine: Engine, context: dict[str, Any]) -> None:
    """The link to the console works while the task waits, not only at its end."""
    engine.hook.then([at("Active"), at("Complete", 10)])
    execute(operator(), context)
    url = engine.hook.console_url(JOB)
    told = context["ti"].xcoms
    assert told["job.report", "s3_batch_job"] == {"job_id": JOB, "account_id": ACCOUNT, "url": url}
    (link,) = ManagedBatchJobOperator.operator_extra_links
    assert told["job.report", link.xcom_key] == url


def test_waits_here_until_the_job_is_over(engine: Engine, context: dict[str, Any]) -> None:
    """With a worker slot, if that is wanted."""
    engine.hook.then(
        [at("New"), at("Preparing"), InfrastructureError("no answer"), at("Active", 3), at("Complete", 10)]
    )
    execute(operator(), context)
    assert (engine.hook.asked, len(engine.harvested)) == (5, 1)


def test_deferred_task_carries_the_round(engine: Engine, context: dict[str, Any]) -> None:
    """What the trigger hands back is all that is needed to read the report."""
    engine.hook.then([at("Active")])
    task = operator(deferrable=True, poll_interval_s=45, aws_conn_id="aws", region_name="eu-west-1")
    with pytest.raises(TaskDeferred) as deferred:
        execute(task, context)
    trigger = deferred.value.trigger
    assert isinstance(trigger, S3BatchJobTrigger)
    assert (trigger.job_id, trigger.account_id, trigger.poll_interval_s) == (JOB, ACCOUNT, 45)
    assert (trigger.cancel_on_kill, trigger.aws_conn_id, trigger.region_name) == (True, "aws", "eu-west-1")
    carried = json.loads(json.dumps(trigger.carried))
    counts = task.execute_complete(context, {"status": "over", "job_status": "Complete", "carried": carried})
    assert counts["succeeded"] == 9
    assert engine.harvested == [ROUND]


def test_job_that_is_over_already_is_not_deferred_for(engine: Engine, context: dict[str, Any]) -> None:
    """An attempt that died between the job's end and its report goes on at once."""
    assert execute(operator(deferrable=True), context)["succeeded"] == 9


@pytest.mark.parametrize("is_deferred", [False, True])
def test_report_that_is_not_there_yet_is_waited_for(is_deferred: bool, engine: Engine, context: dict[str, Any]) -> None:
    """AWS writes it minutes or hours after the job's end; no retry of Airflow's is used up by that."""
    engine.harvests = [ReportPendingError("not yet"), Summary(Tally(succeeded=10))]
    if not is_deferred:
        assert execute(operator(), context)["succeeded"] == 10
        return
    event = {"status": "over", "job_status": "Complete", "carried": ROUND.to_json()}
    with pytest.raises(TaskDeferred) as deferred:
        operator(deferrable=True).execute_complete(context, event)
    trigger = deferred.value.trigger
    assert isinstance(trigger, S3BatchJobTrigger)
    assert trigger.pauses_first
    assert operator().execute_complete(context, event)["succeeded"] == 10


@pytest.mark.parametrize("error", [TooManyFailuresError("10 failed"), AccessError("refused")])
@pytest.mark.parametrize("is_deferred", [False, True])
def test_what_a_retry_cannot_cure_fails_at_once(
    error: Exception, is_deferred: bool, engine: Engine, context: dict[str, Any]
) -> None:
    """Whatever ``retries`` says."""
    engine.harvests = [error]
    event = {"status": "over", "carried": ROUND.to_json()}
    task = operator()
    with pytest.raises(AirflowFailException, match=str(error)):
        _ = task.execute_complete(context, event) if is_deferred else execute(task, context)


@pytest.mark.parametrize("is_retryable", [False, True])
def test_trouble_of_the_trigger_is_the_tasks(is_retryable: bool, engine: Engine, context: dict[str, Any]) -> None:
    """Retried if that may help; the next attempt finds the job."""
    event = {"status": "error", "message": "no answer", "is_retryable": is_retryable, "carried": ROUND.to_json()}
    with pytest.raises(AirflowException, match="no answer") as caught:
        operator().execute_complete(context, event)
    assert isinstance(caught.value, AirflowFailException) is not is_retryable


@pytest.mark.parametrize("cancels", [False, True])
def test_kill_ends_the_wait_and_cancels_only_if_told_so(cancels: bool, engine: Engine, context: dict[str, Any]) -> None:
    """The reason is the one by which the next attempt knows that it may go on."""
    task = operator(cancel_on_kill=cancels, poll_interval_s=3_600)
    looks = engine.hook.progress

    def progress(job_id: str) -> Any:
        if engine.hook.asked == 2:
            task.on_kill()
        return looks(job_id)

    engine.hook.then([at("Active")])
    engine.hook.progress = progress  # type: ignore[method-assign]
    with pytest.raises(AirflowException, match="asked to stop") as caught:
        execute(task, context)
    assert not isinstance(caught.value, AirflowFailException)
    assert engine.hook.cancelled == ([(JOB, CANCELLED_BY_TASK)] if cancels else [])
    copy.deepcopy(task)


def test_kill_before_there_is_a_job_makes_none(engine: Engine, context: dict[str, Any]) -> None:
    """Airflow has set the signal's handler some time before it calls the operator."""
    task = operator()
    task.on_kill()
    with pytest.raises(AirflowException, match="asked to stop"):
        execute(task, context)
    assert engine.begun == []


@pytest.mark.parametrize("deferrable", [False, True])
def test_kill_while_the_job_is_made_cancels_it(deferrable: bool, engine: Engine, context: dict[str, Any]) -> None:
    """Nobody would look after it otherwise."""
    task = operator(deferrable=deferrable)
    engine.before_begin = task.on_kill
    engine.hook.then([at("New")])
    with pytest.raises(AirflowException, match="asked to stop"):
        execute(task, context)
    assert engine.hook.cancelled == [(JOB, CANCELLED_BY_TASK)]


def test_job_that_is_just_being_cancelled_is_waited_for(engine: Engine, context: dict[str, Any]) -> None:
    """Somebody cleared the task: the job that the kill cancels ends first, then what is left gets its own."""
    engine.hook.then([at("Cancelling"), at("Cancelling"), at("Cancelled"), at("Active"), at("Complete", 10)])
    second = ROUND._replace(number=2)
    engine.rounds = [ROUND, second]
    execute(operator(), context)
    assert [asked["resume"] for asked in engine.begun] == [True, True]
    assert engine.harvested == [second]


@pytest.mark.parametrize("cancels", [False, True])
def test_time_that_is_up_while_deferred_cancels_as_a_kill_does(
    cancels: bool, engine: Engine, context: dict[str, Any]
) -> None:
    """Airflow tells the trigger nothing then, but the task."""
    job = {"job_id": JOB, "account_id": ACCOUNT, "url": ""}
    context["ti"].xcom_pull = lambda **_: job
    with pytest.raises(TaskDeferralTimeout):
        operator(cancel_on_kill=cancels).resume_execution("__fail__", {"error": "Trigger timeout"}, context)
    assert engine.hook.cancelled == ([(JOB, CANCELLED_BY_TASK)] if cancels else [])


def test_job_files_can_need_other_credentials(engine: Engine, context: dict[str, Any]) -> None:
    """The overrides belong to the objects' connection, not to the other one."""
    execute(operator(aws_conn_id="prod", region_name="eu-west-1", job_aws_conn_id="ops"), context)
    assert engine.begun[0]["storage"] == ("storage", "ops", None)


@pytest.mark.usefixtures("engine")
def test_bucket_of_somebody_else_is_told(context: dict[str, Any]) -> None:
    """The usual mistake is to map over the shards of a manifest for the other engine."""
    with pytest.raises(AirflowFailException, match=r"engine='managed'.*expand"):
        execute(operator(bucket={"job": "s3://ops/x", "shard": 0, "rows": 5}), context)


def test_declared_defaults() -> None:
    """Three retries, a minute between looks, a kill cancels."""
    task = ManagedBatchJobOperator(task_id="run", operation=PutObjectTagging({"k": "v"}), bucket=BUCKET, role_arn=ROLE)
    assert (task.retries, task.poll_interval_s, task.cancel_on_kill) == (3, POLL_INTERVAL_S, True)
    assert (task.resume, task.allowed_failures, set(task.tolerate)) == (True, 0, {"NoSuchKey", "NoSuchVersion"})


def test_link_is_what_the_task_has_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty where there is no job; never an error that would hide the task's own end."""
    from airflow.sdk.execution_time.xcom import XCom

    (link,) = ManagedBatchJobOperator.operator_extra_links
    for job, url in (({"url": "https://x"}, "https://x"), (None, "")):
        monkeypatch.setattr(XCom, "get_value", lambda job=job, **_: job)
        assert link.get_link(SimpleNamespace(has_job=True), ti_key=SimpleNamespace()) == url  # type: ignore[arg-type]
        assert link.get_link(operator(), ti_key=SimpleNamespace()) == ""  # type: ignore[arg-type]
