"""
One query of Athena whose result lands below a job's folder as Parquet: sent once, found again, read only when whole.

The request is stored before it is sent, with the token by which Athena knows it again. A later attempt that finds it
sends it word for word, and is given the same query. A result is read once its query has succeeded; one that failed or
was stopped leaves its folder behind, and the next query has a folder of its own.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_s3batch.core.errors import (
    InfrastructureError,
    InventoryError,
    JobDamagedError,
    ManifestError,
    S3BatchError,
)
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.sources.athena.faults import failure
from airflow_s3batch.manifests.sources.dataset import DataFile

if TYPE_CHECKING:
    from airflow_s3batch.core.layout import JobLayout
    from airflow_s3batch.manifests.sources.athena.client import Athena, QueryState
    from airflow_s3batch.manifests.sources.dataset import Place

_REQUEST = ".request.json"
_QUERY_ID = ".query-id"
MAX_STATEMENT_BYTES = 262_144
"""Source: https://docs.aws.amazon.com/athena/latest/ug/service-limits.html"""
FIRST_POLL_S = 0.5
POLL_S = 15.0
PATIENCE = 20
"""Looks in a row that may fail for reasons that may pass."""


class QueryRunningError(Exception):
    """A query runs, and the task that wants its result is to be deferred; no error."""

    def __init__(self, query_id: str) -> None:
        super().__init__(query_id)
        self.query_id = query_id


class QueryWatch:
    """
    Waits for the end of a query, for one attempt of a task; `stop` may be called from a signal's handler.

    Args:
        poll_s: most seconds between two looks; the first ones are closer together.
        is_deferrable: raise `QueryRunningError` where one would have to wait.
        pause: sleeps so many seconds; by default until `stop` is called, too.

    Attributes:
        last: where the query was when it was last looked at.
        sent: ids of queries that this attempt itself has sent: where one of them fails, no other is sent.
    """

    def __init__(
        self, *, poll_s: float = POLL_S, is_deferrable: bool = False, pause: Callable[[float], Any] | None = None
    ) -> None:
        self.poll_s = poll_s
        self.is_deferrable = is_deferrable
        self.last: QueryState | None = None
        self.sent: set[str] = set()
        self._stopped = threading.Event()
        self._pause = pause or self._stopped.wait
        self._running: tuple[Athena, str] | None = None

    def end_of(self, athena: Athena, query_id: str, log: Callable[[str], None]) -> QueryState:
        """
        Return where the query is once it is over.

        Raises:
            InfrastructureError: `stop` was called, or Athena can't be asked for too long.
            QueryRunningError: it is not over, and *is_deferrable*.
        """
        self._running = athena, query_id
        pause_s, told, troubles = FIRST_POLL_S, "", 0
        while not self._stopped.is_set():
            try:
                self.last = state = athena.look(query_id)
            except S3BatchError as error:
                troubles += 1
                if not error.is_retryable or troubles > PATIENCE:
                    raise
                log(f"Athena was not reached; the query goes on, and the next look may succeed: {error}")
            else:
                troubles = 0
                if state.state != told:
                    log(state.sentence())
                    told = state.state
                if state.is_over:
                    self._running = None
                    return state
                if self.is_deferrable:
                    raise QueryRunningError(query_id)
            self._pause(pause_s)
            pause_s = min(pause_s * 1.5, self.poll_s)
        self.stop()
        raise InfrastructureError(f"Athena query {query_id} was stopped along with the task; a retry sends it again")

    def stop(self) -> None:
        """End the wait, and stop the query; one that is not known yet is stopped as soon as it is."""
        self._stopped.set()
        running, self._running = self._running, None
        if running is not None:
            athena, query_id = running
            athena.stop(query_id)


class Statement(NamedTuple):
    """
    What is to be unloaded.

    Attributes:
        sql: a SELECT in Trino's dialect.
        database: that names without one are looked up in.
        catalog: likewise.
        workgroup: that the query is billed to.
        compression: of the Parquet files.
        uses_workgroup_output: whether Athena's own files of the query go where the workgroup says, not to the job.
        about: what a later attempt needs to know of the result; JSON-ready.
    """

    sql: str
    database: str
    catalog: str
    workgroup: str
    compression: str
    uses_workgroup_output: bool
    about: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Unload:
    """
    A stored request.

    Attributes:
        token: ``ClientRequestToken``, and part of the names of its files.
        asked: fingerprint of what was asked for; another one is not taken up.
        request: StartQueryExecution's, word for word.
        sql: the SELECT in it.
        about: of the `Statement`.
    """

    token: str
    asked: str
    request: dict[str, Any]
    sql: str
    about: dict[str, Any]

    @classmethod
    def new(cls, statement: Statement, layout: JobLayout, asked: str) -> Unload:
        """
        Return a request with a token and a folder of its own.

        Raises:
            ManifestError: the statement is longer than Athena takes.
        """
        token = uuid.uuid4().hex
        sql = unload_sql(statement.sql, _result(layout, token), statement.compression)
        if (size := len(sql.encode())) > MAX_STATEMENT_BYTES:
            raise ManifestError(
                f"the statement has {size:,} bytes, and Athena takes {MAX_STATEMENT_BYTES:,}; put long lists into a "
                "table and join it in a query= of your own, or read the inventory without Athena"
            )
        request = {
            "QueryString": sql,
            "ClientRequestToken": token,
            "QueryExecutionContext": {"Catalog": statement.catalog, "Database": statement.database},
            "WorkGroup": statement.workgroup,
        }
        if not statement.uses_workgroup_output:
            request["ResultConfiguration"] = {"OutputLocation": f"{layout.source}/athena-{token}-query/"}
        return cls(token, asked, request, statement.sql, dict(statement.about))

    def folder(self, layout: JobLayout) -> S3Url:
        """Return where its result lies, with a slash at the end."""
        return _result(layout, self.token)

    def store(self, place: Place) -> None:
        """Store it, for later attempts; to be done before it is sent."""
        body = json.dumps(asdict(self), indent=1, ensure_ascii=False).encode()
        place.storage.write(place.layout.source / f"athena-{self.token}{_REQUEST}", body, "application/json")

    def send(self, athena: Athena, place: Place) -> str:
        """
        Return the id of its query, which is sent if no attempt has noted that it was.

        Where one was killed before it could note the id, Athena knows the query by its token, and starts no other.
        """
        noted = place.layout.source / f"athena-{self.token}{_QUERY_ID}"
        if known := place.storage.read(noted):
            return known.decode()
        query_id = athena.start(self.request)
        place.storage.write(noted, query_id.encode(), "text/plain")
        return query_id


