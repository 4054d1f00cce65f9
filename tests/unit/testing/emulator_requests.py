"""Valid CreateJob requests, which together use every member of botocore's model, and their wire form."""

from __future__ import annotations

import copy
import datetime as dt
import functools
from typing import Any

import botocore.serialize
import botocore.session


@functools.cache
def _service() -> Any:
    return botocore.session.get_session().get_service_model("s3control")


def known(value: Any, shape: Any) -> Any:
    """Return *value* without the members that the installed botocore does not know yet."""
    if shape.type_name == "list":
        return [known(item, shape.member) for item in value]
    if shape.type_name == "structure":
        return {name: known(item, shape.members[name]) for name, item in value.items() if name in shape.members}
    return value


def known_request(request: dict[str, Any]) -> dict[str, Any]:
    """Return CreateJob's parameters without the members that the installed botocore does not know yet."""
    found: dict[str, Any] = known(request, _service().operation_model("CreateJob").input_shape)
    return found


ACCOUNT = "123456789012"
LATER = dt.datetime(2030, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
KEY_ARN = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
TAGS = [{"Key": "team", "Value": "blüe sky"}, {"Key": "k", "Value": ""}]
GRANT = {"Grantee": {"TypeIdentifier": "id", "Identifier": "abc", "DisplayName": "x"}, "Permission": "READ"}
METADATA = {
    "CacheControl": "no-cache",
    "ContentDisposition": "inline",
    "ContentEncoding": "gzip",
    "ContentLanguage": "de",
    "ContentType": "text/plain",
    "ContentLength": 3,
    "ContentMD5": "x",
    "RequesterCharged": False,
    "HttpExpiresDate": LATER,
    "SSEAlgorithm": "KMS",
    "UserMetadata": {"a": "b"},
}
COPY = {
    "TargetResource": "arn:aws:s3:::target",
    "TargetKeyPrefix": "folder",
    "CannedAccessControlList": "private",
    "MetadataDirective": "REPLACE",
    "AnnotationDirective": "EXCLUDE",
    "ModifiedSinceConstraint": LATER,
    "UnModifiedSinceConstraint": LATER,
    "NewObjectMetadata": METADATA,
    "NewObjectTagging": TAGS,
    "RedirectLocation": "/elsewhere",
    "RequesterPays": True,
    "StorageClass": "GLACIER_IR",
    "SSEAwsKmsKeyId": KEY_ARN,
    "BucketKeyEnabled": True,
    "ObjectLockLegalHoldStatus": "ON",
    "ObjectLockMode": "GOVERNANCE",
    "ObjectLockRetainUntilDate": LATER,
    "ObjectLockEventHold": "ON",
    "ObjectLockEventHoldDuration": {"Days": 3},
    "ChecksumAlgorithm": "SHA256",
}
_WITH_YEARS = {"Years": 2}
_ALL_OPERATIONS: dict[str, dict[str, Any]] = {
    "lambda": {
        "LambdaInvoke": {
            "FunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:f:alias",
            "InvocationSchemaVersion": "2.0",
            "UserArguments": {"a": "b"},
        }
    },
    "copy": {"S3PutObjectCopy": COPY},
    "copy-with-grants": {
        "S3PutObjectCopy": {
            **{name: value for name, value in COPY.items() if name != "CannedAccessControlList"},
            "AccessControlGrants": [GRANT],
            "ObjectLockEventHoldDuration": _WITH_YEARS,
        }
    },
    "canned-acl": {"S3PutObjectAcl": {"AccessControlPolicy": {"CannedAccessControlList": "private"}}},
    "acl": {
        "S3PutObjectAcl": {
            "AccessControlPolicy": {
                "AccessControlList": {"Owner": {"ID": "abc", "DisplayName": "me"}, "Grants": [GRANT]},
            }
        }
    },
    "tagging": {"S3PutObjectTagging": {"TagSet": TAGS}},
    "untagging": {"S3DeleteObjectTagging": {}},
    "restore": {"S3InitiateRestoreObject": {"ExpirationInDays": 3, "GlacierJobTier": "BULK"}},
    "legal-hold": {"S3PutObjectLegalHold": {"LegalHold": {"Status": "ON"}}},
    "retention": {
        "S3PutObjectRetention": {
            "BypassGovernanceRetention": True,
            "Retention": {
                "Mode": "GOVERNANCE",
                "RetainUntilDate": LATER,
                "EventHold": "ON",
                "EventHoldDuration": {"Days": 3},
            },
        }
    },
    "retention-years": {
        "S3PutObjectRetention": {"Retention": {"EventHold": "ON", "EventHoldDuration": _WITH_YEARS}},
    },
    "replicate": {"S3ReplicateObject": {}},
    "checksum": {"S3ComputeObjectChecksum": {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "FULL_OBJECT"}},
    "encryption": {
        "S3UpdateObjectEncryption": {"ObjectEncryption": {"SSEKMS": {"KMSKeyArn": KEY_ARN, "BucketKeyEnabled": True}}}
    },
}
OPERATIONS = {
    name: known_request({"Operation": operation})["Operation"] or operation
    for name, operation in _ALL_OPERATIONS.items()
}
"""Where botocore knows the operation, with the members that it knows."""
ENCRYPTION_FILTERS: dict[str, dict[str, Any]] = {
    "SSES3": {},
    "SSEKMS": {"KmsKeyArn": KEY_ARN, "BucketKeyEnabled": True},
    "DSSEKMS": {"KmsKeyArn": KEY_ARN},
    "SSEC": {},
    "NOTSSE": {},
}
REPORT = known_request(
    {
        "Report": {
            "Enabled": True,
            "Bucket": "arn:aws:s3:::reports",
            "Format": "Report_CSV_20180820",
            "Prefix": "p",
            "ReportScope": "AllTasks",
            "ExpectedBucketOwner": ACCOUNT,
        }
    }
)["Report"]
MANIFEST = {
    "Spec": {"Format": "S3BatchOperations_CSV_20180820", "Fields": ["Bucket", "Key", "VersionId", "Ignore"]},
    "Location": {"ObjectArn": "arn:aws:s3:::ops/manifest.csv", "ObjectVersionId": "v1", "ETag": '"e"'},
}


def create_job(operation: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return CreateJob's parameters; *changes* replace members, ``None`` removes one."""
    request = {
        "AccountId": ACCOUNT,
        "ConfirmationRequired": False,
        "Operation": operation,
        "Report": REPORT,
        "ClientRequestToken": "token",
        "Manifest": MANIFEST,
        "Description": "what it is for",
        "Priority": 10,
        "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/batch",
        "Tags": TAGS,
    } | changes
    return copy.deepcopy({name: value for name, value in request.items() if value is not None})


def generator(encryption: str = "SSES3") -> dict[str, Any]:
    """Return a ``ManifestGenerator`` with all that it can hold; *encryption* is the filter's kind."""
    whole = {
        "S3JobManifestGenerator": {
            "ExpectedBucketOwner": ACCOUNT,
            "SourceBucket": "arn:aws:s3:::lake",
            "EnableManifestOutput": True,
            "ManifestOutputLocation": {
                "Bucket": "arn:aws:s3:::ops",
                "ManifestFormat": "S3InventoryReport_CSV_20211130",
                "ManifestPrefix": "m",
                "ExpectedManifestBucketOwner": ACCOUNT,
                "ManifestEncryption": {"SSES3": {}} if encryption == "SSES3" else {"SSEKMS": {"KeyId": KEY_ARN}},
            },
            "Filter": {
                "EligibleForReplication": True,
                "CreatedAfter": LATER,
                "CreatedBefore": LATER,
                "ObjectReplicationStatuses": ["NONE"],
                "KeyNameConstraint": {"MatchAnyPrefix": ["a"], "MatchAnySuffix": ["b"], "MatchAnySubstring": ["c"]},
                "ObjectSizeGreaterThanBytes": 1,
                "ObjectSizeLessThanBytes": 9,
                "MatchAnyStorageClass": ["GLACIER", "STANDARD"],
                "MatchAnyObjectEncryption": [{encryption: ENCRYPTION_FILTERS[encryption]}],
            },
        }
    }
    found: dict[str, Any] = known_request({"ManifestGenerator": whole})["ManifestGenerator"]
    return found


def valid_requests() -> dict[str, dict[str, Any]]:
    """Return valid CreateJob requests by name, as far as the installed botocore knows their operation."""
    by_operation = {name: create_job(operation) for name, operation in OPERATIONS.items()}
    tagging = OPERATIONS["tagging"]
    generated = {
        f"generated-{kind}": create_job(tagging, Manifest=None, ManifestGenerator=generator(kind))
        for kind in ENCRYPTION_FILTERS
    }
    inventory = {**MANIFEST, "Spec": {"Format": "S3InventoryReport_CSV_20161130"}}
    others = {
        "inventory": create_job(tagging, Manifest=inventory),
        "bare": create_job(
            tagging, Report={"Enabled": False}, Tags=None, Description=None, ConfirmationRequired=None, Priority=0
        ),
    }
    found = {**by_operation, **generated, **others}
    return {name: request for name, request in found.items() if known_request(request) == request}


def body_of(params: dict[str, Any], api: str = "CreateJob") -> bytes:
    """Return the body that botocore sends for *params*, which it does not check here."""
    request = botocore.serialize.create_serializer("rest-xml", include_validation=False)
    return bytes(request.serialize_to_request(params, _service().operation_model(api))["body"])
