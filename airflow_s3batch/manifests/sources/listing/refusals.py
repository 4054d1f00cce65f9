"""What to tell of a store that does not let itself be listed."""

from __future__ import annotations

from airflow_s3batch.core.errors import AccessError, InfrastructureError, S3BatchError
from airflow_s3batch.core.permissions import PERMISSION_CODES, missing_permission
from airflow_s3batch.core.verdicts import FINAL, verdict_for
from airflow_s3batch.operations.requests import Response


def refusal(bucket: str, response: Response, *, has_versions: bool) -> S3BatchError:
    """Return the error for *response*, which is what the store says at last to a request for a page of *bucket*."""
    code, text = response.error_code, response.message
    if code == "NoSuchBucket":
        return AccessError(f"can't list s3://{bucket}: there is no such bucket")
    if code in PERMISSION_CODES:
        action = "s3:ListBucketVersions" if has_versions else "s3:ListBucket"
        advice = missing_permission(code, text, [action], f"arn:aws:s3:::{bucket}")
        return AccessError(f"can't list s3://{bucket}: the store refuses with {code}; {advice}")
    if response.status and verdict_for(response.status, code) in FINAL:
        return AccessError(
            f"can't list s3://{bucket}: the store refuses with {code} ({text}); look whether it has "
            f"{'ListObjectVersions (versions=False does without)' if has_versions else 'ListObjectsV2'}"
        )
    return InfrastructureError(f"can't list s3://{bucket}: {code} ({text})")
