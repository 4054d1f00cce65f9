"""What a store can do is found out before the first object is touched."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import logging
import uuid
from collections.abc import Iterable
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import botocore.exceptions

from airflow_s3batch.core.errors import AccessError, CapabilityError, InfrastructureError, JobDamagedError
from airflow_s3batch.core.formats import check_format
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.permissions import PERMISSION_CODES, missing_permission
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.access import S3Access
from airflow_s3batch.engine.loop.executor import Executor
from airflow_s3batch.operations.base import Operation
from airflow_s3batch.operations.probing import SCRATCH_BODY
from airflow_s3batch.operations.requests import BucketFacts, Call, Capabilities, Request, Steps

FORMAT = "airflow-s3batch-verdict/1"

log = logging.getLogger(__name__)

_PUT = Call("PutObject", {"Metadata": {"s3batch": "probe"}}, wants_headers=True)
_DELETE = Call("DeleteObject")
_LEFT_AFTER = timedelta(hours=1)
_MOST_BUCKETS = 100  # three requests each, one after the other, once a job


def capabilities_for(
    executor: Executor,
    access: S3Access,
    operation: Operation,
    sample: S3Object,
    scratch_folder: S3Url,
    buckets: Iterable[str] = (),
) -> Capabilities:
    """
    Return what the store can do for *operation*; it is tried on objects below *scratch_folder* unless this is AWS.

    What users should know about the operation on such a store is logged, once per job.

    The configuration of the buckets that it works on is read, never changed. *sample* is the manifest's first row, for
    those and for column values; *buckets* are those of its other rows.

    Raises:
        CapabilityError: the operation can't be run safely here; nothing but scratch objects was touched.
    """
    looked = looked_up(executor, access, operation, sample, buckets)
    if access.is_aws or not operation.is_probed:
        return looked
    _delete_leftovers(executor.preparer.client, scratch_folder)
    findings = _probe(executor, operation.for_probe(sample), sample, scratch_folder / uuid.uuid4().hex)
    found = dataclasses.replace(looked, findings=findings)
    for warning in operation.warnings(found):
        log.warning("%s", warning)
    return found


def looked_up(
    executor: Executor, access: S3Access, operation: Operation, sample: S3Object, buckets: Iterable[str] = ()
) -> Capabilities:
    """
    Return what reading alone tells: how the buckets are set up that *operation* works on; nothing is tried.

    *sample* is as in `capabilities_for`, and so are *buckets*, of which the first `_MOST_BUCKETS` are read: what is
    wrong with one of them is a matter of its rows.

    Raises:
        AccessError: there is no such bucket.
        CapabilityError: the operation can't be run on one of them, or on *sample*.
    """
    facts = {bucket: bucket_facts(executor.preparer.client, bucket) for bucket in operation.buckets(sample)}
    for bucket, fact in facts.items():
        problems = operation.bucket_problems(fact)
        if bucket == sample.bucket:
            problems = [*problems, *operation.object_problems(sample, fact)]
        if problems:
            raise CapabilityError(f"{operation.name} can't be run on s3://{bucket}: {'; '.join(problems)}")
    for bucket in itertools.islice((name for name in buckets if name not in facts), _MOST_BUCKETS):
        with contextlib.suppress(AccessError):
            facts[bucket] = bucket_facts(executor.preparer.client, bucket)
    return Capabilities(is_aws=access.is_aws, buckets=facts)


def bucket_facts(client: Any, bucket: str) -> BucketFacts:
    """
    Read what *bucket* is set up to; what the store does not tell, or not to us, stays unknown.

    Raises:
        AccessError: there is no such bucket.
    """
    versioning = _ask(bucket, client.get_bucket_versioning)
    ownership = _ask(bucket, client.get_bucket_ownership_controls)
    lock = _ask(bucket, client.get_object_lock_configuration)
    rules = ownership.get("OwnershipControls", {}).get("Rules", []) if ownership else []
    return BucketFacts(
        versioning="" if versioning is None else versioning.get("Status", "Off"),
        ownership=rules[0].get("ObjectOwnership", "") if rules else "",
        mfa_delete="" if versioning is None else versioning.get("MFADelete", "Disabled"),
        object_lock="" if lock is None else lock.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled", "Off"),
    )


def _ask(bucket: str, method: Any) -> dict[str, Any] | None:
    try:
        reply: dict[str, Any] = method(Bucket=bucket)
    except botocore.exceptions.ClientError as error:
        code = error.response["Error"].get("Code")
        if code == "NoSuchBucket":
            raise AccessError(f"bucket {bucket!r} does not exist") from error
        return {} if code == "ObjectLockConfigurationNotFoundError" else None
    except botocore.exceptions.NoCredentialsError as error:
        raise AccessError("no AWS credentials were found; check the connection (aws_conn_id)") from error
    except botocore.exceptions.BotoCoreError:
        return None
    return reply


def _probe(executor: Executor, operation: Operation, sample: S3Object, folder: S3Url) -> dict[str, str]:
    scratch = S3Object(folder.bucket, f"{folder.key}/object", size=len(SCRATCH_BODY))
    scratch = executor.call(_put_scratch(scratch))
    try:
        return dict(executor.call(operation.probe(scratch, sample)))
    finally:
        with contextlib.suppress(InfrastructureError):  # best effort; the store's trouble with the probe is told
            executor.call(_delete_scratch(scratch))
            _delete_versions(executor.preparer.client, folder)


def _delete_leftovers(client: Any, folder: S3Url) -> None:
    """Delete what preflights that were killed an hour ago or earlier, by the store's clock, have left; best effort."""
    with contextlib.suppress(botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError, ValueError):
        listing = client.list_objects_v2(Bucket=folder.bucket, Prefix=f"{folder.key}/")
        now = parsedate_to_datetime(listing["ResponseMetadata"]["HTTPHeaders"].get("date", ""))
        for entry in listing.get("Contents", ()):
            if now - entry["LastModified"] > _LEFT_AFTER:
                client.delete_object(Bucket=folder.bucket, Key=entry["Key"])


