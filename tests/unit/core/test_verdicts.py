"""The tables of error codes."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore
import botocore.session
import pycurl
import pytest
from botocore.retries import standard

from airflow_s3batch.core.verdicts import CODE_VERDICTS, PASSING, Verdict, is_transient, transport_failure, verdict_for
from airflow_s3batch.core.verdicts.aws import AWS_CODES
from airflow_s3batch.core.verdicts.lambda_ import LAMBDA_CODES
from airflow_s3batch.core.verdicts.statuses import STATUS_NAMES
from airflow_s3batch.core.verdicts.stores import STORE_CODES
from airflow_s3batch.core.verdicts.transport import IMPOSSIBLE, TRANSPORT, UNKNOWN

ALL_ROWS = (*AWS_CODES, *LAMBDA_CODES, *STORE_CODES)


@pytest.fixture(scope="module")
def model() -> Any:
    return botocore.session.get_session().get_service_model("s3")


def documented(model: Any) -> Iterator[tuple[str, int]]:
    """Yield code and HTTP status from the list in the documentation of Error.Code."""
    text = model.shape_for("Error").members["Code"].documentation
    for entry in re.split(r"<i>Code:</i>", text)[1:]:
        code = re.match(r"\s*([\w.]+)\s*</p>", entry)
        status = re.search(r"HTTP Status Code:</i>\s*(\d{3})", entry)
        if code and status:
            yield code[1], int(status[1])


def test_every_error_in_botocores_s3_model_has_a_verdict(model: Any) -> None:
    """A new botocore that knows a new error fails here, not at night."""
    codes = {shape.metadata.get("error", {}).get("code", shape.name) for shape in model.error_shapes}
    for name in model.operation_names:
        codes |= {shape.name for shape in model.operation_model(name).error_shapes}
    assert len(codes) >= 10
    assert codes - set(CODE_VERDICTS) == set()


def test_every_error_that_lambda_has_for_an_invocation_has_a_verdict() -> None:
    """Those that say that the function has not run are no RETRY: with 5xx that would mean that it may have run."""
    invoke = botocore.session.get_session().get_service_model("lambda").operation_model("Invoke")
    statuses = {shape.name: shape.metadata["error"]["httpStatusCode"] for shape in invoke.error_shapes}
    assert len(statuses) >= 30
    assert statuses.keys() - CODE_VERDICTS.keys() == set()
    for row in LAMBDA_CODES:
        assert row.status == statuses.get(row.code, row.status), row
    may_have_run = {name for name, status in statuses.items() if status >= 500 and CODE_VERDICTS[name] is Verdict.RETRY}
    assert may_have_run == {"ServiceException", "EC2UnexpectedException"}


def test_every_code_that_botocore_documents_has_a_verdict_under_its_status(model: Any) -> None:
    """The model has shapes for a few errors only; the rest is prose."""
    found = dict(documented(model))
    assert len(found) >= 75
    ours = {row.code: row.status for row in AWS_CODES}
    assert {code: ours.get(code) for code in found} == found


def test_what_botocore_retries_is_retried() -> None:
    """Its tables of transient and throttling codes and statuses are older than ours."""
    transient: Any = standard.TransientRetryableChecker
    throttled: Any = standard.ThrottledRetryableChecker
    for code in transient._TRANSIENT_ERROR_CODES:
        assert CODE_VERDICTS[code] in (Verdict.RETRY, Verdict.THROTTLE)
    for code in throttled._THROTTLED_ERROR_CODES:
        assert CODE_VERDICTS[code] is Verdict.THROTTLE
    table = json.loads((Path(botocore.__file__).parent / "data" / "_retry.json").read_text())
    statuses = set(transient._TRANSIENT_STATUS_CODES)
    for policy in table["definitions"].values():
        response = policy["applies_when"].get("response", {})
        if code := response.get("service_error_code"):
            assert CODE_VERDICTS[code] is Verdict.THROTTLE
        else:
            statuses.add(response.get("http_status_code", 500))
    assert {verdict_for(status, "") for status in statuses} == {Verdict.RETRY, Verdict.THROTTLE}


def test_every_row_has_a_source_and_no_code_two_verdicts() -> None:
    """A table that contradicts itself decides by the order of its lines."""
    assert all(row.source and re.fullmatch(r"[A-Za-z][\w.]*", row.code) for row in ALL_ROWS)
    assert all(row.status in (200, 206) or 300 <= row.status < 600 for row in ALL_ROWS)
    assert [code for code, times in Counter(row.code for row in ALL_ROWS).items() if times > 1] == []


@pytest.mark.parametrize("status", STATUS_NAMES)
def test_answers_without_a_code_get_one_with_a_verdict(status: int) -> None:
    """And the same one that the status alone would get, but where the name is an S3 code that says more."""
    assert STATUS_NAMES[status] in CODE_VERDICTS
    assert verdict_for(status, STATUS_NAMES[status]) is verdict_for(status, "")


@pytest.mark.parametrize(
    ("status", "code", "verdict"),
    [
        (503, "SlowDown", Verdict.THROTTLE),
        (503, "ErrTooManyRequest", Verdict.THROTTLE),
        (503, "", Verdict.THROTTLE),
        (503, "SomethingNew", Verdict.THROTTLE),
        (503, "GlacierExpeditedRetrievalNotAvailable", Verdict.LATER),
        (503, "XMinioServerNotInitialized", Verdict.RETRY),
        (503, "RequestTimeout", Verdict.THROTTLE),
        (429, "", Verdict.THROTTLE),
        (500, "InternalError", Verdict.RETRY),
        (520, "", Verdict.RETRY),
        (200, "InternalError", Verdict.RETRY),
        (200, "SlowDown", Verdict.THROTTLE),
        (307, "TemporaryRedirect", Verdict.RETRY),
        (301, "PermanentRedirect", Verdict.FAIL),
        (400, "RequestTimeout", Verdict.RETRY),
        (400, "BadDigest", Verdict.RETRY),
        (400, "BadRequest", Verdict.FAIL),
        (409, "OperationAborted", Verdict.RETRY),
        (409, "ConditionalRequestConflict", Verdict.RETRY),
        (412, "PreconditionFailed", Verdict.FAIL),
        (403, "RequestTimeTooSkewed", Verdict.SKEW),
        (400, "ExpiredToken", Verdict.CREDENTIALS),
        (403, "InvalidAccessKeyId", Verdict.ABORT),
        (403, "AccountProblem", Verdict.ABORT),
        (403, "InvalidTokenId", Verdict.ABORT),
        (401, "", Verdict.ABORT),
        (403, "AccessDenied", Verdict.FAIL),
        (403, "AllAccessDisabled", Verdict.FAIL),
        (400, "KMS.DisabledException", Verdict.FAIL),
        (400, "KMS.ThrottlingException", Verdict.THROTTLE),
        (403, "QuotaExceeded", Verdict.LATER),
        (507, "XMinioStorageFull", Verdict.LATER),
        (507, "", Verdict.LATER),
        (404, "", Verdict.FAIL),
        (501, "", Verdict.FAIL),
    ],
)
def test_verdicts(status: int, code: str, verdict: Verdict) -> None:
    """Known codes decide; unknown ones are judged by status."""
    assert verdict_for(status, code) is verdict


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("SlowDown", True),
        ("XMinioStorageFull", True),
        ("OperationTimedOut", True),
        ("TransportFailed", True),
        ("BadGateway", True),
        ("Http520", True),
        ("Http413", False),
        ("Httpd", False),
        ("AccessDenied", False),
        ("TlsVerificationFailed", False),
        ("MalformedUrl", False),
        ("NoSuchKey", False),
        ("NotAttempted", False),
        ("SomethingNew", False),
    ],
)
def test_what_another_attempt_may_cure(code: str, expected: bool) -> None:
    """What is the store's, the network's or a full disk's; also where a proxy answered without a code."""
    assert is_transient(code) is expected