def unload_sql(select: str, folder: S3Url, compression: str) -> str:
    """Return the statement that writes what *select* gives to *folder*, which must be empty."""
    target = str(folder).replace("'", "''")
    return f"UNLOAD (\n{select}\n)\nTO '{target}'\nWITH (format = 'PARQUET', compression = '{compression}')"


def earlier_unload(place: Place, asked: str) -> Unload | None:
    """Return the newest stored request for what is *asked*, ``None`` if there is none."""
    stored = [file for file in place.storage.list(place.layout.source / "athena-") if file.url.key.endswith(_REQUEST)]
    for file in sorted(stored, key=lambda file: file.last_modified, reverse=True):
        text = place.storage.read(file.url)
        try:
            unload = Unload(**json.loads(text or b"{}"))
        except (ValueError, TypeError) as error:
            raise JobDamagedError(f"{file.url}: not the request of a query ({error})") from None
        if unload.asked == asked:
            return unload
    return None


class Result(NamedTuple):
    """A query that has succeeded, and the files that it wrote to `folder`."""

    unload: Unload
    state: QueryState
    folder: S3Url
    files: tuple[DataFile, ...]


def run(
    athena: Athena, place: Place, watch: QueryWatch | None, *, asked: str, statement: Callable[[], Statement]
) -> Result:
    """
    Return the result of the query for what is *asked*; it is sent unless an earlier attempt has done so.

    *statement* is only called where a new query is needed.

    Raises:
        QueryRunningError: see `QueryWatch`.
        S3BatchError: the query failed; the message says why, and what to do.
    """
    watch = watch or QueryWatch()
    earlier = earlier_unload(place, asked)
    if earlier is not None and (result := _taken_up(athena, place, watch, earlier)) is not None:
        return result
    unload = Unload.new(statement(), place.layout, asked)
    unload.store(place)
    place.log(f"sending to Athena: {unload.sql}")
    query_id = unload.send(athena, place)
    watch.sent.add(query_id)
    return _result_of(unload, watch.end_of(athena, query_id, place.log), place)


def _taken_up(athena: Athena, place: Place, watch: QueryWatch, unload: Unload) -> Result | None:
    """Return the result of an earlier attempt's query, ``None`` if it has none and a new one is to be sent."""
    try:
        state = watch.end_of(athena, unload.send(athena, place), place.log)
    except S3BatchError as error:
        if error.is_retryable:
            raise
        place.log(f"an earlier attempt's query can't be taken up again: {error}")
        return None
    if state.state == "SUCCEEDED" or state.id in watch.sent:
        return _result_of(unload, state, place)
    place.log(f"an earlier attempt's {state.sentence()}; it is sent anew")
    return None


def _result_of(unload: Unload, state: QueryState, place: Place) -> Result:
    if state.state != "SUCCEEDED":
        raise failure(state, unload.request["QueryString"])
    return Result(unload, state, unload.folder(place.layout), _files(unload, state, place))


def _files(unload: Unload, state: QueryState, place: Place) -> tuple[DataFile, ...]:
    """
    Return the files that the query wrote, by name.

    Athena may try a query again by itself, and what the first try wrote stays: its list of files tells, not the folder.
    """
    folder = unload.folder(place.layout)
    there = {file.url.key: DataFile(file.url.key, file.size, e_tag=file.e_tag) for file in place.storage.list(folder)}
    listed = _listed(state, place)
    if listed is None:
        return tuple(there[key] for key in sorted(there) if there[key].size)
    if missing := sorted(listed - there.keys()):
        raise InventoryError(
            f"{folder}: {len(missing):,} of the {len(listed):,} files that Athena query {state.id} wrote are gone; "
            "set resume=False to start a new job"
        )
    if extra := len(there.keys() - listed):
        place.log(f"{folder}: {extra:,} files are not Athena's result, and are not read")
    return tuple(there[key] for key in sorted(listed) if there[key].size)


def _listed(state: QueryState, place: Place) -> set[str] | None:
    """Return the keys in Athena's list of files, ``None`` if there is no list to read."""
    if not state.manifest_url:
        return None
    url = S3Url.parse(state.manifest_url)
    text = place.storage.read(url)
    if text is None:
        place.log(f"{url}: Athena's list of the files is not there; what lies in the folder is taken")
        return None
    return {S3Url.parse(line.strip().strip('"')).key for line in text.decode().splitlines() if line.strip()}


def _result(layout: JobLayout, token: str) -> S3Url:
    return layout.source / f"athena-{token}/"
