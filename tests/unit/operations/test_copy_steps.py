"""What copies ask of the store, and what they make of its answers."""

from __future__ import annotations

from typing import Any

import pytest
from scripted_store import answer, drive, headers_of

from airflow_s3batch.core.errors import ArgumentError, CapabilityError, ManifestError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import SUCCESS, Outcome
from airflow_s3batch.operations import Column, CopyObject, Request, Response, RunContext
from airflow_s3batch.operations.probing import SCRATCH_BODY
from airflow_s3batch.operations.requests import Capabilities

OBJ = S3Object("b", "k", e_tag="old", size=3)
SAMPLE = S3Object("b", "sample")
AWS = RunContext()
GONE = answer(404, "NoSuchKey")
CONFLICT = answer(412, "PreconditionFailed")


def store(**findings: str) -> RunContext:
    """Return what a preflight on a store that is not AWS has found."""
    return RunContext(Capabilities(False, findings))


def head(e_tag: str = "old", **headers: Any) -> Response:
    return answer(etag=f'"{e_tag}"', content_length="3", **headers)


class TestPlainCopies:
    """One request an object."""

    def test_all_objects_share_one_call(self) -> None:
        """The engine serializes it once."""
        operation = CopyObject("t", requester_pays=True, object_lock_legal_hold_status="ON")
        calls = {drive(operation.steps(OBJ._replace(key=key), AWS), [answer()])[1][0].call for key in ("a", "b", "c")}
        assert len(calls) == 1
        assert calls.pop().params == {"RequestPayer": "requester", "ObjectLockLegalHoldStatus": "ON"}

    def test_columns_that_differ_per_object_make_no_new_call(self) -> None:
        """Target key and ETag are in the request."""
        operation = CopyObject(
            "t", target_key=[Column("team"), "/", Column("key")], copy_source_if_match=Column("e_tag")
        )
        requests = []
        for number in range(3):
            obj = OBJ._replace(key=f"k{number}", e_tag=f"e{number}", columns={"team": f"t{number}"})
            requests += drive(operation.for_object(obj).steps(obj, AWS), [answer()])[1]
        assert len({request.call for request in requests}) == 1
        assert [request.key for request in requests] == ["t0/k0", "t1/k1", "t2/k2"]
        assert [headers_of(request)["x-amz-copy-source-if-match"] for request in requests] == ['"e0"', '"e1"', '"e2"']
        assert operation.columns() == {"team", "key", "e_tag"}

    def test_columns_of_both_kinds_go_together(self) -> None:
        """Few storage classes, many keys: a call for each class."""
        operation = CopyObject("t", target_key=Column("to"), storage_class=Column("class"))
        rows = [OBJ._replace(columns={"to": f"k{n}", "class": ("GLACIER", "STANDARD_IA")[n % 2]}) for n in range(6)]
        requests = [drive(operation.for_object(row).steps(row, AWS), [answer()])[1][0] for row in rows]
        assert [request.key for request in requests] == [f"k{n}" for n in range(6)]
        assert len({request.call for request in requests}) == 2

    def test_headers_that_botocore_may_not_know_are_sent_by_name(self) -> None:
        operation = CopyObject(
            "t", annotation_directive="EXCLUDE", object_lock_event_hold="ON", object_lock_event_hold_days=30
        )
        sent = headers_of(drive(operation.steps(OBJ, AWS), [answer()])[1][0])
        assert sent == {
            "x-amz-copy-source": "b/k",
            "x-amz-object-annotation-directive": "EXCLUDE",
            "x-amz-object-lock-event-hold": "ON",
            "x-amz-object-lock-event-hold-duration-days": "30",
        }

    def test_conditions_on_the_source_are_sent_as_http_has_them(self) -> None:
        operation = CopyObject(
            "t",
            copy_source_if_none_match='"x"',
            copy_source_if_modified_since="2026-01-02T03:04:05+01:00",
            copy_source_if_unmodified_since=Column("until"),
        )
        obj = OBJ._replace(columns={"until": "2026-01-03"})
        sent = headers_of(drive(operation.for_object(obj).steps(obj, AWS), [answer()])[1][0])
        assert sent["x-amz-copy-source-if-none-match"] == '"x"'
        assert sent["x-amz-copy-source-if-modified-since"] == "Fri, 02 Jan 2026 02:04:05 GMT"
        assert sent["x-amz-copy-source-if-unmodified-since"] == "Sat, 03 Jan 2026 00:00:00 GMT"

    @pytest.mark.parametrize(
        "arguments",
        [
            {"target_key": Column("to")},
            {"target_key": ["x/", Column("to")]},
            {"copy_source_if_match": Column("to")},
            {"copy_source_if_unmodified_since": Column("bad")},
        ],
    )
    def test_a_null_or_a_value_that_makes_no_sense_fails_its_object_alone(self, arguments: dict[str, Any]) -> None:
        """A condition is never left out in silence."""
        obj = OBJ._replace(columns={"to": None, "bad": "yesterday"})
        operation = CopyObject("t", **arguments).for_object(obj)
        outcome, requests = drive(operation.steps(obj, AWS), [])
        assert (outcome.error_code, requests) == ("InvalidArgument", [])

    def test_a_missing_column_is_the_manifests_fault(self) -> None:
        with pytest.raises(ManifestError, match="'to'"):
            drive(CopyObject("t", target_key=Column("to")).steps(OBJ, AWS), [])

    def test_a_key_from_columns_may_be_the_object_itself(self) -> None:
        outcome, _ = drive(CopyObject("b", target_key=Column("key")).steps(OBJ, AWS), [])
        assert outcome.error_code == "InvalidRequest"

    @pytest.mark.parametrize(
        ("arguments", "part"),
        [
            ({"target_key": "one"}, "expected a Column, or a list"),
            ({"target_key": ["one", "/two"]}, "copied to one key"),
            ({"target_key": [1, Column("key")]}, "expected a Column, or a list"),
            ({"target_key": Column("key"), "target_key_prefix": "p"}, "not both"),
            ({"content_type": "text/x"}, "give metadata= too"),
            ({"metadata": {"k": "v" * 2100}}, "2048 bytes"),
            ({"expires": "soon", "metadata": {}}, "datetime"),
            ({"canned_acl": "private", "grants": {"READ": ['id="x"']}}, "not both"),
            ({"grants": {"READ": ["me@example.com"]}}, "me@example.com"),
            ({"object_lock_mode": "GOVERNANCE"}, "go together"),
            ({"object_lock_mode": "STRICT"}, "COMPLIANCE"),
            ({"object_lock_event_hold_days": 3}, "go with object_lock_event_hold"),
            ({"object_lock_event_hold": "ON", "object_lock_event_hold_days": 36_501}, "1 to 36,500"),
            ({"object_lock_event_hold": "ON", "object_lock_event_hold_years": 0}, "1 to 100"),
            ({"skip_existing": True}, "same-etag"),
            ({"annotation_directive": "REPLACE"}, "EXCLUDE"),
            ({"checksum_algorithm": "CRC16"}, "CRC64NVME"),
            ({"encryption": "DSSE-KMS", "bucket_key_enabled": True}, "SSE-KMS"),
            ({"requester_pays": "yes"}, "True or False"),
            ({"multipart_threshold_bytes": 1024}, "5,242,880 to 5,368,709,120"),
            ({"multipart_threshold_bytes": 5 * 1024**3 + 1}, "5,242,880 to 5,368,709,120"),
        ],
    )
    def test_wrong_literals_fail_where_they_are_written(self, arguments: dict[str, Any], part: str) -> None:
        with pytest.raises(ArgumentError, match=part):
            CopyObject("t", **arguments)


