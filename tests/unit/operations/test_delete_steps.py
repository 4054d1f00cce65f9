"""What deletes ask of a store, and what they make of its answers."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_store import answer, drive, headers_of

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.operations import Column, DeleteObject, RunContext
from airflow_s3batch.operations.deletes.delete_xml import delete_results, delete_xml, fits_xml
from airflow_s3batch.operations.requests import BucketFacts, Capabilities, Request, Response

OBJ = S3Object("b", "k", e_tag="old", size=3)
NO_ACLS = RunContext(Capabilities(buckets={"b": BucketFacts(ownership="BucketOwnerEnforced")}))
REPLAY = RunContext(NO_ACLS.capabilities, is_replay=True)
GONE = answer(404, "NoSuchKey")


class TestDelete:
    """Deleting."""

    def test_the_manifests_etag_guards_the_current_object(self) -> None:
        """An object that changed stays, and is reported."""
        outcome, requests = drive(
            DeleteObject().steps(OBJ, NO_ACLS), [answer(412, "PreconditionFailed"), answer(etag='"new"')]
        )
        assert headers_of(requests[0]) == {"if-match": '"old"'}
        assert (outcome.error_code, "new" in outcome.message) == ("PreconditionFailed", True)

    def test_without_an_etag_a_head_supplies_one(self) -> None:
        """Right before the delete."""
        obj = OBJ._replace(e_tag=None)
        outcome, requests = drive(DeleteObject().steps(obj, NO_ACLS), [answer(etag='"now"'), answer(204)])
        assert headers_of(requests[1]) == {"if-match": '"now"'}
        assert outcome.is_success

    def test_a_version_needs_no_condition(self) -> None:
        """Versions can't be overwritten."""
        _, requests = drive(DeleteObject().steps(OBJ._replace(version_id="v1"), NO_ACLS), [answer(204)])
        assert (requests[0].version_id, requests[0].headers) == ("v1", ())

    def test_a_null_version_is_compared_first(self) -> None:
        """It can be overwritten; where it is current, S3 also checks a condition."""
        obj = OBJ._replace(version_id="null")
        outcome, requests = drive(DeleteObject().steps(obj, NO_ACLS), [answer(etag='"new"')])
        assert (outcome.error_code, len(requests)) == ("PreconditionFailed", 1)
        outcome, requests = drive(DeleteObject().steps(obj, NO_ACLS), [answer(etag='"old"'), answer(204)])
        assert outcome.is_success
        assert (requests[1].version_id, headers_of(requests[1])) == ("null", {"if-match": '"old"'})

    @pytest.mark.parametrize("refusal", [answer(501, "NotImplemented"), answer(400, "InvalidArgument")])
    def test_a_store_that_takes_no_condition_with_a_version_gets_none(self, refusal: Response) -> None:
        """The null version is compared once more, right before."""
        script = [answer(etag='"old"'), refusal, answer(etag='"old"'), answer(204)]
        outcome, requests = drive(DeleteObject().steps(OBJ._replace(version_id="null"), NO_ACLS), script)
        assert outcome.is_success
        assert [request.version_id for request in requests] == [None, "null", "null", "null"]
        assert headers_of(requests[3]) == {}

    def test_a_null_version_that_is_not_current_needs_no_condition(self) -> None:
        """S3 would compare the current one with it. Where versioning is enabled nobody can overwrite it either."""
        obj = OBJ._replace(version_id="null")
        script = [answer(etag='"newer"', x_amz_version_id="v2"), answer(etag='"old"'), answer(204)]
        outcome, requests = drive(DeleteObject().steps(obj, NO_ACLS), script)
        assert (outcome.is_success, headers_of(requests[2])) == (True, {})
        enabled = RunContext(Capabilities(buckets={"b": BucketFacts(versioning="Enabled")}))
        outcome, requests = drive(DeleteObject().steps(obj, enabled), [answer(etag='"old"'), answer(204)])
        assert [request.version_id for request in requests] == ["null", "null"]

    def test_without_an_etag_a_replay_spares_what_was_written_since_the_job_began(self) -> None:
        """The earlier attempt may have deleted the object that was meant; this one is another."""
        obj = OBJ._replace(e_tag=None)
        replay = replace(REPLAY, elapsed_s=lambda: 3600)
        now = "Sun, 22 Nov 2026 12:00:00 GMT"
        for written, is_deleted in (("Sun, 22 Nov 2026 11:30:00 GMT", False), ("Sun, 22 Nov 2026 10:00:00 GMT", True)):
            seen = answer(etag='"now"', last_modified=written, date=now)
            script = [seen, answer(204)] if is_deleted else [seen]
            outcome, _ = drive(DeleteObject().steps(obj, replay), script)
            assert outcome.error_code == ("" if is_deleted else "PreconditionFailed")
        outcome, _ = drive(DeleteObject().steps(obj, replay), [answer(etag='"now"')])
        assert outcome.error_code == "PreconditionFailed", "the store does not tell when it was written"

    def test_without_an_etag_the_size_has_to_be_the_manifests(self) -> None:
        """It is all that the manifest knows about the body."""
        outcome, requests = drive(
            DeleteObject().steps(OBJ._replace(e_tag=None), NO_ACLS), [answer(etag='"now"', content_length="4")]
        )
        assert (outcome.error_code, len(requests)) == ("PreconditionFailed", 1)

    def test_a_failed_condition_is_told_where_the_object_may_not_be_looked_at(self) -> None:
        """The refused HEAD is not the news."""
        script = [answer(412, "PreconditionFailed"), answer(403, "AccessDenied")]
        outcome, _ = drive(DeleteObject().steps(OBJ, NO_ACLS), script)
        assert outcome.error_code == "PreconditionFailed"

    @pytest.mark.parametrize("context", [NO_ACLS, REPLAY])
    def test_gone_is_success_only_where_we_may_have_done_it(self, context: RunContext) -> None:
        """On a replay, "already so" is a success; else the object vanished by somebody else's hand."""
        outcome, _ = drive(DeleteObject().steps(OBJ, context), [answer(412, "PreconditionFailed"), GONE])
        assert outcome.is_success is context.is_replay
        assert outcome.error_code in ("", "NoSuchKey")

    def test_a_null_delete_marker_is_deleted(self) -> None:
        """A HEAD of the version answers 405 for it, one of the object 404."""
        marker = answer(405, "MethodNotAllowed", x_amz_delete_marker="true")
        script = [answer(404, "NoSuchKey", x_amz_delete_marker="true"), marker, answer(204)]
        outcome, requests = drive(DeleteObject().steps(OBJ._replace(version_id="null"), NO_ACLS), script)
        assert outcome.is_success
        assert [(request.version_id, request.headers) for request in requests[1:]] == [("null", ()), ("null", ())]

    def test_an_object_without_an_etag_is_not_deleted(self) -> None:
        """An empty condition may be taken for none."""
        outcome, requests = drive(DeleteObject().steps(OBJ._replace(e_tag=None), NO_ACLS), [answer()])
        assert (outcome.error_code, len(requests)) == ("InvalidRequest", 1)

    def test_a_conflict_with_the_same_etag_is_not_told_as_a_change(self) -> None:
        """409: somebody wrote at the same moment and it came to nothing."""
        outcome, _ = drive(
            DeleteObject().steps(OBJ, NO_ACLS), [answer(412, "PreconditionFailed"), answer(etag='"old"')]
        )
        assert "changed" not in outcome.message

    def test_a_repeated_batch_counts_what_its_first_try_deleted(self) -> None:
        """The answer to the first try was lost."""

        def store(request: Request) -> Response:
            if request.call.api == "DeleteObjects":
                body = b"<DeleteResult><Error><Key>k</Key><Code>NoSuchKey</Code></Error></DeleteResult>"
                return answer(body=body)._replace(is_retried=True)
            return GONE if request.call.api == "HeadObject" else answer(412, "PreconditionFailed")

        outcomes, _ = drive(DeleteObject().batch_steps([OBJ], NO_ACLS), store)
        assert outcomes[0].is_success

    def test_gone_after_an_ambiguous_try_is_success(self) -> None:
        """The first try got no answer but was executed."""
        first = answer(404, "NoSuchKey")._replace(is_retried=True)
        outcome, _ = drive(DeleteObject().steps(OBJ, NO_ACLS), [first, GONE])
        assert outcome.is_success

    def test_what_may_share_a_request(self) -> None:
        """Immutable versions, and current objects under a condition that the store honours in bulk."""
        delete, ignoring = DeleteObject(), RunContext(Capabilities(findings={"bulk_conditions": "ignored"}))
        assert delete.is_batchable(OBJ, NO_ACLS)
        assert not delete.is_batchable(OBJ, ignoring)
        assert delete.is_batchable(OBJ._replace(version_id="v"), ignoring)
        assert not delete.is_batchable(OBJ._replace(version_id="null"), NO_ACLS)
        assert not delete.is_batchable(OBJ._replace(e_tag=None), NO_ACLS)
        assert DeleteObject(allow_unconditional=True).is_batchable(OBJ._replace(e_tag=None), ignoring)
        assert not delete.is_batchable(OBJ._replace(key="a\x01"), NO_ACLS)

    def test_every_object_of_a_batch_gets_its_outcome(self) -> None:
        """Refused, throttled and then done, unanswered: each is followed up on its own."""
        objects = [OBJ._replace(key=key) for key in ("good", "denied", "slow", "unheard")]

        def store(request: Request) -> Response:
            if request.call.api == "DeleteObject":
                return answer(204)
            keys = re.findall(rb"<Key>(.*?)</Key>", request.body or b"")
            if keys == [b"slow"]:
                return answer(body=b"<DeleteResult><Deleted><Key>slow</Key></Deleted></DeleteResult>")
            return answer(
                body=b"<DeleteResult><Deleted><Key>good</Key></Deleted>"
                b"<Error><Key>denied</Key><Code>AccessDenied</Code><Message>no</Message></Error>"
                b"<Error><Key>slow</Key><Code>SlowDown</Code><Message>wait</Message></Error></DeleteResult>"
            )

        outcomes, requests = drive(DeleteObject().batch_steps(objects, NO_ACLS), store)
        assert [outcome.error_code for outcome in outcomes] == ["", "AccessDenied", "", ""]
        assert [(r.call.api, r.key) for r in requests] == [
            ("DeleteObjects", ""),
            ("DeleteObject", "unheard"),
            ("DeleteObjects", ""),
        ]
        assert requests[2].delay_s > 0

    def test_a_batch_that_is_never_answered_sensibly_fails_object_by_object(self) -> None:
        """HTML, nothing, or another XML: nobody is counted as deleted."""

        def store(request: Request) -> Response:
            return answer(body=b"<html>") if request.call.api == "DeleteObjects" else answer(403, "AccessDenied")

        outcomes, _ = drive(DeleteObject().batch_steps([OBJ, OBJ._replace(key="l")], NO_ACLS), store)
        assert [outcome.error_code for outcome in outcomes] == ["AccessDenied"] * 2

    def test_an_answer_that_names_no_version_is_no_answer_for_one_of_several(self) -> None:
        """Else the refusal of one would be told of all, or its success."""
        versions = [OBJ._replace(version_id=version) for version in ("v1", "v2")]
        alone = OBJ._replace(key="alone", version_id="v3")

        def store(request: Request) -> Response:
            if request.call.api == "DeleteObject":
                return answer(204) if request.version_id == "v2" else answer(403, "AccessDenied")
            error = b"<Error><Key>k</Key><Code>AccessDenied</Code></Error>"
            deleted = b"<Deleted><Key>k</Key></Deleted><Deleted><Key>alone</Key></Deleted>"
            return answer(body=b"<DeleteResult>" + error + deleted + b"</DeleteResult>")

        outcomes, requests = drive(DeleteObject().batch_steps([*versions, alone], NO_ACLS), store)
        assert [outcome.error_code for outcome in outcomes] == ["AccessDenied", "", ""]
        assert [request.version_id for request in requests[1:]] == ["v1", "v2"]

    @given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(fits_xml))
    def test_keys_survive_the_xml(self, key: str) -> None:
        """What is asked for is what an XML parser reads, and the answer is found again."""
        body = delete_xml([S3Object("b", key, "v", e_tag="e")], is_conditional=True)
        answered = body.replace(b"<Delete ", b"<DeleteResult ").replace(b"</Delete>", b"</DeleteResult>")
        answered = answered.replace(b"Object>", b"Deleted>")
        assert list(delete_results(answered)) == [(key, "v")]


