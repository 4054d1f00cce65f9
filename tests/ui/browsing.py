"""A person with a browser: headless Chromium that remembers whatever must not happen on a page."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from typing import Any, Self
from urllib.parse import urlsplit

import pytest
from airflow_site import Site
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright

OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
TIMEOUT_MS = 20_000
STEP = "url => { history.pushState(null, '', url); dispatchEvent(new PopStateEvent('popstate')); scrollTo(0, 0); }"
expect.set_options(timeout=TIMEOUT_MS)
WAITS = ".loading, [aria-busy=true]"


def chromium() -> str:
    """Return Chromium's program; without it the test is skipped, on CI it fails."""
    found = shutil.which("chromium")
    if found:
        return found
    reason = "there is no chromium on the PATH: `make chromium` installs Debian's (as root), or install it by hand"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@contextlib.contextmanager
def running_browser() -> Iterator[Browser]:
    """Yield a headless browser."""
    program = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(OPTIONS))
        yield browser
        browser.close()


def settle(page: Page) -> None:
    """Wait until the page has an answer to show."""
    expect(page.locator(WAITS)).to_have_count(0)


class Visit:
    """
    One visitor's page.

    Attributes:
        wrong: scripts that failed, what the content security policy stopped, dialogs, requests to anywhere else.
        expected: statuses of answers that the test is about; the browser's console names them as errors.
    """

    def __init__(self, context: BrowserContext, site: Site) -> None:
        self.site = site
        self.context = context
        self.wrong: list[str] = []
        self.asked: list[str] = []
        self.expected: set[int] = set()
        self.is_open = False
        self.page: Page = context.new_page()
        self.page.set_default_timeout(TIMEOUT_MS)
        self.page.on("pageerror", lambda error: self.wrong.append(f"script: {error}"))
        self.page.on("dialog", self._dialog)
        self.page.on("console", self._console)
        context.on("request", self._request)

    def open(self, url: str) -> Page:
        """Go to *url*, within the page if it is open already, and wait until it shows something."""
        if self.is_open and url.startswith(self.site.page):
            self.page.evaluate(STEP, url)
        else:
            self.page.goto(url)
            self.is_open = url.startswith(self.site.page)
        settle(self.page)
        return self.page

    def begin(self) -> Self:
        """Forget what was wrong and asked before."""
        self.wrong, self.asked, self.expected = [], [], set()
        return self

    def job(self, name: str, **more: str | int) -> Page:
        """Open a seeded job's page."""
        return self.open(self.site.job_page(name, **more))

    def _dialog(self, dialog: Any) -> None:
        self.wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _console(self, message: ConsoleMessage) -> None:
        is_expected = any(f"status of {status}" in message.text for status in self.expected)
        if message.type == "error" and not is_expected:
            self.wrong.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        self.asked.append(f"{parts.path}?{parts.query}")
        if parts.scheme == "blob":  # a worker of Airflow's own pages
            return
        if f"{parts.scheme}://{parts.netloc}" != self.site.origin:
            self.wrong.append(f"request: {request.url}")
