"""
What a request may not hold although botocore's model allows it.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_CreateJob.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from airflow_s3batch.testing.emulator.answers import Refusal, invalid

Params = Mapping[str, Any]

MOST_JOB_TAGS = 50
MOST_OBJECT_TAGS = 10
MANIFEST_CSV = "S3BatchOperations_CSV_20180820"
_BUCKET_ARN = re.compile(r"arn:aws[a-z-]*:s3:::[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_EXPRESS_ARN = re.compile(r"arn:aws[a-z-]*:s3express:[a-z0-9-]+:\d{12}:bucket/[a-z0-9-]+--x-s3")
_OBJECT_ARN = re.compile(r"arn:aws[a-z-]*:s3:::[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/.+", re.DOTALL)
_ROLE_ACCOUNT = re.compile(r"arn:[^:]+:iam::(\d{12}):role/.*")


def check_account(params: Params, account_id: str) -> None:
    """
    Refuse a request for another account than *account_id*.

    Raises:
        Refusal: it is for another one.
    """
    if params["AccountId"] != account_id:
        raise Refusal(403, "AccessDenied", "Access Denied")


def check_create(params: Params, account_id: str) -> None:
    """
    Check CreateJob's *params*, which the model allows.

    Raises:
        Refusal: they break a rule that the model does not tell.
    """
    role = _ROLE_ACCOUNT.fullmatch(params["RoleArn"])
    if role is not None and role[1] != account_id:
        raise Refusal(403, "AccessDenied", "Cross-account pass role is not allowed")
    check_job_tags(params.get("Tags", ()))
    found = [
        *_source_problems(params),
        *_operation_problems(params),
        *_report_problems(params),
    ]
    if found:
        raise invalid("CreateJob", found)


def check_job_tags(tags: Sequence[Params]) -> None:
    """
    Check the tags of a job.

    Raises:
        Refusal: there are too many, or two with the same key.
    """
    if len(tags) > MOST_JOB_TAGS:
        raise Refusal(400, "TooManyTagsException", f"{len(tags)} tags; a job can have {MOST_JOB_TAGS}")
    if problems := _tag_problems("Tags", tags):
        raise invalid("CreateJob", problems)


def _source_problems(params: Params) -> list[str]:
    manifest, generator = params.get("Manifest"), params.get("ManifestGenerator")
    if (manifest is None) == (generator is None):
        return ["exactly one of Manifest and ManifestGenerator has to be set"]
    if manifest is not None:
        return _manifest_problems(manifest)
    return _generator_problems((generator or {}).get("S3JobManifestGenerator", {}))


def _manifest_problems(manifest: Params) -> list[str]:
    spec, arn = manifest["Spec"], manifest["Location"]["ObjectArn"]
    found = []
    if not _OBJECT_ARN.fullmatch(arn):
        found.append(f"Manifest.Location.ObjectArn: {arn!r} is not the ARN of an object in a general purpose bucket")
    fields = spec.get("Fields")
    if spec["Format"] == MANIFEST_CSV:
        found += _fields_problems(fields or [])
    elif fields:
        found.append(f"Manifest.Spec.Fields: not for {spec['Format']}, whose manifest.json names them")
    return found


def _fields_problems(fields: Sequence[str]) -> list[str]:
    missing = [name for name in ("Bucket", "Key") if name not in fields]
    doubled = {name for name in fields if name != "Ignore" and fields.count(name) > 1}
    found = [f"Required fields are missing in the schema: {', '.join(missing)}"] if missing else []
    return found + [f"Manifest.Spec.Fields: {name} comes twice" for name in sorted(doubled)]


def _generator_problems(generator: Params) -> list[str]:
    found = _bucket_problems("ManifestGenerator.SourceBucket", generator.get("SourceBucket", ""))
    output = generator.get("ManifestOutputLocation")
    if generator.get("EnableManifestOutput") and output is None:
        found.append("ManifestGenerator.ManifestOutputLocation: missing though EnableManifestOutput is true")
    if output is not None:
        found += _bucket_problems("ManifestOutputLocation.Bucket", output["Bucket"])
        if len(output.get("ManifestEncryption", {})) > 1:
            found.append("ManifestOutputLocation.ManifestEncryption: only one of SSE-S3 and SSE-KMS can be set")
    names = generator.get("Filter", {}).get("KeyNameConstraint", {})
    found += [f"KeyNameConstraint.{name}: takes exactly 1 text" for name, texts in names.items() if len(texts) != 1]
    return found


def _report_problems(params: Params) -> list[str]:
    report = params["Report"]
    is_checksum = "S3ComputeObjectChecksum" in params["Operation"]
    if not report["Enabled"]:
        return ["Report.Enabled: S3ComputeObjectChecksum needs a report"] if is_checksum else []
    found = [f"Report.{name}: missing though Enabled is true" for name in ("Bucket", "Format") if name not in report]
    if "Bucket" in report:
        found += _bucket_problems("Report.Bucket", report["Bucket"])
    if is_checksum and "ExpectedBucketOwner" not in report:
        found.append("Report.ExpectedBucketOwner: missing; S3ComputeObjectChecksum needs it")
    return found


def _operation_problems(params: Params) -> list[str]:
    operation = params["Operation"]
    if len(operation) != 1:
        return [f"Operation: exactly one has to be set; it has {', '.join(operation) or 'none'}"]
    ((name, form),) = operation.items()
    return [f"Operation.{name}.{problem}" for problem in _OPERATION_RULES.get(name, _nothing)(form)]


def _nothing(form: Params) -> list[str]:  # noqa: ARG001 - the signature of a rule
    return []


def _lambda_problems(form: Params) -> list[str]:
    version = form.get("InvocationSchemaVersion", "1.0")
    found = [] if "FunctionArn" in form else ["FunctionArn: missing"]
    if version not in ("1.0", "2.0"):
        found.append(f"InvocationSchemaVersion: {version!r} is neither 1.0 nor 2.0")
    if "UserArguments" in form and version != "2.0":
        found.append("UserArguments: need InvocationSchemaVersion 2.0")
    return found


def _copy_problems(form: Params) -> list[str]:
    target = form.get("TargetResource", "")
    found = []
    if not _BUCKET_ARN.fullmatch(target) and not _EXPRESS_ARN.fullmatch(target):
        found.append(f"TargetResource: {target!r} is not the ARN of a bucket")
    if ("ObjectLockMode" in form) != ("ObjectLockRetainUntilDate" in form):
        found.append("ObjectLockMode: goes with ObjectLockRetainUntilDate, or neither is set")
    if "CannedAccessControlList" in form and form.get("AccessControlGrants"):
        found.append("CannedAccessControlList: not together with AccessControlGrants")
    found += _tagging_problems("NewObjectTagging", form.get("NewObjectTagging", ()))
    return found + _duration_problems("ObjectLockEventHoldDuration", form.get("ObjectLockEventHoldDuration"))


def _acl_problems(form: Params) -> list[str]:
    policy = form.get("AccessControlPolicy", {})
    if len([name for name in ("AccessControlList", "CannedAccessControlList") if name in policy]) != 1:
        return ["AccessControlPolicy: exactly one of AccessControlList and CannedAccessControlList has to be set"]
    return []


def _retention_problems(form: Params) -> list[str]:
    retention = form["Retention"]
    found = []
    if ("Mode" in retention) != ("RetainUntilDate" in retention):
        found.append("Retention: Mode goes with RetainUntilDate, or neither is set")
    return found + _duration_problems("Retention.EventHoldDuration", retention.get("EventHoldDuration"))


def _checksum_problems(form: Params) -> list[str]:
    if form.get("ChecksumAlgorithm") == "CRC64NVME" and form.get("ChecksumType") == "COMPOSITE":
        return ["ChecksumType: CRC64NVME is of the whole object; COMPOSITE is not possible"]
    return []


def _encryption_problems(form: Params) -> list[str]:
    return [] if "SSEKMS" in form.get("ObjectEncryption", {}) else ["ObjectEncryption: SSE-KMS is missing"]


def _tagging_problems(name: str, tags: Sequence[Params]) -> list[str]:
    found = [f"{name}: {len(tags)} tags; an object can have 10"] if len(tags) > MOST_OBJECT_TAGS else []
    return found + _tag_problems(name, tags)


def _tag_problems(name: str, tags: Sequence[Params]) -> list[str]:
    keys = [tag["Key"] for tag in tags]
    found = [f"{name}: key {key!r} comes twice" for key in sorted({key for key in keys if keys.count(key) > 1})]
    return found + [f"{name}: {key!r} begins with aws:" for key in keys if key.lower().startswith("aws:")]


def _duration_problems(name: str, duration: Params | None) -> list[str]:
    if duration is not None and len(duration) != 1:
        return [f"{name}: exactly one of Days and Years has to be set"]
    return []


def _bucket_problems(name: str, arn: str) -> list[str]:
    return [] if _BUCKET_ARN.fullmatch(arn) else [f"{name}: {arn!r} is not the ARN of a general purpose bucket"]


_OPERATION_RULES: dict[str, Callable[[Params], list[str]]] = {
    "LambdaInvoke": _lambda_problems,
    "S3PutObjectCopy": _copy_problems,
    "S3PutObjectAcl": _acl_problems,
    "S3PutObjectTagging": lambda form: _tagging_problems("TagSet", form.get("TagSet", ())),
    "S3PutObjectRetention": _retention_problems,
    "S3ComputeObjectChecksum": _checksum_problems,
    "S3UpdateObjectEncryption": _encryption_problems,
}
