"""The page of a job, in a browser: what each state shows, and how it keeps itself up to date."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from airflow_site import Site
from browsing import Visit
from playwright.sync_api import Page, expect

from airflow_s3batch.core.news import PROGRESS_KEY

SOON_MS = 150_000  # ten times what an answer may take, at which the page asks again

SCREENS = {
    "planning": ("Planning", ["What was selected", "encryption_status = 'NOT-SSE'"]),
    "refused": ("Refused", ["more than max_objects=5,000,000", "What to do next", "quarantine.manifest"]),
    "awaiting_approval": ("Awaiting approval", ["Answer in Airflow", "Delete 1,204,511 objects", "1,204,511"]),
    "queued": ("Queued", ["What was selected"]),
    "running": ("Running", ["Time left", "AccessDenied", "Shards", "Rate over time"]),
    "paused": ("Paused", ["ann@laptop", "the store is slow", "To go on, run:", "s3batch resume"]),
    "reporting": ("Reporting", ["100,000 of 100,000 objects"]),
    "failed": ("Failed", ["AccessDenied", "s3://lake/a b.gz", "Clear task instance", "failed.csv"]),
    "success": ("Success", ["200,000 of 200,000 objects", "report.html"]),
    "dry_run": ("Success", ["dry run", "Nothing was changed", "DryRun", "Would be done", "none changed"]),
    "rehearsing": ("Running", ["a random sample", "Rehearsal"]),
    "rehearsed": ("Running", ["1,000 random objects of 1,204,511", "USD 6.02 to 7.25", "storage that <b>grows</b>"]),
    "verified": ("Failed", ["3 differ (TagsDiffer 3).", "</script>", "\\u{202e}", "none is red"]),
    "verifying": ("Reporting", ["looked at once more"]),
    "unreached": ("Failed", ["Not attempted", "12.5 %", "has not begun", "rehearse.rehearse"]),
    "marked": ("Failed", ["AccessDenied"]),
    "million": ("Running", ["200", "Show 175 more of 200"]),
}


def told(page: Page) -> str:
    """Return all text of the page."""
    return page.locator("main").inner_text()


def hurry(page: Page) -> None:
    """Let the time pass until the next question."""
    with page.expect_response(re.compile("/api/run")):
        page.clock.fast_forward(SOON_MS)


@pytest.mark.parametrize("name", SCREENS)
def test_each_state_says_what_is_going_on(visit: Visit, name: str) -> None:
    """State, figures, and what somebody on call needs next are on the page."""
    state, texts = SCREENS[name]
    page = visit.job(name)
    expect(page.locator(".job-head .badge")).to_have_text(state)
    text = told(page)
    assert [wanted for wanted in texts if wanted not in text] == []
    assert "\\u{a}" not in text


def test_from_red_to_why_which_objects_and_run_these_again(visit: Visit, site: Site) -> None:
    """A failed job's page leads to a failed shard's log, and to the task whose failed instances are to be cleared."""
    page = visit.job("failed")
    steps = page.locator(".next li")
    place = site.places["failed"]
    assert steps.count() == 3
    assert "/af/dags/" in steps.nth(0).get_by_role("link").get_attribute("href")
    assert "AccessDenied" in steps.nth(1).inner_text()
    again = steps.nth(2).get_by_role("link").get_attribute("href")
    assert f"/af/dags/{place.dag_id}/runs/" in again
    assert again.endswith("/tasks/quarantine.run/mapped")


def test_the_page_updates_itself_and_keeps_what_the_reader_did(visits: Callable[..., Visit], site: Site) -> None:
    """New figures appear; focus, scroll and opened details stay; the same elements are on the page."""
    visit = visits()
    visit.page.clock.install()
    page = visit.job("running")
    page.get_by_text("The same as a table").click()
    page.get_by_role("button", name="Copy the command").first.focus()
    page.evaluate("window.scrollTo(0, 300)")
    keep = "() => { window.kept = [document.activeElement, document.querySelector('.chart canvas'), scrollY]; }"
    page.wait_for_selector(".chart canvas")
    page.evaluate(keep)
    with site.changed_news("running", PROGRESS_KEY) as change:
        for done in (99_000, 88_000):
            before = page.locator(".share").inner_text()
            change(done=done)
            hurry(page)
            expect(page.locator(".share")).not_to_have_text(before)
    now = (
        "() => [document.activeElement, document.querySelector('.chart canvas'), scrollY].map((v, i) => v === kept[i])"
    )
    assert page.evaluate(now) == [True, True, True]
    assert page.locator("details[open]").count() == 1


def test_a_change_of_state_is_announced(visits: Callable[..., Visit], site: Site) -> None:
    """A screen reader hears when a job's state changes, once, and politely."""
    visit = visits()
    visit.page.clock.install()
    page = visit.job("paused")
    news = page.locator("#news")
    expect(news).to_have_attribute("aria-live", "polite")
    expect(news).to_be_empty()
    with site.changed_news("paused", PROGRESS_KEY) as change:
        change(state="running", done=49_000, control=None)
        hurry(page)
        expect(news).to_contain_text("Running, 98 % done")


