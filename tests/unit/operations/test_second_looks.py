"""What a second look makes of a store's answers: as it should be, different, changed since, gone, or not to be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from scripted_store import answer, drive

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.operations import (
    ALL_OPERATIONS,
    ComputeObjectChecksum,
    CopyObject,
    DeleteObject,
    DeleteObjectTagging,
    InOrder,
    LambdaInvoke,
    MergeObjectTagging,
    MoveObject,
    Operation,
    PutObjectAcl,
    PutObjectLegalHold,
    PutObjectRetention,
    PutObjectTagging,
    PythonInvoke,
    RestoreObject,
    RewriteObject,
    UpdateObjectEncryption,
)
from airflow_s3batch.operations.bodies.storage_classes import may_have_become
from airflow_s3batch.operations.requests import Request, Response
from airflow_s3batch.operations.verification import DIFFERENCES, Done, differs

NOW = datetime(2026, 11, 22, 23, 59, 50, tzinfo=UTC)
MD5, OTHER_MD5 = "a" * 32, "b" * 32
OBJ = S3Object("b", "k", size=3, e_tag=MD5)
KMS = {"x_amz_server_side_encryption": "aws:kms", "x_amz_server_side_encryption_aws_kms_key_id": "arn:aws:kms:key/1"}
GONE = answer(404, "NoSuchKey")
ALL = "http://acs.amazonaws.com/groups/global/AllUsers"


def done(*, ago_s: float = 3_600.0, message: str = "", began: datetime = NOW) -> Done:
    """Return what is known of an operation that was done so many seconds ago."""
    return Done(began, began + timedelta(seconds=20), lambda: ago_s, message)


def head(*, age_s: float = 86_400.0, **headers: str) -> Response:
    """Return HeadObject's answer about an object that was written so many seconds ago."""
    written = format_datetime(NOW - timedelta(seconds=age_s), usegmt=True)
    plain = {"date": format_datetime(NOW, usegmt=True), "last_modified": written, "content_length": "3"}
    return answer(**plain | {"etag": f'"{MD5}"'} | headers)


def code(operation: Operation, *answers: Response, obj: S3Object = OBJ, how: Done | None = None) -> str:
    """Return the code that a look finds, empty for what is right; each of *answers* has to be asked for."""
    outcome, requests = drive(operation.for_object(obj).compared(obj, how or done()), answers)
    assert all(request.call.api.startswith(("Get", "Head")) for request in requests)
    assert outcome.error_code == "" or outcome.message
    return outcome.error_code


def tagged(**tags: str) -> Response:
    each = "".join(f"<Tag><Key>{key}</Key><Value>{value}</Value></Tag>" for key, value in tags.items())
    return answer(body=f"<Tagging><TagSet>{each}</TagSet></Tagging>".encode())


def granted(*grants: tuple[str, str]) -> Response:
    each = "".join(
        f"<Grant><Grantee><{kind}>{who}</{kind}></Grantee><Permission>{what}</Permission></Grant>"
        for what, who in grants
        for kind in ["URI" if who.startswith("http") else "ID"]
    )
    owner = "<Owner><ID>me</ID></Owner>"
    return answer(
        body=f"<AccessControlPolicy>{owner}<AccessControlList>{each}</AccessControlList></AccessControlPolicy>".encode()
    )


def test_each_operation_says_what_it_compares_or_why_nothing_can_be() -> None:
    for kind in ALL_OPERATIONS:
        assert bool(kind.compares) != bool(kind.unverifiable), kind
    assert LambdaInvoke("greet").verification_problems()[0].startswith("LambdaInvoke can't be verified: ")
    mixed = InOrder((PutObjectTagging({"a": "1"}), PythonInvoke("a.b:c")))
    assert len(mixed.verification_problems()) == 1


def test_only_known_codes_are_told_as_differences() -> None:
    with pytest.raises(KeyError):
        differs("Oops", "")
    assert all(DIFFERENCES.values())


