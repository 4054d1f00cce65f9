"""Moves: nothing is deleted that was not copied."""

from __future__ import annotations

from typing import Any

import pytest
from scripted_store import answer, drive, headers_of

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.operations import MoveObject, Request, Response, RunContext
from airflow_s3batch.operations.requests import BucketFacts, Capabilities

A, B = ("a" * 32, "b" * 32)
OBJ = S3Object("b", "k", e_tag=A, size=3)
AWS = RunContext()
REPLAY = RunContext(is_replay=True, elapsed_s=lambda: 60.0)
MOVE = MoveObject("t")
GONE = answer(404, "NoSuchKey")
NOW = "Sun, 22 Nov 2026 10:00:00 GMT"


def head(e_tag: str = A, length: str = "3", **headers: Any) -> Response:
    return answer(etag=f'"{e_tag}"', content_length=length, date=NOW, **headers)


def copied(e_tag: str = A) -> Response:
    return answer(body=f"<CopyObjectResult><ETag>&quot;{e_tag}&quot;</ETag></CopyObjectResult>".encode())


def apis(requests: list[Request]) -> list[str]:
    return [request.call.api for request in requests]


def test_an_object_is_copied_looked_at_and_deleted_under_its_etag() -> None:
    outcome, requests = drive(MOVE.steps(OBJ, AWS), [head(), copied(), head(), answer(204)])
    assert outcome.is_success
    assert apis(requests) == ["HeadObject", "CopyObject", "HeadObject", "DeleteObject"]
    assert headers_of(requests[1])["x-amz-copy-source-if-match"] == f'"{A}"'
    assert headers_of(requests[3]) == {"if-match": f'"{A}"'}
    assert [request.bucket for request in requests] == ["b", "t", "t", "b"]
    assert [request.call.from_source for request in requests] == [True, False, False, True]


def test_conditions_on_the_source_are_judged_by_the_head() -> None:
    """The copy is pinned by the ETag, which in S3 lifts a condition by time."""
    seen = head(last_modified=NOW)
    late = MoveObject("t", copy_source_if_unmodified_since="2020-01-01")
    outcome, requests = drive(late.steps(OBJ, AWS), [seen])
    assert (outcome.error_code, len(requests)) == ("PreconditionFailed", 1)
    early = MoveObject("t", copy_source_if_modified_since="2020-01-01")
    assert drive(early.steps(OBJ, AWS), [seen, copied(), head(), answer(204)])[0].is_success


def test_a_named_version_is_deleted_by_its_id() -> None:
    _, requests = drive(MOVE.steps(OBJ._replace(version_id="v1"), AWS), [head(), copied(), head(), answer(204)])
    assert headers_of(requests[1])["x-amz-copy-source"] == "b/k?versionId=v1"
    assert (requests[3].version_id, requests[3].headers) == ("v1", ())


def test_calls_are_shared_and_the_payer_is_named_on_the_source() -> None:
    """The engine prepares a call once."""
    operation = MoveObject("t", requester_pays=True)
    script = [head(), copied(), head(), answer(204)]
    runs = [drive(operation.steps(OBJ._replace(key=key), AWS), script)[1] for key in "ab"]
    assert [request.call for request in runs[0]] == [request.call for request in runs[1]]
    assert headers_of(runs[0][0])["x-amz-request-payer"] == "requester"
    assert headers_of(runs[0][3])["x-amz-request-payer"] == "requester"


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ([head(B)], "PreconditionFailed"),  # changed since the manifest
        ([answer(content_length="3")], "InvalidRequest"),  # no ETag
        ([GONE], "NoSuchKey"),
        ([head(), answer(403, "AccessDenied")], "AccessDenied"),
        ([head(), answer(412, "PreconditionFailed"), GONE], "PreconditionFailed"),  # the source changed
        ([head(), answer(412, "PreconditionFailed"), head(B)], "TargetExists"),  # the target is there
        ([head(), answer(412, "PreconditionFailed"), head()], "TargetExists"),  # with the same body, but not ours
        ([head(), copied(), GONE], "PreconditionFailed"),  # the copy is gone again
        ([head(), copied(), head(B)], "PreconditionFailed"),  # somebody wrote to the target
        ([head(), copied(B), head(B)], "PreconditionFailed"),  # the copy is not the object's body
        ([head(), copied(), head(length="2")], "PreconditionFailed"),
        ([head(), answer(), head()], "PreconditionFailed"),  # the store does not say what it made
    ],
)
def test_the_original_stays_unless_its_copy_was_seen(script: list[Response], code: str) -> None:
    outcome, requests = drive(MOVE.steps(OBJ, AWS), script)
    assert outcome.error_code == code
    assert "DeleteObject" not in apis(requests)


