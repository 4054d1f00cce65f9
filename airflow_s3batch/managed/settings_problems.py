"""What is wrong with the settings of an AWS job. The only place that knows CreateJob's limits."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_s3batch.managed.settings import ManagedSettings
from airflow_s3batch.operations.fields import strings_in

MOST_DESCRIPTION_CHARACTERS = 220
"""CreateJob takes 256, with our mark in them."""

MOST_PREFIX_CHARACTERS = 512
_MOST_PRIORITY = 2_147_483_647
_MOST_TAGS = 50
_SCOPES = ("AllTasks", "FailedTasksOnly")
_is_digits = re.compile(r"\d{12}", re.ASCII).fullmatch
_ROLE = re.compile(r"arn:[^:]+:iam::(\d{12}):role/.+", re.ASCII).fullmatch


def settings_problems(settings: ManagedSettings) -> list[str]:
    """
    Return all that is wrong with *settings*, a clause each; texts with Jinja in them are passed over.

    Source:
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_CreateJob.html
    """
    found = [*_identity_problems(settings), *_wish_problems(settings), *_tag_problems(settings.tags)]
    if settings.manifest_generator is not None and not is_template(settings.manifest_generator):
        found.extend(generator_problems(settings.manifest_generator))
    return found


def is_template(value: Any) -> bool:
    """Return whether *value* holds Jinja."""
    return any("{{" in text or "{%" in text for text in strings_in(value))


def is_account_id(value: Any) -> bool:
    """Return whether *value* can be the id of an AWS account."""
    return isinstance(value, str) and _is_digits(value) is not None


def _identity_problems(settings: ManagedSettings) -> Iterator[str]:
    account, role = settings.account_id, settings.role_arn
    if not is_template(account) and not is_account_id(account):
        yield f"account_id={account!r} is not an AWS account: 12 digits, as a text"
    if not is_template(role):
        found = _ROLE(str(role))
        if not found or len(role) > 2048:
            yield f"role_arn={role!r} is not the ARN of an IAM role (arn:aws:iam::123456789012:role/name)"
        elif is_account_id(account) and found[1] != account:
            yield f"role_arn={role!r} is not a role of account {account}; AWS takes none of another account"
    if not settings.region:
        yield "region is empty; name the one that the objects lie in (for copies: their destination)"
    owner = settings.expected_bucket_owner
    if not isinstance(owner, bool) and not is_template(owner) and not is_account_id(owner):
        yield f"expected_bucket_owner={owner!r} is neither a bool nor an AWS account of 12 digits"


def _wish_problems(settings: ManagedSettings) -> Iterator[str]:
    priority = settings.priority
    if isinstance(priority, bool) or not isinstance(priority, int) or not 0 <= priority <= _MOST_PRIORITY:
        yield f"priority={priority!r} is not a whole number from 0 to {_MOST_PRIORITY:,}"
    if not isinstance(settings.confirmation_required, bool):
        yield f"confirmation_required={settings.confirmation_required!r} is not a bool"
    if len(settings.description) > MOST_DESCRIPTION_CHARACTERS:
        yield f"description has {len(settings.description)} characters; {MOST_DESCRIPTION_CHARACTERS} are allowed"
    if settings.report_scope not in _SCOPES:
        yield f"report_scope={settings.report_scope!r}: expected one of {', '.join(_SCOPES)}"


def _tag_problems(tags: Mapping[str, str]) -> Iterator[str]:
    if len(tags) > _MOST_TAGS:
        yield f"tags has {len(tags)}; a job can have {_MOST_TAGS}"
    for key, value in tags.items():
        if not isinstance(key, str) or not isinstance(value, str):
            yield f"tags: {key!r}: {value!r} are not both texts"
        elif is_template([key, value]):
            continue
        elif not 1 <= len(key) <= 128 or len(value) > 256:
            yield f"tags: {key!r}: keys have 1 to 128 characters, values up to 256"
        elif not _fits_tag(key) or not _fits_tag(value):
            yield f"tags: {key!r}: {value!r}: only letters, digits, spaces and _.:/=+-@ are allowed"
        elif key.lower().startswith("aws:"):
            yield f"tags: {key!r}: AWS keeps keys that begin with 'aws:' to itself"


def _fits_tag(text: str) -> bool:
    return all(mark in "_.:/=+-@" or unicodedata.category(mark)[0] in "LZN" for mark in text)


def generator_problems(generator: Mapping[str, Any]) -> list[str]:
    """Return what botocore's model says against *generator*, CreateJob's ``S3JobManifestGenerator``, a clause each."""
    found = shape_problems("S3JobManifestGenerator", dict(generator))
    names = generator.get("Filter", {}).get("KeyNameConstraint", {}) if not found else {}
    found.extend(
        f"Filter.KeyNameConstraint.{name}: AWS takes one text, not {len(texts)}"
        for name, texts in names.items()
        if len(texts) != 1
    )
    return [f"manifest_generator: {clause}" for clause in found]


def shape_problems(shape: str, value: Any) -> list[str]:
    """Return what botocore's model of s3control says against *value* as a *shape*, a clause each."""
    from botocore.validate import ParamValidator

    report = ParamValidator().validate(value, _model().shape_for(shape))
    return [line for line in str(report.generate_report()).splitlines() if line.strip()] if report.has_errors() else []


def knows_member(shape: str, member: str) -> bool:
    """Return whether the installed botocore has *member* in its *shape* of s3control."""
    return member in _model().shape_for(shape).members


@functools.cache
def _model() -> Any:
    import botocore.session

    return botocore.session.Session().get_service_model("s3control")
