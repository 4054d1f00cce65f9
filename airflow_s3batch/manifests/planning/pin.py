"""``job.json``: what a job was started with. A later attempt goes on with exactly that, or stops."""

from __future__ import annotations

import datetime as dt
import json
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from airflow_s3batch.core.errors import JobChangedError, JobDamagedError
from airflow_s3batch.core.identity import fingerprint
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.sources.delivery import configuration_of
from airflow_s3batch.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_s3batch.engine.storage import Storage
    from airflow_s3batch.manifests.planning.selection import Selection
    from airflow_s3batch.manifests.sources.delivery import Delivery

FORMAT = "airflow-s3batch-job/1"


@dataclass(frozen=True, slots=True)
class Job:
    """
    What ``job.json`` says.

    Attributes:
        layout: where the job lies.
        selection: `Selection.to_json` of the attempt that started the job.
        source: `source_json` of the delivery that it pinned.
        fingerprint: of both.
    """

    layout: JobLayout
    selection: Mapping[str, Any]
    source: Mapping[str, Any]
    fingerprint: str

    def changes(self, selection: Selection) -> list[str]:
        """
        Return the names of the arguments in which *selection* asks for other rows than the job was started for.

        Another delivery of the same inventory configuration is no change: a cleared sensor finds a newer one, and the
        job stays with the one that it pinned.
        """
        return [
            name for name, value in selection.essence().items() if not _is_same(name, self.selection.get(name), value)
        ]

    def kept_delivery(self, selection: Selection) -> str | None:
        """Return the sentence for the log if *selection* names another delivery than the one that this job pinned."""
        pinned = str(self.source.get("manifest"))
        asked = str(S3Url.parse(selection.inventory)).rstrip("/")
        if configuration_of(asked) == asked or asked in (pinned, pinned.removesuffix("/manifest.json")):
            return None
        return (
            f"this job stays with the delivery that it was started with, {pinned}, though {asked} is asked for; "
            "set resume=False to start a new job with that one"
        )

    def check_unchanged(self, selection: Selection) -> None:
        """
        Check that *selection* asks for the rows that the job was started for.

        Raises:
            JobChangedError: it does not; the message names what changed.
        """
        changed = self.changes(selection)
        if not changed:
            return
        now = selection.essence()
        details = "; ".join(
            f"{name} was {_short(self.selection.get(name))}, is {_short(now[name])}" for name in changed
        )
        raise JobChangedError(
            f"{self.layout.job}: this job was started with another selection: {details}. "
            "Restore it to go on with this job, or set resume=False to start a new one beside it"
        )


def newest_job(storage: Storage, job_url: S3Url, job_id: str) -> tuple[Job | None, JobLayout]:
    """Return the newest generation of the job, ``None`` if it was never started, and the folder for the next one."""
    job = None
    number = 1
    while True:
        layout = JobLayout(job_url / (job_id if number == 1 else f"{job_id}-{number}"))
        found = read_job(storage, layout)
        if found is None:
            return job, layout
        job = found
        number += 1


def read_job(storage: Storage, layout: JobLayout) -> Job | None:
    """
    Return the job in the folder of *layout*, ``None`` if there is none.

    Raises:
        JobDamagedError: its ``job.json`` is not one.
    """
    text = storage.read(layout.job)
    if text is None:
        return None
    try:
        data = json.loads(text)
        if data["format"] != FORMAT:
            raise JobDamagedError(f"{layout.job}: format is {data['format']!r}; this version reads {FORMAT!r}")
        return Job(layout, dict(data["selection"]), dict(data["source"]), str(data["fingerprint"]))
    except (ValueError, KeyError, TypeError) as error:
        raise JobDamagedError(f"{layout.job}: not the job.json of a job ({error!r})") from None


def write_job(
    storage: Storage,
    layout: JobLayout,
    selection: Selection,
    delivery: Delivery,
    *,
    about: Mapping[str, Any],
    now: dt.datetime,
) -> Job:
    """
    Pin *delivery* for the job, and return what is stored then.

    That is what another attempt stored if it wrote at the same moment and later.
    """
    source = source_json(delivery)
    document = {
        "format": FORMAT,
        "job_id": layout.url.key.rpartition("/")[2],
        "selection": selection.to_json(),
        "fingerprint": fingerprint({"selection": selection.essence(), "source": source}),
        "source": source,
        "about": dict(about),
        "versions": {
            "airflow_s3batch": __version__,
            "duckdb": duckdb.__version__,
            "pyarrow": pa.__version__,
            "python": platform.python_version(),
        },
        "created": now.astimezone(dt.UTC).isoformat(),
    }
    storage.write(layout.job, (json.dumps(document, indent=1, default=str) + "\n").encode(), "application/json")
    job = read_job(storage, layout)
    if job is None:
        raise JobDamagedError(
            f"{layout.job}: written, but it can't be read back; is the bucket's lifecycle deleting it?"
        )
    return job


def source_json(delivery: Delivery) -> dict[str, Any]:
    """Return what pins *delivery*: its ``manifest.json`` and that file's MD5, which covers all data files."""
    return {
        "manifest": str(delivery.url),
        "md5": delivery.md5,
        "created": delivery.created.isoformat(),
        "source_bucket": delivery.source_bucket,
        "format": delivery.file_format,
        "columns": list(delivery.columns),
        "files": len(delivery.files),
        "bytes": delivery.bytes,
    }


def _is_same(name: str, then: Any, now: Any) -> bool:
    if name == "inventory" and isinstance(then, str):
        return configuration_of(then) == configuration_of(now)
    return bool(then == now)


def _short(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 200 else text[:199] + "…"
