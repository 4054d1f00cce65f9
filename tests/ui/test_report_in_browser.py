"""``report.html`` in a real browser: its style is applied, nothing else is, and nobody is asked for anything."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser

sys.path.append(str(Path(__file__).parents[1] / "unit/reports"))

from report_examples import EXAMPLES


@pytest.mark.parametrize(("name", "dark"), [("trend", False), ("hostile", True)])
def test_report_shows_itself_and_nothing_else(browser: Browser, tmp_path: Path, name: str, dark: bool) -> None:
    """From a file, as it is filed; an attacker's keys are text."""
    path = tmp_path / "report.html"
    path.write_bytes(EXAMPLES[name]().page())
    asked: list[str] = []
    wrong: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="dark" if dark else "light")
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    page.goto(path.as_uri())
    assert page.locator("h1").evaluate("it => getComputedStyle(it).overflowWrap") == "anywhere"
    paper = page.locator("body").evaluate("it => getComputedStyle(it).backgroundColor")
    assert paper == ("rgb(13, 17, 23)" if dark else "rgb(255, 255, 255)")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.querySelectorAll('script, img, iframe, [style]').length") == 0
    page.emulate_media(media="print")
    assert page.locator("body").evaluate("it => getComputedStyle(it).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("details table").first.is_visible()
    assert len(page.pdf(format="A4")) > 10_000
    context.close()
    assert (asked, wrong) == ([path.as_uri()], [])