def test_another_etag_is_fine_where_etags_are_no_md5() -> None:
    """Under KMS a copy has another one."""
    made = head(B, x_amz_server_side_encryption="aws:kms")
    outcome, _ = drive(MOVE.steps(OBJ, AWS), [head(), copied(B), made, answer(204)])
    assert outcome.is_success


def test_an_original_that_changed_after_the_copy_stays() -> None:
    script = [head(), copied(), head(), answer(412, "PreconditionFailed"), head(B)]
    outcome, _ = drive(MOVE.steps(OBJ, AWS), script)
    assert outcome.error_code == "PreconditionFailed"
    assert outcome.message.startswith("copied, but the original is still there: the object has changed")


def test_an_original_under_a_lock_stays() -> None:
    obj = OBJ._replace(version_id="v1")
    outcome, _ = drive(MOVE.steps(obj, AWS), [head(), copied(), head(), answer(403, "AccessDenied")])
    assert (outcome.error_code, "still there" in outcome.message) == ("AccessDenied", True)


@pytest.mark.parametrize(
    ("there", "code"),
    [
        (head(last_modified=NOW), ""),
        (head(B, last_modified=NOW), "NoSuchKey"),
        (head(length="5", last_modified=NOW), "NoSuchKey"),
        (head(last_modified="Sun, 22 Nov 2026 09:00:00 GMT"), "NoSuchKey"),  # there before the job began
        (GONE, "NoSuchKey"),
    ],
)
@pytest.mark.parametrize("when", ["head", "copy"])
def test_a_replay_takes_what_an_earlier_attempt_moved_for_a_success(there: Response, code: str, when: str) -> None:
    """Also if a rival moves it between the HEAD and the copy."""
    script = [GONE, there] if when == "head" else [head(), GONE, there]
    assert drive(MOVE.steps(OBJ, REPLAY), script)[0].error_code == code


def test_without_a_replay_gone_is_gone() -> None:
    outcome, requests = drive(MOVE.steps(OBJ, AWS), [GONE])
    assert (outcome.error_code, len(requests)) == ("NoSuchKey", 1)


def test_an_object_is_not_moved_onto_itself() -> None:
    outcome, requests = drive(MoveObject("b").steps(OBJ, AWS), [])
    assert (outcome.error_code, requests) == ("InvalidRequest", [])


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"skip_existing": "any"}, "would not be moved"),
        ({"allow_unconditional": 1}, "True or False"),
        ({"overwrite": "no"}, "True or False"),
        ({"bypass_governance_retention": "yes"}, "True or False"),
        ({"storage_class": "COLD"}, "STANDARD_IA"),
    ],
)
def test_wrong_literals_fail_where_they_are_written(arguments: dict[str, Any], part: str) -> None:
    with pytest.raises(ArgumentError, match=part):
        MoveObject("t", **arguments)


def test_a_move_destroys_and_aws_has_none() -> None:
    assert MOVE.destroys
    assert MOVE.managed_problems() == ["AWS S3 Batch Operations has no MoveObject; use engine='worker'"]


def test_deletes_are_unconditional_only_where_that_is_allowed_by_name() -> None:
    context = RunContext(Capabilities(False, {"single_conditions": "ignored", "target_absence": "honoured"}))
    kept, _ = drive(MOVE.steps(OBJ, context), [head()])
    assert "ignores If-Match" in kept.message
    bold = MoveObject("t", allow_unconditional=True)
    outcome, requests = drive(bold.steps(OBJ, context), [head(), copied(), head(), answer(204)])
    assert (outcome.is_success, requests[3].headers) == (True, ())


def test_a_lost_upload_says_nothing_of_the_original() -> None:
    """An earlier attempt has copied it and died; what failed now is the copy, and the original is still there."""
    seen = head("c" * 32, str(11 * 1024**2))
    large = OBJ._replace(e_tag="c" * 32, size=11 * 1024**2)
    move = MoveObject("t", multipart_threshold_bytes=5 * 1024**2, tags={}, overwrite=True)
    there = head("d" * 32 + "-3", str(11 * 1024**2), last_modified=NOW)
    created = answer(body=b"<R><UploadId>u</UploadId></R>")
    lost = answer(404, "NoSuchUpload")

    def store(request: Request) -> Response:
        answers = {"CreateMultipartUpload": created, "UploadPartCopy": lost}
        return answers.get(request.call.api, seen if request.bucket == "b" else there)

    outcome, requests = drive(move.steps(large, REPLAY), store)
    assert outcome.error_code == "NoSuchUpload"
    assert "DeleteObject" not in apis(requests)


