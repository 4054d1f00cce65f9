"""Athena's and Glue's requests, every failure a sentence. The only place that talks to them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import botocore.exceptions
from botocore.config import Config

from airflow_s3batch.core.errors import AccessError, ArgumentError, InfrastructureError
from airflow_s3batch.manifests.sources.athena.faults import one_line, refusal

if TYPE_CHECKING:
    from airflow_s3batch.engine.access import S3Access

_DEFAULTS = Config(retries={"mode": "standard", "total_max_attempts": 8}, connect_timeout=10, read_timeout=60)
OVER = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})


class QueryState(NamedTuple):
    """
    Where a query is.

    Attributes:
        id: Athena's QueryExecutionId.
        state: ``QUEUED``, ``RUNNING``, ``SUCCEEDED``, ``FAILED`` or ``CANCELLED``.
        reason: why it is so, in Athena's words.
        is_passing: Athena says that the same query may succeed next time.
        scanned_bytes: that Athena read so far.
        run_ms: since it was sent, waiting in the queue included.
        manifest_url: of the list of files that it wrote; empty if there is none.
    """

    id: str
    state: str
    reason: str = ""
    is_passing: bool = False
    scanned_bytes: int = 0
    run_ms: int = 0
    manifest_url: str = ""

    @property
    def is_over(self) -> bool:
        """Whether it has ended, well or not."""
        return self.state in OVER

    def sentence(self) -> str:
        """Return what a log line says."""
        read = f"{self.scanned_bytes / 1e9:,.3f} GB read in {self.run_ms / 1000:,.1f} s"
        return f"Athena query {self.id} {self.state.lower()}: {read}"


class GlueTable(NamedTuple):
    """
    What Glue says of a table.

    Attributes:
        columns: names and Hive types, without the partition keys.
        partition_keys: their names.
        location: URL of its data, without a slash at the end.
        serde: Java class that reads its files.
        parameters: its TBLPROPERTIES.
    """

    columns: tuple[tuple[str, str], ...]
    partition_keys: tuple[str, ...]
    location: str
    serde: str
    parameters: Mapping[str, str]

    @property
    def is_csv(self) -> bool:
        """Whether its files are CSV."""
        return "csv" in self.serde.lower() or self.parameters.get("classification", "").lower() == "csv"


class Athena:
    """Athena through boto3; safe to share between threads."""

    def __init__(self, access: S3Access) -> None:
        """*access* says with which credentials; its ``endpoints`` may name other URLs for ``athena`` and ``glue``."""
        config = _DEFAULTS.merge(access.config) if access.config else _DEFAULTS
        self._access = replace(access, config=config)
        self._client = self._access.client("athena")

    def start(self, request: Mapping[str, Any]) -> str:
        """Send StartQueryExecution word for word; return the id. The same request with the same token is one query."""
        place = f"workgroup {request.get('WorkGroup', 'primary')}"
        with _sentences("start the query", "athena:StartQueryExecution", place, sql=request["QueryString"]):
            return str(self._client.start_query_execution(**request)["QueryExecutionId"])

    def look(self, query_id: str) -> QueryState:
        """Return where the query is."""
        with _sentences(f"look at query {query_id}", "athena:GetQueryExecution", "its workgroup"):
            execution = self._client.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
        status, numbers = execution["Status"], execution.get("Statistics", {})
        fault = status.get("AthenaError", {})
        return QueryState(
            query_id,
            status["State"],
            str(fault.get("ErrorMessage") or status.get("StateChangeReason") or ""),
            bool(fault.get("Retryable", False)),
            int(numbers.get("DataScannedInBytes", 0)),
            int(numbers.get("TotalExecutionTimeInMillis", 0)),
            str(numbers.get("DataManifestLocation") or ""),
        )

    def stop(self, query_id: str) -> None:
        """Stop the query if it still runs."""
        with _sentences(f"stop query {query_id}", "athena:StopQueryExecution", "its workgroup"):
            self._client.stop_query_execution(QueryExecutionId=query_id)

    def table(self, database: str, name: str) -> GlueTable:
        """
        Return what the account's Glue catalog says of a table.

        Raises:
            InventoryError: there is no such table.
        """
        place = f"table {database}.{name}, its database and the catalog"
        with _sentences(f"look up table {database}.{name}", "glue:GetTable", place):
            found = self._access.client("glue").get_table(DatabaseName=database, Name=name)["Table"]
        storage = found.get("StorageDescriptor", {})
        return GlueTable(
            tuple((column["Name"], column.get("Type", "string")) for column in storage.get("Columns", ())),
            tuple(key["Name"] for key in found.get("PartitionKeys", ())),
            str(storage.get("Location", "")).rstrip("/"),
            str(storage.get("SerdeInfo", {}).get("SerializationLibrary", "")),
            found.get("Parameters", {}),
        )


@contextlib.contextmanager
def _sentences(what: str, action: str, place: str, *, sql: str = "") -> Iterator[None]:
    """Turn botocore's exceptions into sentences; *action* is the permission that *what* needs on *place*."""
    try:
        yield
    except botocore.exceptions.ClientError as error:
        raise refusal(what, error, action, place, sql) from error
    except (botocore.exceptions.NoCredentialsError, botocore.exceptions.PartialCredentialsError) as error:
        raise AccessError(f"can't {what}: no AWS credentials were found; check the connection") from error
    except botocore.exceptions.NoRegionError as error:
        raise AccessError(f"can't {what}: no Region is set; set region_name, or that of the connection") from error
    except botocore.exceptions.ParamValidationError as error:
        raise ArgumentError(f"can't {what}: {one_line(str(error))}") from error
    except (botocore.exceptions.BotoCoreError, OSError) as error:
        raise InfrastructureError(f"can't {what}: {error}") from error
