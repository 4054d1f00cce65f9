"""
Which Airflow this is: the same for all its machines and for as long as its database lives, another one elsewhere.

A name in Airflow's configuration, ``[s3batch] installation``; else a random one, kept as a Variable in Airflow's
database, which moves with it. It is for noticing that two Airflows share a ``job_url``; nothing fails for want of it.
"""

from __future__ import annotations

import logging
import time
import uuid

from airflow_s3batch.hooks.airflow_names import conf
from airflow_s3batch.hooks.news import api_answers, has_supervisor, is_supervisor_frail

KEY = "s3batch_installation"
SETTLE_S = 2.0
"""So long after a name was made another task may put its own in its place: both found none at the same moment."""

log = logging.getLogger(__name__)


def installation() -> str:
    """Return the identity of this Airflow, made now if there is none; empty if that can't be told. Never raises."""
    if named := conf.get("s3batch", "installation", fallback="").strip():
        return str(named)
    try:
        if not has_supervisor() or (is_supervisor_frail() and not api_answers()):
            return ""
        return _kept()
    except Exception as error:  # noqa: BLE001 - whatever Airflow raises here must not end the work
        log.info("Airflow does not tell which installation it is (Variable %r): %s", KEY, error)
        return ""


def _kept() -> str:
    from airflow.sdk import Variable

    known = Variable.get(KEY, default=None)
    if not known and _is_absent():
        description = "Random name of this Airflow, by which airflow-provider-s3batch tells its jobs from another's"
        Variable.set(KEY, uuid.uuid4().hex[:12], description=description)
        time.sleep(SETTLE_S)
        known = Variable.get(KEY, default=None)
    return str(known or "")


def _is_absent() -> bool:
    """
    Whether Airflow's database has no such Variable, or an empty one.

    `Variable.get` says so, too, where it can't be read at the moment: a new name would put the old one's jobs out of
    reach.
    """
    from airflow.sdk.exceptions import ErrorType
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import ErrorResponse, GetVariable, VariableResult

    answer = task_runner.SUPERVISOR_COMMS.send(GetVariable(key=KEY))
    if isinstance(answer, VariableResult):
        return not answer.value
    return isinstance(answer, ErrorResponse) and answer.error == ErrorType.VARIABLE_NOT_FOUND
