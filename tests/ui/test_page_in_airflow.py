"""The page as people meet it: a page and a tab of Airflow's own UI, in its frame."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

from airflow_site import Site
from browsing import Visit
from playwright.sync_api import Page, expect

TAB = "s3-batch-run"


def run_page(site: Site, name: str) -> str:
    """Return Airflow's page of the seeded job's run."""
    place = site.places[name]
    return f"{site.airflow}dags/{place.dag_id}/runs/{quote(place.run_id, safe='')}"


def no_complaints_about_airflow(visit: Visit) -> None:
    """Airflow's own pages write what they like to the console; scripts of ours don't."""
    visit.wrong = [text for text in visit.wrong if not text.startswith("console:") or "s3batch" in text]


def frame(page: Page):  # noqa: ANN201 - playwright's FrameLocator
    """Return the plugin's page in Airflow's."""
    return page.frame_locator("iframe")


def test_the_tab_of_a_run_shows_its_job_in_airflows_colours(visits: Callable[..., Visit], site: Site) -> None:
    """The tab shows the job; dark where Airflow is dark, though the browser prefers light, and changes with it."""
    visit = visits()
    visit.context.add_init_script("localStorage.setItem('theme', 'dark')")
    page = visit.page
    page.goto(f"{run_page(site, 'failed')}/plugin/{TAB}")
    inner = frame(page)
    expect(inner.locator(".job-head .badge")).to_have_text("Failed")
    expect(inner.locator("html")).to_have_attribute("data-theme", "dark")
    page.evaluate("() => { document.documentElement.classList.replace('dark', 'light'); }")
    expect(inner.locator("html")).to_have_attribute("data-theme", "light")
    no_complaints_about_airflow(visit)


def test_a_link_in_the_frame_leads_airflow_to_the_task(visits: Callable[..., Visit], site: Site) -> None:
    """Airflow itself goes to the task whose instances are to be cleared, not the frame."""
    visit = visits()
    page = visit.page
    page.goto(f"{run_page(site, 'failed')}/plugin/{TAB}")
    frame(page).locator(".next li").nth(2).get_by_role("link").click()
    page.wait_for_url(re.compile(r"/tasks/quarantine\.run/mapped"))
    assert page.locator("iframe").count() == 0
    no_complaints_about_airflow(visit)


def test_the_menu_page_keeps_its_filters_in_airflows_address(visits: Callable[..., Visit], site: Site) -> None:
    """The page of all jobs opens from Airflow's own route; a filter set in it survives a reload of Airflow."""
    visit = visits()
    page = visit.page
    page.goto(f"{site.airflow}plugin/s3-batch")
    inner = frame(page)
    inner.get_by_role("button", name=re.compile("^Paused")).click()
    page.wait_for_url(re.compile("state=paused"))
    page.reload()
    expect(inner.get_by_role("button", name=re.compile("^Paused"))).to_have_attribute("aria-pressed", "true")
    no_complaints_about_airflow(visit)
