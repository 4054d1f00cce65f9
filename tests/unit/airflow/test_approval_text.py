"""What people are shown: an attacker's keys, SQL and names are code, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from airflow_s3batch.core.manifest import Manifest
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.operations import DeleteObject, PutObjectTagging
from airflow_s3batch.operators.approval_text import Question, fenced, span

HOSTILE = [
    "<script>alert(1)</script>",
    "[Approve](https://evil.example/?x)",
    "![x](https://evil.example/x.png)",
    "https://evil.example/",
    "www.evil.example",
    "```\n# Approved by the owner\n```",
    "~~~\n**bold**\n~~~",
    "`` ` ``",
    "a\r\n- Objects: **0**",
    "| a | b |\n|---|---|\n| c | d |",
    "{{ ti.task_id }}{% raw %}",
    "\u202egpj.exe",
    "\ud800",
    "\x1b[2J\x00",
    "&lt;b&gt;",
    "$\\href{javascript:alert(1)}{x}$",
]
PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def markup_of(text: str) -> tuple[set[str], str]:
    """Return the kinds of markup in *text*, and all that a reader sees outside of code."""
    kinds, shown = set(), []
    for token in PARSER.parse(text):
        for each in [token, *(token.children or [])]:
            kinds.add(each.type)
            if each.type == "text":
                shown.append(each.content)
    return kinds, "\n".join(shown)


def question(hostile: str, **more: Any) -> Question:
    manifest = Manifest(S3Url("ops", "s3batch/job"), 3, 30, 250, (), (), "f", None, {hostile: (3, 30)})
    values: dict[str, Any] = {
        "operation": DeleteObject(),
        "manifest": manifest,
        "engine": "worker",
        "selection": {"kind": hostile, "where": hostile, "guards": {hostile: hostile}},
        "source": {"manifest": hostile, "created": hostile},
        "rehearsal": {"objects": 2, "failed": 1, "codes": {hostile: 1}},
        "examples": [S3Object("lake", hostile, hostile)],
    }
    return Question(**{**values, **more})


HARMLESS = markup_of(question("x").body())
ALLOWED = HARMLESS[0]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_nothing_of_others_is_markup(hostile: str) -> None:
    """The text has the same markup, and says the same outside of code, whatever others chose."""
    asked = question(hostile)
    kinds, shown = markup_of(asked.body())
    assert kinds <= ALLOWED
    assert "link_open" not in kinds
    assert shown == HARMLESS[1]
    assert asked.subject() == question("x").subject()


@pytest.mark.parametrize("hostile", HOSTILE)
def test_parameters_of_others_are_code_too(hostile: str) -> None:
    asked = question("x", operation=PutObjectTagging({"k": "v"}))
    object.__setattr__(asked.operation, "tags", {"k": hostile})
    kinds, shown = markup_of(asked.body())
    assert kinds <= ALLOWED
    assert "evil" not in shown


@given(text=st.text(max_size=60))
def test_code_never_ends_early(text: str) -> None:
    """Whatever it holds, a span is one span, and a block one block."""
    (paragraph,) = [token for token in PARSER.parse(f"a {span(text)} b") if token.type == "inline"]
    assert [token.type for token in paragraph.children or []] in (["text", "code_inline", "text"], ["text"])
    assert [token.type for token in PARSER.parse(fenced(text, 1_000))] == ["fence"]


def test_texts_are_valid_unicode_and_show_what_hides() -> None:
    """So that they can be stored, and nobody is fooled by a direction mark."""
    for hostile in HOSTILE:
        question(hostile).body().encode()
    assert r"\u{202e}gpj.exe" in question("\u202egpj.exe").body()
    assert r"\u{1b}[2J" in question("\x1b[2J").body()


def test_long_texts_are_cut_and_say_so() -> None:
    body = question("x" * 100_000, examples=()).body()
    assert len(body) < 20_000
    assert "more characters; job.json has all" in body


def test_what_destroys_nothing_is_told_as_that() -> None:
    body = question("x", operation=PutObjectTagging({"k": "v"})).body()
    assert "No object's data is lost for good" in body
