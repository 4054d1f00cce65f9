"""``report.html`` of all kinds of jobs: safe, small, accessible, and about what it should be."""

from __future__ import annotations

import base64
import functools
import hashlib
import itertools
import re

import pytest
from report_examples import EVIL, EXAMPLES
from test_report_page import Page, page

from airflow_s3batch.operations.verification import DIFFERENCES

NAMES = sorted(set(EXAMPLES) - {"million"})
ALLOWED = {"svg", "title", "desc", "rect", "path", "line", "text", "details", "summary", "figure", "figcaption"}
PLAIN = {
    "html",
    "head",
    "meta",
    "style",
    "body",
    "header",
    "main",
    "footer",
    "section",
    "div",
    "span",
    "p",
    "strong",
    "code",
    "pre",
    "ul",
    "ol",
    "li",
    "dl",
    "dt",
    "dd",
    "table",
    "caption",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "h1",
    "h2",
    "h3",
    "a",
}
EXPECTED = {
    "small": "Green. All 12 objects succeeded.",
    "empty": "Green. The selection matched no object, so nothing was done.",
    "failed": "Red. 1,007 of 12,000 objects failed: 883 count, 0 are allowed.",
    "trend": "2026-11-22 09:57:00 (this one) 12,000 444,011 2.70 % 10,993 1,007 0 red",
    "dry_run": "Dry run: nothing was done. 2,394 of 2,400 objects would be done; 6 can't be",
    "managed": "managed: AWS S3 Batch Operations",
    "hostile": "Red. 300 of 300 objects failed",
}


@functools.cache
def made(name: str) -> str:
    return EXAMPLES[name]().page().decode()


@functools.cache
def parsed(name: str) -> Page:
    return Page(made(name))


@pytest.mark.parametrize("name", NAMES)
def test_page_says_what_it_is_about(name: str) -> None:
    assert EXPECTED[name] in parsed(name).words


@pytest.mark.parametrize("name", NAMES)
def test_page_is_of_known_tags_and_asks_nobody(name: str) -> None:
    tags = parsed(name).tags
    assert {tag for tag, _ in tags} <= ALLOWED | PLAIN
    for tag, attributes in tags:
        assert not [
            key for key in attributes if key.startswith("on") or key in ("src", "style", "srcset", "xlink:href")
        ]
        assert tag == "a" or "href" not in attributes
    assert "@import" not in made(name)
    assert "url(" not in re.sub(r"<(code|dd|li|th|td|p)\b.*?</\1>", "", made(name), flags=re.DOTALL)


@pytest.mark.parametrize("name", ["small", "hostile"])
def test_policy_allows_this_one_style_and_nothing_else(name: str) -> None:
    (policy,) = [str(a["content"]) for tag, a in parsed(name).tags if a.get("http-equiv") == "Content-Security-Policy"]
    (style,) = re.findall(r"<style>(.*?)</style>", made(name), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


@pytest.mark.parametrize("name", NAMES)
def test_page_is_less_than_a_megabyte_and_usually_far_less(name: str) -> None:
    assert len(made(name).encode()) < (500_000 if name == "hostile" else 100_000)


def test_hidden_characters_of_an_attacker_are_spelled_and_nothing_is_markup() -> None:
    text = parsed("hostile").text
    assert not set("\u202e\x1b\x00\r\u2028") & set(text)
    assert r"\u{1b}[2J" in text
    assert r"\u{d800}" not in EVIL
    assert '<script>alert("1")</script>' in text


@pytest.mark.parametrize("name", NAMES)
def test_pictures_have_names_and_tables_have_headers(name: str) -> None:
    tags = parsed(name).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in tags:
        for reference in str(attributes.get("aria-labelledby") or "").split():
            assert reference in ids
        if tag == "svg":
            assert attributes.get("aria-hidden") == "true" or (
                attributes["role"],
                bool(attributes["aria-labelledby"]),
            ) == ("img", True)
        if tag == "th":
            assert attributes["scope"] in ("row", "col")
    levels = [int(tag[1]) for tag, _ in tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


@pytest.mark.parametrize("name", NAMES)
def test_every_picture_has_its_figures_in_a_table(name: str) -> None:
    tags = [tag for tag, _ in parsed(name).tags]
    assert tags.count("table") >= tags.count("figure") - 1  # the bar of outcomes has a legend


def test_failures_come_with_what_to_do() -> None:
    words = parsed("failed").words
    assert "The store was overloaded. Set max_requests_per_s lower, then clear the tasks." in words
    assert "A permission is missing, or the object is protected." in words
    assert "Clear the tasks quarantine.run of this Dag run" in words
    assert "Clear the tasks" not in parsed("small").words


def test_selection_is_told_with_the_values_of_its_parameters() -> None:
    words = parsed("small").words
    for expected in (
        "MD5 of its manifest.json 9e107d9d372bb6826bd81d3542a419d6",
        "encryption_status = 'NOT-SSE' AND is_latest AND size > $least",
        "Values of its parameters least 1048576",
        "With these values encryption_status = 'NOT-SSE' AND is_latest AND size > 1048576",
        "At most so many objects 5,000,000",
        "12 of 455 rows were selected.",
        "Triggered by ada@example.org",
        "Nobody was asked.",
    ):
        assert expected in words


def test_dry_run_is_marked_wherever_somebody_may_look() -> None:
    words = parsed("dry_run").words
    assert "Report of a dry run" in words
    assert "What would be done" in words
    assert "Clear the tasks quarantine.run" not in words
    assert "would be done 2,394 99.75 %" in words


def test_what_went_before_and_after_is_told_if_it_is_known() -> None:
    words = page(
        rehearsal={"objects": 100, "failed": 1, "codes": {"AccessDenied": 1}},
        approval={"by": "ada", "at": "2026-11-22T09:00:00Z", "answer": "approve"},
        cost={"sentence": "estimated cost 60.25 $"},
        storage_classes={"GLACIER": [5, 5 * 1024**4], "STANDARD": [1_204_506, 1024]},
    ).words
    for expected in (
        "Rehearsal Objects 100 Failed 1 Codes: AccessDenied 1",
        "By ada At 2026-11-22 09:00:00 UTC Answer approve",
        "Expected cost estimated cost 60.25 $",
        "GLACIER 5 5 TiB",
    ):
        assert expected in words


def test_a_job_that_was_not_approved_says_so_first() -> None:
    said = {"state": "rejected", "sentence": "rejected by grace at 2026-11-22", "task": "job.approve"}
    words = page(approval=said).words
    assert "0 are allowed. The job was rejected by grace at 2026-11-22 (task job.approve), so it was not run." in words


def test_a_second_look_that_found_differences_makes_it_red_and_says_so() -> None:
    look = {
        "has_begun": True,
        "checked": 10,
        "asked": None,
        "of": 10,
        "differ": 2,
        "counted": 2,
        "unread": 0,
        "missing": 0,
        "codes": {min(DIFFERENCES): 2},
        "examples": {},
        "differences_url": "s3://ops/d.csv",
        "reasons_url": "s3://ops/r.csv",
    }
    words = page(failed=0, codes={}, examples={}, verification=look).words
    assert "Red. All 1,204,511 objects succeeded. 10 succeeded objects were looked at again: 2 differ" in words
