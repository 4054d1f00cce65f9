"""The report task: its verdict, its notices, and what it says where there is no manifest."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import BaseNotifier, TaskGroup
from fakes import GREEN, TaskInstance, summary

import airflow_s3batch.reports.build
from airflow_s3batch import BatchReportOperator
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.hooks.airflow_names import AirflowException, AirflowFailException, AirflowSkipException
from airflow_s3batch.manifests.planning.series import Reported, Series
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


@pytest.mark.usefixtures("built")
def test_the_next_run_learns_of_the_report_also_of_a_red_one_whose_notice_failed(
    storage: MemoryStorage, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What did not succeed is selected again by ``since="previous"``."""
    about = {"dag_id": "d", "task_id": "job.manifest", "map_index": -1}
    job = {
        "format": "airflow-s3batch-job/1",
        "selection": {},
        "source": {},
        "fingerprint": "f",
        "about": about,
        "created": "2026-11-22T12:00:00+00:00",
    }
    storage.write(S3Url.parse("s3://ops/s3batch/job-1/job.json"), json.dumps(job).encode())
    monkeypatch.setattr(Recorder, "broken", True)
    with pytest.raises(AirflowException):
        execute(report(notifications=[Recorder()]), context)
    series = Series.of(S3Url.parse("s3://ops/s3batch"), about)
    assert series is not None
    assert series.reported(storage) == Reported("s3://ops/s3batch/job-1", "2026-11-22T12:00:00+00:00")


@pytest.mark.usefixtures("storage")
@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ({"manifest_task_id": "job.manifst"}, "manifest_task_id='job.manifst': .* did you mean 'job.manifest'?"),
        ({"operation_task_id": "run"}, "operation_task_id='run': .* did you mean 'job.run'?"),
        ({"operation_task_id": "xyz"}, "operation_task_id='xyz': the Dag has no such task$"),
    ],
)
def test_misspelt_task_id_is_told_before_anything_is_written(
    built: dict[str, Any], context: dict[str, Any], dag: Any, wrong: dict[str, str], meant: str
) -> None:
    """A report about a task that does not exist would say that nothing was done."""
    with TaskGroup("job"):
        for name in ("manifest", "run"):
            EmptyOperator(task_id=name)
    ids = {"manifest_task_id": "job.manifest", "operation_task_id": "job.run", **wrong}
    operator = BatchReportOperator(task_id="report", notifications=[Recorder()], **ids)
    with pytest.raises(AirflowFailException, match=meant):
        execute(operator, {**context, "dag": dag})
    assert built["arguments"] is None
    assert "the Dag has no such task" in sent[0][1]


@pytest.mark.usefixtures("storage", "built")
@pytest.mark.parametrize("state", ["failed", "upstream_failed"])
def test_no_manifest_because_upstream_failed(state: str, context: dict[str, Any]) -> None:
    """An XCom that an earlier attempt left behind is not taken for the manifest."""
    context["ti"].states["job.manifest"] = state
    with pytest.raises(
        AirflowFailException, match=rf"no manifest to report on: task 'job.manifest' is {state}"
    ) as caught:
        execute(report(), context)
    assert "earlier attempts may have worked on objects" in str(caught.value)


@pytest.mark.usefixtures("storage", "built")
def test_missing_manifest_is_told_to_all_notifiers(context: dict[str, Any]) -> None:
    """A missing inventory or a tripped guard is news; templates find all names that a report has."""
    context["ti"].states["job.manifest"] = "failed"
    names = " ".join(f"{name}={{{{ report.{name} }}}}" for name in ("objects", "is_green", "rate", "failed_url"))
    with pytest.raises(AirflowFailException, match="no manifest to report on"):
        execute(report(notifications=[Recorder(), Other(names)]), context)
    assert sent[0][1].startswith("there is no manifest to report on: task 'job.manifest' is failed")
    assert sent[1][1] == "objects=0 is_green=False rate=None failed_url=None"


@pytest.mark.usefixtures("built")
def test_missing_manifest_is_told_although_the_store_cannot_be_reached(
    context: dict[str, Any], no_connections: None
) -> None:
    """The connection may be why there is no manifest."""
    context["ti"].states["job.manifest"] = "failed"
    with pytest.raises(AirflowFailException, match="no manifest to report on"):
        execute(report(notifications=[Recorder()], aws_conn_id="nowhere"), context)
    assert len(sent) == 1


@pytest.mark.usefixtures("storage", "built")
def test_missing_manifest_that_could_not_be_told_is_retried(
    context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason comes first."""
    context["ti"].states["job.manifest"] = "failed"
    monkeypatch.setattr(Recorder, "broken", True)
    with pytest.raises(AirflowException, match=r"^there is no manifest .* Also a notification failed: Rec") as caught:
        execute(report(notifications=[Recorder()]), context)
    assert not isinstance(caught.value, AirflowFailException)


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


@pytest.mark.usefixtures("storage", "built")
def test_failed_notice_does_not_hide_the_verdict(context: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """How many objects failed comes first; once all is told, the verdict is final."""
    operator = report(notifications=[Recorder()])
    monkeypatch.setattr(Recorder, "broken", True)
    with pytest.raises(AirflowException, match=r"^set_tag: 1 of 3 objects failed") as caught:
        execute(operator, context)
    assert "Also a notification failed: Recorder (ValueError: no route to chat)" in str(caught.value)
    assert not isinstance(caught.value, AirflowFailException)
    monkeypatch.setattr(Recorder, "broken", False)
    with pytest.raises(AirflowFailException, match=r"^set_tag: 1 of 3 objects failed"):
        execute(operator, context)


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