MFA = RunContext(Capabilities(buckets={"b": BucketFacts(versioning="Enabled", mfa_delete="Enabled")}))


def test_versions_under_mfa_delete_are_refused_with_the_way_out() -> None:
    """Before the job's first request where the first row is one; never by way of a batch; markers may be added."""
    operation = DeleteObject()
    version = S3Object("b", "k", "v1", e_tag="e")
    outcome, requests = drive(operation.steps(version, MFA), [])
    assert (outcome.error_code, requests) == ("MfaRequired", [])
    assert "suspend MFA Delete" in outcome.message
    assert not operation.is_batchable(version, MFA)
    assert operation.object_problems(version, MFA.capabilities.bucket("b")) == [outcome.message]
    current = version._replace(version_id=None)
    assert operation.object_problems(current, MFA.capabilities.bucket("b")) == []
    assert drive(operation.steps(current, MFA), [answer(204)])[0].is_success


def test_the_bypass_of_governance_can_differ_per_object() -> None:
    """Such objects are deleted one by one."""
    operation = DeleteObject(bypass_governance_retention=Column("may"))
    row = S3Object("b", "k", "v1", columns={"may": True})
    assert not operation.is_batchable(row, RunContext())
    for may, params in ((True, {"BypassGovernanceRetention": True}), (False, {}), (None, {})):
        variant = operation.for_object(row._replace(columns={"may": may}))
        _, (request,) = drive(variant.steps(row, RunContext()), [answer(204)])
        assert request.call.params == params


