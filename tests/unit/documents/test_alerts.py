"""The alerts ask for metrics that exist, and point to sections that do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

DOCS = Path(__file__).parents[3] / "docs"
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((DOCS / "grafana" / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]
NAMES = [rule["alert"] for rule in RULES]


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_each_metric_is_one_that_is_mapped(rule: dict[str, Any]) -> None:
    mapping = yaml.safe_load((DOCS / "grafana" / "statsd-exporter.yaml").read_text())
    known = {entry["name"] for entry in mapping["mappings"]}
    asked = set(re.findall(r"s3batch_\w+", rule["expr"]))
    assert asked
    assert asked <= known


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_each_alert_says_where_to_look(rule: dict[str, Any]) -> None:
    path, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.+)$", (DOCS.parent / path).read_text(), re.MULTILINE)
    assert not anchor or anchor in [re.sub(r"[^\w -]", "", name.lower()).replace(" ", "-") for name in headings]


def test_the_page_lists_all_of_them() -> None:
    page = (DOCS / "operating" / "monitoring.md").read_text()
    assert re.findall(r"^\| `(S3Batch\w+)` \|", page, re.MULTILINE) == NAMES
