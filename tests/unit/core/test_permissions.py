"""What a refusal tells about the missing permission."""

from __future__ import annotations

import pytest

from airflow_s3batch.core.permissions import PERMISSION_CODES, bucket_objects, missing_permission, object_actions
from airflow_s3batch.core.verdicts import CODE_VERDICTS, Verdict

PLACE = "arn:aws:s3:::lake/*"
USER = "User: arn:aws:sts::123456789012:assumed-role/worker/i-0 is not authorized to perform:"


@pytest.mark.parametrize(
    ("told", "clause"),
    [
        (
            's3:PutObjectTagging on resource: "arn:aws:s3:::lake/a/b c" because no identity-based policy fits (Id 1)',
            "s3:PutObjectTagging on arn:aws:s3:::lake/*, because no identity-based policy fits",
        ),
        (
            's3:DeleteObject on resource: "arn:aws:s3:::lake/k" with an explicit deny in a resource-based policy',
            "s3:DeleteObject on arn:aws:s3:::lake/*, with an explicit deny in a resource-based policy",
        ),
        (
            "kms:GenerateDataKey on resource: arn:aws:kms:eu-west-1:1:key/k1 because no key policy fits",
            "kms:GenerateDataKey on arn:aws:kms:eu-west-1:1:key/k1, because no key policy fits",
        ),
        (
            's3:GetObject on resource: "arn:aws:s3:eu-west-1:1:accesspoint/team/object/a/b c" because no policy fits',
            "s3:GetObject on arn:aws:s3:eu-west-1:1:accesspoint/team/object/*, because no policy fits",
        ),
        ("s3:ListBucket", "s3:ListBucket on arn:aws:s3:::lake/*"),
    ],
)
def test_the_action_that_the_store_names_is_told(told: str, clause: str) -> None:
    """With its reason, and never with a key in it."""
    assert missing_permission("AccessDenied", f"{USER} {told}", ["s3:X"], PLACE) == f"the credentials lack {clause}"


def test_where_the_store_names_no_action_it_is_what_the_request_needs() -> None:
    """Older messages, and other stores."""
    assert missing_permission("AccessDenied", "Access Denied", ["s3:PutObjectTagging"], PLACE) == (
        "the credentials lack s3:PutObjectTagging on arn:aws:s3:::lake/*, or a bucket policy, an SCP or a KMS key "
        "policy denies it"
    )


def test_several_candidates_are_told_as_such() -> None:
    """The store did not say which."""
    clause = missing_permission("AccessDenied", "", ["s3:GetObject", "s3:PutObject"], PLACE)
    assert clause.startswith(f"the credentials lack one of s3:GetObject, s3:PutObject on {PLACE}, or a bucket policy")


def test_a_refusal_by_kms_is_about_the_key() -> None:
    """Whatever the operation needs in S3."""
    clause = missing_permission("KMS.AccessDeniedException", "", ["s3:PutObject"], PLACE)
    assert clause.startswith("the credentials lack one of kms:Decrypt, kms:GenerateDataKey on the KMS key")


def test_versions_need_actions_of_their_own() -> None:
    """S3 has twins of many actions; which one is needed depends on whether the request names a version."""
    actions = {
        "s3:PutObject",
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:GetObjectTagging",
        "s3:GetObjectVersionTagging",
    }
    assert object_actions(actions, has_version=False) == ["s3:GetObject", "s3:GetObjectTagging", "s3:PutObject"]
    assert object_actions(actions, has_version=True) == [
        "s3:GetObjectVersion",
        "s3:GetObjectVersionTagging",
        "s3:PutObject",
    ]


def test_places_are_what_policies_call_them() -> None:
    """Also behind an access point."""
    assert bucket_objects("lake") == PLACE
    point = "arn:aws:s3:eu-west-1:123456789012:accesspoint/ap"
    assert bucket_objects(point) == f"{point}/object/*"


@pytest.mark.parametrize("code", sorted(PERMISSION_CODES))
def test_permissions_fail_their_object_and_not_the_run(code: str) -> None:
    """They may be a matter of one prefix, or of one key's policy."""
    assert CODE_VERDICTS[code] is Verdict.FAIL
