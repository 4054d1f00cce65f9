"""Where the objects of a job can come from: for ``s3_batch_job(source=…)``."""

from __future__ import annotations

from airflow_s3batch.manifests.sources.athena.source import AthenaQuery, AthenaTable
from airflow_s3batch.manifests.sources.csv.source import CsvManifest
from airflow_s3batch.manifests.sources.inventory import Inventory
from airflow_s3batch.manifests.sources.listing.source import Listing
from airflow_s3batch.manifests.sources.parquet.source import ParquetFiles
from airflow_s3batch.manifests.sources.report.source import CompletionReport

__all__ = ["AthenaQuery", "AthenaTable", "CompletionReport", "CsvManifest", "Inventory", "Listing", "ParquetFiles"]
