"""Arguments of operators that are mapped: Airflow 3.1 knows no defaults but its own where ``partial`` is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_s3batch.hooks.arguments import config_problems, in_order, raise_for
from airflow_s3batch.operators.slots import OPTION, default_slots, slot_problems

if TYPE_CHECKING:
    from airflow.sdk.definitions.mappedoperator import OperatorPartial

WEIGHT_RULE = "absolute"
"""A task's weight is its ``priority_weight``, which is 1 by default; tasks behind it add nothing."""


def with_defaults(partial: OperatorPartial, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> OperatorPartial:
    """
    Set those of *defaults* in *partial* that neither *given*, its arguments, nor any ``default_args`` name.

    A set, of codes to tolerate or of buckets, becomes a list: see `in_order`.

    Raises:
        ArgumentError: with Airflow's limits among the arguments no instance would ever start, or none would reach its
            store.
    """
    named = arguments_named(partial, given)
    partial.kwargs.update({name: value for name, value in defaults.items() if name not in named})
    found = [*slot_problems(partial.kwargs), *config_problems(given.get("botocore_config"))]
    raise_for(partial.operator_class.__name__, found)
    partial.kwargs.update({name: in_order(value) for name, value in partial.kwargs.items()})
    return partial


def arguments_named(partial: OperatorPartial, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what *given*, the arguments of *partial*, or else any ``default_args`` say."""
    dag, group = partial.kwargs.get("dag"), partial.kwargs.get("task_group")
    return {
        **(dag.default_args if dag else {}),
        **((group.default_args or {}) if group else {}),
        **(given.get("default_args") or {}),
        **given,
    }


def with_slots(partial: OperatorPartial, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> OperatorPartial:
    """
    Set *defaults* as `with_defaults` does, and what keeps hundreds of instances from being in others' way.

    So many run at a time; and their weight is 1 whatever comes behind them, so that of what waits for a slot they are
    the last. Airflow 3.3 looks at no more waiting instances of a Dag run than the Dag's ``max_active_tasks``: shards
    with a larger weight than another task of the same Dag, which wait for their own limit, would hide it there.

    Raises:
        ArgumentError: as `with_defaults` and `default_slots` say.
    """
    return with_defaults(partial, given, {OPTION: default_slots(), "weight_rule": WEIGHT_RULE, **defaults})
