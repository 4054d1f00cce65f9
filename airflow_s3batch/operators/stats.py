"""The way to Airflow's metrics: StatsD, DogStatsD or OpenTelemetry, whichever ``[metrics]`` of its settings has."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping
from typing import Any

log = logging.getLogger(__name__)

Tags = Mapping[str, str]
_ODD = re.compile(r"[^A-Za-z0-9_.-]")
_MOST_CHARACTERS = 45
"""Of a tag's value: Airflow refuses a metric whose name and tags have more than 250 characters together."""


def stats() -> Any:
    """Return Airflow's ``Stats`` as this process has it; its home has moved from release to release."""
    try:
        from airflow.sdk.observability.stats import Stats
    except ImportError:
        from airflow.stats import Stats  # Airflow 3.1
    return Stats


def emit(kind: str, name: str, value: float, tags: Tags) -> None:
    """Emit a metric: *kind* is ``incr``, ``gauge`` or ``timing`` (milliseconds). Never raises: metrics are no work."""
    try:
        getattr(stats(), kind)(name, value, tags=dict(tags))
    except Exception as error:  # noqa: BLE001 - whatever a backend raises must not end the work
        log.debug("metric %s was not emitted: %s", name, error)


def tag_value(text: Any) -> str:
    """Return *text* as the value of a tag that every backend bears: letters, digits, ``_.-``, at most 45 of them."""
    value = _ODD.sub("_", str(text)) or "unknown"
    if len(value) <= _MOST_CHARACTERS:
        return value
    digest = hashlib.sha256(str(text).encode(errors="replace")).hexdigest()[:8]
    return f"{value[: _MOST_CHARACTERS - 9]}-{digest}"