def _put_scratch(scratch: S3Object) -> Steps[S3Object]:
    response = yield Request(_PUT, scratch.bucket, scratch.key, body=SCRATCH_BODY)
    if response.status in (0, 429) or (response.status >= 500 and response.status != 501):
        raise InfrastructureError(
            f"can't write a scratch object to s3://{scratch.bucket}/{scratch.key} to try the operation on: "
            f"{response.error_code} ({response.message})"
        )
    if response.error_code in PERMISSION_CODES:
        place = f"arn:aws:s3:::{scratch.bucket}/{scratch.key.rpartition('/')[0].rpartition('/')[0]}/*"
        lacking = missing_permission(response.error_code, response.message, ["s3:PutObject"], place)
        raise AccessError(
            f"can't write a scratch object to s3://{scratch.bucket}/{scratch.key} to try the operation on: "
            f"{response.error_code} ({response.message}); {lacking}"
        )
    if not response.is_success:
        raise CapabilityError(
            f"can't write a scratch object to s3://{scratch.bucket}/{scratch.key} to try the operation on: "
            f"{response.error_code} ({response.message}); this store is not AWS, so it is not used untried"
        )
    return scratch._replace(e_tag=response.headers.get("etag", "").strip('"'))


def _delete_scratch(scratch: S3Object) -> Steps[None]:
    for suffix in ("", "-copy", "-other"):
        yield Request(_DELETE, scratch.bucket, scratch.key + suffix)


def _delete_versions(client: Any, folder: S3Url) -> None:
    """Delete what a versioned bucket keeps of the scratch objects; best effort, they are tiny and of no meaning."""
    if bucket_facts(client, folder.bucket).versioning not in ("Enabled", "Suspended"):
        return
    with contextlib.suppress(botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError):
        listing = client.list_object_versions(Bucket=folder.bucket, Prefix=f"{folder.key}/")
        for entry in (*listing.get("Versions", ()), *listing.get("DeleteMarkers", ())):
            client.delete_object(Bucket=folder.bucket, Key=entry["Key"], VersionId=entry["VersionId"])


def verdict_to_json(capabilities: Capabilities, endpoint: str) -> str:
    """Return the text of ``verdict.json``; it holds for *endpoint* alone."""
    return json.dumps(
        {
            "format": FORMAT,
            "endpoint": endpoint,
            "is_aws": capabilities.is_aws,
            "findings": dict(capabilities.findings),
            "buckets": {name: dataclasses.asdict(facts) for name, facts in capabilities.buckets.items()},
        },
        indent=1,
    )


def verdict_from_json(text: bytes, endpoint: str, *, place: str) -> Capabilities | None:
    """
    Return what `verdict_to_json` wrote; ``None`` if it was about another endpoint than *endpoint*.

    Raises:
        JobDamagedError: *text* is not such a verdict.
    """
    try:
        data = json.loads(text)
        check_format(data["format"], FORMAT, place=place)
        if data["endpoint"] != endpoint:
            return None
        return Capabilities(
            bool(data["is_aws"]),
            dict(data["findings"]),
            {name: BucketFacts(**facts) for name, facts in data["buckets"].items()},
        )
    except (ValueError, KeyError, TypeError) as error:
        raise JobDamagedError(f"{place}: not a preflight verdict of this package ({error!r})") from None