class TestSkipping:
    """Targets that will do are left alone."""

    def test_on_aws_one_request_does_for_what_is_not_there(self) -> None:
        operation = CopyObject("t", skip_existing="any")
        outcome, requests = drive(operation.steps(OBJ, AWS), [answer()])
        assert outcome == SUCCESS
        assert headers_of(requests[0])["if-none-match"] == "*"

    def test_what_is_there_is_a_success_that_says_so(self) -> None:
        outcome, requests = drive(CopyObject("t", skip_existing="any").steps(OBJ, AWS), [CONFLICT])
        assert (outcome.is_success, outcome.message) == (True, "Successful: skipped, the target is there already")
        assert len(requests) == 1

    def test_with_a_condition_on_the_source_a_412_is_looked_into(self) -> None:
        """It may be the source's."""
        operation = CopyObject("t", skip_existing="any", copy_source_if_match="e")
        outcome, requests = drive(operation.steps(OBJ, AWS), [GONE, CONFLICT, GONE])
        assert outcome.error_code == "PreconditionFailed"
        assert [request.call.api for request in requests] == ["HeadObject", "CopyObject", "HeadObject"]

    @pytest.mark.parametrize(("absence", "sent"), [("honoured", "*"), ("ignored", "*"), ("refused", None)])
    def test_other_stores_are_looked_at_first_unless_they_honour_the_condition(
        self, absence: str, sent: str | None
    ) -> None:
        answers = [answer()] if absence == "honoured" else [GONE, answer()]
        operation = CopyObject("t", skip_existing="any")
        _, requests = drive(operation.steps(OBJ, store(target_absence=absence)), answers)
        assert headers_of(requests[-1]).get("if-none-match") == sent

    def test_what_differs_is_replaced_under_its_etag(self) -> None:
        operation = CopyObject("t", skip_existing="same-etag")
        outcome, requests = drive(operation.steps(OBJ, AWS), [head("other"), head("new"), answer()])
        assert outcome == SUCCESS
        assert headers_of(requests[2])["if-match"] == '"other"'
        assert requests[1].call.from_source

    def test_the_source_as_it_is_decides_and_not_the_manifest(self) -> None:
        """The target equals what the manifest saw; the source was written since."""
        operation = CopyObject("t", skip_existing="same-etag")
        outcome, requests = drive(operation.steps(OBJ, AWS), [head("old"), head("new"), answer()])
        assert (outcome, len(requests)) == (SUCCESS, 3)

    def test_a_named_version_needs_no_look_at_the_source(self) -> None:
        obj = OBJ._replace(version_id="v1")
        operation = CopyObject("t", skip_existing="same-etag")
        outcome, requests = drive(operation.steps(obj, AWS), [head("old")])
        assert ("skipped" in outcome.message, len(requests)) == (True, 1)

    @pytest.mark.parametrize(
        ("source", "target", "skips"),
        [
            ("Sun, 22 Nov 2026 10:00:00 GMT", "Sun, 22 Nov 2026 10:00:00 GMT", True),
            ("Sun, 22 Nov 2026 10:00:01 GMT", "Sun, 22 Nov 2026 10:00:00 GMT", False),
            ("Sun, 22 Nov 2026 10:00:00 GMT", "", False),
        ],
    )
    def test_times_are_compared(self, source: str, target: str, *, skips: bool) -> None:
        answers = [head("x", last_modified=target), head("y", last_modified=source), *([] if skips else [answer()])]
        outcome, _ = drive(CopyObject("t", skip_existing="newer").steps(OBJ, AWS), answers)
        assert ("skipped" in outcome.message) == skips

    def test_a_writer_in_between_wins(self) -> None:
        answers = [head("other"), head("new"), CONFLICT, head("theirs"), head("new")]
        outcome, _ = drive(CopyObject("t", skip_existing="same-etag").steps(OBJ, AWS), answers)
        assert outcome.error_code == "PreconditionFailed"
        assert "the target was written meanwhile, and is kept" in outcome.message

    def test_a_condition_on_the_source_that_fails_is_not_the_targets(self) -> None:
        """Both are answered by 412; the target is as it was."""
        operation = CopyObject("t", skip_existing="same-etag", copy_source_if_match="old")
        answers = [head("other"), head("new"), CONFLICT, head("other")]
        outcome, _ = drive(operation.steps(OBJ, AWS), answers)
        assert (outcome.error_code, outcome.message) == ("PreconditionFailed", CONFLICT.message)

    def test_our_own_copy_whose_answer_was_lost_is_a_success(self) -> None:
        """Under KMS it has another ETag than the source."""
        kms = {"x_amz_server_side_encryption": "aws:kms"}
        lost = CONFLICT._replace(is_retried=True)
        answers = [head("other"), head("new"), lost, head("made", **kms), head("new"), head("new")]
        outcome, _ = drive(CopyObject("t", skip_existing="same-etag").steps(OBJ, AWS), answers)
        assert outcome == SUCCESS

    @pytest.mark.parametrize("code", ["AccessDenied", "NoSuchBucket"])
    def test_a_target_that_can_not_be_looked_at_is_not_overwritten(self, code: str) -> None:
        status = 403 if code == "AccessDenied" else 404
        operation = CopyObject("t", skip_existing="newer")
        answers = [answer(status, code)] if status == 403 else [answer(status, code), answer(status, code)]
        outcome, _ = drive(operation.steps(OBJ, AWS), answers)
        assert outcome.error_code == code


