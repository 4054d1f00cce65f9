"""Pushes news to XCom. That may be lost, late or refused: nothing fails for it."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from airflow_s3batch.hooks.airflow_names import conf

log = logging.getLogger(__name__)

CONNECT_S = 2.0
_PORTS = {"http": 80, "https": 443}

Document = Callable[[], dict[str, Any]]
"""Makes the value of an XCom; called when it is about to be pushed."""


def push(ti: Any, key: str, document: Document) -> bool:
    """
    Push the value that *document* makes, under *key* of task instance *ti*; return whether that succeeded.

    A configured XCom backend is passed by, for it may put values where the API server can't read them.
    Never raises; the first time that it fails the log tells why. The supervisor of Airflow 3.1.0 ends, and leaves its
    task alone, if the API server can't be connected to for long: there nothing is pushed unless the server answers.
    """
    try:
        from airflow.sdk.bases.xcom import BaseXCom

        if is_supervisor_frail() and not api_answers():
            return False
        BaseXCom._set_xcom_in_db(  # noqa: SLF001 - the way that Airflow keeps links
            key,
            document(),
            dag_id=ti.dag_id,
            task_id=ti.task_id,
            run_id=ti.run_id,
            map_index=-1 if ti.map_index is None else ti.map_index,
        )
    except Exception as error:  # noqa: BLE001 - whatever Airflow raises here must not end the work
        _complain_once(error)
        return False
    return True


def bears_threads() -> bool:
    """Whether Airflow's channel to the supervisor can be used by several threads; that of 3.1.0 can't."""
    return getattr(_channel(), "_thread_lock", None) is not None


def has_supervisor() -> bool:
    """Whether this is a task that Airflow runs, so that it can be asked."""
    return _channel() is not None


def is_supervisor_frail() -> bool:
    """Whether this is a task with a supervisor that does not survive a request that can't be sent; 3.3's does."""
    channel = _channel()
    return type(channel).__name__ == "CommsDecoder" and not bears_threads()


def api_answers() -> bool:
    """Whether the API server that the supervisor asks takes a connection."""
    base = conf.get("api", "base_url", fallback="") or "/"
    root = f"http://localhost:8080{base}" if base.startswith("/") else base
    url = urlsplit(conf.get("core", "execution_api_server_url", fallback=root))
    try:
        socket.create_connection((url.hostname or "", url.port or _PORTS[url.scheme]), CONNECT_S).close()
    except (OSError, KeyError):
        return False
    return True


def _channel() -> Any:
    try:
        from airflow.sdk.execution_time import task_runner
    except ImportError:
        return None
    return getattr(task_runner, "SUPERVISOR_COMMS", None)


def without_secrets(value: Any) -> Any:
    """Return *value* with what Airflow knows as secret replaced by asterisks; nothing at all if it can't tell."""
    try:
        from airflow.sdk._shared.secrets_masker import redact
    except ImportError:
        return None
    return redact(value)


_has_complained = threading.Event()


def _complain_once(error: Exception) -> None:
    if not _has_complained.is_set():
        _has_complained.set()
        log.info("Airflow does not store how far the task is, so its pages can't show it: %s", error)
