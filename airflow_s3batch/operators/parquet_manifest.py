"""`ParquetToManifestOperator`: from Parquet files that name objects to the manifest of a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_s3batch.hooks.arguments import as_text, as_texts
from airflow_s3batch.manifests.sources.parquet.source import ParquetFiles
from airflow_s3batch.operators.manifest import ManifestOperator

if TYPE_CHECKING:
    from airflow.sdk import XComArg


class ParquetToManifestOperator(ManifestOperator):
    """
    Publish the objects that Parquet files name as a manifest, cut into shards.

    The files can be any SQL result that a task of yours put on S3, with columns ``key`` and, unless all objects are in
    one, ``bucket``. They are the selection: *where* is ``TRUE`` unless told otherwise. A retry reads the very same
    files, or stops if one has changed.

    Args:
        url: of a file or a folder, or a list of either.
        bucket: that all objects are in, for files without such a column.
        empty_version_id: what an empty version id stands for: ``refuse``, ``null`` or ``current``, see `ParquetFiles`.
        kwargs: see `ManifestOperator`.
    """

    kind = ParquetFiles.kind
    everything = "TRUE"
    source_arguments = ("url", "bucket", "empty_version_id")
    template_fields: Sequence[str] = ("url", "bucket", *ManifestOperator.template_fields)
    text_fields = ManifestOperator.text_fields | {"bucket"}

    def __init__(
        self,
        *,
        url: str | Sequence[str] | XComArg,
        bucket: str | None = None,
        empty_version_id: str = "refuse",
        **kwargs: Any,
    ) -> None:
        super().__init__(own={"url": url, "bucket": bucket, "empty_version_id": empty_version_id}, **kwargs)

    @classmethod
    def arguments_of(cls, source: ParquetFiles) -> dict[str, Any]:  # noqa: D102 - the base's docstrings hold
        return {**super().arguments_of(source), "bucket": source.bucket or None}

    @classmethod
    def stand_ins(cls) -> Mapping[str, Any]:  # noqa: D102
        return {"url": "s3://bucket/key", "empty_version_id": "refuse"}

    @classmethod
    def source_of(cls, arguments: Mapping[str, Any]) -> ParquetFiles:  # noqa: D102
        return ParquetFiles(
            as_texts("url", arguments["url"]),
            as_text("bucket", arguments["bucket"]),
            arguments["empty_version_id"],
        )
