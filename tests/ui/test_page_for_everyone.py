"""Screen reader and keyboard: axe's rules in both modes, and a way through by keys alone."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

import pytest
from airflow_site import Site
from browsing import Visit
from playwright.sync_api import Page, expect

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
CONTRAST = ["color-contrast"]  # all that a dark page has of its own
RUN = """async rules => {
  const found = await axe.run(document, { runOnly: rules });
  return found.violations.filter(one => ["moderate", "serious", "critical"].includes(one.impact))
    .map(one => `${one.id}: ${one.nodes.slice(0, 3).map(node => node.html.slice(0, 200)).join(" | ")}`);
}"""


def violations(page: Page, rules: list[str]) -> list[str]:
    """Return what axe finds on the page, as far as it matters."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE)
    found: list[str] = page.evaluate(RUN, rules)
    return found


PAGES = ("list", "running", "failed", "awaiting_approval")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_that_matters(visits: Callable[..., Visit], site: Site, *, dark: bool) -> None:
    """Names, roles, order and contrast are right on the list and on jobs in all kinds of states."""
    visit = visits(dark=dark)
    found = {}
    for name in PAGES:
        page = visit.open(f"{site.page}?size=10") if name == "list" else visit.job(name)
        found[name] = violations(page, CONTRAST if dark else RULES)
    assert found == {name: [] for name in PAGES}


def test_everything_is_reached_by_keys(visits: Callable[..., Visit], site: Site) -> None:
    """Tab goes through the page in order, Enter opens a job and sorts; what has the focus can be seen."""
    page = visits().open(f"{site.page}?state=failed&q=quarantine")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    focused = (
        "() => document.activeElement.name || document.activeElement.innerText || document.activeElement.ariaLabel"
    )
    outline = "() => getComputedStyle(document.activeElement).outlineStyle"
    seen: list[str] = []
    while "Put object tagging" not in seen:
        page.keyboard.press("Tab")
        seen.append(page.evaluate(focused).strip())
        assert len(seen) < 60
        assert page.evaluate(outline) != "none" or page.evaluate("() => document.activeElement.tagName") == "MAIN"
    assert {"q", "operation", "Started"} <= {text.split("\n")[0] for text in seen}
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Put object tagging")
    expect(page.locator("main")).to_be_focused()


def test_the_chart_has_words_and_a_table(visit: Visit) -> None:
    """Who can't see the chart reads its range in its name, and its figures in a table."""
    page = visit.job("running")
    chart = page.get_by_role("img")
    assert "Objects per second from" in chart.get_attribute("aria-label")
    page.get_by_text("The same as a table").press("Enter")
    expect(page.get_by_role("columnheader", name="Done/s")).to_be_visible()
    assert page.get_by_role("region", name="Rate over time").locator("tbody tr").count() > 10
