"""What rewrites in place ask of a store, and what they make of its answers."""

from __future__ import annotations

import pytest
from scripted_store import answer, drive, headers_of

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import SUCCESS
from airflow_s3batch.operations import RewriteObject, RunContext
from airflow_s3batch.operations.grants import grant_headers
from airflow_s3batch.operations.requests import BucketFacts, Capabilities, Response
from airflow_s3batch.operations.rewriting import NOT_CURRENT

OBJ = S3Object("b", "k", e_tag="old", size=3)
NO_ACLS = RunContext(Capabilities(buckets={"b": BucketFacts(ownership="BucketOwnerEnforced")}))
REPLAY = RunContext(NO_ACLS.capabilities, is_replay=True)
GONE = answer(404, "NoSuchKey")


def head(**headers: str) -> Response:
    """Return the HEAD of an object that is not encrypted."""
    return answer(**{"etag": '"old"', "content_length": "3", "x_amz_storage_class": "STANDARD_IA", **headers})


def encrypted(**headers: str) -> Response:
    """Return the HEAD of an object that is."""
    return head(x_amz_server_side_encryption="AES256", **headers)


MD5, OTHER_MD5 = (f'"{digit * 32}"' for digit in "ab")


class TestRewrite:
    """Encrypting in place."""

    def test_both_conditions_are_sent_and_the_rest_is_kept(self) -> None:
        """Source and target must still be what the HEAD saw; storage class and lock go along."""
        seen = head(x_amz_object_lock_mode="GOVERNANCE", x_amz_meta_a="1")
        outcome, requests = drive(RewriteObject("SSE-S3").steps(OBJ, NO_ACLS), [seen, answer()])
        sent = headers_of(requests[1])
        assert outcome == SUCCESS
        assert (sent["x-amz-copy-source-if-match"], sent["if-match"]) == ('"old"', '"old"')
        assert sent["x-amz-storage-class"] == "STANDARD_IA"
        assert sent["x-amz-object-lock-mode"] == "GOVERNANCE"
        assert "x-amz-meta-a" not in sent
        assert requests[1].call.params["MetadataDirective"] == "COPY"

    def test_metadata_is_sent_again_where_the_store_wants_that(self) -> None:
        """The preflight found that COPY is refused."""
        context = RunContext(Capabilities(False, {"metadata_directive": "REPLACE"}, NO_ACLS.capabilities.buckets))
        seen = head(x_amz_meta_a="1", content_type="text/x", cache_control="no-store")
        _, requests = drive(RewriteObject("SSE-S3").steps(OBJ, context), [seen, answer()])
        sent = headers_of(requests[1])
        assert (sent["x-amz-meta-a"], sent["content-type"], sent["cache-control"]) == ("1", "text/x", "no-store")

    def test_what_is_so_already_is_left_alone(self) -> None:
        """One HEAD, no write: also when the ETag differs from the manifest's."""
        seen = head(etag='"new"', x_amz_server_side_encryption="AES256")
        outcome, requests = drive(RewriteObject("SSE-S3").steps(OBJ, NO_ACLS), [seen])
        assert outcome.is_success
        assert len(requests) == 1

    @pytest.mark.parametrize(
        ("obj", "seen", "code"),
        [
            (OBJ, head(etag='"new"'), "PreconditionFailed"),
            (OBJ._replace(version_id="v1"), head(x_amz_version_id="v2"), NOT_CURRENT),
            (OBJ, head(content_length=str(5 * 1024**3 + 1)), "EntityTooLarge"),
            (OBJ, head(x_amz_meta_a="ü"), "InvalidRequest"),
            (OBJ, head(x_amz_missing_meta="1"), "InvalidRequest"),
            (OBJ, GONE, "NoSuchKey"),
            (OBJ, answer(content_length="3"), "InvalidRequest"),
            (
                OBJ._replace(version_id="v1"),
                head(x_amz_version_id="v2", x_amz_server_side_encryption="AES256"),
                NOT_CURRENT,
            ),
        ],
    )
    def test_what_can_not_be_rewritten_safely_is_not(self, obj: S3Object, seen: Response, code: str) -> None:
        """After the HEAD nothing more is sent."""
        outcome, requests = drive(RewriteObject("SSE-S3").steps(obj, NO_ACLS), [seen])
        assert (outcome.error_code, len(requests)) == (code, 1)

    def test_a_noncurrent_version_is_refused_unseen(self) -> None:
        """The copy would make it current."""
        outcome, requests = drive(RewriteObject("SSE-S3").steps(OBJ._replace(is_latest=False), NO_ACLS), [])
        assert (outcome.error_code, requests) == (NOT_CURRENT, [])

    def test_a_writer_in_between_wins(self) -> None:
        """The copy's condition fails; the newer body stays and the object is reported."""
        script = [head(), answer(412, "PreconditionFailed"), head(etag='"newer"')]
        outcome, _ = drive(RewriteObject("SSE-S3").steps(OBJ, NO_ACLS), script)
        assert outcome.error_code == "PreconditionFailed"

    @pytest.mark.parametrize(
        ("before", "after", "is_retried", "code"),
        [
            # an MD5 settles it
            (head(etag=MD5), encrypted(etag=MD5), True, ""),
            (head(etag=MD5), encrypted(etag=OTHER_MD5), True, "PreconditionFailed"),
            (head(etag=MD5), encrypted(etag=MD5, x_amz_meta_a="1"), True, "PreconditionFailed"),
            # a multipart upload gets another ETag by the copy
            (head(etag='"0-7"'), encrypted(etag=OTHER_MD5), True, ""),
            (head(etag='"0-7"'), encrypted(etag=OTHER_MD5, content_length="4"), True, "PreconditionFailed"),
            (head(etag='"0-7"'), encrypted(etag=OTHER_MD5, content_type="x/y"), True, "PreconditionFailed"),
            # no try of ours can have been executed unheard
            (head(etag='"0-7"'), encrypted(etag=OTHER_MD5), False, "PreconditionFailed"),
            (head(etag=MD5), GONE, True, "NoSuchKey"),
            (head(etag=MD5), answer(403, "AccessDenied"), True, "PreconditionFailed"),
        ],
    )
    def test_only_our_own_copy_is_taken_for_a_success_after_a_failed_condition(
        self, before: Response, after: Response, is_retried: bool, code: str
    ) -> None:
        """A bucket may encrypt whatever is written to it, so "encrypted as wanted" may be another writer's body."""
        conflict = answer(412, "PreconditionFailed")._replace(is_retried=is_retried)
        obj = OBJ._replace(e_tag=None)
        outcome, _ = drive(RewriteObject("SSE-S3").steps(obj, NO_ACLS), [before, conflict, after])
        assert outcome.error_code == code

    @pytest.mark.parametrize(("named", "code"), [(head(etag=MD5), ""), (head(etag=OTHER_MD5), NOT_CURRENT)])
    def test_a_replay_knows_its_own_new_version_from_a_writers(self, named: Response, code: str) -> None:
        """The manifest names v1; v2 is encrypted as wanted: a copy of v1, or somebody's newer object."""
        obj = OBJ._replace(version_id="v1", e_tag=None)
        current = encrypted(etag=MD5, x_amz_version_id="v2")
        outcome, requests = drive(RewriteObject("SSE-S3").steps(obj, REPLAY), [current, named])
        assert outcome.error_code == code
        assert [request.version_id for request in requests] == [None, "v1"]

    def test_the_acl_goes_along_where_there_are_acls(self) -> None:
        """CopyObject resets it to private."""
        acl = (
            b"<AccessControlPolicy><Owner><ID>me</ID></Owner><AccessControlList>"
            b"<Grant><Grantee><ID>me</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant>"
            b"<Grant><Grantee><URI>http://x/AllUsers</URI></Grantee><Permission>READ</Permission></Grant>"
            b"</AccessControlList></AccessControlPolicy>"
        )
        outcome, requests = drive(
            RewriteObject("SSE-S3").steps(OBJ, RunContext()), [head(), answer(body=acl), answer()]
        )
        sent = headers_of(requests[2])
        assert outcome.is_success
        assert sent["x-amz-grant-read"] == 'uri="http://x/AllUsers"'
        assert sent["x-amz-grant-full-control"] == 'id="me"'

    def test_a_retention_that_has_run_out_is_not_set_again(self) -> None:
        """S3 refuses dates in the past; the legal hold goes along."""
        seen = head(
            x_amz_object_lock_mode="GOVERNANCE",
            x_amz_object_lock_retain_until_date="2026-01-01T00:00:00.000Z",
            x_amz_object_lock_legal_hold="ON",
            date="Sun, 22 Nov 2026 10:00:00 GMT",
        )
        _, requests = drive(RewriteObject("SSE-S3").steps(OBJ, NO_ACLS), [seen, answer()])
        kept = {name for name in headers_of(requests[1]) if name.startswith("x-amz-object-lock")}
        assert kept == {"x-amz-object-lock-legal-hold"}

    @pytest.mark.parametrize("body", [b"", b"<html>", b"<Error/>"])
    def test_an_acl_that_makes_no_sense_stops_the_object(self, body: bytes) -> None:
        """It must not be lost in silence."""
        outcome, requests = drive(RewriteObject("SSE-S3").steps(OBJ, RunContext()), [head(), answer(body=body)])
        assert (outcome.is_success, len(requests)) == (False, 2)

    def test_an_acl_that_can_not_be_read_stops_the_object(self) -> None:
        """It could not be kept."""
        outcome, requests = drive(
            RewriteObject("SSE-S3").steps(OBJ, RunContext()), [head(), answer(403, "AccessDenied")]
        )
        assert (outcome.error_code, len(requests)) == ("AccessDenied", 2)
        assert "ACL" in outcome.message


