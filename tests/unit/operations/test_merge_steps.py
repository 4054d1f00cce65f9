"""Merging tags: what is kept, what is written, and what happens when somebody else writes at the same time."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_store import answer, drive

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.operations import Column, MergeObjectTagging, RunContext
from airflow_s3batch.operations.requests import Request, Response
from airflow_s3batch.operations.tags.merging_tags import MOST_ROUNDS, tagging_xml
from airflow_s3batch.operations.tags.tag_sets import tags_of

OBJ = S3Object("b", "k")


class Tags:
    """An object's tags in a store; *meddle* changes them after each write, as somebody else would."""

    def __init__(self, tags: dict[str, str], meddle: Any = None, version_id: str = "") -> None:
        self.tags = tags
        self.writes: list[dict[str, str]] = []
        self._meddle = meddle
        self._version = {"x_amz_version_id": version_id} if version_id else {}

    def __call__(self, request: Request) -> Response:
        if request.call.api == "GetObjectTagging":
            return answer(body=tagging_xml(self.tags), **self._version)
        self.tags = tags_of(request.body or b"") or {}
        self.writes.append(self.tags)
        if self._meddle is not None:
            self._meddle(self.tags)
        return answer()


@pytest.mark.parametrize(
    ("operation", "before", "after"),
    [
        (MergeObjectTagging({"a": "2", "c": "3"}), {"a": "1", "b": "1"}, {"a": "2", "b": "1", "c": "3"}),
        (MergeObjectTagging({"a": "2", "c": "3"}, keep_existing=True), {"a": "1"}, {"a": "1", "c": "3"}),
        (MergeObjectTagging(remove=["a", "gone"]), {"a": "1", "b": "1"}, {"b": "1"}),
        (MergeObjectTagging({"c": "3"}, remove=["a"]), {"a": "1"}, {"c": "3"}),
        (MergeObjectTagging(remove=["a"]), {"a": "1"}, {}),
        (MergeObjectTagging({f"k{n}": "2" for n in range(10)}), {"k0": "1"}, {f"k{n}": "2" for n in range(10)}),
    ],
)
def test_single_tags_are_added_replaced_and_removed(
    operation: MergeObjectTagging, before: dict[str, str], after: dict[str, str]
) -> None:
    """The others stay; one write, and one look at what came of it."""
    store = Tags(before)
    outcome, requests = drive(operation.steps(OBJ, RunContext()), store)
    assert (outcome.message, store.tags) == ("Successful", after)
    assert [request.call.api for request in requests] == ["GetObjectTagging", "PutObjectTagging", "GetObjectTagging"]


def test_an_object_that_is_as_wanted_is_not_written_to() -> None:
    store = Tags({"a": "1", "b": "2"})
    outcome, requests = drive(MergeObjectTagging({"a": "1"}, remove=["c"]).steps(OBJ, RunContext()), store)
    assert (outcome.is_success, outcome.message, len(requests)) == (True, "Successful: it was so already", 1)


def test_a_store_that_answers_404_where_there_are_no_tags_gets_the_first() -> None:
    answers = [answer(404, "NoSuchTagSet"), answer(), answer(body=tagging_xml({"a": "1"}))]
    outcome, requests = drive(MergeObjectTagging({"a": "1"}).steps(OBJ, RunContext()), answers)
    assert outcome.is_success
    assert tags_of(requests[1].body or b"") == {"a": "1"}


def test_ten_tags_are_the_most_and_checked_before_the_write() -> None:
    """Removing one makes room for another."""
    ten = {f"k{n}": "v" for n in range(10)}
    store = Tags(ten)
    outcome, requests = drive(MergeObjectTagging({"new": "v"}).steps(OBJ, RunContext()), store)
    assert (outcome.error_code, outcome.message) == ("BadRequest", "it would have 11 tags; an object can have 10")
    assert len(requests) == 1
    assert drive(MergeObjectTagging({"new": "v"}, remove=["k0"]).steps(OBJ, RunContext()), store)[0].is_success


