"""Notifications of a report: each notifier once per report generation, whatever happens to the others."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.engine.files.storage import Storage

log = logging.getLogger(__name__)


class Summarizes(Protocol):
    """What is asked of a job's summary."""

    @property
    def fingerprint(self) -> str:
        """Tells one generation of the report from another."""

    @property
    def is_green(self) -> bool:
        """Whether no more failed than allowed."""

    def to_json(self) -> dict[str, Any]:
        """Return all of it, JSON-ready."""

    def sentence(self) -> str:
        """Return what happened, for people."""


class ReportContext(dict[str, Any]):
    """``{{ report }}`` in a notifier's templates: a sentence by itself, the summary's values by name."""

    def __str__(self) -> str:
        return str(self["sentence"])


def report_context(summary: Summarizes) -> ReportContext:
    """Return what templates see as ``report``."""
    return ReportContext({**summary.to_json(), "sentence": summary.sentence(), "is_green": summary.is_green})


def send_notices(
    notifiers: Sequence[Any], summary: Summarizes, context: Mapping[str, Any], *, storage: Storage, report: S3Url
) -> list[str]:
    """
    Notify with every one of *notifiers* that has not yet had this generation of the report; return what failed.

    A marker beside the report is written after each success, so that a crash between the two repeats one notice
    rather than losing it. A notifier that raises stops none of the others; it is tried again by the next attempt.
    """
    failures = []
    for number, notifier in enumerate(notifiers):
        marker = report / f"notified-{summary.fingerprint}-{number}.json"
        name = type(notifier).__name__
        if storage.read(marker) is not None:
            log.info("%s has had this report already.", name)
        elif failure := _failure_to_notify(notifier, summary, context):
            failures.append(failure)
        else:
            storage.write(marker, _marker(name), "application/json")
    return failures


def send_unmarked(notifiers: Sequence[Any], summary: Summarizes, context: Mapping[str, Any]) -> list[str]:
    """
    Notify with every one of *notifiers*; return what failed.

    For what has no report beside which a marker could lie: each try of the task sends all of them again.
    """
    return [failure for notifier in notifiers if (failure := _failure_to_notify(notifier, summary, context))]


def _failure_to_notify(notifier: Any, summary: Summarizes, context: Mapping[str, Any]) -> str:
    """Notify; return what went wrong, empty if nothing did."""
    name = type(notifier).__name__
    try:
        # Rendering changes a notifier, and it merges its fields into the context: both are copies.
        copy.copy(notifier)({**context, "report": report_context(summary)})
    except Exception as error:  # noqa: BLE001 - a notifier is somebody else's code and may raise anything
        log.warning("%s failed: %s", name, error)
        return f"{name} ({type(error).__name__}: {error})"
    log.info("%s was notified.", name)
    return ""


def _marker(name: str) -> bytes:
    return json.dumps({"notifier": name, "sent": datetime.now(UTC).isoformat()}).encode()