def test_nothing_is_asked_while_the_page_is_hidden(visits: Callable[..., Visit]) -> None:
    """A hidden page asks nothing, however long; seen again it asks at once."""
    visit = visits()
    visit.page.clock.install()
    page = visit.job("million")
    hide = "hidden => { Object.defineProperty(document, 'hidden', {get: () => hidden, configurable: true}); "
    hide += "document.dispatchEvent(new Event('visibilitychange')); }"
    page.evaluate(hide, True)
    with page.expect_response(re.compile("/api/run")):
        page.get_by_role("button", name="Refresh now").click()  # its answer comes while the page is hidden
    page.evaluate("() => fetch('static/icon.svg')")
    asked = len(visit.asked)
    page.clock.fast_forward(600_000)
    page.evaluate("() => fetch('static/icon.svg')")  # whatever was asked before this has been seen after it
    assert len(visit.asked) == asked + 1
    with page.expect_response(re.compile("/api/run")):
        page.evaluate(hide, False)
        page.clock.fast_forward(10)


def test_a_server_that_is_gone_is_told_with_the_age_of_what_is_shown(visits: Callable[..., Visit]) -> None:
    """The figures stay, marked as old, with the time of the next try; once the server is back, the banner goes."""
    visit = visits()
    visit.page.clock.install()
    page = visit.job("million")
    before = page.locator(".share").inner_text()
    page.route("**/api/run*", lambda route: route.abort())
    page.clock.fast_forward(SOON_MS)
    banner = page.locator(".banner")
    expect(banner).to_contain_text("can't be reached")
    expect(banner).to_contain_text(re.compile(r"What is shown is from \d\d:\d\d:\d\d"))
    assert page.locator(".share").inner_text() == before
    page.clock.run_for(1_500)
    expect(page.locator(".freshness")).to_contain_text("not up to date")
    page.unroute("**/api/run*")
    banner.get_by_role("button", name="Try now").click()
    expect(banner).to_have_count(0)
    visit.wrong = [text for text in visit.wrong if "ERR_FAILED" not in text]


def test_shards_sort_filter_and_show_more(visit: Visit) -> None:
    """Of 200 shards the page shows some, those that need somebody first, and more when asked."""
    page = visit.job("million")
    shown = page.locator("table.shards tbody tr")
    assert shown.count() == 25
    page.get_by_role("group", name="Shards by state").get_by_role("button", name=re.compile("^Success")).click()
    assert set(page.locator("table.shards tbody .badge").all_inner_texts()) == {"Success"}
    page.get_by_role("columnheader", name="Failed").get_by_role("button").click()
    numbers = [int(text) for text in page.locator("table.shards td[data-label=Failed]").all_inner_texts()]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[0] > 0
    page.get_by_role("button", name=re.compile("^Show")).click()
    assert shown.count() == 100


def test_the_tab_of_a_task_shows_that_task(visit: Visit) -> None:
    """The tab of a mapped task instance has its own shard, marked, below the figures of the whole job."""
    page = visit.job("running", task_id="quarantine.run", map_index=2)
    shard = page.locator("table.shards tbody tr")
    expect(shard).to_contain_text(["this task"])
    expect(shard).to_have_attribute("aria-current", "true")
    expect(page.locator(".share")).to_contain_text("of 500,000 objects")


def test_a_run_of_two_jobs_shows_one_at_a_time(visit: Visit) -> None:
    """Both jobs have a button; the address keeps which one is shown."""
    page = visit.job("two_jobs")
    buttons = page.get_by_role("group", name="Jobs of this run").get_by_role("button")
    assert buttons.count() == 2
    buttons.filter(has_text="tag").click()
    page.wait_for_url(re.compile("group=tag"))
    expect(page.locator(".origin")).to_contain_text("group tag")


def test_a_task_without_a_job_says_so(visit: Visit, site: Site) -> None:
    """A tab that has nothing to show is no error."""
    page = visit.job("two_jobs", task_id="nothing")
    visit.expected = {404}
    assert re.search("No S3 Batch job|no such run", told(page))
