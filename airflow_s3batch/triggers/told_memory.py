"""Where a watcher keeps, over restarts, which deliveries it has told of. Asks Airflow, and blocks on it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Protocol

from airflow_s3batch.manifests.sources.arrivals import Told

if TYPE_CHECKING:
    from airflow.triggers.base import BaseEventTrigger

KEY = "s3batch_told"
_VARIABLE_NAME_LENGTH = 250


class ToldMemory(Protocol):
    """Outlives the triggerer, and is the same for all triggerers."""

    def read(self) -> Told | None:
        """Return what was told, ``None`` if nothing ever was."""

    def write(self, told: Told) -> None:
        """Remember *told* instead of what was kept before."""


def memory_of(trigger: BaseEventTrigger, name: str) -> ToldMemory:
    """
    Return the memory of *trigger*: the watched asset's own state, or before Airflow 3.3 a Variable.

    Where several assets share the trigger, Airflow sends each event to all of them, and there is one memory: a
    Variable. *name* tells watchers apart whose memories lie in the same place.
    """
    states = getattr(trigger, "asset_state_store", None)
    if states is None or getattr(states, "_total", 1) != 1:
        return VariableMemory(name)
    return AssetMemory(states, name)


class AssetMemory:
    """In the state of the watched asset; the UI shows it there, and it goes with the asset."""

    def __init__(self, states: Any, name: str) -> None:
        self._states = states
        self._key = f"{KEY}:{_short(name, 400)}"

    def read(self) -> Told | None:  # noqa: D102 - the protocol's docstrings hold
        return Told.from_json(self._states.get(self._key))

    def write(self, told: Told) -> None:  # noqa: D102
        self._states.set(self._key, told.to_json())


class VariableMemory:
    """In an Airflow Variable, for versions in which assets have no state."""

    def __init__(self, name: str) -> None:
        self.key = f"{KEY}:{_short(name, _VARIABLE_NAME_LENGTH - len(KEY) - 1)}"

    def read(self) -> Told | None:  # noqa: D102
        from airflow.sdk import Variable

        try:
            return Told.from_json(json.loads(Variable.get(self.key, default="null")))
        except ValueError:  # somebody has edited it
            return None

    def write(self, told: Told) -> None:  # noqa: D102
        from airflow.sdk import Variable

        Variable.set(self.key, json.dumps(told.to_json()), description="Deliveries that an inventory's watcher told of")


def _short(name: str, length: int) -> str:
    """Return *name*, or as much of it as fits before a hash of it."""
    if len(name) <= length:
        return name
    return f"{name[: length - 17]}~{hashlib.sha256(name.encode()).hexdigest()[:16]}"
