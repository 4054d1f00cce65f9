"""
Replace or remove an object's tags.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-put-object-tagging.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations.base import Operation, Replay
from airflow_s3batch.operations.fields import Column
from airflow_s3batch.operations.probing import GET_TAGGING, expect_intact, expect_success, refuse
from airflow_s3batch.operations.requests import Call, Request, RunContext, Steps
from airflow_s3batch.operations.tags.tag_sets import GET_TAGS, READ_TAGS, tags_differ, tags_of, tags_shown
from airflow_s3batch.operations.verification import Done, explained

MOST_TAGS = 10
MOST_KEY_CHARACTERS = 128
MOST_VALUE_CHARACTERS = 256
# \w is wider than \p{L}\p{N}_ only by combining marks, which S3 refuses itself
_ALLOWED = re.compile(r"[\w\s.:/=+\-@]*")


def tag_problems(tags: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with *tags* by S3's rules, a clause each; columns are checked per object."""
    found = []
    if len(tags) > MOST_TAGS:
        found.append(f"{len(tags)} tags; an object can have {MOST_TAGS}")
    for key, value in tags.items():
        if not isinstance(key, str) or not 1 <= len(key) <= MOST_KEY_CHARACTERS or not _ALLOWED.fullmatch(key):
            found.append(f"tag key {key!r} is not 1-{MOST_KEY_CHARACTERS} letters, digits, spaces or _.:/=+-@")
        elif key.lower().startswith("aws:"):
            found.append(f"tag key {key!r}: keys that start with aws: are reserved")
        if isinstance(value, Column):
            continue
        if not isinstance(value, str):
            found.append(f"tag {key!r}: value {value!r} is not a text")
        elif len(value) > MOST_VALUE_CHARACTERS or not _ALLOWED.fullmatch(value):
            found.append(
                f"tag {key!r}: value {value!r} is not up to {MOST_VALUE_CHARACTERS} letters, digits, spaces or _.:/=+-@"
            )
    return found


@dataclass(frozen=True)
class PutObjectTagging(Operation):
    """
    Replace the whole tag set of each object, like S3 Batch Operations' ``S3PutObjectTagging``.

    Args:
        tags: 1 to 10 tags; values are texts or `Column`. A null column value is written as an empty text.
    """

    tags: Mapping[str, str | Column]
    _call: Call = field(init=False, repr=False, compare=False)

    name: ClassVar[str] = "put_object_tagging"
    requests: ClassVar[tuple[str, ...]] = ("PutObjectTagging",)
    replay: ClassVar[Replay] = Replay.SAFE
    managed_name: ClassVar[str] = "S3PutObjectTagging"
    managed_most_objects: ClassVar[int] = 20_000_000_000
    goes_with_object: ClassVar[bool] = True
    invalid_code: ClassVar[str] = "InvalidTag"
    compares: ClassVar[str] = "the whole tag set"

    def __post_init__(self) -> None:
        """Check the tags and make the call that all objects share."""
        super().__post_init__()
        tag_set = [{"Key": key, "Value": value} for key, value in self.tags.items()]
        object.__setattr__(self, "_call", Call("PutObjectTagging", {"Tagging": {"TagSet": tag_set}}))

    @classmethod
    def example(cls) -> Self:  # noqa: D102
        return cls({"quarantine": "true"})

    def problems(self) -> list[str]:  # noqa: D102
        if not isinstance(self.tags, Mapping) or not self.tags:
            return [f"tags={self.tags!r}: expected at least one tag; DeleteObjectTagging() removes all"]
        return tag_problems(self.tags)

    def managed_form(self) -> dict[str, Any]:  # noqa: D102
        return {"TagSet": [{"Key": key, "Value": value} for key, value in self.tags.items()]}

    @classmethod
    def from_managed_form(cls, form: Mapping[str, Any]) -> Self:  # noqa: D102
        tag_set = form.get("TagSet", [])
        tags = {tag["Key"]: tag["Value"] for tag in tag_set}
        if len(tags) < len(tag_set):
            raise ArgumentError("PutObjectTagging: TagSet names a key twice; keys of an object's tags are unique")
        return cls(tags)

    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:  # noqa: ARG002, D102
        response = yield Request(self._call, obj.bucket, obj.key, obj.version_id)
        return response.outcome()

    def marks(self, obj: S3Object) -> frozenset[str]:  # noqa: ARG002, D102
        return frozenset({"tags"})

    def compared(self, obj: S3Object, done: Done) -> Steps[Outcome]:  # noqa: D102
        shown = tags_shown((yield Request(GET_TAGS, obj.bucket, obj.key, obj.version_id)))
        wrong = shown if isinstance(shown, Outcome) else tags_differ(self.tags, shown)
        return (yield from explained(obj, wrong, done))

    def verification_iam_actions(self) -> set[str]:  # noqa: D102
        return super().verification_iam_actions() | READ_TAGS

    def probe(self, scratch: S3Object, sample: S3Object) -> Steps[Mapping[str, str]]:  # noqa: ARG002, D102
        outcome = yield from self.steps(scratch, RunContext())
        yield from expect_intact(self.name, scratch)
        expect_success(self.name, outcome)
        response = yield Request(GET_TAGGING, scratch.bucket, scratch.key)
        if tags_of(response.body) != dict(self.tags):
            raise refuse(self.name, "accepts the tags but does not keep them")
        return {}

    def iam_actions(self) -> set[str]:  # noqa: D102
        return {"s3:PutObjectTagging", "s3:PutObjectVersionTagging"}


