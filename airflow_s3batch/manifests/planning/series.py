"""
What the runs of one task know of one another: the last manifest that was published, the last job that was reported on.

Each is one small file, written whole, after what it tells of. A process that is killed before leaves the older one, and
the next run then compares with an older job: it selects more than it need have, never less.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_s3batch.core.errors import JobDamagedError, LaterReleaseError
from airflow_s3batch.core.formats import SERIES as SERIES_FORMAT
from airflow_s3batch.core.formats import check_format
from airflow_s3batch.core.layout import JobLayout, SeriesLayout
from airflow_s3batch.core.s3url import S3Url

if TYPE_CHECKING:
    from airflow_s3batch.core.manifest import Manifest
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.manifests.planning.pin import Job

FORMAT = SERIES_FORMAT


@dataclass(frozen=True, slots=True)
class Published:
    """
    What the last published manifest was like.

    Attributes:
        job_url: folder of its job.
        created: ISO time at which that job was started; a later job takes the place of an earlier one.
        rows: objects in the manifest.
        bytes: sum of their sizes, as far as known.
        is_delta: whether it holds only what changed since an earlier delivery.
    """

    job_url: str
    created: str
    rows: int
    bytes: int
    is_delta: bool = False


@dataclass(frozen=True, slots=True)
class Reported:
    """
    The last job of which every object is accounted for.

    Attributes:
        job_url: folder of the job, with its report.
        created: as in `Published`.
    """

    job_url: str
    created: str


Entry = TypeVar("Entry", Published, Reported)


@dataclass(frozen=True, slots=True)
class Series:
    """The jobs of one task, run after run; its files lie at *url*."""

    url: S3Url

    @classmethod
    def of(cls, job_url: S3Url, about: Mapping[str, Any]) -> Series | None:
        """Return the series of the task that *about* names, below the folder of all jobs; ``None`` if it names none."""
        layout = SeriesLayout.of(job_url, about)
        return cls(layout.url) if layout else None

    @classmethod
    def of_job(cls, job: Job) -> Series | None:
        """Return the series of the task that started *job*."""
        folder = S3Url(job.layout.url.bucket, job.layout.url.key.rstrip("/").rpartition("/")[0])
        return cls.of(folder, job.about)

    @property
    def layout(self) -> SeriesLayout:
        """Names of the files."""
        return SeriesLayout(self.url)

    def published(self, storage: Storage) -> Published | None:
        """
        Return what the last published manifest was like, ``None`` if there is none.

        Raises:
            JobDamagedError: the file is not one of ours.
        """
        return _read(storage, self.layout.published, Published)

    def comparable(self, storage: Storage, job: Job) -> Published | None:
        """Return what `published` does, if the sizes of that manifest and of *job*'s can be compared."""
        last = self.published(storage)
        return last if last is not None and last.is_delta == _is_delta(job) else None

    def reported(self, storage: Storage) -> Reported | None:
        """
        Return the last job that was reported on, ``None`` if there is none.

        Raises:
            JobDamagedError: the file is not one of ours.
        """
        return _read(storage, self.layout.reported, Reported)

    def write_published(self, storage: Storage, job: Job, manifest: Manifest) -> None:
        """Take note of *manifest*, published for *job*, unless a later job's is noted."""
        entry = Published(str(job.layout.url), job.created, manifest.rows, manifest.bytes, _is_delta(job))
        _write(storage, self.layout.published, entry)

    def write_reported(self, storage: Storage, job: Job) -> None:
        """Take note that *job* was reported on, unless a later one is noted. To be called after the report is there."""
        entry = Reported(str(job.layout.url), job.created)
        _write(storage, self.layout.reported, entry)


def note_report(storage: Storage, job_url: S3Url) -> None:
    """
    Take note that the job at *job_url* was reported on, if a task's series is to know.

    Raises:
        JobDamagedError: the job's or the series' file is not one of ours.
    """
    from airflow_s3batch.manifests.planning.pin import read_job

    job = read_job(storage, JobLayout(job_url))
    series = Series.of_job(job) if job else None
    if job and series:
        series.write_reported(storage, job)


def _is_delta(job: Job) -> bool:
    """Whether *job* compares with an earlier delivery: the first run of a recurring job has none."""
    return bool(job.comparison.get("since", {}).get("source"))


def _read(storage: Storage, url: S3Url, kind: type[Entry]) -> Entry | None:
    text = storage.read(url)
    if text is None:
        return None
    try:
        data = json.loads(text)
        check_format(data.pop("format"), FORMAT, place=str(url), remedy="delete it to start the series anew")
        return kind(**data)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise JobDamagedError(
            f"{url}: not what a run of this task leaves for the next ({error!r}); delete it to start the series anew"
        ) from None


def _write(storage: Storage, url: S3Url, entry: Entry) -> None:
    """Write *entry* unless it is there, or one of a later job or release; what can't be read gives way."""
    known: Entry | None = None
    try:
        known = _read(storage, url, type(entry))
    except LaterReleaseError:
        return
    except JobDamagedError:
        pass
    if known == entry or (known is not None and known.created > entry.created):
        return
    body = json.dumps({"format": FORMAT, **asdict(entry)}, indent=1) + "\n"
    storage.write(url, body.encode(), "application/json")
