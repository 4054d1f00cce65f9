"""Several operations on one object: what may follow what, what the report says, what a replay believes."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from scripted_store import answer, drive

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations import (
    Column,
    CopyObject,
    DeleteObject,
    DeleteObjectTagging,
    InOrder,
    MoveObject,
    Operation,
    PutObjectAcl,
    PutObjectTagging,
    Replay,
    ReplicateObject,
    RewriteObject,
    RunContext,
)
from airflow_s3batch.operations.declared import declaration_problems, declared, for_workers
from airflow_s3batch.operations.requests import Capabilities, Request, Response

E_TAG = "0123456789abcdef0123456789abcdef"
OBJ = S3Object("b", "k", e_tag=E_TAG, size=3, columns={"team": "x"})
TAG = PutObjectTagging({"k": "v"})
ARCHIVE = [TAG, CopyObject("archive"), DeleteObject()]
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
REPLAY = RunContext(is_replay=True, elapsed_s=lambda: 600.0)


class Custom(PutObjectTagging):
    """Stands for code that must not run twice."""

    name = "custom"
    replay = Replay.UNSAFE


def test_a_list_of_operations_is_done_in_order() -> None:
    """One request after the other; the last outcome is the object's."""
    operation = declared([TAG, CopyObject("t")])
    outcome, requests = drive(operation.steps(OBJ, RunContext()), [answer(), answer()])
    assert outcome == Outcome(200)
    assert [(request.call.api, request.bucket) for request in requests] == [
        ("PutObjectTagging", "b"),
        ("CopyObject", "t"),
    ]


def test_the_first_failure_ends_it_and_says_which_step_it_was() -> None:
    """So that nothing is deleted that could not be copied."""
    outcome, requests = drive(InOrder(ARCHIVE).steps(OBJ, RunContext()), [answer(), answer(403, "AccessDenied")])
    assert outcome == Outcome(403, "AccessDenied", "step 2 of 3, copy_object: the store says AccessDenied")
    assert len(requests) == 2


def test_a_column_value_that_a_later_step_refuses_stops_the_object_before_its_first_request() -> None:
    operation = InOrder([CopyObject("t"), PutObjectTagging({"team": Column("team")})])
    outcome, requests = drive(operation.steps(OBJ._replace(columns={"team": "<"}), RunContext()), [])
    assert (outcome.error_code, requests) == ("InvalidTag", [])
    assert outcome.message.startswith("step 2 of 2, put_object_tagging: ")


@pytest.mark.parametrize(
    ("operations", "name", "replay", "destroys"),
    [
        ([TAG, DeleteObjectTagging()], "put_object_tagging+delete_object_tagging", Replay.SAFE, False),
        (ARCHIVE, "put_object_tagging+copy_object+delete_object", Replay.CHECK, True),
        ([TAG, Custom({"k": "v"})], "put_object_tagging+custom", Replay.UNSAFE, False),
        (
            [TAG, InOrder([CopyObject("t"), DeleteObject()])],
            "put_object_tagging+copy_object+delete_object",
            Replay.CHECK,
            True,
        ),
    ],
)
def test_name_replay_and_destruction_follow_from_the_steps(
    operations: list[Any], name: str, replay: Replay, destroys: bool
) -> None:
    """The worst of all."""
    operation = InOrder(operations)
    assert (operation.name, operation.replay, operation.destroys) == (name, replay, destroys)


def test_columns_buckets_and_iam_actions_are_those_of_all_steps() -> None:
    operation = InOrder([PutObjectTagging({"t": Column("team")}), CopyObject(Column("to"), tags={}), DeleteObject()])
    assert operation.columns() == {"team", "to"}
    assert InOrder(ARCHIVE).buckets(OBJ) == ["b", "archive"]
    assert operation.iam_actions() >= {"s3:PutObjectTagging", "s3:PutObject", "s3:DeleteObject"}


