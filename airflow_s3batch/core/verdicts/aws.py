"""
The error codes of Amazon S3.

Where the verdict is not obvious:

* ``BadDigest``, ``XAmzContentSHA256Mismatch``: the body was damaged on its way; botocore sends it again, too.
* ``OperationAborted``, ``ConditionalRequestConflict``: somebody wrote at the same moment, nothing was done. The same
  request under the same condition decides who was first.
* ``TemporaryRedirect``: a new bucket whose name has not got round yet; S3 asks to send it again. The region of each
  bucket is asked for before its first request, so that ``PermanentRedirect`` and ``AuthorizationHeaderMalformed``,
  which name another one, are a matter of the endpoint or the connection that no repeat changes.
* ``AllAccessDisabled``, ``InvalidPayer`` and the codes of KMS keys are about a bucket, an object or a key, of which a
  manifest may hold many: they fail their objects, and not the run.
* ``GlacierExpeditedRetrievalNotAvailable`` comes with 503, but says nothing about the request rate.
"""

from __future__ import annotations

from airflow_s3batch.core.verdicts.verdict import ErrorCode, rows

MODEL = "botocore's S3 model: error shapes, and the list in the documentation of Error.Code"
RESPONSES = "https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"
BOTOCORE_RETRIES = "botocore: retries/standard.py and data/_retry.json"
CONDITIONS = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html"
KMS = "https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html, which S3 passes on as KMS.…"
GENERAL = "https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html"

AWS_CODES: tuple[ErrorCode, ...] = (
    *rows(
        MODEL,
        fail="""
            301 PermanentRedirect
            400 AmbiguousGrantByEmailAddress AnnotationLimitExceeded AnnotationNameTooLong AuthorizationHeaderMalformed
            400 EncryptionTypeMismatch EntityTooLarge EntityTooSmall IdempotencyParameterMismatch
            400 IllegalVersioningConfigurationException IncorrectNumberOfFilesInPostRequest InlineDataTooLarge
            400 InvalidAddressingHeader InvalidAnnotationName InvalidArgument InvalidBucketName InvalidDigest
            400 InvalidEncryptionAlgorithmError InvalidLocationConstraint InvalidPart InvalidPartOrder
            400 InvalidPolicyDocument InvalidPrefix InvalidRequest InvalidStorageClass InvalidTargetBucketForLogging
            400 InvalidURI InvalidWriteOffset KeyTooLongError MalformedACLError MalformedPOSTRequest MalformedXML
            400 MaxMessageLengthExceeded MaxPostPreDataLengthExceededError MetadataTooLarge MissingRequestBodyError
            400 InvalidSOAPRequest MissingSecurityElement MissingSecurityHeader NoLoggingStatusForKey
            400 RequestIsNotMultiPartContent RequestTorrentOfBucketError
            400 TooManyBuckets TooManyParts UnexpectedContent UnresolvableGrantByEmailAddress UserKeyMustBeSpecified
            403 AccessDenied AllAccessDisabled CrossLocationLoggingProhibited InvalidObjectState InvalidPayer
            403 ObjectAlreadyInActiveTierError ObjectNotInActiveTierError
            404 NoSuchAnnotation NoSuchBucket NoSuchBucketPolicy NoSuchKey NoSuchLifecycleConfiguration NoSuchUpload
            404 NoSuchVersion
            405 MethodNotAllowed
            409 BucketAlreadyExists BucketAlreadyOwnedByYou BucketNotEmpty InvalidBucketState RestoreAlreadyInProgress
            411 MissingContentLength
            412 PreconditionFailed
            415 UnsupportedMediaType
            416 InvalidRange
            501 NotImplemented
        """,
        retry="""
            307 Redirect TemporaryRedirect
            400 BadDigest IncompleteBody RequestTimeout
            409 OperationAborted
            500 InternalError
        """,
        throttle="503 ServiceUnavailable SlowDown",
        skew="403 RequestTimeTooSkewed",
        credentials="400 ExpiredToken TokenRefreshRequired",
        abort="""
            400 CredentialsNotSupported InvalidToken
            403 AccountProblem InvalidAccessKeyId InvalidSecurity NotSignedUp SignatureDoesNotMatch
        """,
    ),
    *rows(
        RESPONSES,
        fail="""
            301 PermanentRedirectControlError
            400 AccessControlListNotSupported AuthorizationQueryParametersError DeviceNotActiveError EndpointNotFound
            400 IllegalLocationConstraintException InvalidAccessPointAliasError InvalidRegionName InvalidTag
            400 MissingContentMD5 UnsupportedArgument UnsupportedOperation UnsupportedSignature
            403 ReadOnlyAccessDenied UnauthorizedAccessError WriteOnlyAccessDenied
            404 NoSuchAccessPoint NoSuchCORSConfiguration NoSuchMultiRegionAccessPoint NoSuchObjectLockConfiguration
            404 NoSuchTagSet NoSuchTagSetError NoSuchWebsiteConfiguration ObjectLockConfigurationNotFoundError
            404 OwnershipControlsNotFoundError ReplicationConfigurationNotFoundError
            404 ServerSideEncryptionConfigurationNotFoundError NoSuchPublicAccessBlockConfiguration
        """,
        retry="400 ConnectionClosedByRequester XAmzContentSHA256Mismatch",
        throttle="503 Busy",
        later="503 GlacierExpeditedRetrievalNotAvailable",
        skew="403 RequestExpired RequestInTheFuture",
    ),
    *rows(CONDITIONS, retry="409 ConditionalRequestConflict"),
    *rows(
        BOTOCORE_RETRIES,
        retry="400 RequestTimeoutException",
        throttle="""
            400 EC2ThrottledException LimitExceededException PriorRequestNotComplete
            400 ProvisionedThroughputExceededException RequestLimitExceeded RequestThrottled RequestThrottledException
            400 ThrottledException Throttling ThrottlingException TooManyRequestsException
            400 TransactionInProgressException
            509 BandwidthLimitExceeded
        """,
    ),
    *rows(
        KMS,
        fail="""
            400 KMS.AccessDeniedException KMS.DisabledException KMS.IncorrectKeyException KMS.InvalidArnException
            400 KMS.InvalidGrantTokenException KMS.InvalidKeyUsageException KMS.InvalidStateException
            400 KMS.KMSInvalidStateException KMS.NotFoundException KMS.UnrecognizedClientException
        """,
        retry="""
            500 KMS.DependencyTimeoutException KMS.InternalException KMS.KMSInternalException
            500 KMS.KeyUnavailableException
        """,
        throttle="400 KMS.LimitExceededException KMS.RequestLimitExceeded KMS.ThrottlingException",
    ),
    *rows(
        GENERAL,
        retry="500 InternalFailure InternalServerError InternalServerException ServerError",
        credentials="400 ExpiredTokenException",
        abort="403 InvalidClientTokenId UnrecognizedClientException",
    ),
)
