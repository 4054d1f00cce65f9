"""
Every field of every operation in botocore's model of S3 Control, and who can do it.

Nothing here is a claim: declarations whose CreateJob forms together have all fields are turned into these forms, and
the forms back into declarations. A field counts for the managed engine if a form has it, and for the worker engine if
the declaration that comes back from that form is the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import botocore.session

from airflow_s3batch.core.errors import S3BatchError
from airflow_s3batch.operations import (
    ComputeObjectChecksum,
    CopyObject,
    DeleteObjectTagging,
    LambdaInvoke,
    Operation,
    PutObjectAcl,
    PutObjectLegalHold,
    PutObjectRetention,
    PutObjectTagging,
    ReplicateObject,
    RestoreObject,
    UpdateObjectEncryption,
)
from airflow_s3batch.operations.managed_forms import operation_from_create_job

_KEY = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
_UNTIL = "2030-01-01T00:00:00+00:00"
_GRANTS = {"READ": ['uri="http://acs.amazonaws.com/groups/global/AllUsers"']}
DECLARATIONS: tuple[Operation, ...] = (
    LambdaInvoke("arn:aws:lambda:eu-central-1:123456789012:function:greet", "2.0", {"word": "hello"}),
    CopyObject(
        "archive",
        "in/here",
        "STANDARD_IA",
        "SSE-KMS",
        _KEY,
        bucket_key_enabled=True,
        canned_acl="private",
        metadata={"team": "blue"},
        tags={"k": "v"},
        cache_control="no-cache",
        content_disposition="inline",
        content_encoding="gzip",
        content_language="de",
        content_type="text/csv",
        expires=_UNTIL,
        annotation_directive="EXCLUDE",
        copy_source_if_modified_since="2020-01-01T00:00:00+00:00",
        copy_source_if_unmodified_since=_UNTIL,
        website_redirect_location="/there",
        requester_pays=True,
        object_lock_mode="GOVERNANCE",
        object_lock_retain_until_date=_UNTIL,
        object_lock_legal_hold_status="ON",
        checksum_algorithm="SHA256",
    ),
    CopyObject("archive", grants=_GRANTS),
    CopyObject("archive", object_lock_event_hold="ON", object_lock_event_hold_days=30),
    CopyObject("archive", object_lock_event_hold="ON", object_lock_event_hold_years=1),
    PutObjectAcl("private"),
    PutObjectAcl(grants=_GRANTS, owner="0123456789abcdef"),
    PutObjectTagging({"k": "v"}),
    DeleteObjectTagging(),
    RestoreObject(7, "STANDARD"),
    PutObjectRetention("GOVERNANCE", _UNTIL, bypass_governance_retention=True),
    PutObjectRetention(event_hold="ON", event_hold_days=30),
    PutObjectRetention(event_hold="ON", event_hold_years=1),
    PutObjectLegalHold("ON"),
    ReplicateObject(),
    ComputeObjectChecksum("SHA256", "FULL_OBJECT"),
    UpdateObjectEncryption(_KEY, bucket_key_enabled=True),
)
"""Together they have every field, but for `LEFT_OUT`."""

_LABEL = "a label: the identifier says who is meant"
LEFT_OUT: Mapping[str, str] = {
    "S3PutObjectCopy.NewObjectMetadata.ContentLength": "AWS ignores it",
    "S3PutObjectCopy.NewObjectMetadata.ContentMD5": "AWS ignores it",
    "S3PutObjectCopy.NewObjectMetadata.RequesterCharged": "AWS ignores it",
    "S3PutObjectCopy.AccessControlGrants[].Grantee.DisplayName": _LABEL,
    "S3PutObjectAcl.AccessControlPolicy.AccessControlList.Owner.DisplayName": _LABEL,
    "S3PutObjectAcl.AccessControlPolicy.AccessControlList.Grants[].Grantee.DisplayName": _LABEL,
}
"""Fields of the model that no declaration has, and why."""


_BEHIND = {
    "S3PutObjectCopy.MetadataDirective": "CopyObject.metadata",
    "S3PutObjectCopy.ObjectLockRetainUntilDate": "CopyObject.object_lock_retain_until_date",
    "S3PutObjectRetention.Retention.RetainUntilDate": "PutObjectRetention.retain_until",
}
"""Fields whose own can't be found by leaving it out, as others need it."""


class Cell(NamedTuple):
    """One field of the model. *declared* is what stands for it here; *left_out* says why nothing does."""

    path: str
    declared: str
    is_managed: bool
    is_worker: bool
    left_out: str


