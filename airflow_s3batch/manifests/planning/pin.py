"""``job.json``: what a job was started with. A later attempt goes on with exactly that, or stops."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import JobChangedError, JobDamagedError
from airflow_s3batch.core.formats import JOB as JOB_FORMAT
from airflow_s3batch.core.formats import check_format
from airflow_s3batch.core.identity import fingerprint
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.objects import NO_COLUMNS
from airflow_s3batch.engine.shards.versions import versions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.manifests.planning.selection import Selection

FORMAT = JOB_FORMAT
_NO_ESSENCE = frozenset(
    {"kind", "guards", "objects_per_shard", "max_shards", "max_age_s", "min_objects", "max_objects"}
)
"""What `Selection.to_json` has, in this release and earlier ones, beside what decides which rows there are."""


@dataclass(frozen=True, slots=True)
class Job:
    """
    What ``job.json`` says.

    Attributes:
        layout: where the job lies.
        selection: `Selection.to_json` of the attempt that started the job.
        source: what its source pinned.
        fingerprint: of both.
        comparison: what `since` and `exclude` of the selection came to when the job was started.
        about: who asked.
        created: ISO time at which the job was started, UTC.
        cleaned: ISO time at which somebody began to remove the job's files; empty as long as nobody has.
    """

    layout: JobLayout
    selection: Mapping[str, Any]
    source: Mapping[str, Any]
    fingerprint: str
    comparison: Mapping[str, Any] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    created: str = ""
    cleaned: str = ""

    def changes(self, selection: Selection) -> list[str]:
        """
        Return the names of the arguments in which *selection* asks for other rows than the job was started for.

        A source may see no change where two texts differ, such as two deliveries of the same inventory.
        """
        now, kind = selection.essence(), str(self.selection.get("kind", "inventory"))
        if kind != selection.source.kind:
            return ["kind"]
        of_source = selection.source.essence()
        return [
            name
            for name in dict.fromkeys([*now, *(name for name in self.selection if name not in _NO_ESSENCE)])
            if not (
                selection.source.is_same(self.selection, name)
                if name in of_source
                else self.selection.get(name) == now.get(name)
            )
        ]

    def check_unchanged(self, selection: Selection) -> None:
        """
        Check that *selection* asks for the rows that the job was started for.

        Raises:
            JobChangedError: it does not; the message names what changed. Or the job's files were cleaned up since.
        """
        if self.cleaned:
            raise JobChangedError(
                f"{self.layout.job}: the files of this job were cleaned up at {self.cleaned}, so nobody can tell what "
                "is done and go on. Start a new run, or set resume=False to do all of it once more"
            )
        changed = self.changes(selection)
        if not changed:
            return
        now = selection.to_json()
        details = "; ".join(
            f"{name} was {_short(self.selection.get(name))}, is {_short(now.get(name))}" for name in changed
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
        check_format(data["format"], FORMAT, place=str(layout.job))
        return Job(
            layout,
            dict(data["selection"]),
            dict(data["source"]),
            str(data["fingerprint"]),
            dict(data.get("comparison", {})),
            dict(data.get("about", {})),
            str(data.get("created", "")),
            str(data.get("cleaned", "")),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise JobDamagedError(f"{layout.job}: not the job.json of a job ({error!r})") from None


def write_job(
    storage: Storage,
    layout: JobLayout,
    selection: Selection,
    pinned: Mapping[str, Any],
    *,
    comparison: Mapping[str, Any] = NO_COLUMNS,
    about: Mapping[str, Any],
    now: dt.datetime,
) -> Job:
    """
    Pin what a source found, and return what is stored then.

    That is what another attempt stored if it was faster (finding may take long), or wrote at the same moment and later.
    """
    overtaken = read_job(storage, layout)
    if overtaken is not None:
        return overtaken
    document = {
        "format": FORMAT,
        "job_id": layout.url.key.rpartition("/")[2],
        "selection": selection.to_json(),
        "fingerprint": fingerprint({"selection": selection.essence(), "source": pinned}),
        "rows_fingerprint": fingerprint(_rows_of(selection)),
        "source": pinned,
        "comparison": dict(comparison),
        "about": dict(about),
        "versions": versions(),
        "created": now.astimezone(dt.UTC).isoformat(),
    }
    storage.write(layout.job, (json.dumps(document, indent=1, default=str) + "\n").encode(), "application/json")
    job = read_job(storage, layout)
    if job is None:
        raise JobDamagedError(
            f"{layout.job}: written, but it can't be read back; is the bucket's lifecycle deleting it?"
        )
    return job


def _rows_of(selection: Selection) -> dict[str, Any]:
    """Return what *selection* asks of its source's rows, whichever delivery of the source that is."""
    of_source = selection.source.essence()
    return {"kind": selection.source.kind, **{k: v for k, v in selection.essence().items() if k not in of_source}}


def _short(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 200 else text[:199] + "…"
