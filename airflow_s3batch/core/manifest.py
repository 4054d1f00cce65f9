"""The manifest of a job: which objects, cut into shards. Reads and writes ``manifest.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.core.s3url import S3Url

FORMAT = "airflow-s3batch-manifest/1"
Text = str | bytes
FIXED_COLUMNS = ("bucket", "key", "version_id", "size", "e_tag", "storage_class", "is_latest")
"""Columns that every shard file has, in this order; extra columns follow. Keys are raw, not encoded."""


class RowRange(NamedTuple):
    """Rows ``first .. first + rows - 1`` of a shard: what is committed at once."""

    index: int  # type: ignore[assignment]  # a tuple has a method of that name
    first: int
    rows: int


@dataclass(frozen=True, slots=True)
class ShardFile:
    """
    One shard: the work of one mapped task instance.

    Attributes:
        index: 0-based.
        key: key of the Parquet file, in the job's bucket.
        rows: number of objects; > 0.
        bytes: sum of the objects' sizes, as far as known.
        file_bytes: size of the Parquet file.
        sha256: hex digest of the Parquet file.
    """

    index: int
    key: str
    rows: int
    bytes: int
    file_bytes: int
    sha256: str

    def ranges(self, range_rows: int) -> Iterator[RowRange]:
        """Yield the shard's row ranges of *range_rows* rows each (the last may be shorter)."""
        for index, first in enumerate(range(0, self.rows, range_rows)):
            yield RowRange(index, first, min(range_rows, self.rows - first))


@dataclass(frozen=True, slots=True)
class Manifest:
    """
    Which objects a job is about.

    Attributes:
        job_url: folder of the job, where this manifest lies in ``manifest/``.
        rows: number of objects.
        bytes: sum of their sizes, as far as known.
        range_rows: rows that are committed at once, the same for all shards.
        columns: names of the extra columns, in file order.
        shards: in order of their index, without gaps.
        fingerprint: of the selection and its source.
    """

    job_url: S3Url
    rows: int
    bytes: int
    range_rows: int
    columns: tuple[str, ...]
    shards: tuple[ShardFile, ...]
    fingerprint: str

    def to_json(self) -> str:
        """Return the text of ``manifest.json``."""
        shards = [
            {
                "index": shard.index,
                "key": shard.key,
                "rows": shard.rows,
                "bytes": shard.bytes,
                "file_bytes": shard.file_bytes,
                "sha256": shard.sha256,
            }
            for shard in self.shards
        ]
        document = {
            "format": FORMAT,
            "job_url": str(self.job_url),
            "rows": self.rows,
            "bytes": self.bytes,
            "range_rows": self.range_rows,
            "columns": [*FIXED_COLUMNS, *self.columns],
            "fingerprint": self.fingerprint,
            "shards": shards,
        }
        return json.dumps(document, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: Text, *, place: str) -> Manifest:
        """
        Return the manifest that `to_json` wrote; *place* is its URL for the error.

        Raises:
            JobDamagedError: *text* is not such a manifest, or its totals don't add up.
        """
        try:
            data: Mapping[str, Any] = json.loads(text)
            manifest = cls(
                S3Url.parse(data["job_url"]),
                int(data["rows"]),
                int(data["bytes"]),
                int(data["range_rows"]),
                tuple(data["columns"][len(FIXED_COLUMNS) :]),
                tuple(ShardFile(**shard) for shard in data["shards"]),
                data["fingerprint"],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise JobDamagedError(f"{place}: not a manifest of this package ({error!r})") from None
        if data["format"] != FORMAT:
            raise JobDamagedError(f"{place}: format is {data['format']!r}; this version reads {FORMAT!r}")
        if sum(shard.rows for shard in manifest.shards) != manifest.rows:
            raise JobDamagedError(f"{place}: the shards' rows don't add up to {manifest.rows}")
        if [shard.index for shard in manifest.shards] != list(range(len(manifest.shards))):
            raise JobDamagedError(f"{place}: shard indexes are not 0..{len(manifest.shards) - 1}")
        return manifest

    def of(self, job_url: S3Url) -> Manifest:
        """
        Return this manifest, which was found in the folder of the job at *job_url*.

        Raises:
            JobDamagedError: it is another job's, and about other objects.
        """
        if (self.job_url / "") != (job_url / ""):
            raise JobDamagedError(f"{job_url / 'manifest/manifest.json'}: this is the manifest of {self.job_url}")
        return self


class ShardRef(NamedTuple):
    """What one mapped task instance is given through XCom (at most about 150 bytes): where, which, how many."""

    job_url: str
    shard: int
    rows: int

    def to_xcom(self) -> dict[str, Any]:
        """Return the dict that goes through XCom."""
        return {"job": self.job_url, "shard": self.shard, "rows": self.rows}

    @classmethod
    def from_xcom(cls, data: Mapping[str, Any]) -> ShardRef:
        """Return the reference that `to_xcom` wrote."""
        return cls(str(data["job"]), int(data["shard"]), int(data["rows"]))
