"""The manifest of a job: which objects, cut into shards. Reads and writes ``manifest.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.core.formats import check_format
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.core.size_classes import SizeClasses, added, size_classes_of

FORMAT = "airflow-s3batch-manifest/1"
Text = str | bytes
FIXED_COLUMNS = ("bucket", "key", "version_id", "size", "e_tag", "storage_class", "is_latest")
"""Columns that every shard file has, in this order; extra columns follow. Keys are raw, not encoded."""

UNKNOWN_CLASS = "UNKNOWN"
"""Under which rows are counted whose storage class the source did not tell."""


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
        sizes: objects and bytes by size class, those of unknown size left out; empty if nobody counted.
    """

    index: int
    key: str
    rows: int
    bytes: int
    file_bytes: int
    sha256: str
    sizes: SizeClasses = ()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ShardFile:
        """Return the shard that `to_json` gave."""
        return cls(**{**data, "sizes": size_classes_of(data.get("sizes", ()))})

    def to_json(self) -> dict[str, Any]:
        """Return all of it, JSON-ready; sizes only if they were counted."""
        names = ("index", "key", "rows", "bytes", "file_bytes", "sha256")
        return {name: getattr(self, name) for name in names} | ({"sizes": self.sizes} if self.sizes else {})

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
        source_rows: rows of the source that were looked at; ``None`` if nobody counted.
        storage_classes: rows and bytes by storage class, the class with the most rows first; what the source does not
            tell is `UNKNOWN_CLASS`. Empty if nobody counted: the manifest is empty, or of an older release.
        buckets: rows by bucket; likewise.
    """

    job_url: S3Url
    rows: int
    bytes: int
    range_rows: int
    columns: tuple[str, ...]
    shards: tuple[ShardFile, ...]
    fingerprint: str
    source_rows: int | None = None
    storage_classes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    buckets: Mapping[str, int] = field(default_factory=dict)

    @property
    def sizes(self) -> SizeClasses:
        """Objects and bytes by size class; empty if nobody counted."""
        return added(shard.sizes for shard in self.shards)

    def to_json(self) -> str:
        """Return the text of ``manifest.json``."""
        document = {
            "format": FORMAT,
            "job_url": str(self.job_url),
            "rows": self.rows,
            "bytes": self.bytes,
            "range_rows": self.range_rows,
            "columns": [*FIXED_COLUMNS, *self.columns],
            "fingerprint": self.fingerprint,
            **({} if self.source_rows is None else {"source_rows": self.source_rows}),
            **({"storage_classes": dict(self.storage_classes)} if self.storage_classes else {}),
            **({"buckets": dict(self.buckets)} if self.buckets else {}),
            "shards": [shard.to_json() for shard in self.shards],
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
            check_format(data["format"], FORMAT, place=place)
            manifest = cls(
                S3Url.parse(data["job_url"]),
                int(data["rows"]),
                int(data["bytes"]),
                int(data["range_rows"]),
                tuple(data["columns"][len(FIXED_COLUMNS) :]),
                tuple(ShardFile.from_json(shard) for shard in data["shards"]),
                data["fingerprint"],
                data.get("source_rows"),
                {str(name): (int(rows), int(size)) for name, (rows, size) in data.get("storage_classes", {}).items()},
                {str(name): int(rows) for name, rows in data.get("buckets", {}).items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise JobDamagedError(f"{place}: not a manifest of this package ({error!r})") from None
        if sum(shard.rows for shard in manifest.shards) != manifest.rows:
            raise JobDamagedError(f"{place}: the shards' rows don't add up to {manifest.rows}")
        classes = manifest.storage_classes
        if classes and sum(rows for rows, _ in classes.values()) != manifest.rows:
            raise JobDamagedError(f"{place}: the storage classes' rows don't add up to {manifest.rows}")
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
