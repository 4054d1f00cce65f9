"""``report.html``: the summary for people, one file that needs no other, without script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from airflow_s3batch.core import amounts
from airflow_s3batch.core.visible import visible
from airflow_s3batch.reports.page import account, outcome, words
from airflow_s3batch.reports.page.checks import checks
from airflow_s3batch.reports.page.proof import proof
from airflow_s3batch.reports.page.verdict import verdict

if TYPE_CHECKING:
    import jinja2

    from airflow_s3batch.reports.summary import JobSummary

__all__ = ["report_page", "visible"]

MOST_LINKS = 20
MOST_AWS_JOBS = 100


def report_page(summary: JobSummary, links: Mapping[str, str]) -> str:
    """
    Return the page, of less than a megabyte; *links* are URLs by label, of which only http(s) ones can be clicked.

    The template engine escapes everything; characters that don't show (controls, direction marks) are spelled out,
    lists and texts are cut, and say so.
    """
    found, absent = checks(summary)
    return _template().render(
        summary=summary,
        style=_style(),
        style_hash=_hash_of(_style()),
        verdict=verdict(summary),
        outcome=outcome.outcome(summary),
        selection=account.selection(summary),
        work=account.work(summary),
        checks=found,
        absent=absent,
        run=account.run(summary),
        versions=account.version_table(summary),
        proof=proof(summary),
        history=outcome.history(summary),
        files=account.files(summary),
        aws_jobs=summary.aws_jobs[:MOST_AWS_JOBS],
        links={name: (url, account.is_web(url)) for name, url in list(links.items())[:MOST_LINKS]},
    )


@cache
def _template() -> jinja2.Template:
    import jinja2

    folder = files(__package__) / "templates"
    loader = jinja2.FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8"))
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, loader=loader)
    environment.trim_blocks = environment.lstrip_blocks = True
    for name in ("number", "share", "size", "duration", "moment"):
        environment.filters[name] = getattr(amounts, name)
    environment.filters.update(rate=words.rate, cut=words.cut, facts=words.facts, visible=visible)
    return environment.get_template("report.html.j2")


@cache
def _style() -> str:
    return (files(__package__) / "style.css").read_text(encoding="utf-8")


def _hash_of(style: str) -> str:
    """Return what the content security policy allows *style* by: no other style is applied, whatever slips in."""
    return f"sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}"
