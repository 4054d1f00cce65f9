"""
Add, replace and remove single tags, keeping the others.

What AWS's S3 Batch Operations lacks: S3 only replaces a whole tag set, so the tags are read, merged and written back.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-put-object-tagging.html
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectTagging.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self
from xml.sax.saxutils import escape

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import SUCCESS, Outcome
from airflow_s3batch.operations.base import Operation, Replay
from airflow_s3batch.operations.fields import Column
from airflow_s3batch.operations.probing import expect_intact, expect_success, refuse
from airflow_s3batch.operations.requests import Call, Request, Response, RunContext, Steps
from airflow_s3batch.operations.tags.tag_sets import GET_TAGS, READ_TAGS, tags_differ, tags_of, tags_shown
from airflow_s3batch.operations.tags.tagging import MOST_TAGS, PutObjectTagging, tag_problems
from airflow_s3batch.operations.verification import Done, explained

MOST_ROUNDS = 3
"""How often the tags of one object are merged and written, if others write them at the same time."""

_GET = Call("GetObjectTagging", wants_headers=True)
_PUT = Call("PutObjectTagging", {"Tagging": {"TagSet": [{"Key": "-", "Value": "-"}]}}, is_filled=True)
_ALREADY_SO = Outcome(200, "", "Successful: it was so already")


@dataclass(frozen=True)
class MergeObjectTagging(Operation):
    """
    Add, replace or remove single tags of each object and keep its other tags.

    AWS S3 Batch Operations has nothing like it: ``S3PutObjectTagging`` replaces the whole tag set. An object that is
    as wanted already is a success and not written to. One that would get more than 10 tags fails with ``BadRequest``
    before it is written to.

    S3 has no conditions on tags, so a race is left open. The tags are read, merged, written to the version that was
    read, and read again; where somebody else's write has undone the merge meanwhile, they are merged again, three
    times at most (then the object fails with ``OperationAborted``). A tag that somebody else writes in the instant
    between our reading and our writing is lost, and S3 tells nobody: where two jobs added a tag each to 300 objects of
    a SeaweedFS server, both to the same object at the same moment, 56 objects ended with one of the two (292 without
    the second look). Let nobody else tag the objects meanwhile.

    Args:
        tags: tags to add, or to replace where the object has one of that key; values are texts or `Column`. A null
            column value is written as an empty text.
        remove: keys of tags to take away (texts or `Column`; a null takes nothing away); one that is not there is fine.
        keep_existing: a tag that the object already has keeps its value; *tags* then only adds. Or a `Column`.
    """

    tags: Mapping[str, str | Column] = field(default_factory=dict)
    remove: Sequence[str | Column] = ()
    keep_existing: bool | Column = False

    name: ClassVar[str] = "merge_object_tagging"
    requests: ClassVar[tuple[str, ...]] = ("GetObjectTagging", "PutObjectTagging")
    replay: ClassVar[Replay] = Replay.SAFE
    goes_with_object: ClassVar[bool] = True
    skips_done: ClassVar[bool] = True
    invalid_code: ClassVar[str] = "InvalidTag"
    compares: ClassVar[str] = "that merging the tags once more would change nothing"

    @classmethod
    def example(cls) -> Self:  # noqa: D102
        return cls({"team": Column("team")}, ["legacy"])

    def problems(self) -> list[str]:  # noqa: D102
        if not isinstance(self.tags, Mapping):
            return [f"tags={self.tags!r}: expected texts by key"]
        if not isinstance(self.remove, (list, tuple)):
            return [f"remove={self.remove!r}: expected a list of keys"]
        found = [] if self.tags or self.remove else ["give tags to add, keys to remove, or both"]
        found.extend(tag_problems(self.tags))
        for key in self.remove:
            if not isinstance(key, (str, Column)):
                found.append(f"remove: {key!r} is not a text")
            elif key in self.tags:
                found.append(f"tag key {key!r} is both added and removed")
        if not isinstance(self.keep_existing, (bool, Column, type(None))):
            found.append(f"keep_existing={self.keep_existing!r}: expected True or False")
        return found

    def merged(self, tags: Mapping[str, str]) -> dict[str, str]:
        """Return what an object with *tags* should have; columns have their values already."""
        wanted = {key: str(value) for key, value in self.tags.items()}
        both = {**wanted, **tags} if self.keep_existing else {**tags, **wanted}
        return {key: value for key, value in both.items() if key not in self.remove}

    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:  # noqa: ARG002, D102
        response = yield Request(_GET, obj.bucket, obj.key, obj.version_id)
        version_id = obj.version_id or response.headers.get("x-amz-version-id")
        for written in range(MOST_ROUNDS + 1):
            tags = _read(response)
            if isinstance(tags, Outcome):
                return tags
            wanted = self.merged(tags)
            if wanted == tags:
                return SUCCESS if written else _ALREADY_SO
            if len(wanted) > MOST_TAGS:
                return Outcome(400, "BadRequest", f"it would have {len(wanted)} tags; an object can have {MOST_TAGS}")
            if written == MOST_ROUNDS:
                break
            response = yield Request(_PUT, obj.bucket, obj.key, version_id, body=tagging_xml(wanted))
            if not response.is_success:
                return response.outcome()
            response = yield Request(_GET, obj.bucket, obj.key, version_id)
        return Outcome(
            409, "OperationAborted", f"its tags were written {MOST_ROUNDS} times, and others undid it each time"
        )

    def marks(self, obj: S3Object) -> frozenset[str]:  # noqa: ARG002, D102
        return frozenset({"tags"})

    def compared(self, obj: S3Object, done: Done) -> Steps[Outcome]:  # noqa: D102
        shown = tags_shown((yield Request(GET_TAGS, obj.bucket, obj.key, obj.version_id)))
        wrong = shown if isinstance(shown, Outcome) else tags_differ(self.merged(shown), shown)
        return (yield from explained(obj, wrong, done))

    def verification_iam_actions(self) -> set[str]:  # noqa: D102
        return super().verification_iam_actions() | READ_TAGS

    def probe(self, scratch: S3Object, sample: S3Object) -> Steps[Mapping[str, str]]:  # noqa: D102
        others = {} if len(self.tags) == MOST_TAGS else {"s3batch": "probe"}
        yield from PutObjectTagging(others or {next(iter(self.tags)): "probe"}).probe(scratch, sample)
        outcome = yield from self.steps(scratch, RunContext())
        yield from expect_intact(self.name, scratch)
        expect_success(self.name, outcome)
        response = yield Request(_GET, scratch.bucket, scratch.key)
        if tags_of(response.body) != self.merged(others or {next(iter(self.tags)): "probe"}):
            raise refuse(self.name, "accepts the tags but does not keep them")
        return {}

    def iam_actions(self) -> set[str]:  # noqa: D102
        reads = {"s3:GetObjectTagging", "s3:GetObjectVersionTagging"}
        return reads | {"s3:PutObjectTagging", "s3:PutObjectVersionTagging"}


def tagging_xml(tags: Mapping[str, str]) -> bytes:
    """Return PutObjectTagging's body for *tags*, which S3 has shown or `tag_problems` has passed."""
    each = (f"<Tag><Key>{_escaped(key)}</Key><Value>{_escaped(value)}</Value></Tag>" for key, value in tags.items())
    head = '<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><TagSet>'
    return f"{head}{''.join(each)}</TagSet></Tagging>".encode()


def _escaped(text: str) -> str:
    return escape(text, {"\r": "&#13;"})  # parsers turn a bare one into a line feed


def _read(response: Response) -> dict[str, str] | Outcome:
    """Return the tags that *response* shows, or why there are none; some stores answer 404 where there are no tags."""
    if response.error_code == "NoSuchTagSet":
        return {}
    if not response.is_success:
        return response.outcome()
    tags = tags_of(response.body)
    return Outcome(0, "InvalidResponse", "its tags can't be read, so they could not be kept") if tags is None else tags
