"""The page of all jobs, in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable

from airflow_site import Site
from browsing import Visit, settle
from playwright.sync_api import Page, expect

SHOWN_STATES = {
    "Failed": 1,
    "Refused": 1,
    "Awaiting approval": 1,
    "Paused": 1,
    "Running": 1,
    "Planning": 1,
    "Reporting": 1,
    "Queued": 1,
    "Success": 1,
    "Skipped": 1,
}


def rows(page: Page) -> list[str]:
    """Return the text of the table's rows."""
    return page.locator("table.jobs tbody tr").all_inner_texts()


def settled(page: Page, url: str) -> None:
    """Wait until the address has *url* in it and its answer is shown."""
    page.wait_for_url(re.compile(url))
    settle(page)


def test_every_state_is_told_in_words_with_its_number(visit: Visit, site: Site) -> None:
    """Each state has a button with a word, an icon and a number; the row of a job says the word, too."""
    page = visit.open(f"{site.page}?size=100")
    buttons = page.get_by_role("group", name="Jobs by state").get_by_role("button")
    for state, least in SHOWN_STATES.items():
        button = buttons.filter(has_text=re.compile(f"^{state}"))
        assert int(re.sub(r"\D", "", button.inner_text())) >= least
        assert button.locator("svg").count() == 1
    text = "\n".join(rows(page))
    assert all(state in text for state in SHOWN_STATES)


def test_a_row_says_what_runs_where_and_how_far_it_is(visit: Visit, site: Site) -> None:
    """Operation, Dag, run, group, progress, failures and what is left are in the row of a running job."""
    place = site.places["running"]
    page = visit.open(f"{site.page}?q={place.run_id}")
    (row,) = rows(page)
    assert "Put object tagging" in row
    assert place.dag_id in row
    assert place.run_id in row
    assert re.search(r"\d+(\.\d)? %", row)
    bar = page.get_by_role("progressbar").first
    assert re.search(r"\d+ of 500,000, 37 failed", bar.get_attribute("aria-valuetext").replace("237,500", "237500"))


def test_filters_are_kept_in_the_address(visit: Visit, site: Site) -> None:
    """A state's button and a search narrow the table; the same address shows the same again."""
    page = visit.open(site.page)
    page.get_by_role("button", name=re.compile("^Failed")).first.click()
    settled(page, "state=failed")
    page.get_by_role("searchbox").fill("many_jobs")
    settled(page, "q=many_jobs")
    assert all("Failed" in row and "many_jobs" in row for row in rows(page))
    runs = page.locator(".run").all_inner_texts()
    assert len(runs) > 1
    page.reload()
    settled(page, "q=many_jobs")
    expect(page.get_by_role("searchbox")).to_have_value("many_jobs")
    assert page.locator(".run").all_inner_texts() == runs


def test_headers_sort_both_ways(visit: Visit, site: Site) -> None:
    """A header's button sorts, says so to a screen reader, and turns round when pressed again."""
    page = visit.open(f"{site.page}?size=100&q=many_jobs")
    header = page.get_by_role("columnheader", name="Objects")
    for direction, reverse in (("descending", True), ("ascending", False)):
        header.get_by_role("button").click()
        settled(page, f"sort={'-' if reverse else ''}objects")
        expect(header).to_have_attribute("aria-sort", direction)
        numbers = [int(text.replace(",", "")) for text in page.locator("td[data-label=Objects]").all_inner_texts()]
        assert numbers == sorted(numbers, reverse=reverse)
        assert len(numbers) >= 30


def test_pages_follow_one_another(visit: Visit, site: Site) -> None:
    """Two pages of ten have no row in common, and the browser's Back leads to the first."""
    page = visit.open(f"{site.page}?size=10&q=many_jobs")
    first = page.locator(".run").all_inner_texts()
    page.get_by_role("button", name="Next page").click()
    settled(page, "page=2")
    second = page.locator(".run").all_inner_texts()
    assert len(first) == len(second) == 10
    assert not set(first) & set(second)
    page.go_back()
    settle(page)
    assert page.locator(".run").all_inner_texts() == first


def test_nothing_found_says_so_and_how_to_see_all(visit: Visit, site: Site) -> None:
    """A search without a match is no empty table."""
    page = visit.open(f"{site.page}?q=nobody-has-this")
    expect(page.get_by_role("heading", name="No job matches")).to_be_visible()
    page.get_by_role("button", name="Reset the filters").click()
    expect(page.get_by_role("table")).to_be_visible()


def test_the_way_to_a_job_and_back_keeps_the_filters(visit: Visit, site: Site) -> None:
    """A job's name leads to its page, and the link there back to the list as it was."""
    page = visit.open(f"{site.page}?state=paused")
    page.get_by_role("link", name="Put object tagging").first.click()
    expect(page.get_by_role("heading", level=1, name="Put object tagging")).to_be_visible()
    page.get_by_role("link", name="All S3 Batch jobs").click()
    expect(page.get_by_role("table")).to_be_visible()
    assert page.url.endswith("?state=paused")


def test_no_width_needs_sideways_scrolling(visits: Callable[..., Visit], site: Site) -> None:
    """From a phone to 4K the page is as wide as its window, list and job."""
    visit = visits()
    for url in (f"{site.page}?size=10", site.job_page("running"), site.job_page("attacked")):
        page = visit.open(url)
        for width in (320, 900, 3840):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, url