def model_paths() -> list[str]:
    """Return the fields of ``JobOperation`` in the installed botocore, e.g. ``S3PutObjectTagging.TagSet[].Key``."""
    model = botocore.session.get_session().get_service_model("s3control")
    members = model.shape_for("JobOperation").members  # type: ignore[attr-defined]
    return [path for name, shape in members.items() for path in _leaves(name, shape)]


def _leaves(path: str, shape: Any) -> Iterator[str]:
    """Yield the path of each field below *shape* that has a value of its own; of the operation, if it has none."""
    if shape.type_name == "list":
        yield from _leaves(f"{path}[]", shape.member)
    elif shape.type_name == "structure" and shape.members:
        for name, member in shape.members.items():
            yield from _leaves(f"{path}.{name}", member)
    else:
        yield path


def form_paths(form: Any, path: str = "") -> set[str]:
    """Return the fields that *form* has, as `model_paths` names them; maps are fields of their own."""
    if isinstance(form, list):
        return set().union(*(form_paths(item, f"{path}[]") for item in form))
    if isinstance(form, dict) and form and not path.endswith((".UserMetadata", ".UserArguments")):
        prefix = f"{path}." if path else ""
        return set().union(*(form_paths(value, prefix + name) for name, value in form.items()))
    return {path}


def cells() -> list[Cell]:
    """Return a cell for each field of the model."""
    forms = [(each, form_paths(each.create_job_operation())) for each in DECLARATIONS if not each.managed_problems()]
    return [_cell(path, forms) for path in model_paths()]


def _cell(path: str, forms: list[tuple[Operation, set[str]]]) -> Cell:
    having = [each for each, paths in forms if path in paths]
    if not having:
        return Cell(path, "", is_managed=False, is_worker=False, left_out=LEFT_OUT.get(path, ""))
    return Cell(path, _declared(path, having[0]), True, any(map(_comes_back, having)), "")  # noqa: FBT003


def _comes_back(operation: Operation) -> bool:
    """Return whether the worker engine does what the form of *operation* asks for."""
    try:
        again = operation_from_create_job(operation.create_job_operation())
    except S3BatchError:
        return False
    return again.runs_on_workers and again.create_job_operation() == operation.create_job_operation()


def _declared(path: str, operation: Operation) -> str:
    """Return the field of the declaration that is behind *path* of its form; the operation alone if it has none."""
    kind = type(operation).__name__
    fields = [each for each in dataclasses.fields(operation) if each.init]  # type: ignore[arg-type]
    if path in _BEHIND:
        return _BEHIND[path]
    for each in fields:
        if _is_lost_without(path, operation, each):
            return f"{kind}.{each.name}"
    value = _value_at(path, operation.create_job_operation())
    given = [(each.name, getattr(operation, each.name)) for each in fields]
    same = [name for name, own in given if own == value]
    alike = [name for name, own in given if str(value) in str(own)]
    inside = [name for name, own in given if isinstance(own, str) and own and own in str(value)]
    found = [*same, *alike, *inside]
    return f"{kind}.{found[0]}" if found else kind


def _is_lost_without(path: str, operation: Operation, field: dataclasses.Field[Any]) -> bool:
    """Return whether *operation*'s form has no *path* once *field* has its default, which it may need."""
    default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    if default is dataclasses.MISSING or getattr(operation, field.name) == default:
        return False
    try:
        less: Operation = dataclasses.replace(operation, **{field.name: default})  # type: ignore[type-var]
        return not less.managed_problems() and path not in form_paths(less.create_job_operation())
    except S3BatchError:
        return False


def _value_at(path: str, form: Any) -> Any:
    for name in path.split("."):
        form = form[name.removesuffix("[]")]
        if name.endswith("[]"):
            form = form[0]
    return form


def feature_table() -> str:
    """Return the table in Markdown."""
    rows = [f"| `{cell.path}` | {_words(cell)} |" for cell in cells()]
    return "\n".join(
        [_HEAD, "| field of CreateJob's `Operation` | here | `worker` | `managed` |", "|---|---|---|---|", *rows, ""]
    )


def _words(cell: Cell) -> str:
    if not cell.is_managed:
        return f"none: {cell.left_out} | no | no"
    return f"`{cell.declared}` | {'yes' if cell.is_worker else 'no'} | yes"


_HEAD = """\
## Every field of AWS S3 Batch Operations

What botocore's model of `CreateJob` has, and what does it on either engine. The worker engine does more than this:
the fields of an operation that AWS lacks are named above.
"""
