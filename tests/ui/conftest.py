"""One Airflow API server and one browser for all tests of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow_site import Site, airflow_site
from browsing import Visit, chromium, running_browser
from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium."""
    with running_browser() as running:
        yield running


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Airflow with jobs in every state."""
    chromium()
    with airflow_site(tmp_path_factory.mktemp("airflow")) as running:
        yield running


@pytest.fixture(scope="session")
def tokens(site: Site) -> dict[str | None, str]:
    """Tokens by role; ``None`` is somebody who may see no Dag."""
    return {role: site.token(role) for role in ("admin", None)}


@pytest.fixture(scope="session")
def new_visit(site: Site, browser: Browser, tokens: dict[str | None, str]) -> Callable[..., Visit]:
    """Return what opens a browser of its own."""

    def new(
        role: str | None = "admin",
        *,
        is_anonymous: bool = False,
        dark: bool = False,
        width: int = 1280,
        height: int = 900,
    ) -> Visit:
        options: dict[str, Any] = {"timezone_id": "UTC", "reduced_motion": "reduce"}
        size = {"width": width, "height": height}
        context = browser.new_context(viewport=size, color_scheme="dark" if dark else "light", **options)
        if not is_anonymous:
            context.add_cookies([{"name": "_token", "value": tokens[role], "url": site.airflow}])
        return Visit(context, site)

    return new


@pytest.fixture
def visits(new_visit: Callable[..., Visit]) -> Iterator[Callable[..., Visit]]:
    """
    Make visits: `visits(role=…, is_anonymous=…, dark=…, width=…, height=…)`.

    A test fails if on any of them a script failed or was stopped, a dialog opened, or another host was asked.
    """
    made: list[Visit] = []

    def visit(role: str | None = "admin", **options: Any) -> Visit:
        made.append(new_visit(role, **options))
        return made[-1]

    yield visit
    for one in made:
        one.context.close()
    assert [one.wrong for one in made] == [[] for _ in made]


@pytest.fixture(scope="session")
def shared_visit(new_visit: Callable[..., Visit]) -> Visit:
    """Return the visit that goes on from test to test, as a person's does: it saves loading the page's files."""
    return new_visit()


@pytest.fixture
def visit(shared_visit: Visit) -> Iterator[Visit]:
    """Go on with an administrator's visit, on a light page of 1280 by 900; see `visits` for what fails a test."""
    yield shared_visit.begin()
    assert shared_visit.wrong == []
