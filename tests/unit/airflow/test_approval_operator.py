"""Approvals: what people are asked, what is kept of the answer, and what runs without one (nothing)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.standard.operators import hitl
from approvals_asked import JOB, LAYOUT, Airflow, StateStore, WaitsError, asking, context, publish

from airflow_s3batch import BatchApprovalOperator, BatchOperationOperator
from airflow_s3batch.approvals import Approval, approval_for, approval_problems
from airflow_s3batch.core.approval_record import APPROVED, ASKED, REJECTED, manifest_mark
from airflow_s3batch.core.errors import ApprovalError, ArgumentError
from airflow_s3batch.core.manifest import ShardRef
from airflow_s3batch.engine.jobs.approval import check_approved, read_approval
from airflow_s3batch.hooks.airflow_names import AirflowFailException
from airflow_s3batch.operations import CopyObject, DeleteObject, MoveObject, PutObjectTagging
from airflow_s3batch.operators.approved import check_approval
from airflow_s3batch.operators.rehearsal import BatchRehearsalOperator

if TYPE_CHECKING:
    from airflow_s3batch.testing import MemoryStorage

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ALICE = {"id": "7", "name": "alice"}


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Airflow:
    """An Airflow that keeps what is asked, and where a task that waits raises."""
    found = Airflow()
    monkeypatch.setattr(hitl, "upsert_hitl_detail", found.ask)

    def wait(*_: Any, **__: Any) -> None:
        raise WaitsError

    monkeypatch.setattr(BatchApprovalOperator, "defer", wait)
    if hasattr(hitl, "TaskAwaitingInput"):
        monkeypatch.setattr(hitl, "TaskAwaitingInput", lambda **_: WaitsError())
    monkeypatch.setattr(
        BatchApprovalOperator, "skip", lambda _self, ti, tasks: found.skipped.extend(task.task_id for task in tasks)
    )
    return found


def ask(task: BatchApprovalOperator, told: dict[str, Any]) -> Any:
    return type(task).execute.__wrapped__(task, told)


def answer(task: BatchApprovalOperator, told: dict[str, Any], option: str, user: Any = ALICE) -> Any:
    event = {"chosen_options": [option], "params_input": {}, "responded_at": NOW, "responded_by_user": user}
    return task.execute_complete({**told, "task": task}, event)


def approved(storage: MemoryStorage, operation: Any = None, told: dict[str, Any] | None = None, **how: Any) -> None:
    """Have the job approved by Alice."""
    task, told = asking(**({"operation": operation} if operation else {}), **how), told or context()
    with pytest.raises(WaitsError):
        ask(task, told)
    answer(task, told, "Approve")


def may_run(storage: MemoryStorage, told: dict[str, Any]) -> None:
    """Check what an operation task checks before it begins."""
    check_approval("job.approve", str(JOB), DeleteObject(), lambda: storage, lambda _: None, told["ti"])


# -- what is asked -----------------------------------------------------------------------------


def test_the_question_has_the_figures(storage: MemoryStorage, airflow: Airflow) -> None:
    """What, to how many, from where, by which SQL, and what happens if nobody answers."""
    publish(storage)
    rehearsal = {"objects": 2, "failed": 1, "codes": {"AccessDenied": 1}}
    told = context(return_value=rehearsal)
    with pytest.raises(WaitsError):
        ask(asking(rehearsal_task_id="job.rehearse"), told)
    (asked,) = airflow.asked
    assert asked["subject"] == "Destroy data? delete_object: 3 objects, 30 bytes"
    assert asked["options"] == ["Approve", "Reject"]
    assert asked["defaults"] == ["Reject"]
    for part in (
        "**This loses data for good**",
        "Objects: **3**, 30 bytes",
        "`STANDARD` 3 (30 bytes)",
        "`inventory` `s3://inv/lake/2026/manifest.json` as of `2026-11-20T01:00:00+00:00`",
        "Guards: `max_objects=9`",
        "Cost: not estimated",
        "it was done to 2 random objects, 1 of them failed (`AccessDenied` 1)",
        "the answer is **Reject**",
        "```text\nsize > 5\n```",
        "s3://lake/a%20b%2B%C3%BC.csv",
        "`dry_run=True`",
    ):
        assert part in asked["body"]


def test_the_cost_is_shown_if_it_was_estimated(storage: MemoryStorage, airflow: Airflow) -> None:
    from airflow_s3batch.costs import shipped_prices
    from airflow_s3batch.engine.checks.estimates import estimate_job

    estimate_job(storage, publish(storage), PutObjectTagging({"k": "v"}), "worker", shipped_prices())
    with pytest.raises(WaitsError):
        ask(asking(operation=PutObjectTagging({"k": "v"}), approval=Approval()), context())
    assert airflow.asked[0]["subject"].startswith("Go on? put_object_tagging: 3 objects, 30 bytes, less than 0.0001 $")
    assert "Cost: estimated cost" in airflow.asked[0]["body"]
    record = read_approval(storage, LAYOUT)
    assert record is not None
    assert record.figures["cost"].startswith("less than 0.0001 $")


def test_who_may_answer_and_until_when_is_airflows_business(storage: MemoryStorage, airflow: Airflow) -> None:
    publish(storage)
    approval = Approval(timedelta(hours=3), "approve", default_may_destroy=True, assigned_users=["bob", ALICE])
    task = asking(approval=approval)
    with pytest.raises(WaitsError):
        ask(task, context())
    assert airflow.asked[0]["assigned_users"] == [{"id": "bob", "name": "bob"}, ALICE]
    assert airflow.asked[0]["defaults"] == ["Approve"]
    assert timedelta(hours=3) in (getattr(task, "response_timeout", None), task.execution_timeout)


@pytest.mark.parametrize("timeout", [None, timedelta(days=3)])
def test_a_time_limit_for_all_tasks_of_a_dag_is_none_for_people(timeout: timedelta | None) -> None:
    """Or the default would be the answer while somebody is still asked."""
    from airflow.sdk import DAG

    with DAG("d", schedule=None, default_args={"execution_timeout": timedelta(minutes=5)}) as dag:
        asking(approval=Approval(timeout))
    task = dag.get_task("job.approve")
    assert {getattr(task, "response_timeout", None), task.execution_timeout} - {None} == {timeout} - {None}


def test_notifiers_are_sent_the_question(storage: MemoryStorage, airflow: Airflow) -> None:
    publish(storage)
    seen: list[str] = []
    task = asking(approval=Approval(notifiers=[lambda told: seen.append(task.subject)]))
    with pytest.raises(WaitsError):
        ask(task, context())
    assert seen == [task.subject]
    assert seen[0].startswith("Destroy data?")


@pytest.mark.parametrize("keys", [(), ("a",)])
def test_nobody_is_asked_of_nothing_or_of_a_dry_run(
    storage: MemoryStorage, airflow: Airflow, keys: tuple[str, ...]
) -> None:
    """An empty manifest, or nothing that is changed."""
    publish(storage, keys)
    found = ask(asking(dry_run="True" if keys else False), context())
    assert found["asked"] is False
    assert airflow.asked == []
    assert storage.read(LAYOUT.approval) is None


# -- what is kept ------------------------------------------------------------------------------


def test_the_answer_is_kept_with_who_gave_it_and_when(storage: MemoryStorage, airflow: Airflow) -> None:
    """And while nobody has answered, nothing that was answered before holds."""
    publish(storage)
    task, told = asking(), context()
    with pytest.raises(WaitsError):
        ask(task, told)
    assert json.loads(storage.read(LAYOUT.approval) or b"")["state"] == ASKED
    answer(task, told, "Approve")
    record = read_approval(storage, LAYOUT)
    assert record is not None
    assert (record.state, record.by, record.at) == (APPROVED, "alice", "2026-11-23T12:00:00Z")
    assert record.sentence() == "approved by alice at 2026-11-23T12:00:00Z"
    assert told["ti"].xcoms["job.approve", "approval"]["by"] == "alice"


def test_a_no_skips_what_follows(storage: MemoryStorage, airflow: Airflow, dag: Any) -> None:
    """The tasks right behind; the report is behind those, and runs."""
    from airflow.providers.standard.operators.empty import EmptyOperator

    publish(storage)
    task = asking(dag=dag)
    task >> EmptyOperator(task_id="run", dag=dag) >> EmptyOperator(task_id="report", dag=dag)
    told = context()
    with pytest.raises(WaitsError):
        ask(task, told)
    answer(task, told, "Reject")
    assert airflow.skipped == ["run"]
    record = read_approval(storage, LAYOUT)
    assert record is not None
    assert record.state == REJECTED


def test_nobodys_answer_is_told_as_that(storage: MemoryStorage, airflow: Airflow) -> None:
    publish(storage)
    task, told = asking(), context()
    with pytest.raises(WaitsError):
        ask(task, told)
    answer(task, told, "Reject", user=None)
    record = read_approval(storage, LAYOUT)
    assert record is not None
    assert "nobody answered in time, and 'reject' is the default" in record.sentence()


# -- what runs ---------------------------------------------------------------------------------


def test_a_job_runs_only_if_exactly_it_was_approved(storage: MemoryStorage, airflow: Airflow) -> None:
    """Not before, not another operation, not another manifest, not by another task's word, not after a no."""
    publish(storage)

    def check(operation: Any = None, task_id: str = "job.approve") -> None:
        check_approved(storage, JOB, operation or DeleteObject(), task_id)

    with pytest.raises(ApprovalError, match="nobody was asked"):
        check()
    approved(storage)
    check()
    with pytest.raises(ApprovalError, match=r"task 'job\.approve' asked, not 'other'"):
        check(task_id="other")
    with pytest.raises(
        ApprovalError, match=r"approved by alice .* for another operation .*bypass_governance_retention"
    ):
        check(DeleteObject(bypass_governance_retention=True))
    with pytest.raises(ApprovalError, match="for DeleteObject, and not for MoveObject"):
        check(MoveObject("elsewhere"))
    publish(storage, ("another", "key"))
    with pytest.raises(ApprovalError, match="but for another manifest"):
        check()
    with pytest.raises(WaitsError):
        ask(asking(), context())
    with pytest.raises(ApprovalError, match="nobody has answered yet"):
        check()


