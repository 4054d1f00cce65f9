"""Airflow's ``params`` as those of a manifest task: what may be among them, and what they are in a run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from airflow.sdk import Param


def params_problems(params: Any) -> list[str]:
    """Return what is wrong with *params* as those of an Airflow task."""
    if params is not None and not isinstance(params, Mapping):
        return [f"params={params!r} is not a dict of names and values"]
    found = []
    for name, value in (params or {}).items():
        try:
            json.dumps(None if isinstance(value, Param) else value)
        except (TypeError, ValueError):
            found.append(
                f"params: {name!r} is a {type(value).__name__}, and Airflow's params hold JSON only: write a time as "
                "text in ISO 8601, a duration as to_days($n) or older_than(…), a task's output as "
                "'{{ ti.xcom_pull(…) }}'"
            )
    return found


def own_params(params: Any) -> Any:
    """
    Return *params* with each text as a `Param`; what is no dict, which `params_problems` tells, as it is.

    Airflow 3.1.0 checks a plain text by the schema of the Dag's param of the same name, which no template meets.
    """
    if not isinstance(params, Mapping):
        return params
    return {name: Param(value) if isinstance(value, str) else value for name, value in params.items()}


def defaults_of(params: Any) -> dict[str, Any]:
    """Return what *params* are unless a run is given others; also of those that a run must be given."""
    return {name: param.value if isinstance(param, Param) else param for name, param in (params or {}).items()}


def nothings_in(rendered: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the *rendered* parameters that say nothing: every key begins with an empty text."""
    for name, value in rendered.items():
        for text in value if isinstance(value, list | tuple) else [value]:
            if isinstance(text, str) and text.strip() in ("", "None"):
                yield (
                    f"params: {name!r} rendered to {value!r}, and every key begins with an empty text; "
                    "give its template a value in every run"
                )