def test_an_owner_only_acl_needs_no_headers() -> None:
    """It is what a copy gets anyway."""
    acl = (
        b"<AccessControlPolicy><Owner><ID>me</ID></Owner><AccessControlList><Grant><Grantee><ID>me</ID></Grantee>"
        b"<Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>"
    )
    assert grant_headers(acl) == ()


@pytest.mark.parametrize(
    ("encryption", "key", "bucket_key", "headers", "is_done"),
    [
        ("SSE-S3", None, None, {"x-amz-server-side-encryption": "AES256"}, True),
        ("SSE-S3", None, None, {"x-amz-server-side-encryption": "aws:kms"}, False),
        ("SSE-KMS", None, None, {"x-amz-server-side-encryption": "aws:kms"}, True),
        ("SSE-KMS", None, None, {"x-amz-server-side-encryption": "aws:kms:dsse"}, False),
        (
            "SSE-KMS",
            "k1",
            None,
            {
                "x-amz-server-side-encryption": "aws:kms",
                "x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:eu-central-1:1:key/k1",
            },
            True,
        ),
        (
            "SSE-KMS",
            "k1",
            None,
            {
                "x-amz-server-side-encryption": "aws:kms",
                "x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:eu-central-1:1:key/k2",
            },
            False,
        ),
        ("SSE-KMS", None, True, {"x-amz-server-side-encryption": "aws:kms"}, False),
        ("SSE-S3", None, None, {}, False),
    ],
)
def test_already_so_is_told_from_the_head(
    encryption: str, key: str | None, bucket_key: bool | None, headers: dict[str, str], is_done: bool
) -> None:
    """Algorithm, key and bucket key."""
    assert RewriteObject(encryption, key, bucket_key)._choice.is_shown_by(headers) is is_done