@pytest.mark.parametrize(
    ("operations", "part"),
    [
        ([DeleteObject(), TAG], "DeleteObject has to be the last operation: it deletes the object"),
        ([RewriteObject("SSE-S3"), TAG], "RewriteObject has to be the last operation: it makes another version"),
        ([Custom({"k": "v"}), TAG], "Custom has to be the last operation unless it is declared idempotent"),
        ([TAG, ReplicateObject()], "ReplicateObject is done by AWS alone"),
        ([CopyObject("archive", skip_existing="any"), DeleteObject()], "DeleteObject would then delete the only copy"),
        ([TAG, "delete"], "'delete' is not an operation"),
        ([PutObjectTagging({"k": "{{ ds }}"}), "delete"], "'delete' is not an operation"),
        ([], "0 operations; expected two or more"),
        ("delete", "operations='delete': expected a list of operations"),
    ],
)
def test_what_can_not_follow_each_other_fails_at_parse(operations: Any, part: str) -> None:
    """Also where other steps have templates."""
    with pytest.raises(ArgumentError, match=part):
        InOrder(operations)


def test_a_copy_that_is_skipped_for_being_there_already_may_be_followed_by_a_delete() -> None:
    """What has the same ETag is the same body; for what is merely there, nobody knows."""
    assert InOrder([CopyObject("archive", skip_existing="same-etag"), DeleteObject()]).destroys


def test_operations_in_order_are_a_value() -> None:
    """Copied, pickled, compared, shown as plain JSON."""
    operation = InOrder(ARCHIVE)
    for twin in (copy.deepcopy(operation), pickle.loads(pickle.dumps(operation)), InOrder(tuple(ARCHIVE))):
        assert twin == operation
        assert (twin.to_json(), twin.name) == (operation.to_json(), operation.name)
    assert operation.to_json() == {"operation": "InOrder", "operations": [step.to_json() for step in ARCHIVE]}


def test_templates_of_all_steps_are_rendered_and_checked() -> None:
    operation = InOrder([TAG, PutObjectTagging({"run": "{{ ds }}"})])
    assert operation.has_templates
    shown = operation.render(lambda text: text.replace("{{ ds }}", "2026"))
    assert shown.to_json()["operations"][1]["tags"] == {"run": "2026"}
    with pytest.raises(ArgumentError, match="a<b"):
        operation.render(lambda text: text.replace("{{ ds }}", "a<b"))


def test_each_step_sees_only_its_own_findings() -> None:
    """A rewrite that needs REPLACE does not tell a copy so."""
    seen = []

    class Looking(PutObjectTagging):
        def steps(self, obj: S3Object, context: RunContext) -> Any:
            seen.append(dict(context.capabilities.findings))
            return (yield from super().steps(obj, context))

    found = Capabilities(is_aws=False, findings={"1.a": "x", "2.a": "y", "2.b": "z"})
    drive(InOrder([Looking({"k": "v"}), Looking({"k": "v"})]).steps(OBJ, RunContext(found)), [answer(), answer()])
    assert seen == [{"a": "x"}, {"a": "y", "b": "z"}]


def store_where(*, source: bool, copied_s_ago: int | None, e_tag: str = E_TAG) -> Any:
    """Return a store that has the object itself or not, and a copy of a given age or none."""

    def respond(request: Request) -> Response:
        is_copy = request.bucket == "archive"
        if request.call.api == "HeadObject" and is_copy and copied_s_ago is not None:
            times = {
                "date": format_datetime(NOW),
                "last_modified": format_datetime(NOW - timedelta(seconds=copied_s_ago)),
            }
            return answer(etag=f'"{e_tag}"', content_length="3", **times)
        if request.call.api == "HeadObject" and not is_copy and source:
            return answer(etag=f'"{E_TAG}"', content_length="3")
        return answer(200) if source and not is_copy else answer(404, "NoSuchKey")

    return respond


