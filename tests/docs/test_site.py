"""The site in a real browser: whole, readable, and alone with whoever reads it."""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browsing import running_browser
from doc_pages import ROOT, page_paths

from airflow_s3batch.version import __version__

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FIRST = "docs/index.html"
READ = (FIRST, "README.html", "docs/operations.html", "docs/reference/operators.html", "docs/benchmarks.html")
NARROW = (*READ, "docs/filters.html", "docs/reference/task-group.html", "docs/reference/testing.html", "CHANGELOG.html")
_LOADED = re.compile(r"<(?:script|img|iframe|source|link)\b[^>]*?\b(?:src|href)=\"(https?:)?//[^\"]*\"")

pytestmark = pytest.mark.integration


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` has made it; made now if it was not."""
    if (made := Path(os.environ.get("S3BATCH_SITE", "/nowhere"))).joinpath(FIRST).exists():
        return made
    folder = tmp_path_factory.mktemp("site")
    command = ["-m", "sphinx", "-W", "--keep-going", "-E", "-n", "-q", "-c", "docs", "-d", f"{folder}/doctrees", "."]
    done = subprocess.run(
        [sys.executable, *command, f"{folder}/html"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """Where the site is served, on the loopback interface."""
    handler = functools.partial(_Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; without it the tests are skipped, on CI they fail."""
    with running_browser() as running:
        yield running


@contextlib.contextmanager
def visit(browser: Browser, address: str, **context: object) -> Iterator[tuple[Page, list[str]]]:
    """Yield a page, and a list of what went wrong on it: requests to others, errors in its console."""
    wrong: list[str] = []
    with browser.new_context(**context) as opened:  # type: ignore[arg-type]
        page = opened.new_page()
        page.on("request", lambda request: request.url.startswith((address, "data:")) or wrong.append(request.url))
        page.on("console", lambda message: message.type == "error" and wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        yield page, wrong


def test_every_page_is_on_the_site(site: Path) -> None:
    """README and what lies beside the code included."""
    assert [path for path in page_paths() if not (site / path).with_suffix(".html").exists()] == []


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    """No font, script, picture or style sheet."""
    loaded = {
        f"{page.relative_to(site)}: {found[0]}"
        for page in site.rglob("*.html")
        for found in _LOADED.finditer(page.read_text())
    }
    assert loaded == set()


def test_reading_asks_no_other_host(browser: Browser, address: str) -> None:
    with visit(browser, address) as (page, wrong):
        for path in READ:
            page.goto(address + path, wait_until="networkidle")
            assert __version__ in page.title()
    assert wrong == []


def test_the_search_finds_words_and_names(browser: Browser, address: str) -> None:
    """Also without any other host."""
    with visit(browser, address) as (page, wrong):
        for word, found in (("failure_threshold", "task group"), ("restored", "restore")):
            page.goto(f"{address}search.html?q={word}")
            results = page.locator("ul.search li a")
            results.first.wait_for()
            assert any(found in text.lower() for text in results.all_inner_texts())
    assert wrong == []


def test_the_root_leads_to_the_first_page(browser: Browser, address: str) -> None:
    with visit(browser, address) as (page, _):
        page.goto(address)
        page.wait_for_url(f"{address}{FIRST}")
        assert page.locator("h1").inner_text().startswith("S3 Batch Operations")


def test_it_is_dark_or_light_as_the_reader_likes(browser: Browser, address: str) -> None:
    colours = []
    for scheme in ("dark", "light"):
        with visit(browser, address, color_scheme=scheme) as (page, _):
            page.goto(address + FIRST)
            colours.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    dark, light = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours)
    assert dark < 150
    assert light > 600


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_needs_sideways_scrolling(browser: Browser, address: str, width: int) -> None:
    """Wide tables and code scroll by themselves."""
    with visit(browser, address, viewport={"width": width, "height": 800}) as (page, _):
        too_wide = []
        for path in NARROW:
            page.goto(address + path)
            if page.evaluate("document.scrollingElement.scrollWidth") > width:
                too_wide.append(path)
    assert too_wide == []
