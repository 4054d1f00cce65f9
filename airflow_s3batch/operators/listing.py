"""`ListObjectsToManifestOperator`: from what is in some buckets right now to the manifest of a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_s3batch.hooks.arguments import as_int, as_number, as_texts, bool_problems
from airflow_s3batch.manifests.sources.listing.source import MAX_CONCURRENCY, Listing
from airflow_s3batch.operators.manifest import ManifestOperator

if TYPE_CHECKING:
    from airflow.sdk import XComArg


class ListObjectsToManifestOperator(ManifestOperator):
    """
    List buckets, filter the listing with SQL, and publish the matching objects as a manifest, cut into shards.

    For stores without inventories, and where a day-old inventory is too old. The listing is made once, by many requests
    at a time, and kept in the job's folder in the form of an S3 Inventory: a later attempt filters the same one, and
    ``since=`` of a later job can name it. SQL sees the columns ``bucket``, ``key``, ``version_id``, ``is_latest``,
    ``is_delete_marker``, ``size``, ``last_modified_date``, ``e_tag``, ``storage_class``, ``checksum_algorithm``,
    ``is_multipart_uploaded`` (an ETag such as ``…-12``), and ``object_owner`` with *owners*. What else an inventory can
    have, such as ``encryption_status``, a listing does not tell.

    Needs ``s3:ListBucket``, with *versions* ``s3:ListBucketVersions``. AWS bills a request for each 1,000 keys.

    Args:
        prefix: ``s3://bucket`` or ``s3://bucket/prefix``, or a list of them. A prefix is the beginning of keys as it
            stands: ``s3://lake/logs`` takes ``logs-old/a``, too.
        versions: list all versions and delete markers, not only current objects.
        owners: list the objects' owners, too.
        max_concurrency: requests in flight.
        max_requests_per_s: no more list requests a second than this.
        kwargs: see `ManifestOperator`.
    """

    kind = Listing.kind
    source_arguments = ("prefix", "versions", "owners", "max_concurrency", "max_requests_per_s")
    template_fields: Sequence[str] = ("prefix", "max_requests_per_s", *ManifestOperator.template_fields)

    def __init__(
        self,
        *,
        prefix: str | Sequence[str] | XComArg,
        versions: bool = False,
        owners: bool = False,
        max_concurrency: int = MAX_CONCURRENCY,
        max_requests_per_s: float | str | None = None,
        **kwargs: Any,
    ) -> None:
        own = {
            "prefix": prefix,
            "versions": versions,
            "owners": owners,
            "max_concurrency": max_concurrency,
            "max_requests_per_s": max_requests_per_s,
        }
        super().__init__(own=own, **kwargs)

    @classmethod
    def arguments_of(cls, source: Listing) -> dict[str, Any]:  # noqa: D102 - the base's docstrings hold
        return {"prefix": source.urls, **{name: getattr(source, name) for name in cls.source_arguments[1:]}}

    @classmethod
    def stand_ins(cls) -> Mapping[str, Any]:  # noqa: D102
        return {"prefix": "s3://bucket/prefix", "versions": False, "owners": False, "max_concurrency": MAX_CONCURRENCY}

    @classmethod
    def argument_problems(cls, arguments: Mapping[str, Any]) -> list[str]:  # noqa: D102
        flags = {name: arguments[name] for name in ("versions", "owners")}
        return [*bool_problems(**flags), *super().argument_problems(arguments)]

    @classmethod
    def source_of(cls, arguments: Mapping[str, Any]) -> Listing:  # noqa: D102
        window = as_int("max_concurrency", arguments["max_concurrency"])
        return Listing(
            as_texts("prefix", arguments["prefix"]),
            versions=bool(arguments["versions"]),
            owners=bool(arguments["owners"]),
            max_concurrency=MAX_CONCURRENCY if window is None else window,
            max_requests_per_s=as_number("max_requests_per_s", arguments["max_requests_per_s"]),
        )