class TestLocks:
    """On stores that are not AWS each copy is looked at."""

    @pytest.mark.parametrize(("shown", "code"), [("GOVERNANCE", ""), ("", "InvalidRequest")])
    def test_a_lock_that_is_not_shown_is_no_success(self, shown: str, code: str) -> None:
        answers = [answer(), head(x_amz_object_lock_mode=shown)]
        outcome, _ = drive(
            CopyObject("t", object_lock_mode="GOVERNANCE", object_lock_retain_until_date="2031-01-01").steps(
                OBJ, store(locks="unproven")
            ),
            answers,
        )
        assert outcome.error_code == code


class Scratch:
    """A store for probes, which keeps one copy and ignores what it is told to."""

    def __init__(self, **ignores: bool | str) -> None:
        self.ignores = ignores
        self.is_there = False
        self.calls: list[str] = []

    def __call__(self, request: Request) -> Response:
        api = request.call.api
        self.calls.append(api)
        sent = headers_of(request)
        if api == "CopyObject":
            if self.is_there and sent.get("if-none-match") == "*" and not self.ignores.get("absence"):
                return CONFLICT
            has_condition = any(name.startswith("x-amz-copy-source-if") for name in sent)
            if "0000" in sent.get("if-match", "") or (has_condition and self.ignores.get("keeps") == "conditions"):
                return CONFLICT
            self.is_there = True
        if api == "DeleteObject":
            self.is_there = False
        if api == "CreateMultipartUpload":
            return (
                answer(body=b"<UploadId>u</UploadId>")
                if not self.ignores.get("parts")
                else answer(501, "NotImplemented")
            )
        if api in ("GetObject", "HeadObject"):
            body = b"" if self.ignores.get("body") and request.key.endswith("-copy") else SCRATCH_BODY
            length = str(len(SCRATCH_BODY))
            return answer(body=body, etag='"e"', content_length=length, x_amz_meta_s3batch="parts")
        return answer(body=b"<ETag>e</ETag>")


