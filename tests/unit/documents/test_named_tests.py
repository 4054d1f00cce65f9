"""Pages that name tests as proof name tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = ["docs/security-model.md", *(str(path.relative_to(ROOT)) for path in (ROOT / "docs/operating").glob("*.md"))]


@pytest.mark.parametrize("page", sorted(PAGES))
def test_each_test_that_is_named_is_there(page: str) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", (ROOT / page).read_text())
    lost = [
        f"{path}::{name}"
        for path, name in named
        if not (ROOT / path).is_file() or (name and f"def {name}(" not in (ROOT / path).read_text())
    ]
    assert lost == []


def test_the_security_model_names_some() -> None:
    assert len(re.findall(r"`tests/", (ROOT / "docs/security-model.md").read_text())) > 20