def test_an_operation_that_has_got_a_field_since_stays_approved(storage: MemoryStorage, airflow: Airflow) -> None:
    """An upgrade between question and run changes nothing that was seen."""
    publish(storage)
    approved(storage)
    document = json.loads(storage.read(LAYOUT.approval) or b"")
    del document["operation"]["allow_unconditional"]
    from airflow_s3batch.core.identity import fingerprint

    document["operation_fingerprint"] = fingerprint(document["operation"])
    storage.write(LAYOUT.approval, json.dumps(document).encode())
    check_approved(storage, JOB, DeleteObject(), "job.approve")
    with pytest.raises(ApprovalError):
        check_approved(storage, JOB, DeleteObject(allow_unconditional=True), "job.approve")


def test_an_answer_that_was_altered_is_refused(storage: MemoryStorage, airflow: Airflow) -> None:
    from airflow_s3batch.core.errors import JobDamagedError

    publish(storage)
    approved(storage)
    document = json.loads(storage.read(LAYOUT.approval) or b"")
    document["operation"]["bypass_governance_retention"] = True
    storage.write(LAYOUT.approval, json.dumps(document).encode())
    with pytest.raises(JobDamagedError, match="altered"):
        check_approved(storage, JOB, DeleteObject(bypass_governance_retention=True), "job.approve")


