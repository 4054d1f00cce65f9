"""The report task: its verdict, its notices, and what it says where there is no manifest."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from airflow.sdk import BaseNotifier
from fakes import GREEN, TaskInstance, summary

import airflow_s3batch.reports.build
from airflow_s3batch import BatchReportOperator
from airflow_s3batch.hooks.airflow_names import AirflowException, AirflowFailException, AirflowSkipException
from airflow_s3batch.testing import MemoryStorage

TOTALS = {"job": "s3://ops/s3batch/job-1", "rows": 3, "bytes": 30, "shards": 1, "source": "s3://inv/lake"}
sent: list[tuple[str, str]] = []


class Recorder(BaseNotifier):
    """Keeps what it was told; fails while *broken*."""

    template_fields = ("message",)
    broken = False

    def __init__(self, message: str = "{{ report }}") -> None:
        super().__init__()
        self.message = message

    def notify(self, context: Any) -> None:
        if self.broken:
            raise ValueError("no route to chat")
        sent.append((type(self).__name__, self.message))


class Other(Recorder):
    """A second one."""


@pytest.fixture(autouse=True)
def _nothing_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    sent.clear()
    monkeypatch.setattr(Recorder, "broken", False)


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the report is made to say; the arguments it was made with are kept."""
    made: dict[str, Any] = {"summary": summary(), "arguments": None}

    def build_report(storage: MemoryStorage, job_url: Any, task_id: str, **more: Any) -> Any:
        made["arguments"] = {"job_url": job_url, "task_id": task_id, **more}
        return made["summary"]

    monkeypatch.setattr(airflow_s3batch.reports.build, "build_report", build_report)
    return made


def report(**arguments: Any) -> BatchReportOperator:
    return BatchReportOperator(
        task_id="report", manifest_task_id="job.manifest", operation_task_id="job.run", **arguments
    )


def execute(operator: BatchReportOperator, context: dict[str, Any]) -> Any:
    context["ti"].xcoms["job.manifest", "manifest"] = TOTALS
    return type(operator).execute.__wrapped__(operator, context)


@pytest.mark.usefixtures("storage")
def test_green_job_returns_counts_and_places(built: dict[str, Any], context: dict[str, Any]) -> None:
    """XCom has counts and pointers."""
    built["summary"] = summary(**GREEN)
    result = execute(report(), context)
    assert result["succeeded"] == 3
    assert result["report_url"] == "s3://ops/s3batch/job-1/report/manifest.json"
    assert result["failed_url"] is None
    assert built["arguments"]["task_id"] == "job.run"
    assert str(built["arguments"]["job_url"]) == "s3://ops/s3batch/job-1"
    assert built["arguments"]["about"]["logical_date"] is None


@pytest.mark.usefixtures("storage", "built")
def test_red_job_fails_with_the_sentence_and_without_retries(context: dict[str, Any]) -> None:
    """The run is red, and the log says what to do."""
    with pytest.raises(AirflowFailException, match="1 of 3 objects failed") as caught:
        execute(report(), context)
    assert "report/failed.csv" in str(caught.value)


@pytest.mark.usefixtures("storage", "built")
@pytest.mark.parametrize("state", ["failed", "upstream_failed"])
def test_no_manifest_because_upstream_failed(state: str, context: dict[str, Any]) -> None:
    """An XCom that an earlier attempt left behind is not taken for the manifest."""
    context["ti"].states["job.manifest"] = state
    with pytest.raises(AirflowFailException, match=rf"no manifest to report on: task 'job.manifest' is {state}"):
        execute(report(), context)


@pytest.mark.usefixtures("storage", "built")
def test_no_manifest_at_all(context: dict[str, Any]) -> None:
    """A wrong task id is told as such."""
    operator = BatchReportOperator(task_id="report", manifest_task_id="manifest", operation_task_id="job.run")
    with pytest.raises(AirflowFailException, match="task 'manifest' is without a manifest"):
        execute(operator, context)


@pytest.mark.usefixtures("storage", "built")
def test_skipped_manifest_skips_the_report(context: dict[str, Any]) -> None:
    """Nothing was asked for, so nothing is reported."""
    context["ti"].states["job.manifest"] = "skipped"
    with pytest.raises(AirflowSkipException):
        execute(report(), context)


@pytest.mark.usefixtures("storage", "built")
def test_notices_are_rendered_from_the_report_and_sent_before_the_run_goes_red(context: dict[str, Any]) -> None:
    """The report alone is a sentence; its values have names."""
    notifiers = [Recorder(), Other("{{ report.failed }} of {{ report.objects }}: {{ report.report_url }}")]
    with pytest.raises(AirflowFailException):
        execute(report(notifications=notifiers), context)
    assert sent[0][1].startswith("set_tag: 1 of 3 objects failed (AccessDenied 1)")
    assert sent[1] == ("Other", "1 of 3: s3://ops/s3batch/job-1/report/manifest.json")
    assert notifiers[0].message == "{{ report }}"


@pytest.mark.usefixtures("storage")
def test_each_notice_once_per_report(built: dict[str, Any], context: dict[str, Any]) -> None:
    """The same report again is no news; another one is."""
    operator = report(notifications=[Recorder(), Other()])
    for fingerprint in ("abc", "abc", "def", "def"):
        built["summary"] = summary(**GREEN, fingerprint=fingerprint)
        execute(copy.copy(operator), context)
    assert [name for name, _ in sent] == ["Recorder", "Other"] * 2


@pytest.mark.usefixtures("storage")
def test_broken_notifier_stops_no_other_and_is_retried(
    built: dict[str, Any], context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task ends with a retryable error that names it; the retry sends only what is missing."""
    built["summary"] = summary(**GREEN)
    operator = report(notifications=[Recorder(), Other()])
    monkeypatch.setattr(Recorder, "broken", True)
    monkeypatch.setattr(Other, "broken", False, raising=False)
    with pytest.raises(AirflowException, match=r"Recorder \(ValueError: no route to chat\)") as caught:
        execute(operator, context)
    assert not isinstance(caught.value, AirflowFailException)
    assert [name for name, _ in sent] == ["Other"]
    monkeypatch.setattr(Recorder, "broken", False)
    execute(operator, context)
    assert [name for name, _ in sent] == ["Other", "Recorder"]


def test_notices_see_the_tasks_context_but_cannot_change_it(
    storage: MemoryStorage, built: dict[str, Any], context: dict[str, Any]
) -> None:
    """Notifiers merge their fields into the context; it is theirs alone."""
    built["summary"] = summary(**GREEN)
    execute(report(notifications=[Recorder("{{ run_id }}")]), context)
    assert sent == [("Recorder", "manual__1")]
    assert "report" not in context
    assert "message" not in context
    markers = [str(file.url) for file in storage.list(built["arguments"]["job_url"] / "report/notified")]
    assert markers == ["s3://ops/s3batch/job-1/report/notified-abc-0.json"]


def test_states_that_airflow_does_not_tell_fall_back_to_the_manifest(
    storage: MemoryStorage, built: dict[str, Any], context: dict[str, Any]
) -> None:
    """A state is a hint, the manifest is the fact."""
    built["summary"] = summary(**GREEN)
    context["ti"] = TaskInstance(states={})
    assert execute(report(), context)["objects"] == 3
