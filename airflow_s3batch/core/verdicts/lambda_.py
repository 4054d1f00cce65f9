"""
The error codes of AWS Lambda's Invoke, and the result codes of functions that S3 Batch Operations calls.

A function that is not there, not allowed or broken fails the objects, not the run: then each has an outcome, and none
is left in doubt. ``ResourceNotReadyException`` and its like say that the function has not run yet and soon may; they
come with 5xx, which would otherwise mean that it may have run.
"""

from __future__ import annotations

from airflow_s3batch.core.verdicts.verdict import ErrorCode, rows

MODEL = "botocore's Lambda model: errors of Invoke"
GENERAL = "https://docs.aws.amazon.com/lambda/latest/api/CommonErrors.html"
RESULTS = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-invoke-lambda.html"

LAMBDA_CODES: tuple[ErrorCode, ...] = (
    *rows(
        MODEL,
        fail="""
            400 InvalidParameterValueException InvalidRequestContentException
            400 NoPublishedVersionException RecursiveInvocationException SnapStartException
            402 ServiceQuotaExceededException
            403 EFSMountFailureException S3FilesMountFailureException
            404 ResourceNotFoundException
            400 ModeNotSupportedException
            409 CodeArtifactUserDeletedException CodeArtifactUserFailedException
            409 DurableExecutionAlreadyStartedException
            409 RuntimeAliasDeletedException RuntimeVersionDeletedException SnapStartRegenerationFailureException
            410 EFSIOException
            413 RequestTooLargeException SerializedRequestEntityTooLargeException
            415 UnsupportedMediaTypeException
            502 EC2AccessDeniedException InvalidRuntimeException InvalidSecurityGroupIDException
            502 InvalidSubnetIDException InvalidZipFileException KMSAccessDeniedException KMSDisabledException
            502 KMSInvalidStateException KMSNotFoundException
        """,
        retry="""
            408 EFSMountConnectivityException EFSMountTimeoutException S3FilesMountConnectivityException
            408 S3FilesMountTimeoutException SnapStartTimeoutException
            409 CodeArtifactUserPendingException ResourceConflictException SnapStartNotReadyException
            500 ServiceException
            502 EC2UnexpectedException
        """,
        throttle="""
            502 ENILimitReachedException ENINotReadyException ResourceNotReadyException
            502 SubnetIPAddressLimitReachedException
        """,
    ),
    *rows(
        GENERAL,
        fail="400 AccessDeniedException NotAuthorized OptInRequired ValidationException",
        abort="403 IncompleteSignature InvalidSignatureException MissingAuthenticationToken",
    ),
    *rows(RESULTS, fail="200 PermanentFailure", later="200 TemporaryFailure"),
)
