"""``report.html``: self-contained, escaped, readable without colour."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import quote

import pytest

from airflow_s3batch.reports.page import report_page, visible
from airflow_s3batch.reports.summary import JobSummary

EVIL = '<script>alert("1")</script>&amp;\u202egpj.\n\x00exe'
VOID = {"meta"}


def summary(**changes: object) -> JobSummary:
    values = {
        "job_url": "s3://ops/job",
        "task_id": "quarantine.run",
        "operation": {"operation": "PutObjectTagging", "tags": {"team": {"column": "team"}}},
        "objects": 1_204_511,
        "succeeded": 1_204_474,
        "failed": 37,
        "bytes": 3 * 1024**4,
        "codes": {"AccessDenied": 30, "NoSuchKey": 7},
        "examples": {"AccessDenied": ["s3://logs/a%20b.gz"], "NoSuchKey": []},
        "requests": 1_300_000,
        "retries": 12,
        "slow_downs": 2,
        "started": "2026-11-22T10:00:00.000Z",
        "ended": "2026-11-22T10:07:11.000Z",
        "duration_s": 431.0,
        "allowed_failures": 0,
        "tolerate": ("NoSuchKey",),
        "report_url": "s3://ops/job/report/manifest.json",
        "failed_url": "s3://ops/job/report/failed.csv",
        "html_url": "s3://ops/job/report/report.html",
        "summary_url": "s3://ops/job/report/summary.json",
        "fingerprint": "0" * 16,
        "created": "2026-11-22T10:08:00.000Z",
        "selection": {"where": "is_latest", "columns": {"team": "split_part(key, '/', 1)"}},
        "source": {"manifest": "s3://inv/daily/manifest.json", "created": "2026-11-22T01:00:00+00:00"},
        "about": {"dag_id": "classify", "run_id": "manual__1"},
    }
    return JobSummary(**{**values, **changes})  # type: ignore[arg-type]


class Page(HTMLParser):
    """Collects the tags and the text of a page; unbalanced tags are an error."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(source)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.text += " " if tag in ("dt", "dd", "th", "td", "li", "p", "h1", "h2") else ""

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def words(self) -> str:
        """The text with single spaces."""
        return " ".join(self.text.split())


def page(links: dict[str, str] | None = None, **changes: object) -> Page:
    return Page(report_page(summary(**changes), links or {}))


def test_page_tells_counts_verdict_causes_and_the_next_step() -> None:
    words = page().words
    for expected in (
        "Red. 37 of 1,204,511 objects failed: 30 count, 0 are allowed.",
        "Succeeded 1,204,474",
        "Size, succeeded 3 TiB",
        "Time at work 7 min 11 s",
        "Objects per second 2,795",
        "AccessDenied 30 below 0.01 % yes s3://logs/a b.gz",
        "NoSuchKey 7 below 0.01 % no, tolerated",
        "Clear the tasks quarantine.run of this Dag run",
        "s3://ops/job/report/failed.csv",
        "By this condition is_latest Extra columns team split_part(key, '/', 1)",
        "Inventory s3://inv/daily/manifest.json Inventory of 2026-11-22 01:00:00 UTC",
        'Parameters {"tags": {"team": {"column": "team"}}}',
        "Run manual__1",
        "Last outcome 2026-11-22 10:07:11 UTC",
    ):
        assert expected in words


@pytest.mark.parametrize(
    ("selection", "origin"),
    [
        ({"kind": "csv", "csv": ["s3://in/a.csv", "s3://in/b/"]}, "Objects from s3://in/a.csv, s3://in/b/ As of 2026"),
        ({"kind": "report", "report": "s3://ops/job", "objects": "failed"}, "Objects from s3://ops/job As of 2026"),
        ({"inventory": ["s3://inv/a", "s3://inv/b"]}, "Inventory s3://inv/a, s3://inv/b Inventory of 2026"),
    ],
)
def test_page_tells_where_the_objects_come_from(selection: dict[str, object], origin: str) -> None:
    source = {"created": "2026-11-22T01:00:00+00:00"}
    selection = {"where": "TRUE", "columns": {}, **selection}
    assert origin in page(selection=selection, source=source).words


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        (
            {"allowed_failures": 30},
            "Green. 37 of 1,204,511 objects failed, no more than allowed: 30 count, 30 are allowed.",
        ),
        ({"failed": 0, "codes": {}, "examples": {}, "failed_url": None}, "Green. All 1,204,511 objects succeeded."),
        ({"objects": 0, "failed": 0, "codes": {}}, "Green. The selection matched no object, so nothing was done."),
        ({"allowed_failures": 0.00001}, "Red. 37 of 1,204,511 objects failed: 30 count, 12 are allowed."),
    ],
)
def test_verdict_is_said_in_words(changes: dict[str, object], verdict: str) -> None:
    assert verdict in page(**changes).words


def test_page_asks_no_other_server_and_runs_no_script() -> None:
    tags = page(links={"Airflow": "https://airflow.example/x?a=1&b=2"}).tags
    assert {tag for tag, _ in tags}.isdisjoint({"script", "link", "img", "iframe", "object", "embed", "base", "form"})
    assert [
        attributes for _, attributes in tags if "src" in attributes or any(name.startswith("on") for name in attributes)
    ] == []
    assert [attributes["href"] for tag, attributes in tags if tag == "a"] == ["https://airflow.example/x?a=1&b=2"]
    assert "url(" not in report_page(summary(), {})


def test_only_web_links_can_be_clicked() -> None:
    links = {"a": "javascript:alert(1)", "b": "s3://ops/job", "c": "http://127.0.0.1:8080/"}
    found = page(links=links)
    assert [attributes["href"] for tag, attributes in found.tags if tag == "a"] == ["http://127.0.0.1:8080/"]
    assert "javascript:alert(1)" in found.words


def test_nothing_from_outside_is_taken_for_html_and_hidden_characters_show() -> None:
    plain = {tag for tag, _ in page().tags}
    found = page(
        links={EVIL: EVIL},
        job_url=EVIL,
        task_id=EVIL,
        operation={"operation": EVIL, EVIL: EVIL},
        codes={EVIL: 37},
        examples={EVIL: [f"s3://logs/{quote(EVIL)}"]},
        failed_url=EVIL,
        selection={"where": EVIL, "columns": {EVIL: EVIL}},
        source={"manifest": EVIL, "created": EVIL},
        about={"dag_id": EVIL, "run_id": EVIL},
        started=EVIL,
    )
    assert {tag for tag, _ in found.tags} == plain
    assert "\u202e" not in found.text
    assert "\x00" not in found.text
    assert r's3://logs/<script>alert("1")</script>&amp;\u{202e}gpj.\u{a}\u{0}exe' in found.text


def test_table_says_what_its_headers_belong_to() -> None:
    scopes = [attributes["scope"] for tag, attributes in page().tags if tag == "th"]
    assert scopes == ["col"] * 5 + ["row"] * 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb", r"a\u{a}b"),
        ("\u202e", r"\u{202e}"),
        ("\u2028", r"\u{2028}"),
        ("日本 é", "日本 é"),
        ("\ud800", r"\u{d800}"),
    ],
)
def test_characters_that_do_not_show_are_spelled(text: str, shown: str) -> None:
    assert visible(text) == shown
