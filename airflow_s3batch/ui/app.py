"""The web application of the page: files for browsers, and JSON for Airflow's users. It answers GET only."""

from __future__ import annotations

import datetime as dt
import logging
from pathlib import Path
from typing import Annotated

from airflow.api_fastapi.common.db.common import SessionDep
from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_s3batch.ui.access import User, check_readable, may_read_requests, readable
from airflow_s3batch.ui.detail import details
from airflow_s3batch.ui.job import iso
from airflow_s3batch.ui.listing import SORTS, Asked, listed
from airflow_s3batch.ui.plugin import PREFIX
from airflow_s3batch.ui.rows import dags_with_jobs
from airflow_s3batch.ui.states import STATES

log = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"
_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_NO_NUL = r"^[^\x00]*$"  # which some databases refuse in a text
Text = Annotated[str, Query(max_length=250, pattern=_NO_NUL)]


class Secured:
    """Puts `HEADERS` on every answer; JSON is never kept, files are asked for again by their ETag."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                is_file = message["status"] in (200, 304) and "etag" in headers
                headers["Cache-Control"] = "no-cache" if is_file else "no-store"
            await send(message)

        await self._app(scope, receive, secured)


def make_app() -> FastAPI:
    """Return the application, to be mounted at `PREFIX`."""
    app = FastAPI(title="S3 Batch", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Secured)
    app.add_api_route("/", page, methods=["GET"], response_class=FileResponse)
    app.add_api_route("/api/jobs", jobs, methods=["GET"])
    app.add_api_route("/api/run", run, methods=["GET"])
    app.add_exception_handler(SQLAlchemyError, _no_database)
    if STATIC.is_dir():
        app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


async def page() -> FileResponse:
    """Serve the page, which holds no data; what it asks for is for users only."""
    return FileResponse(STATIC / "index.html", media_type="text/html; charset=utf-8")


def jobs(
    request: Request,
    user: User,
    session: SessionDep,
    state: Text = "",
    dag_id: Text = "",
    operation: Text = "",
    engine: Text = "",
    q: Text = "",
    days: Annotated[float, Query(gt=0, le=3_650)] = 30,
    sort: Annotated[str, Query(max_length=30)] = "-started",
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
    size: Annotated[int, Query(ge=1, le=200)] = 25,
) -> JSONResponse:
    """Return a page of the jobs that the user may see; *state* may be several, joined by commas."""
    now = dt.datetime.now(dt.UTC)
    states = frozenset(filter(None, state.split(",")))
    _check(states <= set(STATES), f"state: use some of {', '.join(STATES)}")
    _check(sort.removeprefix("-") in SORTS, f"sort: use one of {', '.join(sorted(SORTS))}, or it with '-' before it")
    asked = Asked(states, dag_id, operation, engine, q, sort, page, size)
    dag_ids = readable(dags_with_jobs(session, now - dt.timedelta(days=days)), user)
    found = listed(session, dag_ids, asked, days=days, base=_base(request), now=now)
    return JSONResponse({**found, "dag_ids": sorted(dag_ids), "now": iso(now)})


def run(
    request: Request,
    user: User,
    session: SessionDep,
    dag_id: Text,
    run_id: Text,
    task_id: Text = "",
    map_index: int | None = None,
) -> JSONResponse:
    """Return the jobs of a run; those of one task, if *task_id* is given."""
    check_readable(dag_id, user)
    now = dt.datetime.now(dt.UTC)
    found = details(
        session,
        dag_id,
        run_id,
        task_id=task_id,
        map_index=map_index,
        has_requests=may_read_requests(dag_id, user),
        base=_base(request),
        now=now,
    )
    if found is None:
        raise HTTPException(404, f"Dag {dag_id!r} has no run {run_id!r}.")
    return JSONResponse({"jobs": found, "now": iso(now)})


def _check(is_right: bool, what: str) -> None:  # noqa: FBT001 - a claim and what to say if it does not hold
    if not is_right:
        raise HTTPException(422, what)


def _base(request: Request) -> str:
    """Return the path below which Airflow is served, without a slash at its end."""
    root = str(request.scope.get("root_path") or "")
    return root.removesuffix("/").removesuffix(PREFIX).removesuffix("/")


def _no_database(_: Request, error: Exception) -> JSONResponse:
    log.error("The page S3 Batch could not read Airflow's database", exc_info=error)
    return JSONResponse({"detail": "Airflow's database could not be read; the API server's log tells why."}, 503)
