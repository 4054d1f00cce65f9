"""What ``docker/compose.yaml`` describes, really run; skipped without PostgreSQL or Redis, but not on CI."""

from __future__ import annotations

import os

import pytest

from stack.images import missing_programs


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = missing_programs()
    for item in items:
        if "stack" in item.path.parts[-2:-1]:
            item.add_marker(pytest.mark.e2e)
            if missing and os.environ.get("CI") != "true":
                item.add_marker(pytest.mark.skip(reason=f"{', '.join(missing)}: not installed; `make stack-packages`"))