def test_operation_tasks_refuse_to_start(storage: MemoryStorage, airflow: Airflow) -> None:
    """Before they reach for the objects' store; a dry run needs nobody."""
    publish(storage)
    shard = ShardRef(str(JOB), 0, 3).to_xcom()
    tasks: list[Any] = [
        BatchOperationOperator(task_id="run", operation=DeleteObject(), shard=shard, approval_task_id="job.approve"),
        BatchRehearsalOperator(
            task_id="rehearse",
            operation=DeleteObject(),
            shards=[shard],
            objects=1,
            operation_task_id="run",
            approval_task_id="job.approve",
        ),
    ]
    for task in tasks:
        with pytest.raises(AirflowFailException, match="needs an approval, and nobody was asked"):
            type(task).execute.__wrapped__(task, context())


def test_clearing_the_task_asks_again_and_replanning_does_not(storage: MemoryStorage, airflow: Airflow) -> None:
    """The manifest task's try tells whether the question was cleared, or the whole job was begun again."""
    publish(storage)
    state = StateStore()
    approved(storage, told=context(manifest_try=1, state=state))
    told = context(manifest_try=2, state=state)
    found = ask(asking(), told)
    assert found["asked"] is False
    assert "approved by alice" in found["why"]
    assert len(airflow.asked) == 1
    may_run(storage, told)
    with pytest.raises(WaitsError):
        ask(asking(), context(manifest_try=2, state=state))
    assert len(airflow.asked) == 2
    with pytest.raises(ApprovalError, match="nobody has answered yet"):
        check_approved(storage, JOB, DeleteObject(), "job.approve")


def test_what_has_changed_is_asked_again(storage: MemoryStorage, airflow: Airflow) -> None:
    publish(storage)
    state = StateStore()
    approved(storage, told=context(state=state))
    with pytest.raises(WaitsError):
        ask(asking(operation=MoveObject("t")), context(manifest_try=2, state=state))
    approved(storage, told=context(state=state))
    publish(storage, ("other",))
    with pytest.raises(WaitsError):
        ask(asking(), context(manifest_try=2, state=state))


def forge(storage: MemoryStorage) -> None:
    """Write what Alice would have left: who may write to the job's folder knows all of it."""
    told = context()
    task = asking()
    with pytest.raises(WaitsError):
        ask(task, told)
    record = read_approval(storage, LAYOUT)
    assert record is not None
    storage.write(LAYOUT.approval, record.answered(APPROVED, "alice", "2026-11-23T12:00:00Z").to_json().encode())


