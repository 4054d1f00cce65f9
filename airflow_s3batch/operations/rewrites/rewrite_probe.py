"""Rewrites tried on a scratch object, on stores that are not known to be AWS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_s3batch.core.errors import CapabilityError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.operations.acls.grants import grant_headers
from airflow_s3batch.operations.bodies.content import content_of
from airflow_s3batch.operations.bodies.multipart import PartsCopy, copy_in_parts
from airflow_s3batch.operations.bodies.skipping import HONOURED, IGNORED, REFUSED
from airflow_s3batch.operations.copies.copy_probe import parts_findings
from airflow_s3batch.operations.probing import HEAD, expect_intact, expect_success, refuse
from airflow_s3batch.operations.requests import Call, Capabilities, Request, Response, Steps
from airflow_s3batch.operations.rewrites.keeping import GET_ACL

if TYPE_CHECKING:
    from airflow_s3batch.operations.rewrites.rewriting import RewriteObject

_TWO_STEPS = "SeaweedFS"
"""In the Server header of stores that check conditions first and write then; a proxy in front may hide it."""

_WRONG_ETAG = '"00000000000000000000000000000000"'
_ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_HEAD = Call("HeadObject", {"ChecksumMode": "ENABLED"}, wants_headers=True)


def probe_rewrite(rewrite: RewriteObject, scratch: S3Object) -> Steps[Mapping[str, str]]:
    """
    Rewrite *scratch*, look at it, and find out what the store makes of conditions, ACLs and copies in parts.

    Raises:
        CapabilityError: the store does not do as it is asked, or not safely.
    """
    if rewrite.storage_class in _ARCHIVES:  # what is in an archive can't be read again
        rewrite = replace(rewrite, storage_class="STANDARD_IA")
    before = yield Request(HEAD, scratch.bucket, scratch.key)
    expect_success(rewrite.name, before)
    directive = rewrite.directive(Capabilities())
    response = yield rewrite.request(scratch, before, directive)
    if not response.is_success and directive == "COPY":
        directive = "REPLACE"
        response = yield rewrite.request(scratch, before, directive)
    expect_success(rewrite.name, response)
    yield from expect_intact(rewrite.name, scratch)
    after = yield Request(_HEAD, scratch.bucket, scratch.key)
    _expect_effect(rewrite, before, after)
    conditions = yield from _condition_findings(rewrite, scratch, after, directive)
    grants = yield from _grants_finding(rewrite, scratch, directive)
    parts = yield from _parts_findings(rewrite, scratch)
    steps = "two" if _TWO_STEPS in before.headers.get("server", "") else "one"
    found = {"metadata_directive": directive, "grants": grants, "condition_steps": steps}
    return {**found, **parts, **conditions}


def _expect_effect(rewrite: RewriteObject, before: Response, after: Response) -> None:
    if not rewrite.is_done(after):
        asked = [name for name in ("encryption", "storage_class", "checksum_algorithm") if getattr(rewrite, name)]
        raise refuse(rewrite.name, f"accepts the {' and '.join(asked) or 'metadata'} and ignores it")
    kept = [{**content_of(shown), "expires": ""} for shown in (rewrite.wanted(before), after.headers)]
    if kept[0] != kept[1]:
        raise refuse(rewrite.name, "loses the object's metadata when it is copied onto itself")


def _condition_findings(
    rewrite: RewriteObject, scratch: S3Object, head: Response, directive: str
) -> Steps[dict[str, str]]:
    findings = {}
    for finding, header in (("source_condition", "x-amz-copy-source-if-match"), ("target_condition", "if-match")):
        request = rewrite.request(scratch, head, directive)
        wrong = tuple((name, _WRONG_ETAG if name == header else value) for name, value in request.headers)
        response = yield request._replace(headers=wrong)
        findings[finding] = HONOURED if response.status == 412 else IGNORED
        if response.is_success:
            head = yield Request(HEAD, scratch.bucket, scratch.key)
    ignored = [name for name, finding in findings.items() if finding == IGNORED]
    if ignored and not rewrite.allow_unconditional:
        raise CapabilityError(
            f"{rewrite.name}: this store ignores If-Match when an object is copied onto itself "
            f"({' and '.join(ignored).replace('_', ' ')}), so a body written at the same moment could be lost. "
            "No object of the manifest was touched; allow_unconditional=True accepts that"
        )
    return findings


def _grants_finding(rewrite: RewriteObject, scratch: S3Object, directive: str) -> Steps[str]:
    """Find out whether a copy gets the ACL that it is sent with; where it does not, only default ACLs are kept."""
    head = yield Request(HEAD, scratch.bucket, scratch.key)
    grant = ("x-amz-grant-read", 'uri="http://acs.amazonaws.com/groups/global/AuthenticatedUsers"')
    response = yield rewrite.request(scratch, head, directive, (grant,))
    if not response.is_success:
        return IGNORED
    shown = yield Request(GET_ACL, scratch.bucket, scratch.key)
    return HONOURED if grant in (grant_headers(shown.body) or ()) else IGNORED


def _parts_findings(rewrite: RewriteObject, scratch: S3Object) -> Steps[dict[str, str]]:
    """Return whether the store rewrites in parts under a condition, without one, or not at all; and keeps tags."""
    head = yield Request(HEAD, scratch.bucket, scratch.key)
    create = (*rewrite.content.applied_to(head.headers).items(), *rewrite.kept(head))
    plan = PartsCopy(scratch, head.headers, scratch.bucket, scratch.key, create)
    calls = rewrite._calls.for_trial()  # noqa: SLF001
    wrong = yield from copy_in_parts(plan._replace(complete_headers=(("if-match", _WRONG_ETAG),)), calls)
    head = yield Request(HEAD, scratch.bucket, scratch.key)
    if not head.is_success or "etag" not in head.headers:
        return {"parts": REFUSED}
    right = (("if-match", head.headers["etag"]),)
    found = yield from parts_findings(plan._replace(head=head.headers, complete_headers=right), calls)
    is_open = found["parts"] == HONOURED and wrong.status != 412
    return {**found, "parts": IGNORED} if is_open else found


def two_step_warnings(name: str, capabilities: Capabilities) -> list[str]:
    """Return what users should know where a store checks conditions first and writes then."""
    is_kept = all(facts.versioning == "Enabled" for facts in capabilities.buckets.values())
    if capabilities.findings.get("condition_steps") != "two" or (capabilities.buckets and is_kept):
        return []
    told = f"{name}: this store calls itself {_TWO_STEPS}, which checks If-Match first and writes then: a "
    told += "body that somebody writes to an object within the same milliseconds may be lost. Let nobody write to "
    return [told + "the objects meanwhile, or enable versioning, which keeps such a body as a noncurrent version"]
