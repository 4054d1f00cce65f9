"""Arguments of operators that are mapped: Airflow 3.1 knows no defaults but its own where ``partial`` is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk.definitions.mappedoperator import OperatorPartial


def with_defaults(partial: OperatorPartial, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> OperatorPartial:
    """
    Set those of *defaults* in *partial* that neither *given*, its arguments, nor any ``default_args`` name.

    A set of codes to tolerate becomes a sorted list: each parse would serialize a set differently.
    """
    dag, group = partial.kwargs.get("dag"), partial.kwargs.get("task_group")
    named = {
        **given,
        **(dag.default_args if dag else {}),
        **((group.default_args or {}) if group else {}),
        **(given.get("default_args") or {}),
    }
    partial.kwargs.update({name: value for name, value in defaults.items() if name not in named})
    if isinstance(tolerate := partial.kwargs.get("tolerate"), set | frozenset):
        partial.kwargs["tolerate"] = sorted(tolerate)
    return partial
