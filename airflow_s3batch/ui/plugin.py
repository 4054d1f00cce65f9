"""What Airflow's plugin manager is told. Every component of Airflow loads it, so it loads nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from airflow.plugins_manager import AirflowPlugin

PREFIX = "/s3batch"
_RUN = "dag_id={DAG_ID}&run_id={RUN_ID}"
_TASK = f"{_RUN}&task_id={{TASK_ID}}&map_index={{MAP_INDEX}}"


class LazyApp:
    """The ASGI application of the page; made at the first request, as only the API server has use for it."""

    def __init__(self) -> None:
        self._app: Any = None

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        """Serve one request."""
        if self._app is None:
            from airflow_s3batch.ui.app import make_app

            self._app = make_app()
        await self._app(scope, receive, send)


class S3BatchPlugin(AirflowPlugin):
    """The page of all jobs, and a tab on Dag runs and task instances."""

    name = "s3batch"
    fastapi_apps = [  # noqa: RUF012 - as Airflow declares it
        {"app": LazyApp(), "url_prefix": PREFIX, "name": "S3 Batch"}
    ]
    external_views = [  # noqa: RUF012 - as Airflow declares it
        {
            "name": "S3 Batch",
            "href": "s3batch/",  # no slash before it: Airflow may be served below a path
            "destination": "nav",
            "category": "browse",
            "url_route": "s3-batch",
        },
        {
            "name": "S3 Batch",
            "href": f"s3batch/?{_RUN}",
            "destination": "dag_run",
            "url_route": "s3-batch-run",
        },
        {
            "name": "S3 Batch",
            "href": f"s3batch/?{_TASK}",
            "destination": "task_instance",
            "url_route": "s3-batch-task",
        },
    ]
