"""The live page and the report say the same of an error code, and no other thing than what the engine does about it."""

from __future__ import annotations

import re
from importlib.resources import files

from airflow_s3batch.core.outcomes import VANISHED
from airflow_s3batch.core.permissions import PERMISSION_CODES
from airflow_s3batch.core.verdicts import CODE_VERDICTS, Verdict
from airflow_s3batch.reports.page.advice import ADVICE, advice

SOURCE = (files("airflow_s3batch") / "ui/static/js/codes.js").read_text(encoding="utf-8")
MEANINGS = dict(re.findall(r'^  "?([\w.]+)"?: (.+),$', SOURCE, re.MULTILINE))
"""What the live page says of each code: a sentence in quotes, or the name of one that several codes share."""


def codes_of(name: str) -> set[str]:
    found = {code for code, meaning in MEANINGS.items() if meaning == name}
    assert found, f"codes.js has no {name} any more"
    return found


def test_what_the_live_page_explains_the_report_explains_too() -> None:
    unknown = advice("<nobody knows>")
    assert not [code for code in MEANINGS if advice(code) == unknown]


def test_what_the_report_explains_by_name_the_live_page_explains_too() -> None:
    assert not set(ADVICE) - set(MEANINGS)


def test_what_several_codes_share_is_what_the_engine_makes_of_them() -> None:
    verdicts = {name: {CODE_VERDICTS.get(code) for code in codes_of(name)} for name in ("BUSY", "TROUBLE", "CHANGED")}
    assert verdicts == {"BUSY": {Verdict.THROTTLE}, "TROUBLE": {Verdict.RETRY}, "CHANGED": {Verdict.FAIL}}
    assert codes_of("GONE") == set(VANISHED)
    assert codes_of("DENIED") - PERMISSION_CODES == {"AllAccessDisabled"}