@pytest.mark.parametrize(
    ("copied_s_ago", "e_tag", "is_success"),
    [
        (60, E_TAG, True),
        (None, E_TAG, False),
        (3_600, E_TAG, False),
        (60, "f" * 32, False),
        (60, "f" * 32 + "-2", True),
    ],
)
def test_an_object_that_is_gone_on_a_replay_is_a_success_only_if_its_copy_is_there(
    copied_s_ago: int | None, e_tag: str, is_success: bool
) -> None:
    """Made since the job began, and of the same body as far as can be told: never for a copy nobody made."""
    store = store_where(source=False, copied_s_ago=copied_s_ago, e_tag=e_tag)
    outcome, requests = drive(InOrder(ARCHIVE).steps(OBJ, REPLAY), store)
    assert outcome.is_success is is_success
    assert "DeleteObject" not in {request.call.api for request in requests}
    if not is_success:
        assert (outcome.error_code, outcome.message[:33]) == ("NoSuchKey", "step 1 of 3, put_object_tagging: ")


def test_an_object_that_is_gone_is_a_failure_unless_this_is_a_replay() -> None:
    store = store_where(source=False, copied_s_ago=60)
    first = RunContext(elapsed_s=REPLAY.elapsed_s)
    assert drive(InOrder(ARCHIVE).steps(OBJ, first), store)[0].error_code == "NoSuchKey"


def test_an_object_that_is_gone_is_no_success_where_no_step_deletes() -> None:
    store = store_where(source=False, copied_s_ago=60)
    assert drive(InOrder([TAG, CopyObject("archive")]).steps(OBJ, REPLAY), store)[0].error_code == "NoSuchKey"


def test_what_every_step_has_to_say_is_in_the_message() -> None:
    class Telling(PutObjectTagging):
        def steps(self, obj: S3Object, context: RunContext) -> Any:
            yield from super().steps(obj, context)
            return Outcome(200, "", f"did {self.tags['k']}")

    steps = [Telling({"k": "one"}), TAG, Telling({"k": "two"})]
    assert drive(InOrder(steps).steps(OBJ, RunContext()), [answer()] * 3)[0].message == "did one; did two"


def test_bucket_problems_name_the_step() -> None:
    from airflow_s3batch.operations.requests import BucketFacts

    operation = InOrder([TAG, PutObjectAcl(canned_acl="private")])
    assert operation.bucket_problems(BucketFacts(ownership="BucketOwnerEnforced"))[0].startswith("put_object_acl: its")


def test_what_is_declared_is_an_operation_or_several() -> None:
    """One function says so for all who take ``operation=``."""
    assert declared([TAG]) is TAG
    assert isinstance(declared((TAG, DeleteObject())), InOrder)
    assert declaration_problems(5) == ["operation=5 is not an operation; pass e.g. PutObjectTagging({'k': 'v'})"]
    assert declaration_problems([TAG, 5]) == ["operation: InOrder: 5 is not an operation"]
    with pytest.raises(ArgumentError, match=r"done by AWS alone; use engine='managed'"):
        for_workers(ReplicateObject())


KNOWN = {
    "EVERY": {"name", "requests", "replay", "destroys", "runs_on_workers", "is_probed", "most_at_once"},
    "ITS OWN": {"problems", "has_templates", "render", "columns", "for_object", "for_probe", "to_json", "completed"},
    "FROM ALL STEPS": {
        "steps",
        "buckets",
        "bucket_problems",
        "object_problems",
        "denied_for",
        "machine_problems",
        "probe",
        "warnings",
        "verification_problems",
        "compared",
        "marks",
        "reads_messages",
    },
    "IAM": {"iam_actions", "managed_problems", "verification_iam_actions"},
    "AS THE BASE HAS IT": {"validate", "serialize", "check_machine", "managed_iam_actions", "iam_places"}
    | {"compares", "unverifiable", "skips_done"},
    "NOT FOR SEVERAL": {"batch_size", "batch_steps", "is_batchable", "invalid_code", "ends_sequence", "was_done"}
    | {"example", "is_for_users", "unbilled", "managed_most_objects"}
    | {"goes_with_object", "managed_name", "managed_form", "from_managed_form", "create_job_operation"},
}
"""What `InOrder` does about each thing that operations have."""


