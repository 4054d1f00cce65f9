"""Which buckets a manifest is about, and in which of its shards: AWS takes one bucket per job."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from airflow_s3batch.core.errors import JobDamagedError, ManifestError
from airflow_s3batch.core.identity import fingerprint
from airflow_s3batch.core.layout import JobLayout
from airflow_s3batch.core.manifest import Manifest, ShardFile
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.engine.files.staging import staging_folder
from airflow_s3batch.engine.files.storage import Storage
from airflow_s3batch.engine.shards.shard_file import fetch_shard

FORMAT = "airflow-s3batch-buckets/1"
_VERSIONS = "~versions"  # no bucket name has a tilde


class BucketRef(NamedTuple):
    """
    What one mapped task instance of the managed engine is given through XCom: the objects of one AWS job.

    Attributes:
        job_url: folder of our job.
        bucket: that the objects lie in.
        rows: of the manifest.
        has_versions: whether these are the rows that name a version. AWS takes a version for every row of a job or for
            none, so a bucket with both kinds becomes two jobs.
    """

    job_url: str
    bucket: str
    rows: int
    has_versions: bool = False

    def to_xcom(self) -> dict[str, Any]:
        """Return the dict that goes through XCom."""
        versions = {"versions": True} if self.has_versions else {}
        return {"job": self.job_url, "bucket": self.bucket, "rows": self.rows, **versions}

    @classmethod
    def from_xcom(cls, data: Mapping[str, Any]) -> BucketRef:
        """Return the reference that `to_xcom` wrote."""
        return cls(str(data["job"]), str(data["bucket"]), int(data["rows"]), bool(data.get("versions", False)))

    def concerns(self, obj: S3Object) -> bool:
        """Return whether *obj*, of the manifest, is one of its rows."""
        return obj.bucket == self.bucket and bool(obj.version_id) == self.has_versions

    @property
    def folder(self) -> str:
        """Name of the folder that holds its rounds."""
        return self.bucket + _VERSIONS * self.has_versions


def bucket_refs(manifest: Manifest, storage: Storage) -> list[BucketRef]:
    """
    Return one reference per AWS job that *manifest* needs, in the order of bucket names; none if it is empty.

    The first call fetches every shard file once, one at a time, and leaves what it found beside the manifest.

    Raises:
        JobDamagedError: a shard file is not the one that was published.
        ManifestError: a bucket is named by an ARN, which AWS's manifests don't take.
    """
    index = _known_index(manifest, storage)
    if index is None:
        index = _index(manifest, storage)
        document = {"format": FORMAT, "of": _mark(manifest), "folders": index}
        storage.write(JobLayout(manifest.job_url).buckets, json.dumps(document).encode(), "application/json")
    return [
        BucketRef(str(manifest.job_url), folder.removesuffix(_VERSIONS), rows, folder.endswith(_VERSIONS))
        for folder, (rows, _) in sorted(index.items())
    ]


def shards_of(ref: BucketRef, manifest: Manifest, storage: Storage) -> list[ShardFile]:
    """Return the shards that may hold rows of *ref*: all of them, if `bucket_refs` has not looked."""
    index = _known_index(manifest, storage)
    if index is None:
        return list(manifest.shards)
    _, shards = index.get(ref.folder, (0, ()))
    return [manifest.shards[number] for number in shards]


_Index = dict[str, tuple[int, list[int]]]


def _mark(manifest: Manifest) -> str:
    return fingerprint([shard.sha256 for shard in manifest.shards])


def _known_index(manifest: Manifest, storage: Storage) -> _Index | None:
    url = JobLayout(manifest.job_url).buckets
    body = storage.read(url)
    if body is None:
        return None
    try:
        document = json.loads(body)
        if document["format"] != FORMAT or document["of"] != _mark(manifest):
            return None
        return {str(name): (int(rows), list(shards)) for name, (rows, shards) in document["folders"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise JobDamagedError(f"{url}: not a list of buckets of this package ({error!r}); delete it") from None


def _index(manifest: Manifest, storage: Storage) -> _Index:
    rows: Counter[str] = Counter()
    shards: defaultdict[str, list[int]] = defaultdict(list)
    with staging_folder() as folder:
        for shard in manifest.shards:
            path = fetch_shard(storage, manifest.job_url.bucket, shard, folder)
            for name, number in _counts(path).items():
                rows[name] += number
                shards[name].append(shard.index)
            path.unlink()
    return {name: (rows[name], shards[name]) for name in rows}


def _counts(path: Path) -> Counter[str]:
    found: Counter[str] = Counter()
    for bucket, has_version, number in _groups(path):
        if bucket.startswith("arn:"):
            raise ManifestError(
                f"{bucket}: AWS's manifests name buckets, not access points; select the bucket, or use engine='worker'"
            )
        found[bucket + _VERSIONS * has_version] += number
    return found


def _groups(path: Path) -> Iterator[tuple[str, bool, int]]:
    """Yield ``(bucket, whether a version is named, rows)``, a batch of rows at a time."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=["bucket", "version_id"], use_threads=False):
            named = pc.greater(pc.fill_null(pc.binary_length(batch.column("version_id")), 0), 0)
            table = pa.table({"bucket": batch.column("bucket"), "named": named})
            for group in (
                table.group_by(["bucket", "named"], use_threads=False).aggregate([([], "count_all")]).to_pylist()
            ):
                yield group["bucket"], group["named"], group["count_all"]