@dataclass(frozen=True)
class DeleteObjectTagging(Operation):
    """Remove all tags of each object, like S3 Batch Operations' ``S3DeleteObjectTagging``."""

    name: ClassVar[str] = "delete_object_tagging"
    requests: ClassVar[tuple[str, ...]] = ("DeleteObjectTagging",)
    replay: ClassVar[Replay] = Replay.SAFE
    managed_name: ClassVar[str] = "S3DeleteObjectTagging"
    managed_most_objects: ClassVar[int] = 20_000_000_000
    goes_with_object: ClassVar[bool] = True
    compares: ClassVar[str] = "that there are no tags"
    _call: ClassVar[Call] = Call("DeleteObjectTagging")

    @classmethod
    def example(cls) -> Self:  # noqa: D102
        return cls()

    def problems(self) -> list[str]:  # noqa: D102
        return []

    def managed_form(self) -> dict[str, Any]:  # noqa: D102
        return {}

    @classmethod
    def from_managed_form(cls, form: Mapping[str, Any]) -> Self:  # noqa: ARG003, D102
        return cls()

    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:  # noqa: ARG002, D102
        response = yield Request(self._call, obj.bucket, obj.key, obj.version_id)
        return response.outcome()

    def marks(self, obj: S3Object) -> frozenset[str]:  # noqa: ARG002, D102
        return frozenset({"tags"})

    def compared(self, obj: S3Object, done: Done) -> Steps[Outcome]:  # noqa: D102
        shown = tags_shown((yield Request(GET_TAGS, obj.bucket, obj.key, obj.version_id)))
        wrong = shown if isinstance(shown, Outcome) else tags_differ({}, shown)
        return (yield from explained(obj, wrong, done))

    def verification_iam_actions(self) -> set[str]:  # noqa: D102
        return super().verification_iam_actions() | READ_TAGS

    def probe(self, scratch: S3Object, sample: S3Object) -> Steps[Mapping[str, str]]:  # noqa: D102
        yield from PutObjectTagging({"s3batch": "probe"}).probe(scratch, sample)
        outcome = yield from self.steps(scratch, RunContext())
        yield from expect_intact(self.name, scratch)
        expect_success(self.name, outcome)
        response = yield Request(GET_TAGGING, scratch.bucket, scratch.key)
        if tags_of(response.body):
            raise refuse(self.name, "says the tags were deleted but keeps them")
        return {}

    def iam_actions(self) -> set[str]:  # noqa: D102
        return {"s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging"}
