"""How far the look at a restore job's objects is: a small file in the job's folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.core.formats import check_format
from airflow_s3batch.core.objects import S3Object

if TYPE_CHECKING:
    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.engine.files.storage import Storage

FORMAT = "airflow-s3batch-restores/1"


class Waiting(NamedTuple):
    """
    An object that was still being restored when it was looked at.

    Attributes:
        row: of its shard, from 0.
        is_owed: the rest of its row range is done, and this object is still to be counted; else it stands for a range
            that is asked again.
    """

    shard: int
    row: int
    bucket: str
    key: str
    version_id: str | None
    is_owed: bool

    @property
    def obj(self) -> S3Object:
        """The object itself."""
        return S3Object(self.bucket, self.key, self.version_id)


@dataclass(slots=True)
class RestoreState:
    """
    What was seen so far, and where to go on. At most some hundred objects are named, however large the job.

    Attributes:
        mark: of what the job had done; where it is another one by now, all is looked at again.
        shard: index of the first shard that is not done; *range* is the first row range in it that is not.
        readable: objects that can be read.
        gone: objects that no longer exist.
        unrestored: archived objects whose restore the job reports as failed, or not attempted.
        waiting: what is asked next, before anything else.
    """

    mark: str = ""
    shard: int = 0
    range: int = 0
    readable: int = 0
    gone: int = 0
    unrestored: int = 0
    waiting: list[Waiting] = field(default_factory=list)

    @property
    def counted(self) -> int:
        """How many objects need not be asked again."""
        return self.readable + self.gone + self.unrestored

    def write(self, storage: Storage, url: S3Url) -> None:
        """Write the file."""
        body = json.dumps({"format": FORMAT, **asdict(self)}, indent=1).encode()
        storage.write(url, body, "application/json")

    @classmethod
    def read(cls, storage: Storage, url: S3Url) -> RestoreState | None:
        """
        Return what `write` wrote, ``None`` if there is no such file.

        Raises:
            JobDamagedError: the file is not one of ours.
        """
        body = storage.read(url)
        if body is None:
            return None
        try:
            data = json.loads(body)
            check_format(data.pop("format"), FORMAT, place=str(url), remedy="delete it to look from the beginning")
            return cls(**{**data, "waiting": [Waiting(*entry) for entry in data["waiting"]]})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise JobDamagedError(
                f"{url}: not of this package ({error!r}); delete it to look from the beginning"
            ) from None
