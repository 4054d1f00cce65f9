"""Object keys, ids and messages are an attacker's: they are shown as text, whatever they are."""

from __future__ import annotations

from browsing import Visit
from seeded_jobs import EVIL_KEYS

from airflow_s3batch.core.news import PROGRESS_KEY

SPELLED = {"\x1b": "\\u{1b}", "\u202e": "\\u{202e}"}


def spelled(key: str) -> str:
    """Return how the page writes *key*."""
    return "".join(SPELLED.get(mark, mark) for mark in key)


def test_hostile_keys_are_text(visit: Visit) -> None:
    """Markup, formulas, escapes and direction marks stand there letter by letter; nothing of them is run or fetched."""
    page = visit.job("attacked")
    shown = page.locator(".codes").inner_text()
    for key in EVIL_KEYS:
        assert spelled(key) in shown
    assert "<b>Evil</b>" in shown
    assert page.locator("main img, main script, main iframe, main b, main [onload], main [onerror]").count() == 0


def test_links_lead_to_airflow_or_a_console_only(visit: Visit) -> None:
    """A URL of another kind or host, from whatever task, is no link."""
    evil = {"id": "x", "status": "Active", "url": "javascript:alert(1)"}
    with visit.site.changed_news("attacked", PROGRESS_KEY) as change:
        change(aws_job=evil, sentence="<img src=x onerror=alert(2)>\u202e")
        page = visit.job("attacked")
        links = page.locator("a").evaluate_all("links => links.map(link => link.href)")
    assert len(links) > 5
    assert [url for url in links if not url.startswith((visit.site.airflow, "https://console.aws.amazon.com/"))] == []


def test_safe_links_and_visible_text(visit: Visit) -> None:
    """What the page's own rules say of URLs and of characters that do not show."""
    page = visit.open(visit.site.page)
    urls = [
        "javascript:alert(1)",
        "data:text/html,x",
        "https://console.aws.amazon.com.evil.example/",
        "https://user@console.aws.amazon.com/",
        "http://console.aws.amazon.com/",
        "//evil.example/",
        "s3://bucket/key",
        "https://eu-west-1.console.aws.amazon.com/s3/",
        "../dags/x",
    ]
    found = page.evaluate(
        "async urls => { const { safeUrl } = await import('./static/js/places.js');"
        " return urls.map(url => !!safeUrl(url)); }",
        urls,
    )
    assert found == [False] * 7 + [True] * 2
    texts = ["a\u202eb", "\u200b", "\x00\x7f", "שלום", "tab\t", "%E2%80%AE", "%ED%A0%80", "a%20b"]
    seen = page.evaluate(
        "async texts => { const { visible, decoded } = await import('./static/js/text.js');"
        " return texts.map(text => visible(decoded(text))); }",
        texts,
    )
    wanted = ["a\\u{202e}b", "\\u{200b}", "\\u{0}\\u{7f}", "שלום", "tab\\u{9}", "\\u{202e}", "%ED%A0%80", "a b"]
    assert seen == wanted


def test_a_copied_key_holds_no_control_character(visit: Visit) -> None:
    """A key with an escape in it is copied percent-encoded: a terminal that it is pasted into does nothing."""
    visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visit.job("attacked")
    for item in page.locator(".codes .keys li").all():
        item.get_by_role("button").click()
        page.wait_for_selector("button.copy.done")
        text = page.evaluate("() => navigator.clipboard.readText()")
        assert text.isprintable()
        assert text.startswith("s3://lake/")
