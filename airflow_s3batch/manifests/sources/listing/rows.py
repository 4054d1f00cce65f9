"""From the entries of a listing to rows with the columns of an inventory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_s3batch.core.errors import ManifestError
from airflow_s3batch.manifests.columns import TYPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_s3batch.manifests.sources.listing.pages import Entries

_ARROW = {"VARCHAR": pa.string(), "BOOLEAN": pa.bool_(), "BIGINT": pa.int64(), "TIMESTAMP": pa.timestamp("ms")}
_REQUIRED = frozenset({"bucket", "key"})
_MULTIPART = r"^[0-9a-f]{32}-[0-9]+$"


def arrow_schema(names: Sequence[str]) -> pa.Schema:
    """Return the schema of the files for the columns *names*."""
    return pa.schema([pa.field(name, _ARROW[TYPES[name]], nullable=name not in _REQUIRED) for name in names])


def record_batch(schema: pa.Schema, entries: Entries, start: int, end: int, *, bucket: str, is_marker: bool) -> Any:
    """
    Return the entries from *start* up to *end* as rows about *bucket*.

    An object counts as uploaded in parts if its ETag has the form that S3 gives those, ``<32 hex digits>-<parts>``:
    listings do not tell otherwise.

    Raises:
        ManifestError: a size or time is none.
    """
    texts = {
        name: pa.array(values if start == 0 and end == len(values) else values[start:end], pa.string())
        for name, values in entries.columns.items()
        if name in schema.names or name == "e_tag"
    }
    e_tags = pc.utf8_trim(texts["e_tag"], '"')
    derived = {
        "bucket": lambda: pa.repeat(bucket, end - start),
        "e_tag": lambda: e_tags,
        "is_delete_marker": lambda: pa.repeat(is_marker, end - start),
        "is_multipart_uploaded": lambda: pc.match_substring_regex(e_tags, _MULTIPART),
    }
    try:
        arrays = [
            derived[field.name]() if field.name in derived else _converted(texts[field.name], field.type)
            for field in schema
        ]
    except pa.ArrowInvalid as error:
        raise ManifestError(f"s3://{bucket}: a listing of it can't be understood: {error}") from None
    return pa.record_batch(arrays, schema=schema)


def _converted(texts: Any, kind: pa.DataType) -> Any:
    if kind == pa.timestamp("ms"):
        return pc.cast(texts, pa.timestamp("ms", tz="UTC")).view(kind)
    return texts if kind == pa.string() else pc.cast(texts, kind)
