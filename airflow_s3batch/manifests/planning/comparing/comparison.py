"""
What ``since`` and ``exclude`` compare with, pinned in ``job.json`` when the job is started.

A later attempt compares with the very same: of a report, which may be made anew meanwhile, the job keeps a copy.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import InventoryError, ManifestError, S3BatchError
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.planning.filtering.binding import bound_for
from airflow_s3batch.manifests.planning.filtering.tables import pinned_table
from airflow_s3batch.manifests.planning.pin import Job, read_job
from airflow_s3batch.manifests.planning.selection import PREVIOUS
from airflow_s3batch.manifests.sources.delivery import find_delivery
from airflow_s3batch.manifests.sources.report.files import check_up_to_date, find_report
from airflow_s3batch.manifests.sql.duck import open_sealed

if TYPE_CHECKING:
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.manifests.planning.selection import Selection
    from airflow_s3batch.manifests.planning.series import Series
    from airflow_s3batch.manifests.sources.dataset import Dataset, Place

Pinned = dict[str, Any]

_MINUTE = dt.timedelta(minutes=1)
_GENERATION = re.compile(r"-\d{1,4}$")
_REPORT_IN_JOB = re.compile(r"/(report(/manifest\.json)?|job\.json)$")
_MATTERS_NOT = frozenset({"compare", "as_of"})


def pinned_comparison(
    place: Place, selection: Selection, series: Series | None, datasets: Sequence[Dataset]
) -> dict[str, Any]:
    """
    Return what ``since``, ``exclude`` and ``tables`` come to now, JSON-ready: for later attempts, and the next run.

    Raises:
        InventoryError: the delivery that ``since`` names can't be found, or a job that ``exclude`` names has worked on
            objects since its report was made.
        ManifestError: a job that ``exclude`` names has no report, or a table is not there.
    """
    pinned: dict[str, Any] = {"asked": asked_of(selection, datasets)}
    if selection.since == PREVIOUS:
        pinned["since"] = _since_previous(place, selection, series)
    elif selection.since:
        pinned["since"] = _since_delivery(place, selection.since, datasets)
    if selection.exclude:
        pinned["exclude"] = [_done(place, url) for url in selection.exclude]
    if selection.tables:
        pinned["tables"] = {name: pinned_table(place.storage, name, url) for name, url in selection.tables.items()}
    return pinned


def asked_of(selection: Selection, datasets: Sequence[Dataset]) -> list[str]:
    """
    Return the condition, or SELECT, of *selection* for each of *datasets*, with the values of its parameters.

    A SELECT reads all datasets at once; its ``$snapshot_time`` is that of the oldest.
    """
    with open_sealed() as parser:
        if selection.sql:
            oldest = min(datasets, key=lambda dataset: dataset.created or dt.datetime.max.replace(tzinfo=dt.UTC))
            return [bound_for(parser, selection, oldest).sql] * len(datasets)
        return [bound_for(parser, selection, dataset).where for dataset in datasets]


def _since_delivery(place: Place, since: str, datasets: Sequence[Dataset]) -> Pinned:
    """Return the delivery that *since* names; of a configuration, the newest before those that are selected from."""
    moments = [dataset.created for dataset in datasets if dataset.created]
    before = min(moments) - _MINUTE if moments else None
    url = S3Url.parse(since, what="since")
    is_folder = not since.rstrip("/").endswith("manifest.json") and not _IN_DELIVERY.search(since)
    found = find_delivery(place.storage, url, as_of=before if is_folder else None, now=place.now)
    if str(found.url) in {str(dataset.url) for dataset in datasets}:
        raise InventoryError(
            f"since={since!r} is the very delivery that is selected from, so nothing would be new; name an earlier one"
        )
    return {"source": {"manifest": str(found.url), "md5": found.md5}}


_IN_DELIVERY = re.compile(r"/\d{4}-\d{2}-\d{2}T\d{2}-\d{2}Z/?$")


def _since_previous(place: Place, selection: Selection, series: Series | None) -> Pinned:
    """Return the last finished job of the series, or why there is none to compare with."""
    if series is None:
        raise ManifestError("since='previous': nobody said which task this is (dag_id and task_id in about=)")
    entry = series.reported(place.storage)
    if entry is None:
        return {"nothing": "no job of this task was reported on before"}
    url = S3Url.parse(entry.job_url)
    job = read_job(place.storage, JobLayout(url))
    if job is None:
        return {"nothing": f"{url}, the last job of this task, is gone"}
    changed = list(_differences(job, selection))
    if changed:
        return {
            "nothing": f"the selection has changed since {url}: {'; '.join(changed)}. Dates that differ from run to "
            "run belong into params="
        }
    if _is_same_run(url, place.layout.url):
        return dict(job.comparison.get("since") or {"nothing": "this run starts over, and compared with nothing then"})
    return _previous(place, selection, job)


def _previous(place: Place, selection: Selection, job: Job) -> Pinned:
    """Return what pins *job* to compare with, or why it can't be."""
    report = _copied(place, job.layout.report / "manifest.json")
    if report is None:
        return {"nothing": f"the report of {job.layout.url}, the last job of this task, is gone"}
    try:
        _check_there(place.storage, datasets_of(place, selection, job))
    except S3BatchError as error:
        if error.is_retryable:
            raise
        return {"nothing": f"what {job.layout.url} worked on can't be read any more ({error})"}
    return {
        "source": dict(job.source),
        "job": str(job.layout.url),
        "report": report,
        "asked": job.comparison["asked"],
    }


