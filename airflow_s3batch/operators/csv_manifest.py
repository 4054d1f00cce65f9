"""`CsvToManifestOperator`: from CSV files that name objects to the manifest of a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_s3batch.hooks.arguments import as_text, as_texts
from airflow_s3batch.manifests.sources.csv.source import CsvManifest
from airflow_s3batch.operators.manifest import ManifestOperator

if TYPE_CHECKING:
    from airflow.sdk import XComArg


class CsvToManifestOperator(ManifestOperator):
    """
    Publish the objects that CSV files name as a manifest, cut into shards.

    AWS's manifests (``Bucket,Key`` or ``Bucket,Key,VersionId``, no header, keys URL-encoded), such as a job's
    ``failed.csv``, and files with a header need nothing but *url*. The files are the selection: *where* is ``TRUE``
    unless told otherwise. A retry reads the very same files, or stops if one has changed.

    Args:
        url: of a file or a folder, or a list of either; plain or compressed with gzip.
        fields: names of the columns in file order (a list, or ``"Bucket,Key,Ignore"``), ``Ignore`` for those of no use;
            for files without a header.
        bucket: that all objects are in, for files without such a column.
        has_header: whether each file's first line is a header; by default a line that names bucket and key is one.
        key_spelling: ``url`` or ``raw``, see `CsvManifest`.
        empty_version_id: what an empty version id stands for: ``refuse``, ``null`` or ``current``, see `CsvManifest`.
        delimiter: between fields, one character.
        kwargs: see `ManifestOperator`.
    """

    kind = CsvManifest.kind
    everything = "TRUE"
    source_arguments = (
        "url",
        "fields",
        "bucket",
        "has_header",
        "key_spelling",
        "empty_version_id",
        "delimiter",
    )
    template_fields: Sequence[str] = ("url", "fields", "bucket", *ManifestOperator.template_fields)
    text_fields = ManifestOperator.text_fields | {"bucket"}

    def __init__(
        self,
        *,
        url: str | Sequence[str] | XComArg,
        fields: str | Sequence[str] | None = None,
        bucket: str | None = None,
        has_header: bool | None = None,
        key_spelling: str = "url",
        empty_version_id: str = "refuse",
        delimiter: str = ",",
        **kwargs: Any,
    ) -> None:
        own = {
            "url": url,
            "fields": fields,
            "bucket": bucket,
            "has_header": has_header,
            "key_spelling": key_spelling,
            "empty_version_id": empty_version_id,
            "delimiter": delimiter,
        }
        super().__init__(own=own, **kwargs)

    @classmethod
    def arguments_of(cls, source: CsvManifest) -> dict[str, Any]:  # noqa: D102 - the base's docstrings hold
        return {**super().arguments_of(source), "bucket": source.bucket or None}

    @classmethod
    def stand_ins(cls) -> Mapping[str, Any]:  # noqa: D102
        return {
            "url": "s3://bucket/key",
            "bucket": "bucket",
            "key_spelling": "url",
            "empty_version_id": "refuse",
            "delimiter": ",",
        }

    @classmethod
    def source_of(cls, arguments: Mapping[str, Any]) -> CsvManifest:  # noqa: D102
        fields = arguments["fields"]
        return CsvManifest(
            as_texts("url", arguments["url"]),
            None if fields is None else as_texts("fields", fields.split(",") if isinstance(fields, str) else fields),
            as_text("bucket", arguments["bucket"]),
            arguments["has_header"],
            arguments["key_spelling"],
            arguments["empty_version_id"],
            arguments["delimiter"],
        )