def probed(operation: CopyObject, **ignores: bool | str) -> dict[str, str]:
    found, _ = drive(operation.probe(S3Object("ops", "scratch"), SAMPLE), Scratch(**ignores))
    return dict(found)


class TestProbe:
    """What is found out on a scratch object."""

    def test_what_a_store_makes_of_conditions_is_found(self) -> None:
        operation = CopyObject("t", skip_existing="any")
        assert probed(operation)["target_absence"] == "honoured"
        assert probed(operation, absence=True)["target_absence"] == "ignored"

    def test_a_store_without_copies_in_parts_still_copies_the_rest(self) -> None:
        findings = probed(CopyObject("t"), parts=True)
        assert findings["parts"] == "refused"
        large = OBJ._replace(size=6 * 1024**2)
        operation = CopyObject("t", multipart_threshold_bytes=5 * 1024**2)
        outcome, requests = drive(
            operation.steps(large, store(**findings)), [answer(etag='"e"', content_length=str(6 * 1024**2))]
        )
        assert (outcome.error_code, len(requests)) == ("EntityTooLarge", 1)

    @pytest.mark.parametrize(
        ("arguments", "part"),
        [
            ({"encryption": "SSE-S3"}, "ignores it"),
            ({"storage_class": "STANDARD_IA"}, "STANDARD_IA"),
            ({"checksum_algorithm": "SHA256"}, "SHA256"),
            ({"website_redirect_location": "/x"}, "redirect"),
            ({"canned_acl": "public-read"}, "ACL"),
            ({"grants": {"READ": ['id="x"']}}, "ACL"),
        ],
    )
    def test_a_store_that_ignores_a_field_is_refused(self, arguments: dict[str, Any], part: str) -> None:
        with pytest.raises(CapabilityError, match=part):
            probed(CopyObject("t", **arguments))

    @pytest.mark.parametrize("name", ["match", "none_match", "modified_since", "unmodified_since"])
    def test_a_store_that_ignores_conditions_on_the_source_is_refused(self, name: str) -> None:
        """Else what does not fulfil them would be copied."""
        operation = CopyObject("t", **{f"copy_source_if_{name}": "2026-01-01"})  # type: ignore[arg-type]
        with pytest.raises(CapabilityError, match=f"ignores copy_source_if_{name}"):
            probed(operation)
        assert probed(operation, keeps="conditions")["parts"] == "honoured"

    def test_a_store_that_copies_nothing_is_refused(self) -> None:
        with pytest.raises(CapabilityError, match="overwrites"):
            probed(CopyObject("t"), body=True)

    def test_locks_are_not_tried_on_a_scratch_object(self) -> None:
        scratch = Scratch()
        operation = CopyObject("t", object_lock_mode="COMPLIANCE", object_lock_retain_until_date="2099-01-01")
        found, requests = drive(operation.probe(S3Object("ops", "scratch"), SAMPLE), scratch)
        assert found["locks"] == "unproven"
        assert not [request for request in requests if "ObjectLockMode" in request.call.params]