SUSPENDED = RunContext(Capabilities(buckets={"b": BucketFacts(versioning="Suspended")}))
FIFTH = answer(etag='"old"', x_amz_version_id="v5")


@pytest.mark.parametrize("operation", [DeleteObject(), DeleteObject(allow_unconditional=True)])
@pytest.mark.parametrize("current", [FIFTH, answer(404, "NoSuchKey", x_amz_delete_marker="true")])
def test_a_delete_does_not_cost_the_null_version_below(operation: DeleteObject, current: Response) -> None:
    """Where versioning is suspended, S3 puts the delete marker in its place, and its body is lost."""
    outcome, requests = drive(operation.steps(OBJ, SUSPENDED), [current, answer(etag='"older"')])
    assert (outcome.error_code, "null version" in outcome.message) == ("InvalidRequest", True)
    assert [(request.call.api, request.version_id) for request in requests] == [
        ("HeadObject", None),
        ("HeadObject", "null"),
    ]
    assert not operation.is_batchable(OBJ, SUSPENDED)
    assert operation.is_batchable(OBJ._replace(version_id="v5"), SUSPENDED)


@pytest.mark.parametrize("below", [GONE, answer(405, "MethodNotAllowed"), None])
def test_without_one_below_a_delete_in_a_suspended_bucket_goes_on(below: Response | None) -> None:
    """None is there, or a delete marker, or it is itself what is current: then it is what is to be deleted."""
    script = [FIFTH, below] if below else [answer(etag='"old"')]
    outcome, requests = drive(DeleteObject().steps(OBJ, SUSPENDED), [*script, answer(204)])
    assert outcome.is_success
    assert headers_of(requests[-1]) == {"if-match": '"old"'}


def test_a_null_version_that_may_not_be_looked_at_keeps_the_object() -> None:
    outcome, _ = drive(DeleteObject().steps(OBJ, SUSPENDED), [FIFTH, answer(403, "AccessDenied")])
    assert outcome.error_code == "AccessDenied"


def test_an_empty_etag_is_no_condition() -> None:
    """As of a manifest whose SQL gives an empty text: the object is looked at, as without one."""
    obj = OBJ._replace(e_tag="")
    assert not DeleteObject().is_batchable(obj, NO_ACLS)
    outcome, requests = drive(DeleteObject().steps(obj, NO_ACLS), lambda request: answer(etag='"now"'))
    assert (outcome.error_code, [request.call.api for request in requests]) == ("PreconditionFailed", ["HeadObject"])
