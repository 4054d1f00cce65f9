"""
A stand-in for Athena and for Glue's tables, on the loopback interface, for tests of jobs that select with Athena.

It is stricter than it is complete: SQL has to pass a parser for Trino's dialect, a query has to be an UNLOAD into an
empty folder and has to name one partition; then DuckDB runs what the parser made of it. What only Trino itself would
refuse, or would answer otherwise, it can't tell.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from airflow_s3batch.core.s3url import S3Url

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_s3batch.engine.files.storage import Storage

Reply = dict[str, Any]


class AwsError(Exception):
    """An answer that says no."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class LostAnswerError(Exception):
    """The connection is closed instead of an answer."""


class AthenaEmulator:
    """
    Athena and Glue for one account; use it in a ``with`` statement.

    Args:
        storage: where tables' files lie, and results are written.
        files: how many files a result is spread over.

    Attributes:
        tables: Glue's, as its ``TableInput`` spells them, by ``database.name``.
        rows: tables of other catalogs, by full name with dots.
        calls: names of the calls that came, in order.
        queries: by id, what became of each.
        is_holding: queries stay ``RUNNING`` while it is set.
        lost_answers: names of calls that are obeyed once, but not answered.
        refusals: error to raise at the next call of a name.
        tokens: id and request of each query, by its ClientRequestToken.
    """

    def __init__(self, storage: Storage, *, files: int = 2) -> None:
        self.storage = storage
        self.files = files
        self.tables: dict[str, dict[str, Any]] = {}
        self.rows: dict[str, pa.Table] = {}
        self.calls: list[str] = []
        self.queries: dict[str, dict[str, Any]] = {}
        self.is_holding = False
        self.lost_answers: set[str] = set()
        self.refusals: dict[str, AwsError] = {}
        self.tokens: dict[str, tuple[str, dict[str, Any]]] = {}
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"emulator": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="s3batch-athena", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def endpoint_url(self) -> str:
        """Where requests for ``athena`` and ``glue`` go."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, call: str, arguments: dict[str, Any]) -> Reply:
        """Obey one call."""
        with self._lock:
            self.calls.append(call)
            if refusal := self.refusals.pop(call, None):
                raise refusal
            reply: Reply = getattr(self, f"_{call}")(arguments)
        if call in self.lost_answers:
            self.lost_answers.discard(call)
            raise LostAnswerError
        return reply

    def _GetTable(self, arguments: Mapping[str, Any]) -> Reply:  # noqa: N802 - AWS's names
        name = f"{arguments['DatabaseName']}.{arguments['Name']}"
        if name not in self.tables:
            raise AwsError("EntityNotFoundException", f"Entity Not Found: {name}")
        return {"Table": {"DatabaseName": arguments["DatabaseName"], **self.tables[name]}}

    def _StartQueryExecution(self, arguments: dict[str, Any]) -> Reply:  # noqa: N802
        token = arguments["ClientRequestToken"]
        if token in self.tokens:
            query_id, first = self.tokens[token]
            if first != arguments:
                raise AwsError("InvalidRequestException", "Idempotent parameters do not match")
            return {"QueryExecutionId": query_id}
        query_id = str(uuid.uuid4())
        self.tokens[token] = query_id, arguments
        self.queries[query_id] = {"State": "RUNNING", "request": arguments, "reason": "", "manifest": ""}
        return {"QueryExecutionId": query_id}

    def _GetQueryExecution(self, arguments: Mapping[str, Any]) -> Reply:  # noqa: N802
        query_id = arguments["QueryExecutionId"]
        query = self._query(query_id)
        if query["State"] == "RUNNING" and not self.is_holding:
            self._run(query_id, query)
        statistics = {"DataScannedInBytes": query.get("scanned", 0), "TotalExecutionTimeInMillis": 1234}
        if query["manifest"]:
            statistics["DataManifestLocation"] = query["manifest"]
        status = {"State": query["State"], "StateChangeReason": query["reason"]}
        return {"QueryExecution": {"QueryExecutionId": query_id, "Status": status, "Statistics": statistics}}

    def _StopQueryExecution(self, arguments: Mapping[str, Any]) -> Reply:  # noqa: N802
        query = self._query(arguments["QueryExecutionId"])
        if query["State"] == "RUNNING":
            query.update(State="CANCELLED", reason="Query was cancelled by user")
        return {}

    def _query(self, query_id: str) -> dict[str, Any]:
        if query_id not in self.queries:
            raise AwsError("InvalidRequestException", f"QueryExecution {query_id} was not found")
        return self.queries[query_id]

    def _run(self, query_id: str, query: dict[str, Any]) -> None:
        from airflow_s3batch.testing.athena_queries import QueryFaultError, unloaded

        request = query["request"]
        try:
            folder, bodies, query["scanned"] = unloaded(self, request["QueryString"], request["QueryExecutionContext"])
        except QueryFaultError as fault:
            query.update(State="FAILED", reason=str(fault))
            return
        urls = [S3Url(folder.bucket, f"{folder.key}{query_id}_{number}") for number in range(len(bodies))]
        for url, body in zip(urls, bodies, strict=True):
            self.storage.write(url, body)
        if output := request.get("ResultConfiguration", {}).get("OutputLocation"):
            manifest = S3Url.parse(f"{output}{query_id}-manifest.csv")
            self.storage.write(manifest, "".join(f"{url}\n" for url in urls).encode())
            query["manifest"] = str(manifest)
        query["State"] = "SUCCEEDED"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about clients that hang up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    emulator: AthenaEmulator

    def do_POST(self) -> None:
        """Answer one call."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, reply = 200, {}
        try:
            reply = self.emulator.answer(self.headers["X-Amz-Target"].rpartition(".")[2], json.loads(body))
        except LostAnswerError:
            self.close_connection = True
            return
        except AwsError as error:
            status, reply = 400, {"__type": error.code, "message": str(error)}
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is to see it
            status, reply = 500, {"__type": "InternalServerException", "message": f"The emulator failed: {error!r}"}
        content = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Write no log."""