def test_an_answer_that_nobody_gave_in_airflow_starts_nothing(storage: MemoryStorage, airflow: Airflow) -> None:
    """A forged file is whole and about this very job; what the approval task has told Airflow is what counts."""
    publish(storage)
    forge(storage)
    with pytest.raises(ApprovalError, match=r"says that it was approved by alice .* not what that task has told Air"):
        may_run(storage, context())
    task, told = asking(), context()
    with pytest.raises(WaitsError):
        ask(task, told)
    answer(task, told, "Reject")
    forge(storage)
    with pytest.raises(ApprovalError, match="not what that task has told Airflow"):
        may_run(storage, told)
    with pytest.raises(WaitsError):
        ask(task, told)
    answer(task, told, "Approve")
    may_run(storage, told)


def test_a_manifest_that_was_exchanged_after_the_answer_is_not_worked_on(
    storage: MemoryStorage, airflow: Airflow
) -> None:
    """Neither as it is, nor with the answer changed to suit it."""
    publish(storage)
    told = context()
    approved(storage, told=told)
    other = publish(storage, ("another", "key"))
    with pytest.raises(ApprovalError, match="for another manifest"):
        may_run(storage, told)
    record = read_approval(storage, LAYOUT)
    assert record is not None
    storage.write(LAYOUT.approval, replace(record, manifest=manifest_mark(other)).to_json().encode())
    with pytest.raises(ApprovalError, match="not what that task has told Airflow"):
        may_run(storage, told)


@pytest.mark.parametrize("state", [None, StateStore(), StateStore(s3batch_approval="another")], ids=str)
def test_a_forged_answer_keeps_nobody_from_being_asked(
    storage: MemoryStorage, airflow: Airflow, state: StateStore | None
) -> None:
    """Neither at the first try, nor when the whole job is begun again; also where Airflow has no memory for it."""
    publish(storage)
    forge(storage)
    with pytest.raises(WaitsError):
        ask(asking(), context(manifest_try=2, state=state))


def test_a_memory_that_fails_makes_airflow_ask_again(storage: MemoryStorage, airflow: Airflow) -> None:
    """The answer counts all the same, once."""

    class Broken(StateStore):
        def set(self, key: str, value: Any) -> None:
            raise RuntimeError("no answer")

        def get(self, key: str, default: Any = None) -> Any:
            raise RuntimeError("no answer")

    publish(storage)
    told = context(state=Broken())
    approved(storage, told=told)
    may_run(storage, told)
    with pytest.raises(WaitsError):
        ask(asking(), context(manifest_try=2, state=Broken()))


def test_a_no_is_asked_again_when_the_job_is_begun_again(storage: MemoryStorage, airflow: Airflow) -> None:
    publish(storage)
    task, told = asking(), context()
    with pytest.raises(WaitsError):
        ask(task, told)
    answer(task, told, "Reject")
    with pytest.raises(WaitsError):
        ask(asking(), context(manifest_try=2))


# -- who has to be asked -----------------------------------------------------------------------


def test_who_is_asked_by_default() -> None:
    """Of what destroys data, unless the Dag says otherwise; of a dry run nobody."""
    mine = Approval(examples=1)
    tag, delete = PutObjectTagging({"k": "v"}), DeleteObject()
    assert approval_for(tag, None) is None
    assert approval_for(delete, None) == Approval()
    assert approval_for([CopyObject("t"), delete], None) == Approval()
    assert approval_for(delete, False) is None
    assert approval_for(tag, True) == Approval()
    assert approval_for(tag, mine) is mine
    assert approval_for(delete, mine, dry_run=True) is None
    assert approval_for(delete, None, dry_run="{{ params.dry_run }}") == Approval()


@pytest.mark.parametrize(
    ("approval", "told"),
    [
        ("yes", "approval='yes': expected True, False, None or an Approval"),
        (Approval(timedelta(0)), "timeout=datetime.timedelta(0): expected a timedelta above 0"),
        (Approval(default="maybe"), "default='maybe': expected 'approve' or 'reject'"),  # type: ignore[arg-type]
        (Approval(default="approve"), "DeleteObject destroys data, and would do so without anybody having looked"),
        (Approval(assigned_users="alice"), "assigned_users='alice': expected a list"),
        (Approval(assigned_users=[{"id": "1"}]), "is neither the id of a user nor a dict with id and name"),
        (Approval(notifiers=["mail"]), "notifiers: 'mail' is not a notifier"),
        (Approval(examples=51), "examples=51: expected a number from 0 to 50"),
    ],
)
def test_wrong_approvals_are_told_while_the_dag_is_parsed(approval: Any, told: str) -> None:
    assert any(told in problem for problem in approval_problems(DeleteObject(), approval))
    if isinstance(approval, Approval):
        with pytest.raises(ArgumentError):
            asking(approval=approval)


def test_approving_by_default_is_fine_for_what_destroys_nothing() -> None:
    assert approval_problems(PutObjectTagging({"k": "v"}), Approval(default="approve")) == []