@pytest.mark.parametrize(
    ("operation", "shown", "found"),
    [
        (PutObjectTagging({"a": "1"}), tagged(a="1"), ""),
        (PutObjectTagging({"a": "1"}), tagged(a="2"), "TagsDiffer"),
        (PutObjectTagging({"a": "1"}), tagged(a="1", b="2"), "TagsDiffer"),
        (PutObjectTagging({"a": "1"}), answer(404, "NoSuchTagSet"), "TagsDiffer"),
        (DeleteObjectTagging(), tagged(), ""),
        (DeleteObjectTagging(), answer(404, "NoSuchTagSet"), ""),
        (DeleteObjectTagging(), tagged(a="1"), "TagsDiffer"),
        (MergeObjectTagging({"a": "1"}, ["b"]), tagged(a="1", c="3"), ""),
        (MergeObjectTagging({"a": "1"}, ["b"]), tagged(a="1", b="3"), "TagsDiffer"),
        (MergeObjectTagging({"a": "1"}, keep_existing=True), tagged(a="2"), ""),
        (PutObjectAcl("public-read"), granted(("FULL_CONTROL", "me"), ("READ", ALL)), ""),
        (PutObjectAcl("public-read"), granted(("FULL_CONTROL", "me")), "AclDiffers"),
        (PutObjectAcl("private"), granted(("FULL_CONTROL", "me"), ("READ", ALL)), "AclDiffers"),
        (PutObjectAcl("private"), granted(("FULL_CONTROL", "me"), ("READ", "you")), "AclDiffers"),
        (PutObjectAcl("bucket-owner-read"), granted(("FULL_CONTROL", "me"), ("READ", "you")), ""),
        (PutObjectAcl("bucket-owner-full-control"), granted(("FULL_CONTROL", "me"), ("READ", ALL)), "AclDiffers"),
        (PutObjectAcl(grants={"READ": ['id="you"']}), granted(("READ", "you")), ""),
        (PutObjectAcl(grants={"READ": ['id="you"']}), granted(("READ", "you"), ("WRITE_ACP", "you")), "AclDiffers"),
        (PutObjectAcl(grants={}, owner="me"), granted(), ""),
        (PutObjectLegalHold("ON"), answer(body=b"<LegalHold><Status>ON</Status></LegalHold>"), ""),
        (PutObjectLegalHold("ON"), answer(404, "NoSuchObjectLockConfiguration"), "LegalHoldDiffers"),
        (PutObjectLegalHold("OFF"), answer(404, "NoSuchObjectLockConfiguration"), ""),
    ],
)
def test_what_a_sub_resource_shows_is_compared(operation: Operation, shown: Response, found: str) -> None:
    """Where it differs, a HEAD tells whether the object was written since."""
    assert code(operation, shown, *([head()] if found else [])) == found


def test_tags_of_aws_itself_are_nobodys_doing() -> None:
    assert code(PutObjectTagging({"a": "1"}), tagged(**{"a": "1", "aws:cloudformation:stack-id": "x"})) == ""


def test_a_difference_of_what_was_written_since_has_a_code_of_its_own() -> None:
    """By the store's own clock, with two seconds of leeway; without a date nothing is proved."""
    tagging, wrong = PutObjectTagging({"a": "1"}), tagged()
    assert code(tagging, wrong, head(age_s=3_500)) == "ChangedSince"
    assert code(tagging, wrong, head(age_s=3_599)) == "TagsDiffer"
    assert code(tagging, wrong, head(age_s=1, date="")) == "TagsDiffer"


def test_what_is_right_is_right_whoever_wrote_it_since() -> None:
    assert code(RewriteObject("SSE-S3"), head(age_s=1, x_amz_server_side_encryption="AES256")) == ""


@pytest.mark.parametrize(
    ("operation", "found"),
    [(PutObjectTagging({"a": "1"}), "DeletedSince"), (CopyObject("t"), "CopyMissing"), (DeleteObject(), "")],
)
def test_what_is_gone_is_told_as_that(operation: Operation, found: str) -> None:
    assert code(operation, GONE) == found


def test_a_copy_under_a_delete_marker_was_deleted_since() -> None:
    assert code(CopyObject("t"), answer(404, "NoSuchKey", x_amz_delete_marker="true")) == "DeletedSince"


