"""What Athena and Glue say when they refuse or fail, as sentences. The only place that knows their words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from airflow_s3batch.core.errors import (
    AccessError,
    ArgumentError,
    InfrastructureError,
    InventoryError,
    ManifestError,
    S3BatchError,
)
from airflow_s3batch.core.permissions import PERMISSION_CODES, missing_permission
from airflow_s3batch.core.verdicts import Verdict, verdict_for

if TYPE_CHECKING:
    import botocore.exceptions

    from airflow_s3batch.manifests.sources.athena.client import QueryState

_BUSY = frozenset(
    {"TooManyRequestsException", "InternalServerException", "InternalServiceException", "ThrottlingException"}
)
_MISSING = frozenset({"EntityNotFoundException", "MetadataException", "ResourceNotFoundException"})
_QUERY_ACTIONS = (
    "s3:GetObject",
    "s3:ListBucket",
    "s3:PutObject",
    "s3:GetBucketLocation",
    "glue:GetTable",
    "glue:GetPartitions",
)


class _Fault(NamedTuple):
    """How a reason is known, what it is, and what to do; *advice* is empty where a permission is to be named."""

    pattern: re.Pattern[str]
    kind: type[S3BatchError]
    advice: str


def _fault(pattern: str, kind: type[S3BatchError], advice: str = "") -> _Fault:
    return _Fault(re.compile(pattern, re.IGNORECASE), kind, advice)


_FAULTS = (
    _fault(
        "lake formation",
        AccessError,
        "grant SELECT and DESCRIBE on the table in Lake Formation, and lakeformation:GetDataAccess in IAM",
    ),
    _fault("not authorized to perform|permission|access ?denied|forbidden|status code: 403", AccessError),
    _fault(
        "TABLE_NOT_FOUND|SCHEMA_NOT_FOUND|CATALOG_NOT_FOUND|does not exist",
        InventoryError,
        "check table=, database= and the connection's Region",
    ),
    _fault(
        "COLUMN_NOT_FOUND|cannot be resolved",
        ManifestError,
        "the table's definition lacks a column that is asked for",
    ),
    _fault(
        "timestamp precision",
        ManifestError,
        "what UNLOAD writes as Parquet holds milliseconds: write CAST(… AS timestamp(3))",
    ),
    _fault(
        "already (has|contains) data|PATH_ALREADY_EXISTS|not empty",
        InfrastructureError,
        "the next attempt takes a new folder",
    ),
    _fault("SYNTAX_ERROR|TYPE_MISMATCH|FUNCTION_NOT_FOUND|mismatched input", ManifestError, "change the SQL"),
    _fault(
        "HIVE_BAD_DATA|HIVE_CANNOT_OPEN_SPLIT|HIVE_CURSOR_ERROR|HIVE_INVALID|MISMATCH",
        InventoryError,
        "the files are not what the table's definition says; compare it with the fileSchema in manifest.json",
    ),
    _fault(
        "INVALID_CAST_ARGUMENT|INVALID_FUNCTION_ARGUMENT|DIVISION_BY_ZERO",
        ManifestError,
        "the SQL meets a value that it can't compute with",
    ),
    _fault(
        "resources|throttl|slow ?down|internal|timeout|timed out",
        InfrastructureError,
        "a later attempt may succeed",
    ),
)


def failure(state: QueryState, sql: str) -> S3BatchError:
    """Return what to raise for a query that did not succeed: Athena's reason, a next step, *sql* where that is it."""
    what = f"Athena query {state.id} {state.state.lower()}: {one_line(state.reason) or 'no reason is told'}"
    if state.state == "CANCELLED":
        return InfrastructureError(f"{what}; somebody stopped it, and a retry sends it again")
    fault = next((fault for fault in _FAULTS if fault.pattern.search(state.reason)), _fault("", ManifestError))
    advice = fault.advice
    if fault.kind is AccessError and not advice:
        advice = missing_permission("AccessDenied", state.reason, _QUERY_ACTIONS, "what the query reads and writes")
    if state.is_passing:
        return InfrastructureError(f"{what}; Athena says that a retry may succeed")
    shown = f". The statement was: {one_line(sql)}" if fault.kind is ManifestError else ""
    return fault.kind(what + (f"; {advice}" if advice else "") + shown)


def refusal(what: str, error: botocore.exceptions.ClientError, action: str, place: str, sql: str = "") -> S3BatchError:
    """
    Return what to raise where AWS refused to do *what*.

    Args:
        what: continues "can't".
        error: AWS's.
        action: IAM action that it needs.
        place: what it needs it on.
        sql: the statement, if there is one.
    """
    told = error.response.get("Error", {})
    code, text = str(told.get("Code", "")), one_line(str(told.get("Message") or "no message"))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    refused = f"can't {what}: AWS refuses with {code} ({text})"
    if code in PERMISSION_CODES or "not authorized to perform" in text:
        return AccessError(f"{refused}; {missing_permission(code, text, [action], place)}")
    if code in _MISSING:
        return InventoryError(f"{refused}; check the name, the database, and the connection's Region and account")
    if code in _BUSY or status >= 500:
        return InfrastructureError(f"{refused}; botocore's retries are used up, and a later attempt may succeed")
    if sql and code == "InvalidRequestException":
        return ManifestError(f"{refused}. The statement was: {one_line(sql)}")
    if verdict_for(status, code) in (Verdict.CREDENTIALS, Verdict.ABORT):
        return AccessError(f"{refused}; check the connection's credentials")
    return ArgumentError(f"{refused}; check the arguments")


def one_line(text: str, most: int = 4_000) -> str:
    """Return *text* on one line, cut to *most* characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"
