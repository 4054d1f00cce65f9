"""Where a job's objects come from, as `s3_batch_job` is told it, and which operator makes the manifest then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.operators.athena import AthenaToManifestOperator
from airflow_s3batch.operators.csv_manifest import CsvToManifestOperator
from airflow_s3batch.operators.inventory import InventoryToManifestOperator
from airflow_s3batch.operators.listing import ListObjectsToManifestOperator
from airflow_s3batch.operators.manifest import ManifestOperator
from airflow_s3batch.operators.parquet_manifest import ParquetToManifestOperator
from airflow_s3batch.operators.report_manifest import ReportToManifestOperator

if TYPE_CHECKING:
    from airflow_s3batch.manifests.sources.dataset import Source

OPERATORS: Mapping[str, type[ManifestOperator]] = {
    operator.kind: operator
    for operator in (
        AthenaToManifestOperator,
        CsvToManifestOperator,
        InventoryToManifestOperator,
        ListObjectsToManifestOperator,
        ParquetToManifestOperator,
        ReportToManifestOperator,
    )
}
"""The operator for each kind of source."""


class Origin(NamedTuple):
    """An operator and what it is to be told of its source."""

    operator: type[ManifestOperator]
    arguments: Mapping[str, Any]

    @classmethod
    def of(cls, inventory: Any, source: Source | None, of_inventory: Mapping[str, Any]) -> Origin:
        """
        Return the origin that *inventory* (with its own arguments *of_inventory*) or *source* describes.

        Raises:
            ArgumentError: not exactly one of them is given, or *source* is none.
        """
        if source is None:
            if inventory is None:
                raise ArgumentError("neither inventory= nor source= says where the objects come from")
            return cls(InventoryToManifestOperator, {"inventory": inventory, **of_inventory})
        if inventory is not None or any(value is not None for value in of_inventory.values()):
            raise ArgumentError("source= says where the objects come from; leave out inventory= and what goes with it")
        operator = OPERATORS.get(getattr(source, "kind", ""))
        if operator is None:
            raise ArgumentError(
                f"source={source!r} is none; expected one of airflow_s3batch.sources, such as Listing(…)"
            )
        return cls(operator, operator.arguments_of(source))

    def problems(self, selecting: Mapping[str, Any]) -> list[str]:
        """Return all that is wrong with the literal ones among the source's arguments and *selecting*."""
        return self.operator.argument_problems({**self.arguments, **selecting})
