"""``docs/cli.md`` says what the parser takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from airflow_s3batch.cli import reference
from airflow_s3batch.cli.parser import make_parser

PAGE = Path(__file__).parents[3] / "docs" / "cli.md"


def test_the_page_is_as_the_parser_says() -> None:
    """Else: ``python -m airflow_s3batch.cli.reference > docs/cli.md``."""
    assert PAGE.read_text() == reference.page()


def test_every_argument_is_explained() -> None:
    assert [line for line in reference.page().splitlines() if re.fullmatch(r"\| `.*` \|\s*\|", line)] == []


@pytest.mark.parametrize("example", [line for lines in reference.EXAMPLES.values() for line in lines])
def test_the_examples_can_be_typed(example: str) -> None:
    words = shlex.split(example.partition("|")[0].replace("\\\n", ""))
    assert words[0] == "s3batch"
    make_parser().parse_args(words[1:])