def _check_there(storage: Storage, datasets: Sequence[Dataset]) -> None:
    """
    Check that the first data file of each of *datasets* is there: a lifecycle rule takes all of them in one day.

    Raises:
        InventoryError: one is gone.
    """
    for url in (dataset.file_url(dataset.files[0]) for dataset in datasets if dataset.files):
        if not any(found.url == url for found in storage.list(url)):
            raise InventoryError(f"{url}: this data file is gone")


def datasets_of(place: Place, selection: Selection, job: Job) -> tuple[Dataset, ...]:
    """Return the data that *job*, an earlier one of the same kind as *selection*, worked on."""
    quiet = place._replace(layout=job.layout, log=lambda _line: None, wanted=None)
    return selection.source.again(quiet, job.source).datasets


def _differences(job: Job, selection: Selection) -> Iterator[str]:
    """
    Yield in what *selection* asks for other rows than *job* did, dates and places of the source aside.

    Where the rows came from does not matter: they are compared one by one.
    """
    kind = str(job.selection.get("kind", "inventory"))
    if kind != selection.source.kind:
        yield f"it was made from {kind}, and is from {selection.source.kind}"
        return
    if not job.comparison.get("asked"):
        yield "it was made by an earlier release"
        return
    now = selection.essence()
    for name in job.changes(selection):
        then_value, now_value = job.selection.get(name), now.get(name)
        if name in _MATTERS_NOT or name in selection.source.essence():
            continue
        if name == "since" and {then_value, now_value} <= {None, PREVIOUS}:
            continue
        if name == "params" and _steady(then_value) == _steady(now_value):
            continue
        yield f"{name} was {_short(then_value)}, is {_short(now_value)}"


def _steady(params: Any) -> dict[str, Any]:
    """Return those of *params*, JSON-ready, that are no dates."""
    return {name: value for name, value in (params or {}).items() if not _is_date(value)}


def _is_date(value: Any) -> bool:
    if not isinstance(value, str) or not re.match(r"\d{4}-\d{2}-\d{2}", value):
        return False
    try:
        dt.datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_same_run(one: S3Url, other: S3Url) -> bool:
    """Whether both are folders of the same Dag run's job, started several times."""
    names = [_GENERATION.sub("", url.key.rstrip("/").rpartition("/")[2]) for url in (one, other)]
    return names[0] == names[1]


def _done(place: Place, url: str) -> Pinned:
    """Return what pins the report at *url*, and the job that it is about if it is one of this package."""
    folder = S3Url.parse(_REPORT_IN_JOB.sub("", url.rstrip("/")), what="exclude")
    if place.storage.read(JobLayout(folder).manifest) is not None:
        report = _copied(place, JobLayout(folder).report / "manifest.json")
        if report is None:
            raise ManifestError(
                f"exclude: {folder} has no report yet, so nobody knows what succeeded there; let its report task end"
            )
        found = find_report(place.storage, folder)
        if found.summary is not None:
            check_up_to_date(place.storage, found)
        return {"job": str(folder), "report": report}
    given = S3Url.parse(url, what="exclude")
    report = _copied(place, given if given.key.endswith(".json") else given / "manifest.json")
    if report is None:
        raise ManifestError(
            f"exclude: {url} is neither the folder of a job with a manifest nor a completion report; "
            "expected s3://…/<job id>, or the manifest.json of a report of S3 Batch Operations"
        )
    return {"report": report}


def _copied(place: Place, url: S3Url) -> Pinned | None:
    """Copy the report's manifest at *url* into the job's folder, ``None`` if there is none."""
    body = place.storage.read(url)
    if body is None:
        return None
    md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
    copy = place.layout.source / f"report-{md5}.json"
    place.storage.write(copy, body, "application/json")
    return {"url": str(copy), "md5": md5, "of": str(url)}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:119] + "…"


def report_body(storage: Storage, pinned: Mapping[str, Any]) -> bytes:
    """
    Return the report's manifest that `pinned_comparison` kept.

    Raises:
        ManifestError: the copy is gone or altered.
    """
    body = storage.read(S3Url.parse(pinned["url"]))
    if body is None or hashlib.md5(body, usedforsecurity=False).hexdigest() != pinned["md5"]:
        raise ManifestError(
            f"{pinned['url']}: this copy of {pinned['of']} is gone or altered; set resume=False to start a new job"
        )
    return body