def test_the_original_stays_where_the_store_drops_the_copys_lock() -> None:
    context = RunContext(Capabilities(findings={"locks": "unproven"}))
    move = MoveObject("t", object_lock_legal_hold_status="ON")
    outcome, requests = drive(move.steps(OBJ, context), [head(), copied(), head(), head()])
    assert (outcome.error_code, outcome.message.startswith("the original is kept")) == ("InvalidRequest", True)
    assert "DeleteObject" not in apis(requests)


@pytest.mark.parametrize("source", ["point-abc-s3alias", "arn:aws:s3:eu-west-1:123456789012:accesspoint/point"])
def test_an_alias_of_the_source_may_be_the_target(source: str) -> None:
    """S3 copies an object onto itself where something of it changes; the delete would then take the only one."""
    move = MoveObject("t", storage_class="STANDARD_IA")
    outcome, requests = drive(move.steps(OBJ._replace(bucket=source), AWS), [])
    assert (outcome.error_code, requests) == ("InvalidRequest", [])


TAKEN = answer(412, "PreconditionFailed")
EARLIER = "Sun, 22 Nov 2026 09:00:00 GMT"
CHECKED = {"x_amz_checksum_crc64nvme": "abc"}


def test_what_stands_at_the_target_is_kept() -> None:
    outcome, requests = drive(MOVE.steps(OBJ, AWS), [head(), TAKEN, head(B)])
    assert (outcome.http_status, outcome.error_code) == (412, "TargetExists")
    assert "the target is there already, and is kept" in outcome.message
    assert headers_of(requests[1])["if-none-match"] == "*"
    assert "DeleteObject" not in apis(requests)


def test_it_is_overwritten_by_name_only() -> None:
    script = [head(), copied(), head(), answer(204)]
    outcome, requests = drive(MoveObject("t", overwrite=True).steps(OBJ, AWS), script)
    assert (outcome.is_success, "if-none-match" in headers_of(requests[1])) == (True, False)


@pytest.mark.parametrize("finding", ["ignored", "refused", None])
def test_where_the_store_has_no_such_condition_the_target_is_looked_at_first(finding: str | None) -> None:
    """Also if an earlier version of this package has left no finding."""
    context = RunContext(Capabilities(False, {"target_absence": finding} if finding else {}))
    free, requests = drive(MOVE.steps(OBJ, context), [head(), GONE, copied(), head(), answer(204)])
    assert (free.is_success, [request.bucket for request in requests]) == (True, ["b", "t", "t", "t", "b"])
    assert ("if-none-match" in headers_of(requests[2])) == (finding != "refused")
    taken, requests = drive(MOVE.steps(OBJ, context), [head(), head(B), head(B)])
    assert (taken.error_code, apis(requests)) == ("TargetExists", ["HeadObject"] * 3)
    shut, _ = drive(MOVE.steps(OBJ, context), [head(), answer(403, "AccessDenied")])
    assert shut.error_code == "AccessDenied"


def test_a_large_object_is_not_copied_in_vain() -> None:
    """The store would only say so at the end."""
    large = OBJ._replace(size=11 * 1024**2)
    move = MoveObject("t", multipart_threshold_bytes=5 * 1024**2)
    outcome, requests = drive(move.steps(large, AWS), [head(length=str(11 * 1024**2)), head(B), head(B)])
    assert (outcome.error_code, apis(requests)) == ("TargetExists", ["HeadObject"] * 3)


@pytest.mark.parametrize(
    ("source", "there", "is_moved"),
    [
        ({}, head(last_modified=NOW), True),
        ({}, head(last_modified=EARLIER), False),  # there before the job began
        ({}, head(B, last_modified=NOW), False),
        ({}, head(length="4", last_modified=NOW), False),
        ({}, head(last_modified=NOW, x_amz_meta_owner="b"), False),  # another object's, with the same body
        ({}, head(last_modified=NOW, content_encoding="gzip"), False),
        ({"content_type": "text/x"}, head(last_modified=NOW, content_type="text/x"), True),
        (CHECKED, head(B, last_modified=NOW, **CHECKED), True),  # under KMS
        ({"x_amz_checksum_crc64nvme": "xyz"}, head(B, last_modified=NOW, **CHECKED), False),
        ({"x_amz_checksum_type": "FULL_OBJECT"}, head(B, last_modified=NOW, x_amz_checksum_type="FULL_OBJECT"), False),
    ],
)
def test_a_copy_of_an_attempt_that_died_is_known_by_its_body(
    source: dict[str, str], there: Response, *, is_moved: bool
) -> None:
    """What can't be proved to be the object's is not taken for it, for the original would be deleted."""

    def store(request: Request) -> Response:
        if request.call.api == "CopyObject":
            return TAKEN
        return answer(204) if request.call.api == "DeleteObject" else head(**source) if request.bucket == "b" else there

    outcome, requests = drive(MOVE.steps(OBJ, REPLAY), store)
    assert (outcome.is_success, "DeleteObject" in apis(requests)) == (is_moved, is_moved)
    first, _ = drive(MOVE.steps(OBJ, AWS), store)
    assert not first.is_success


