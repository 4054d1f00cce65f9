"""What each operation asks of the store, and what it makes of the answers."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_store import answer, drive, headers_of

from airflow_s3batch.core.errors import ArgumentError, ManifestError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import SUCCESS
from airflow_s3batch.operations import Column, CopyObject, DeleteObject, PutObjectTagging, RewriteObject, RunContext
from airflow_s3batch.operations.delete_xml import delete_results, delete_xml, fits_xml
from airflow_s3batch.operations.grants import grant_headers
from airflow_s3batch.operations.requests import BucketFacts, Capabilities, Request, Response
from airflow_s3batch.operations.rewriting import NOT_CURRENT

OBJ = S3Object("b", "k", e_tag="old", size=3)
NO_ACLS = RunContext(Capabilities(buckets={"b": BucketFacts(ownership="BucketOwnerEnforced")}))
REPLAY = RunContext(NO_ACLS.capabilities, is_replay=True)
GONE = answer(404, "NoSuchKey")


def test_a_column_value_that_s3_refuses_fails_that_object_alone() -> None:
    """Also one that looks like a template. A null is written as an empty text."""
    operation = PutObjectTagging({"team": Column("team")})
    for value in ("a<b", "{{ds}}", "{{ ds }}"):
        with pytest.raises(ArgumentError):
            operation.for_object(OBJ._replace(columns={"team": value}))
    assert operation.for_object(OBJ._replace(columns={"team": None})).to_json()["tags"] == {"team": ""}


def test_one_variant_serves_all_objects_with_the_same_values() -> None:
    """So that their request is serialized once."""
    operation = PutObjectTagging({"team": Column("team")})
    variants = {id(operation.for_object(OBJ._replace(columns={"team": f"t{n % 3}"}))) for n in range(30)}
    assert len(variants) == 3


def test_columns_serve_every_field_of_a_copy() -> None:
    """Target, class, encryption, tags and metadata; a null leaves a field out."""
    operation = CopyObject(
        Column("to"),
        Column("prefix"),
        storage_class=Column("class"),
        encryption=Column("sse"),
        tags={"team": Column("team")},
        metadata={"size": Column("size")},
    )
    values = {"to": "t", "prefix": "p", "class": None, "sse": "SSE-S3", "team": "blue & green"}
    with pytest.raises(ArgumentError, match="blue & green"):
        operation.for_object(OBJ._replace(columns=values))
    variant = operation.for_object(OBJ._replace(columns={**values, "team": "blue"}))
    _, (request,) = drive(variant.steps(OBJ, NO_ACLS), [answer()])
    assert (request.bucket, request.key) == ("t", "p/k")
    assert request.call.params == {
        "ServerSideEncryption": "AES256",
        "MetadataDirective": "REPLACE",
        "Metadata": {"size": "3"},
        "TaggingDirective": "REPLACE",
        "Tagging": "team=blue",
    }


def test_a_column_that_is_not_there_is_a_sentence() -> None:
    """With the column's name."""
    with pytest.raises(ManifestError, match="'team'"):
        PutObjectTagging({"team": Column("team")}).for_object(OBJ)


def test_the_preflight_makes_do_where_the_first_row_has_an_impossible_value() -> None:
    """That row fails on its own; the job runs."""
    operation = PutObjectTagging({"team": Column("team")})
    assert operation.for_probe(OBJ._replace(columns={"team": "R&D"})).to_json()["tags"] == {"team": "x"}


@pytest.mark.parametrize("bucket", ["b", "arn:aws:s3:eu-central-1:123456789012:accesspoint/ap", "ap-123abc-s3alias"])
def test_a_copy_onto_itself_is_refused(bucket: str) -> None:
    """By bucket and key; an alias may be the same bucket; another prefix is fine."""
    outcome, requests = drive(CopyObject(bucket).steps(OBJ, NO_ACLS), [])
    assert (outcome.error_code, requests) == ("InvalidRequest", [])
    _, requests = drive(CopyObject("b", "p/").steps(OBJ, NO_ACLS), [answer()])
    assert (requests[0].bucket, requests[0].key) == ("b", "p/k")


def test_what_copy_can_not_do_fails_without_a_request() -> None:
    """Objects above 5 GiB, and keys that get too long."""
    big = OBJ._replace(size=5 * 1024**3 + 1)
    assert drive(CopyObject("t").steps(big, NO_ACLS), [])[0].error_code == "EntityTooLarge"
    long = OBJ._replace(key="é" * 512)
    assert drive(CopyObject("t", "p").steps(long, NO_ACLS), [])[0].error_code == "KeyTooLongError"


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

    @given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(fits_xml))
    def test_keys_survive_the_xml(self, key: str) -> None:
        """What is asked for is what an XML parser reads, and the answer is found again."""
        body = delete_xml([S3Object("b", key, "v", e_tag="e")], is_conditional=True)
        answered = body.replace(b"<Delete ", b"<DeleteResult ").replace(b"</Delete>", b"</DeleteResult>")
        answered = answered.replace(b"Object>", b"Deleted>")
        assert list(delete_results(answered)) == [(key, "v")]


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