@pytest.mark.parametrize("operation", [PutObjectTagging({"a": "1"}), CopyObject("t"), DeleteObject(), RestoreObject(1)])
def test_what_may_not_be_looked_at_is_no_difference(operation: Operation) -> None:
    assert code(operation, answer(403, "AccessDenied")) == "AccessDenied"


@pytest.mark.parametrize(
    ("shown", "found"),
    [
        ({"x_amz_storage_class": "GLACIER"}, "NotRestored"),
        ({"x_amz_storage_class": "GLACIER", "x_amz_restore": 'ongoing-request="true"'}, ""),
        ({"x_amz_storage_class": "GLACIER", "x_amz_restore": 'ongoing-request="false", expiry-date="…"'}, ""),
        ({}, ""),
    ],
)
def test_a_restore_is_under_way_or_done(shown: Mapping[str, str], found: str) -> None:
    assert code(RestoreObject(1), head(**shown)) == found


def retained(mode: str, until: str, more: str = "") -> Response:
    body = f"<Retention><Mode>{mode}</Mode><RetainUntilDate>{until}</RetainUntilDate>{more}</Retention>"
    return answer(body=body.encode())


@pytest.mark.parametrize(
    ("operation", "shown", "found"),
    [
        (PutObjectRetention("GOVERNANCE", "2030-01-01"), retained("GOVERNANCE", "2030-01-01T00:00:00.000Z"), ""),
        (
            PutObjectRetention("GOVERNANCE", "2030-01-01"),
            retained("COMPLIANCE", "2030-01-01T00:00:00Z"),
            "RetentionDiffers",
        ),
        (
            PutObjectRetention("GOVERNANCE", "2030-01-01"),
            retained("GOVERNANCE", "2031-01-01T00:00:00Z"),
            "RetentionDiffers",
        ),
        (
            PutObjectRetention("GOVERNANCE", "2030-01-01"),
            answer(404, "NoSuchObjectLockConfiguration"),
            "RetentionDiffers",
        ),
        # sent from ten seconds before midnight until ten seconds after it
        (PutObjectRetention("GOVERNANCE", days=1), retained("GOVERNANCE", "2026-11-24T00:00:00Z"), ""),
        (PutObjectRetention("GOVERNANCE", days=1), retained("GOVERNANCE", "2026-11-25T00:00:00Z"), ""),
        (PutObjectRetention("GOVERNANCE", days=1), retained("GOVERNANCE", "2026-11-26T00:00:00Z"), "RetentionDiffers"),
        (PutObjectRetention(remove=True), answer(404, "NoSuchObjectLockConfiguration"), ""),
        (PutObjectRetention(remove=True), retained("GOVERNANCE", "2030-01-01T00:00:00Z"), "RetentionDiffers"),
        (PutObjectRetention(event_hold="ON"), retained("", "", "<EventHold>ON</EventHold>"), ""),
        (PutObjectRetention(event_hold="ON"), retained("", ""), "RetentionDiffers"),
    ],
)
def test_retention_is_compared_by_mode_and_time(operation: Operation, shown: Response, found: str) -> None:
    assert code(operation, shown, *([head()] if found else [])) == found


