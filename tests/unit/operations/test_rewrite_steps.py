"""What rewrites in place ask of a store, and what they make of its answers."""

from __future__ import annotations

import pytest
from scripted_store import answer, drive, headers_of

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import SUCCESS
from airflow_s3batch.operations import RewriteObject, RunContext
from airflow_s3batch.operations.acls.grants import grant_headers
from airflow_s3batch.operations.requests import BucketFacts, Capabilities, Response
from airflow_s3batch.operations.rewrites.keeping import NOT_CURRENT

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
    assert RewriteObject(encryption, key, bucket_key).is_done(answer()._replace(headers=headers)) is is_done


KMS = {"x_amz_server_side_encryption": "aws:kms", "x_amz_server_side_encryption_aws_kms_key_id": "k1"}


class TestChanges:
    """What may be changed besides the encryption."""

    def test_the_encryption_is_kept_unless_it_is_named(self) -> None:
        """A copy would get the bucket's default, and with it another key."""
        seen = head(x_amz_server_side_encryption_bucket_key_enabled="true", **KMS)
        _, requests = drive(RewriteObject(storage_class="GLACIER_IR").steps(OBJ, NO_ACLS), [seen, answer()])
        sent = headers_of(requests[1])
        assert sent["x-amz-server-side-encryption"] == "aws:kms"
        assert sent["x-amz-server-side-encryption-aws-kms-key-id"] == "k1"
        assert sent["x-amz-server-side-encryption-bucket-key-enabled"] == "true"
        assert "x-amz-storage-class" not in sent
        assert requests[1].call.params == {"StorageClass": "GLACIER_IR", "MetadataDirective": "COPY"}

    def test_a_new_encryption_is_not_sent_with_the_old_one(self) -> None:
        _, requests = drive(RewriteObject("SSE-S3").steps(OBJ, NO_ACLS), [head(**KMS), answer()])
        assert not [name for name in headers_of(requests[1]) if "encryption" in name]

    def test_content_that_is_not_named_is_sent_again(self) -> None:
        """The directive REPLACE drops all that is not sent."""
        seen = head(x_amz_meta_a="1", content_type="text/x", cache_control="no-store", content_language="de")
        operation = RewriteObject(content_type="text/y", content_language="", expires="2030-01-01")
        _, requests = drive(operation.steps(OBJ, NO_ACLS), [seen, answer()])
        sent = headers_of(requests[1])
        assert requests[1].call.params["MetadataDirective"] == "REPLACE"
        assert (sent["content-type"], sent["cache-control"], sent["x-amz-meta-a"]) == ("text/y", "no-store", "1")
        assert sent["expires"] == "Tue, 01 Jan 2030 00:00:00 GMT"
        assert "content-language" not in sent

    def test_metadata_is_replaced_as_a_whole(self) -> None:
        seen = head(x_amz_meta_a="1", x_amz_meta_b="2")
        _, requests = drive(RewriteObject(metadata={"B": "3"}).steps(OBJ, NO_ACLS), [seen, answer()])
        sent = headers_of(requests[1])
        assert {name: value for name, value in sent.items() if "meta" in name} == {"x-amz-meta-b": "3"}

    @pytest.mark.parametrize(
        ("operation", "shown"),
        [
            (RewriteObject(storage_class="STANDARD_IA"), {}),
            (RewriteObject(storage_class="STANDARD"), {"x_amz_storage_class": ""}),
            (RewriteObject(metadata={"a": "1"}, content_type="t/x"), {"x_amz_meta_a": "1", "content_type": "t/x"}),
            (RewriteObject(metadata={}, cache_control=""), {}),
            (RewriteObject(checksum_algorithm="SHA256"), {"x_amz_checksum_sha256": "x"}),
        ],
    )
    def test_what_is_so_already_is_left_alone(self, operation: RewriteObject, shown: dict[str, str]) -> None:
        seen = head(**shown)
        if shown.get("x_amz_storage_class") == "":
            del seen.headers["x-amz-storage-class"]  # type: ignore[attr-defined]
        outcome, requests = drive(operation.steps(OBJ, NO_ACLS), [seen])
        assert (outcome.is_success, len(requests)) == (True, 1)

    def test_checksums_are_looked_for_where_they_matter(self) -> None:
        """Showing them needs kms:Decrypt."""
        _, requests = drive(RewriteObject(checksum_algorithm="CRC32").steps(OBJ, NO_ACLS), [head(), answer()])
        assert requests[0].call.params == {"ChecksumMode": "ENABLED"}
        _, requests = drive(RewriteObject("SSE-S3").steps(OBJ, NO_ACLS), [head(), answer()])
        assert requests[0].call.params == {}

    def test_our_own_copy_is_known_by_the_metadata_that_it_was_to_get(self) -> None:
        """An earlier try wrote it; its answer was lost."""
        conflict = answer(412, "PreconditionFailed")._replace(is_retried=True)
        operation = RewriteObject(metadata={"n": "2"})
        obj = OBJ._replace(e_tag=None)
        ours, theirs = head(etag=MD5, x_amz_meta_n="2"), head(etag=OTHER_MD5, x_amz_meta_n="2")
        outcome, _ = drive(operation.steps(obj, NO_ACLS), [head(etag=MD5, x_amz_meta_m="1"), conflict, ours])
        assert outcome.is_success
        outcome, _ = drive(operation.steps(obj, NO_ACLS), [head(etag=MD5, x_amz_meta_m="1"), conflict, theirs])
        assert outcome.error_code == "PreconditionFailed"

    @pytest.mark.parametrize(("kept", "code"), [("GOVERNANCE", ""), (None, "InvalidRequest")])
    def test_a_lock_that_a_store_drops_is_no_success(self, kept: str | None, code: str) -> None:
        """On AWS nobody has to look."""
        seen = head(x_amz_object_lock_mode="GOVERNANCE")
        after = head(**({"x_amz_object_lock_mode": kept} if kept else {}))
        context = RunContext(Capabilities(False, {}, NO_ACLS.capabilities.buckets))
        outcome, _ = drive(RewriteObject("SSE-S3").steps(OBJ, context), [seen, answer(), after])
        assert outcome.error_code == code

    def test_nothing_to_change_is_an_error(self) -> None:
        with pytest.raises(ArgumentError, match="nothing to change"):
            RewriteObject()

    def test_tags_with_odd_characters_do_not_hinder(self) -> None:
        """SeaweedFS shows tags in headers of their own; a copy keeps them by itself."""
        outcome, _ = drive(RewriteObject("SSE-S3").steps(OBJ, NO_ACLS), [head(x_amz_tagging_team="ä"), answer()])
        assert outcome == SUCCESS


def test_a_rewrite_does_not_cost_the_null_version_below() -> None:
    """Where versioning is suspended, S3 would put the copy in its place."""
    context = RunContext(Capabilities(buckets={"b": BucketFacts("Suspended", "BucketOwnerEnforced")}))
    fifth, rewrite = head(x_amz_version_id="v5"), RewriteObject("SSE-S3")
    outcome, requests = drive(rewrite.steps(OBJ, context), [fifth, head(etag='"older"')])
    assert (outcome.error_code, "null version" in outcome.message) == ("InvalidRequest", True)
    assert [request.version_id for request in requests] == [None, "null"]
    assert drive(rewrite.steps(OBJ, context), [fifth, GONE, answer()])[0].is_success
    assert drive(rewrite.steps(OBJ, context), [head(x_amz_version_id="null"), answer()])[0].is_success