def test_a_copy_whose_answer_was_lost_is_known_too() -> None:
    """It was made after the HEAD, by the store's clock."""
    again = TAKEN._replace(is_retried=True)
    script = [head(), again, head(last_modified=NOW), answer(204)]
    assert drive(MOVE.steps(OBJ, AWS), script)[0].is_success
    assert not drive(MOVE.steps(OBJ, AWS), [head(), again, head(last_modified=EARLIER)])[0].is_success


TAGGED = {"x_amz_tagging_count": "1"}


@pytest.mark.parametrize(
    ("declared", "own", "there", "is_moved"),
    [
        (None, "x", "x", True),
        (None, "x", "y", False),
        (None, "x", None, True),  # the target's may not be read, so nobody can tell
        ({"t": "y"}, "x", "y", True),
        ({"t": "y"}, "x", "x", False),
    ],
)
def test_an_object_of_the_same_body_with_other_tags_is_not_taken_for_moved(
    declared: dict[str, str] | None, own: str, there: str | None, *, is_moved: bool
) -> None:
    """Its tags would be lost with it."""

    def store(request: Request) -> Response:
        if request.call.api == "GetObjectTagging":
            value = own if request.bucket == "b" else there
            body = f"<Tagging><TagSet><Tag><Key>t</Key><Value>{value}</Value></Tag></TagSet></Tagging>"
            return answer(body=body.encode()) if value else answer(403, "AccessDenied")
        answers = {"CopyObject": TAKEN, "DeleteObject": answer(204)}
        return answers.get(request.call.api, head(last_modified=NOW, **TAGGED))

    outcome, requests = drive(MoveObject("t", tags=declared).steps(OBJ, REPLAY), store)
    assert (outcome.is_success, "DeleteObject" in apis(requests)) == (is_moved, is_moved)


@pytest.mark.parametrize(("owner", "is_moved"), [("a", True), ("b", False)])
def test_where_metadata_is_declared_the_copy_has_to_show_it(owner: str, *, is_moved: bool) -> None:
    """It may be of a column, and then it is another object's."""
    there = head(last_modified=NOW, x_amz_meta_owner=owner)
    script = [head(), TAKEN, there, *([answer(204)] if is_moved else [])]
    assert drive(MoveObject("t", metadata={"owner": "a"}).steps(OBJ, REPLAY), script)[0].is_success is is_moved


@pytest.mark.parametrize(("attempt_s", "is_moved"), [(0.0, True), (0.5, True), (30.0, False)])
def test_what_was_written_since_this_attempt_began_is_no_earlier_ones(attempt_s: float, *, is_moved: bool) -> None:
    """But another row's, of the same body and with the same target; of the same second it may be either."""
    context = RunContext(is_replay=True, elapsed_s=lambda: 60.0, attempt_s=lambda: attempt_s)
    script = [head(), TAKEN, head(last_modified=NOW), *([answer(204)] if is_moved else [])]
    outcome, _ = drive(MOVE.steps(OBJ, context), script)
    assert outcome.error_code == ("" if is_moved else "TargetExists")


def test_what_can_not_be_deleted_is_not_copied_first() -> None:
    """Versions under MFA Delete; the preflight says so of the first row."""
    facts = BucketFacts(versioning="Enabled", mfa_delete="Enabled")
    version = OBJ._replace(version_id="v1")
    outcome, requests = drive(MOVE.steps(version, RunContext(Capabilities(buckets={"b": facts}))), [head()])
    assert (outcome.error_code, apis(requests)) == ("MfaRequired", ["HeadObject"])
    assert MOVE.object_problems(version, facts) == [outcome.message]


@pytest.mark.parametrize(("below", "code"), [(head(B), "TargetExists"), (GONE, "")])
def test_a_null_version_that_is_hidden_at_the_target_is_kept(below: Response, code: str) -> None:
    """Where versioning is suspended, the copy would take its place, though the key looks free."""
    context = RunContext(Capabilities(buckets={"t": BucketFacts(versioning="Suspended")}))
    rest = [GONE] if code else [copied(), head(), answer(204)]
    outcome, requests = drive(MOVE.steps(OBJ, context), [head(), below, *rest])
    assert (outcome.error_code, requests[1].version_id) == (code, "null")
