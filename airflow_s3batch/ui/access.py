"""Who asks, and which Dags they may read: Airflow's own authorization, asked for every request."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import get_user, resolve_user_from_token
from airflow.models.dag import DagModel
from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

SEEN = (DagAccessEntity.RUN, DagAccessEntity.TASK_INSTANCE, DagAccessEntity.XCOM)
"""What of a Dag the page shows, beside the Dag itself."""

_bearer = HTTPBearer(auto_error=False)


async def _user_of_airflow_3_1(
    request: Request, bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> BaseUser:
    """Return the user of a bearer token or of the session's cookie, which Airflow 3.1 itself does not look at."""
    token = bearer.credentials if bearer else request.cookies.get(COOKIE_NAME_JWT_TOKEN)
    return await resolve_user_from_token(token)


_looks_at_cookies = "request" in inspect.signature(get_user).parameters
User = Annotated[BaseUser, Depends(get_user if _looks_at_cookies else _user_of_airflow_3_1)]
"""The user of a request; one without is answered with 401."""


def check_readable(dag_id: str, user: Any) -> None:
    """
    Check that *user* may see what the page shows of Dag *dag_id*.

    Raises:
        HTTPException: 403.
    """
    if not is_readable(dag_id, user):
        raise HTTPException(403, f"You may not read the runs, task instances and XComs of Dag {dag_id!r}.")


def is_readable(dag_id: str, user: Any) -> bool:
    """Whether *user* may see what the page shows of Dag *dag_id*."""
    return bool(readable([dag_id], user))


def readable(dag_ids: Iterable[str], user: Any) -> set[str]:
    """Return those of *dag_ids* that *user* may see."""
    teams = _teams(sorted(dag_ids))
    seen = (None, *SEEN)
    return {dag_id for dag_id, team in teams.items() if _is_allowed(DagDetails(id=dag_id, team_name=team), seen, user)}


def may_read_requests(dag_id: str, user: Any) -> bool:
    """Whether *user* may see what people are asked by tasks of Dag *dag_id*, and who answered what."""
    team = _teams([dag_id])[dag_id]
    return _is_allowed(DagDetails(id=dag_id, team_name=team), (DagAccessEntity.HITL_DETAIL,), user)


def _is_allowed(details: DagDetails, entities: Iterable[DagAccessEntity | None], user: Any) -> bool:
    manager = get_auth_manager()
    return all(
        manager.is_authorized_dag(method="GET", access_entity=entity, details=details, user=user) for entity in entities
    )


def _teams(dag_ids: list[str]) -> dict[str, str | None]:
    """Return the team of each Dag, ``None`` for one without."""
    if hasattr(DagModel, "get_dag_id_to_team_name_mapping"):
        return {**dict.fromkeys(dag_ids), **DagModel.get_dag_id_to_team_name_mapping(dag_ids)}
    return {dag_id: DagModel.get_team_name(dag_id) for dag_id in dag_ids}  # Airflow 3.1
