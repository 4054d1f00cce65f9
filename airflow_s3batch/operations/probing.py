"""Steps that operations use to try themselves out on a scratch object, and to look at what came of it."""

from __future__ import annotations

from airflow_s3batch.core.errors import CapabilityError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations.requests import Call, Request, Response, Steps

SCRATCH_BODY = b"airflow-s3batch tries an operation on this object and then deletes it\n"

GET = Call("GetObject", wants_headers=True)
HEAD = Call("HeadObject", wants_headers=True)
HEAD_MAYBE = Call("HeadObject", wants_headers=True, may_be_absent=True)
GET_TAGGING = Call("GetObjectTagging")


def refuse(operation: str, finding: str) -> CapabilityError:
    """Return the error that keeps *operation* from starting; *finding* says what the store did."""
    return CapabilityError(
        f"{operation}: tried on a scratch object, this store {finding}. No object of the manifest was touched; "
        "use a store that implements the operation"
    )


def expect_success(operation: str, outcome: Outcome | Response) -> None:
    """
    Check that the operation worked on the scratch object.

    Raises:
        CapabilityError: it did not.
    """
    if outcome.error_code:
        raise refuse(operation, f"answers {outcome.error_code} ({outcome.message})")


def expect_intact(operation: str, scratch: S3Object) -> Steps[Response]:
    """
    Check that the scratch object still has its body; return the response to reading it.

    Raises:
        CapabilityError: the store took the request for another one, and overwrote or deleted the object.
    """
    response = yield Request(GET, scratch.bucket, scratch.key)
    if not response.is_success:
        raise refuse(operation, f"destroys the object: reading it afterwards gives {response.error_code}")
    if response.body != SCRATCH_BODY:
        raise refuse(operation, "overwrites the object's body: it takes the request for a plain write")
    return response


def expect_gone(operation: str, scratch: S3Object) -> Steps[None]:
    """
    Check that the scratch object no longer exists.

    Raises:
        CapabilityError: it does.
    """
    response = yield Request(HEAD, scratch.bucket, scratch.key)
    if response.status != 404:
        raise refuse(operation, f"says the object was deleted, but it still answers {response.status} for it")