def test_whatever_operations_have_is_thought_of() -> None:
    """What is new in the base class joins one of the lists above, and `InOrder` if it has to."""
    public = {name for name in vars(Operation) if not name.startswith("_")} | {
        name for name in Operation.__annotations__ if not name.startswith("_")
    }
    assert public - set().union(*KNOWN.values()) == set()


def test_limits_and_machine_problems_are_those_of_the_steps() -> None:
    class Slow(PutObjectTagging):
        most_at_once = 4
        is_probed = False

        def machine_problems(self) -> list[str]:
            return ["no library"]

    operation = InOrder([TAG, Slow({"k": "v"})])
    assert (operation.most_at_once, operation.is_probed, operation.machine_problems()) == (4, True, ["no library"])


def test_reports_name_all_steps() -> None:
    """In the sentence that notifications carry."""
    from types import SimpleNamespace

    from airflow_s3batch.reports import JobSummary

    name = JobSummary.name.fget  # type: ignore[attr-defined]
    assert name(SimpleNamespace(operation=InOrder(ARCHIVE).to_json(), task_id="t")) == InOrder(ARCHIVE).name
    assert name(SimpleNamespace(operation=TAG.to_json(), task_id="t")) == "put_object_tagging"
    assert name(SimpleNamespace(operation={}, task_id="t")) == "t"


def store_after_a_crash(written: str) -> Any:
    """Return a store that has another object by now, which somebody has *written* since the earlier attempt."""

    def respond(request: Request) -> Response:
        if request.call.api == "HeadObject":
            return answer(etag=f'"{"9" * 32}"', content_length="3", date=format_datetime(NOW), last_modified=written)
        return answer(412, "PreconditionFailed") if request.call.api == "DeleteObject" else answer()

    return respond


@pytest.mark.parametrize("last", [DeleteObject(), MoveObject("elsewhere")])
@pytest.mark.parametrize("e_tag", [E_TAG, None])
def test_a_replay_does_not_copy_a_newer_object_over_the_copy_of_the_one_that_is_gone(
    last: Operation, e_tag: str | None
) -> None:
    """The earlier attempt may have copied and deleted it: its copy is all that is left of it."""
    obj, store = OBJ._replace(e_tag=e_tag), store_after_a_crash(format_datetime(NOW - timedelta(seconds=60)))
    outcome, requests = drive(InOrder([TAG, CopyObject("archive"), last]).steps(obj, REPLAY), store)
    assert (outcome.error_code, [request.call.api for request in requests]) == ("PreconditionFailed", ["HeadObject"])
    assert outcome.message.startswith("step 3 of 3")


def test_a_replay_goes_on_with_what_is_still_the_object() -> None:
    """Or was there before the job, if nobody knows its ETag; or if anything may be deleted, changed or not."""

    def first_apis(operation: Operation, obj: S3Object, store: Any) -> list[str]:
        return [request.call.api for request in drive(operation.steps(obj, REPLAY), store)[1]][:3]

    before = store_after_a_crash(format_datetime(NOW - timedelta(hours=2)))
    whole = ["HeadObject", "PutObjectTagging", "CopyObject"]
    assert first_apis(InOrder(ARCHIVE), OBJ._replace(e_tag=None), before) == whole
    assert first_apis(InOrder(ARCHIVE), OBJ, store_where(source=True, copied_s_ago=None)) == whole
    assert first_apis(InOrder([TAG, DeleteObject(allow_unconditional=True)]), OBJ, before)[0] == "PutObjectTagging"
    assert first_apis(InOrder([TAG, CopyObject("archive")]), OBJ, before) == ["PutObjectTagging", "CopyObject"]
