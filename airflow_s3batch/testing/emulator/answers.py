"""What the control API refuses, with the codes that botocore's model names for each call."""

from __future__ import annotations

from collections.abc import Sequence


class Refusal(Exception):  # noqa: N818 - it is an answer
    """
    An error answer of the control API.

    Attributes:
        status: HTTP status.
        code: as in botocore's model of the call, or one that all of S3's calls share.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def malformed(problems: Sequence[str] = ()) -> Refusal:
    """Return the refusal of a body that is no XML, or not of the shape that the model describes."""
    told = "The XML you provided was not well-formed or did not validate against our published schema"
    return Refusal(400, "MalformedXML", ": ".join([told, *(["; ".join(problems)] if problems else [])]))


def invalid(api: str, problems: Sequence[str]) -> Refusal:
    """Return the refusal of a request to *api* that says what it may not."""
    code = "InvalidRequestException" if api == "ListJobs" else "BadRequestException"
    return Refusal(400, code, "Request invalid: " + "; ".join(problems))


def no_such_job(job_id: str) -> Refusal:
    """Return the refusal of a request about a job that is not there, or no more."""
    return Refusal(404, "NotFoundException", f"No such job: {job_id}")
