"""
The error codes of other stores, as far as they differ from Amazon's.

A store that is full, or a quota that is used up, fails every write for as long as nobody makes room: not a matter of
seconds, but one that Airflow's own retries may outlast.
"""

from __future__ import annotations

from airflow_s3batch.core.verdicts.verdict import ErrorCode, rows

MINIO = "https://github.com/minio/minio/blob/master/cmd/api-errors.go"
SEAWEEDFS = "https://github.com/seaweedfs/seaweedfs/blob/master/weed/s3api/s3err/s3api_errors.go"
CEPH = "https://github.com/ceph/ceph/blob/main/src/rgw/rgw_common.cc (rgw_http_s3_errors)"
R2 = "https://developers.cloudflare.com/r2/api/error-codes/"
GCS = "https://cloud.google.com/storage/docs/xml-api/reference-status"
GARAGE = "https://git.deuxfleurs.fr/Deuxfleurs/garage/src/branch/main/src/api/s3/error.rs"
STORAGEGRID = "https://docs.netapp.com/us-en/storagegrid/s3/error-responses.html"

EXPIRED_KEYS = frozenset({"InvalidAccessKeyId", "InvalidToken", "InvalidTokenId"})
"""What MinIO says of temporary credentials that have run out, as of those that it never knew."""

OVERLOADED = frozenset({(503, "RequestTimeout")})
"""Status and code of refusals that a code alone does not tell: MinIO has waited in vain for a lock on the object."""

STORE_CODES: tuple[ErrorCode, ...] = (
    *rows(
        MINIO,
        fail="""
            400 AccessKeyDisabled EmptyRequestBody InvalidRequestParameter InvalidVersionId KMSNotConfigured
            400 UnsupportedMetadata XMinioInvalidObjectName XMinioInvalidResourceName
            206 XMinioObjectTampered
            400 XMinioObjectExistsAsDirectory XMinioParentIsObject
            404 XMinioInvalidIAMCredentials
        """,
        retry="503 XMinioBackendDown XMinioServerNotInitialized",
        throttle="503 SlowDownRead SlowDownWrite",
        later="""
            400 XMinioAdminBucketQuotaExceeded
            507 XMinioStorageFull
        """,
        abort="""
            401 UnauthorizedAccess
            403 InvalidTokenId
        """,
    ),
    *rows(
        SEAWEEDFS,
        fail="""
            400 MalformedDate MissingFields
            404 NoSuchObjectLegalHold
            409 ExistingObjectIsDirectory ExistingObjectIsFile
        """,
        throttle="503 ErrRequestBytesExceed ErrTooManyRequest",
    ),
    *rows(
        CEPH,
        fail="""
            400 InvalidObjectName InvalidRetentionPeriod InvalidSecretKey LimitExceeded MalformedPolicyDocument
            404 NoSuchEntity NoSuchUser
            422 UnprocessableEntity
            423 Locked
        """,
        later="403 QuotaExceeded",
        abort="403 UserSuspended",
    ),
    *rows(
        R2,
        fail="""
            403 ObjectLockedByBucketPolicy
            409 BucketConflict
        """,
        throttle="429 TooManyRequests",
        skew="400 ExpiredRequest",
        abort="""
            401 Unauthorized
            403 NotEntitled
        """,
    ),
    *rows(
        GCS,
        fail="""
            400 CloudKmsBadKey CloudKmsCannotChangeKeyName CloudKmsDecryptionKeyNotFound CloudKmsDisabledKey
            400 CloudKmsEncryptionKeyNotFound CloudKmsKeyLocationNotAllowed ExcessHeaderValues KeyTooLong
            400 MalformedHeaderValue ResourceIsEncryptedWithCustomerEncryptionKey
            400 ResourceNotEncryptedWithCustomerEncryptionKey UserProjectInconsistent UserProjectInvalid
            400 UserProjectMissing
            403 ObjectUnderActiveHold UserProjectAccessDenied
        """,
        retry="400 CrcMismatch",
        abort="401 AuthenticationRequired",
    ),
    *rows(GARAGE, fail="400 InvalidUtf8String", retry="503 Timeout"),
    *rows(STORAGEGRID, fail="400 XAmzInvalidHeader", later="403 BucketQuotaExceeded"),
)