def test_the_version_that_was_read_is_the_one_that_is_written() -> None:
    """So that tags of one version don't end up on another that became current meanwhile."""
    _, requests = drive(MergeObjectTagging({"a": "1"}).steps(OBJ, RunContext()), Tags({}, version_id="v7"))
    assert [request.version_id for request in requests] == [None, "v7", "v7"]
    named = OBJ._replace(version_id="v1")
    _, requests = drive(MergeObjectTagging({"a": "1"}).steps(named, RunContext()), Tags({}, version_id="v1"))
    assert [request.version_id for request in requests] == ["v1", "v1", "v1"]


def test_a_merge_that_somebody_undid_is_done_again_on_what_they_wrote() -> None:
    """Their tag and ours are there in the end."""
    rivals = [{"theirs": "1"}]

    def meddle(tags: dict[str, str]) -> None:
        if rivals:
            tags.clear()
            tags.update(rivals.pop())

    store = Tags({}, meddle=meddle)
    outcome, _ = drive(MergeObjectTagging({"ours": "1"}).steps(OBJ, RunContext()), store)
    assert outcome.is_success
    assert store.tags == {"theirs": "1", "ours": "1"}


def test_somebody_elses_tag_that_leaves_ours_alone_is_no_reason_to_write_again() -> None:
    store = Tags({}, meddle=lambda tags: tags.update(theirs="1"))
    assert drive(MergeObjectTagging({"ours": "1"}).steps(OBJ, RunContext()), store)[0].is_success
    assert len(store.writes) == 1


def test_a_merge_that_is_undone_each_time_fails_after_a_few_rounds() -> None:
    store = Tags({}, meddle=lambda tags: tags.clear())
    outcome, _ = drive(MergeObjectTagging({"ours": "1"}).steps(OBJ, RunContext()), store)
    assert (outcome.http_status, outcome.error_code, len(store.writes)) == (409, "OperationAborted", MOST_ROUNDS)


@pytest.mark.parametrize("refused", ["GetObjectTagging", "PutObjectTagging"])
def test_refusals_are_the_objects_outcome(refused: str) -> None:
    store = Tags({})
    operation = MergeObjectTagging({"a": "1"})
    outcome, _ = drive(
        operation.steps(OBJ, RunContext()),
        lambda request: answer(403, "AccessDenied") if request.call.api == refused else store(request),
    )
    assert outcome.error_code == "AccessDenied"


def test_tags_that_can_not_be_read_are_not_overwritten() -> None:
    outcome, requests = drive(MergeObjectTagging({"a": "1"}).steps(OBJ, RunContext()), [answer(body=b"<html>")])
    assert (outcome.error_code, len(requests)) == ("InvalidResponse", 1)


def test_columns_add_and_remove() -> None:
    """A null is written as an empty text, and takes nothing away."""
    operation = MergeObjectTagging({"team": Column("team")}, remove=[Column("old")])
    store = Tags({"legacy": "1"})
    row = OBJ._replace(columns={"team": "R+D", "old": "legacy"})
    drive(operation.for_object(row).steps(row, RunContext()), store)
    assert store.tags == {"team": "R+D"}
    row = OBJ._replace(columns={"team": None, "old": None})
    drive(operation.for_object(row).steps(row, RunContext()), store)
    assert store.tags == {"team": ""}


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({}, "give tags to add"),
        ({"tags": {"a": "1"}, "remove": ["a"]}, "both added and removed"),
        ({"tags": {f"k{n}": "v" for n in range(11)}}, "11 tags"),
        ({"remove": "key"}, "expected a list of keys"),
        ({"remove": [7]}, "7 is not a text"),
        ({"tags": {"a": "1"}, "keep_existing": "no"}, "True or False"),
        ({"tags": ["a"]}, "texts by key"),
    ],
)
def test_wrong_literals_fail_where_they_are_written(arguments: dict[str, Any], part: str) -> None:
    with pytest.raises(ArgumentError, match=part):
        MergeObjectTagging(**arguments)


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t\n\r"), min_size=1, max_size=20)


@given(st.dictionaries(texts, texts, max_size=10))
def test_any_tags_survive_xml(tags: dict[str, str]) -> None:
    """Markup, quotes, carriage returns, any script."""
    from hypothesis import assume

    assume(not any(char in "\ufffe\uffff" for text in [*tags, *tags.values()] for char in text))
    ElementTree.fromstring(tagging_xml(tags))
    assert tags_of(tagging_xml(tags)) == tags
