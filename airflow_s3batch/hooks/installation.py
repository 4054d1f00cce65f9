"""
Which Airflow this is: the same for all its machines and for as long as its database lives, another one elsewhere.

A name in Airflow's configuration, ``[s3batch] installation``; else a random one, kept as a Variable in Airflow's
database, which moves with it. It is for noticing that two Airflows share a ``job_url``; nothing fails for want of it.
"""

from __future__ import annotations

import logging
import uuid

from airflow_s3batch.hooks.airflow_names import conf
from airflow_s3batch.hooks.news import api_answers, has_supervisor, is_supervisor_frail

KEY = "s3batch_installation"

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
    if not known:
        description = "Random name of this Airflow, by which airflow-provider-s3batch tells its jobs from another's"
        Variable.set(KEY, uuid.uuid4().hex[:12], description=description)
        known = Variable.get(KEY, default=None)  # another task may have made one at the same moment
    return str(known or "")
