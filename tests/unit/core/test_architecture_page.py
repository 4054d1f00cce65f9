"""``docs/architecture.md`` names, for each moment of a kill, the test that shows what happens then."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
    assert len(named) > 15
    missing = [f"{path}::{name}" for path, name in named if f"def {name}(" not in (ROOT / path).read_text("utf-8")]
    assert missing == []


def test_the_layers_are_those_that_are_linted() -> None:
    """On this page and in CONTRIBUTING."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    layers = re.findall(r'^    "([\w| ]+)",$', text.partition("layers = [")[2].partition("]")[0], re.MULTILINE)
    assert len(layers) > 10
    for page in (PAGE, (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")):
        drawn = [line[:35].strip() for line in page.partition("```text\nui ")[2].partition("```")[0].splitlines()]
        shown = [line for line in ["ui", *drawn[1:]] if line]
        assert shown == [layer for layer in layers if layer not in ("get_provider_info", "airflow_cli")]