@pytest.mark.parametrize(
    ("operation", "shown", "found"),
    [
        (RewriteObject("SSE-KMS"), KMS, ""),
        (RewriteObject("SSE-KMS", kms_key_id="arn:aws:kms:key/2"), KMS, "EncryptionDiffers"),
        (RewriteObject("SSE-KMS", kms_key_id="alias/any"), KMS, ""),
        (RewriteObject("SSE-S3"), KMS, "EncryptionDiffers"),
        (RewriteObject(storage_class="STANDARD_IA"), {}, "StorageClassDiffers"),
        (RewriteObject(storage_class="STANDARD_IA"), {"x_amz_storage_class": "DEEP_ARCHIVE"}, ""),
        (RewriteObject(checksum_algorithm="SHA256"), {"x_amz_checksum_sha256": "…"}, ""),
        (RewriteObject(checksum_algorithm="SHA256"), {"x_amz_checksum_crc32": "…"}, "ChecksumDiffers"),
        (RewriteObject(metadata={"A": " x "}), {"x_amz_meta_a": "x"}, ""),
        (RewriteObject(metadata={}), {"x_amz_meta_a": "x"}, "MetadataDiffers"),
        (RewriteObject(cache_control=""), {"cache_control": "no-store"}, "MetadataDiffers"),
        (RewriteObject(expires="2030-01-01"), {"expires": "Tue, 01 Jan 2030 00:00:00 +0000"}, ""),
        (RewriteObject(expires="2030-01-01"), {"expires": "Wed, 02 Jan 2030 00:00:00 GMT"}, "MetadataDiffers"),
        (RewriteObject(expires="2030-01-01"), {"expires": "never"}, "MetadataDiffers"),
        (UpdateObjectEncryption("arn:aws:kms:key/1"), KMS, ""),
        (UpdateObjectEncryption("arn:aws:kms:key/2"), KMS, "EncryptionDiffers"),
    ],
)
def test_what_a_rewrite_declares_is_compared(operation: Operation, shown: Mapping[str, str], found: str) -> None:
    """An alias may stand for any key, and HTTP drops spaces around values."""
    assert code(operation, head(**shown)) == found


def test_lifecycle_rules_lead_downwards_only() -> None:
    assert may_have_become("STANDARD_IA", "GLACIER")
    assert not may_have_become("GLACIER", "STANDARD_IA")
    assert not may_have_become("STANDARD", "EXPRESS_ONEZONE")


def test_what_was_rewritten_is_another_version_than_the_one_that_is_named() -> None:
    obj = OBJ._replace(version_id="v1")
    update = UpdateObjectEncryption("arn:aws:kms:key/1")
    assert code(update, head(), head(**KMS), obj=obj) == ""
    assert code(update, head(), head(), obj=obj) == "EncryptionDiffers"
    assert code(update, head(), obj=obj._replace(is_latest=False)) == "EncryptionDiffers"  # which is never rewritten


RESULT = f'{{"checksum_base64":"c2hh","etag":"{MD5}","checksumAlgorithm":"SHA256","checksumType":"FULL_OBJECT"}}'


@pytest.mark.parametrize(
    ("shown", "found"),
    [
        ({}, ""),
        ({"x_amz_checksum_sha256": "c2hh"}, ""),
        ({"x_amz_checksum_sha256": "b3Ro"}, "ChecksumDiffers"),
        ({"x_amz_checksum_sha256": "b3Ro-2", "x_amz_checksum_type": "COMPOSITE"}, ""),
        ({"etag": f'"{OTHER_MD5}"'}, "ChangedSince"),
    ],
)
def test_a_checksum_is_compared_with_the_one_of_the_report(shown: Mapping[str, str], found: str) -> None:
    assert code(ComputeObjectChecksum("SHA256"), head(**shown), how=done(message=RESULT)) == found


LONGER, OTHER = {"content_length": "4"}, {"etag": f'"{OTHER_MD5}"'}


@pytest.mark.parametrize(
    ("obj", "answers", "found"),
    [
        (OBJ, [head()], ""),
        (OBJ, [head(etag='"x-2"')], ""),
        (OBJ, [head(etag=f'"{OTHER_MD5}"', **KMS)], ""),
        (OBJ, [head(**OTHER), head()], "CopyDiffers"),
        (OBJ, [head(**OTHER), head(**KMS)], ""),  # the source's ETag is no MD5
        (OBJ, [head(**OTHER), head(**OTHER)], ""),  # the source was another one by the time of the copy
        (OBJ, [head(**OTHER), head(age_s=1)], ""),  # the source was written since
        (OBJ, [head(**OTHER), GONE], ""),
        (OBJ, [head(age_s=1, **OTHER), GONE], "ChangedSince"),
        (OBJ, [head(**LONGER), GONE], ""),
        (OBJ, [head(**OTHER), answer(403, "AccessDenied")], "AccessDenied"),
        (OBJ._replace(version_id="v"), [head(**LONGER)], "CopyDiffers"),
        (OBJ._replace(version_id="v"), [head(age_s=1, **LONGER)], "ChangedSince"),
        (S3Object("b", "k"), [head(), head()], ""),
        (S3Object("b", "k"), [head(**OTHER), head()], "CopyDiffers"),
        (S3Object("b", "k"), [head(**LONGER), head()], "CopyDiffers"),
    ],
)
def test_a_copy_is_compared_as_far_as_something_is_proved(
    obj: S3Object, answers: Sequence[Response], found: str
) -> None:
    assert code(CopyObject("t"), *answers, obj=obj) == found