def test_every_error_number_of_libcurl_is_decided() -> None:
    """Each is in the table, or among those that can't happen, with the reason; a new libcurl's number fails here."""
    impossible = {number for numbers in IMPOSSIBLE.values() for number in numbers}
    known = {
        getattr(pycurl, name): name for name in dir(pycurl) if name.startswith("E_") and not name.startswith("E_MULTI_")
    }
    decided = {*TRANSPORT, *impossible}
    assert {name for number, name in known.items() if 0 < number < 1000 and number not in decided} == set()
    assert set(TRANSPORT) & impossible == set()
    assert decided == set(range(1, 102))


def test_each_transport_failure_has_a_name_of_its_own() -> None:
    """Which no S3 code has either, so that a report says which of both it was."""
    names = [name for name, _ in (UNKNOWN, *TRANSPORT.values())]
    assert len(set(names)) == len(names)
    assert set(names) & set(CODE_VERDICTS) == set()


def test_unknown_transport_failures_are_retried() -> None:
    """New ones come with time."""
    assert transport_failure(28) == ("OperationTimedOut", Verdict.RETRY)
    assert transport_failure(60)[1] is Verdict.ABORT
    assert transport_failure(4711) == ("TransportFailed", Verdict.RETRY)
    assert transport_failure(4711)[1] in PASSING
