"""The table of error codes."""

from __future__ import annotations

import botocore.session
import pytest

from airflow_s3batch.core.verdicts import CODE_VERDICTS, Verdict, transport_failure, verdict_for


def test_every_error_in_botocores_s3_model_has_a_verdict() -> None:
    """A new botocore that knows a new error fails here, not at night."""
    model = botocore.session.get_session().get_service_model("s3")
    codes = {shape.metadata.get("error", {}).get("code", shape.name) for shape in model.error_shapes}
    assert codes
    assert codes - set(CODE_VERDICTS) == set()


@pytest.mark.parametrize(
    ("status", "code", "verdict"),
    [
        (503, "SlowDown", Verdict.THROTTLE),
        (503, "ErrTooManyRequest", Verdict.THROTTLE),
        (503, "", Verdict.THROTTLE),
        (503, "SomethingNew", Verdict.THROTTLE),
        (429, "", Verdict.THROTTLE),
        (500, "InternalError", Verdict.RETRY),
        (200, "InternalError", Verdict.RETRY),
        (200, "SlowDown", Verdict.THROTTLE),
        (400, "RequestTimeout", Verdict.RETRY),
        (403, "RequestTimeTooSkewed", Verdict.SKEW),
        (400, "ExpiredToken", Verdict.CREDENTIALS),
        (403, "InvalidAccessKeyId", Verdict.ABORT),
        (403, "AccessDenied", Verdict.FAIL),
        (404, "", Verdict.FAIL),
        (501, "", Verdict.FAIL),
    ],
)
def test_verdicts(status: int, code: str, verdict: Verdict) -> None:
    """Known codes decide; unknown ones are judged by status."""
    assert verdict_for(status, code) is verdict


def test_unknown_transport_failures_are_retried() -> None:
    """New ones come with time."""
    assert transport_failure(28) == ("OperationTimedOut", Verdict.RETRY)
    assert transport_failure(60)[1] is Verdict.ABORT
    assert transport_failure(4711) == ("TransportFailed", Verdict.RETRY)