def test_a_copy_that_was_skipped_only_has_to_be_there() -> None:
    copy = CopyObject("t", skip_existing="any", storage_class="GLACIER")
    assert copy.reads_messages
    assert not CopyObject("t").reads_messages
    skipped = done(message="Successful: skipped, the target is there already")
    assert code(copy, head(**OTHER), how=skipped) == ""
    assert code(copy, GONE, how=skipped) == "CopyMissing"


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ([head(), GONE], ""),
        ([GONE], "CopyMissing"),
        ([head(**LONGER)], "CopyDiffers"),
        ([head(), head()], "StillThere"),
        ([head(), head(age_s=1)], "ChangedSince"),
        ([head(), head(**OTHER)], "ChangedSince"),
    ],
)
def test_of_a_move_the_copy_is_there_and_the_original_is_not(answers: Sequence[Response], found: str) -> None:
    assert code(MoveObject("t"), *answers) == found


@pytest.mark.parametrize(
    ("operation", "obj", "shown", "found"),
    [
        (DeleteObject(), OBJ, head(), "StillThere"),
        (DeleteObject(), OBJ, head(**OTHER), "ChangedSince"),
        (DeleteObject(allow_unconditional=True), OBJ, head(**OTHER), "StillThere"),
        (DeleteObject(), OBJ._replace(version_id="v"), head(), "StillThere"),
        (DeleteObject(), OBJ._replace(version_id="v"), answer(405, "MethodNotAllowed"), "StillThere"),
        (DeleteObject(), OBJ._replace(version_id="v"), answer(404, "NoSuchVersion"), ""),
        (DeleteObject(), OBJ, answer(404, "NoSuchBucket"), "NoSuchBucket"),
    ],
)
def test_what_was_deleted_is_not_there(operation: Operation, obj: S3Object, shown: Response, found: str) -> None:
    """What stands there with another ETag is not what was deleted under a condition."""
    assert code(operation, shown, obj=obj) == found


def test_of_a_sequence_only_what_later_steps_leave_alone_is_compared() -> None:
    def apis(*steps: Operation) -> list[str]:
        asked: list[Request] = []

        def store(request: Request) -> Response:
            asked.append(request)
            return GONE if request.bucket == "b" and "object" in InOrder(steps).marks(OBJ) else _right(request)

        drive(InOrder(steps).compared(OBJ, done()), store)
        return [request.call.api for request in asked]

    tag, acl = PutObjectTagging({"a": "1"}), PutObjectAcl("private")
    assert apis(tag, acl) == ["GetObjectTagging", "GetObjectAcl"]
    assert apis(tag, MergeObjectTagging({"a": "1"})) == ["GetObjectTagging"]
    assert apis(tag, CopyObject("t"), CopyObject("u")) == ["GetObjectTagging", "HeadObject", "HeadObject"]
    assert apis(tag, CopyObject("t"), DeleteObject()) == ["HeadObject", "HeadObject"]


def _right(request: Request) -> Response:
    bodies = {"GetObjectTagging": tagged(a="1"), "GetObjectAcl": granted(("FULL_CONTROL", "me"))}
    return bodies.get(request.call.api, head())


def test_a_failed_step_of_a_sequence_is_named() -> None:
    operation = InOrder((PutObjectTagging({"a": "1"}), PutObjectLegalHold("ON")))
    held = answer(body=b"<LegalHold><Status>OFF</Status></LegalHold>")
    outcome, _ = drive(operation.compared(OBJ, done()), [tagged(a="1"), held, head()])
    assert outcome.error_code == "LegalHoldDiffers"
    assert outcome.message.startswith("step 2 of 2, put_object_legal_hold: ")
