"""Who is not signed in, may see no Dag, or asks for what is not there, reads why."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from airflow_site import Site
from browsing import Visit
from playwright.sync_api import expect


@pytest.mark.parametrize("is_job", [False, True], ids=["list", "job"])
def test_a_stranger_is_asked_to_sign_in(visits: Callable[..., Visit], site: Site, *, is_job: bool) -> None:
    """Without a session there are no figures, but a way to sign in."""
    visit = visits(is_anonymous=True)
    visit.expected = {401}
    page = visit.job("failed") if is_job else visit.open(site.page)
    expect(page.get_by_role("heading", name="You are not signed in.")).to_be_visible()
    expect(page.get_by_role("link", name="Sign in to Airflow")).to_have_attribute("href", site.airflow)
    assert "classify" not in page.locator("main").inner_text()


def test_a_session_that_ends_leaves_the_figures(visits: Callable[..., Visit]) -> None:
    """Who was reading goes on reading, and is told that nothing comes in any more, and where to sign in."""
    visit = visits()
    visit.expected = {401}
    page = visit.job("failed")
    visit.context.clear_cookies()
    page.get_by_role("button", name="Refresh now").click()
    banner = page.locator(".banner")
    expect(banner).to_contain_text("You are not signed in.")
    expect(banner.get_by_role("link", name="Sign in to Airflow")).to_be_visible()
    expect(page.locator(".job-head")).to_be_visible()


def test_who_may_not_read_the_dag_is_told(visits: Callable[..., Visit], site: Site) -> None:
    """A user without access to the Dag sees neither job nor list entry."""
    visit = visits(role=None)
    visit.expected = {403}
    page = visit.job("failed")
    expect(page.get_by_role("heading", name="You may not see this.")).to_be_visible()
    text = visit.open(site.page).locator("main").inner_text()
    assert all(place.dag_id not in text for place in site.places.values())


def test_a_run_that_is_not_there(visit: Visit, site: Site) -> None:
    """An address with a run that nobody knows says so; nothing is asked again and again."""
    visit.expected = {404}
    page = visit.open(f"{site.page}?dag_id=quarantine_unencrypted&run_id=gone")
    expect(page.get_by_role("heading", name="There is no such run.")).to_be_visible()
    expect(page.get_by_role("link", name="All S3 Batch jobs")).to_be_visible()


def test_a_plus_in_an_id_is_a_plus(visit: Visit, site: Site) -> None:
    """Airflow 3.1 puts ids into the tab's address as they are; later ones encode them."""
    place = site.places["failed"]
    assert "+" in place.run_id
    page = visit.open(f"{site.page}?dag_id={place.dag_id}&run_id={place.run_id}")
    expect(page.locator(".job-head .badge")).to_have_text("Failed")