def test_an_outcome_is_never_invented() -> None:
    """A refused copy is the store's word."""
    outcome, _ = drive(CopyObject("t").steps(OBJ, AWS), [answer(403, "AccessDenied")])
    assert outcome == Outcome(403, "AccessDenied", "the store says AccessDenied")


def test_a_copy_from_an_access_point_names_it_as_s3_does() -> None:
    point = "arn:aws:s3:eu-west-1:123456789012:accesspoint/point"
    _, requests = drive(CopyObject("t", "p").steps(OBJ._replace(bucket=point), AWS), [answer()])
    assert headers_of(requests[0])["x-amz-copy-source"] == f"{point}/object/k"


def test_copies_onto_themselves_are_told_before_the_first() -> None:
    with pytest.raises(CapabilityError, match="copied onto themselves"):
        drive(CopyObject("b").probe(S3Object("b", "scratch"), SAMPLE), [])


@pytest.mark.parametrize(
    ("key", "target", "etag", "is_refused"),
    [("a//b", "a/b", "e", True), ("/a/b", "a/b", "e", True), ("a//b", "a/b", "f", False), ("a//b", "a/c", "e", False)],
)
def test_a_target_that_is_another_spelling_of_the_key_is_told(
    key: str, target: str, etag: str, *, is_refused: bool
) -> None:
    """Where a store shows one object under both; on AWS they are two, and none is looked at."""
    obj = S3Object("b", key, size=3, columns={"to": target})
    copy = CopyObject("b", target_key=Column("to"), storage_class="STANDARD_IA")

    def store(request: Request) -> Response:
        return answer(etag="e" if request.key == key else etag)

    outcome, requests = drive(copy.steps(obj, RunContext(Capabilities(is_aws=False))), store)
    assert (outcome.error_code == "InvalidRequest", "CopyObject" in {r.call.api for r in requests}) == (
        is_refused,
        not is_refused,
    )
    assert [request.call.api for request in drive(copy.steps(obj, RunContext()), store)[1]] == ["CopyObject"]
