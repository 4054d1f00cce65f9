"""What was found, as values that survive JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Speed:
    """
    One job done by so many workers; a figure for each round.

    Attributes:
        rate: objects a second, from the first shard handed out to the last one done.
        cores: CPU time of all workers by wall time.
    """

    workers: int
    objects: int
    shards: int
    rate: list[float]
    cores: list[float]

    @property
    def best(self) -> float:
        """The highest rate of all rounds: what others did to the machine only ever takes away."""
        return max(self.rate)


@dataclass(frozen=True, slots=True)
class Cut:
    """
    A job in so many shards, done by eight workers.

    Attributes:
        case: what is unequal.
        workers: so many full workers could do as much, were the work spread perfectly.
        attempts_s: how long the attempts took, all together.
    """

    case: str
    shards: int
    objects: int
    elapsed_s: float
    workers: float
    attempts_s: float


@dataclass(frozen=True, slots=True)
class Load:
    """
    What a run of so many shards cost Airflow.

    Attributes:
        kind: what the shards' tasks were, a name in `benchmarks.scale_out.airflow_load.KINDS`.
        elapsed_s: from the start of the run to its end.
        expanded_s: from the end of the manifest task to the first start of a shard's task.
        shards_s: from there to the end of the last one.
        cpu_s: seconds of CPU by component, what it takes idle left out.
        rows: of Airflow's database that the run added, by table; *database_bytes* by which its file grew.
        xcom_bytes: of what the manifest task returned.
    """

    kind: str
    shards: int
    at_a_time: int
    elapsed_s: float
    expanded_s: float
    shards_s: float
    cpu_s: dict[str, float]
    rows: dict[str, int]
    database_bytes: int
    xcom_bytes: int


@dataclass(frozen=True, slots=True)
class Results:
    """All that was found, and under which conditions: parts of sentences by topic."""

    speeds: list[Speed] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
    loads: list[Load] = field(default_factory=list)
    conditions: dict[str, str] = field(default_factory=dict)

    def cut(self, case: str, shards: int) -> Cut | None:
        """Return that of this case and number of shards, ``None`` if it was not measured."""
        return next((cut for cut in self.cuts if (cut.case, cut.shards) == (case, shards)), None)

    def to_json(self) -> str:
        """Return the results as JSON text."""
        return json.dumps(dataclasses.asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Results:
        """Return what `to_json` wrote."""
        data: dict[str, Any] = json.loads(text)
        return cls(
            [Speed(**row) for row in data["speeds"]],
            [Cut(**row) for row in data["cuts"]],
            [Load(**row) for row in data["loads"]],
            data["conditions"],
        )
