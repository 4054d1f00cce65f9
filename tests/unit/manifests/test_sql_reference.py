"""``docs/filters.md`` is what the code says."""

from __future__ import annotations

import re
from pathlib import Path

from airflow_s3batch.manifests.columns import TYPES
from airflow_s3batch.manifests.sql import reference
from airflow_s3batch.manifests.sql.catalogue import CATALOGUE

PAGE = Path(__file__).parents[3] / "docs" / "filters.md"


def test_the_filters_page_is_as_the_code_says() -> None:
    """Else: ``python -m airflow_s3batch.manifests.sql.reference > docs/filters.md``."""
    assert PAGE.read_text() == reference.page()


def test_every_column_and_every_entry_is_on_the_page_and_every_link_leads_somewhere() -> None:
    page = reference.page()
    assert all(f"| `{name}` |" in page for name in TYPES)
    assert all(entry.duckdb.replace("|", "\\|") in page for entry in CATALOGUE)
    headings = {
        re.sub(r"[^a-z -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in page.splitlines()
        if "#" in line
    }
    assert set(re.findall(r"\(#([a-z-]+)\)", page)) <= headings
