"""What a run of the benchmarks found, as values that survive JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class CpuResult:
    """
    Client CPU of one contender at one job on one server.

    Attributes:
        us_per_object: CPU microseconds per object, a figure for each round.
        rate: objects a second, likewise.
    """

    server: str
    job: str
    contender: str
    objects: int
    us_per_object: list[float]
    rate: list[float]

    @property
    def best(self) -> float:
        """The least CPU of all rounds: what others did to the machine only ever adds."""
        return min(self.us_per_object)


@dataclass(frozen=True, slots=True)
class LatencyResult:
    """
    One task against a server that takes 50 ms.

    Attributes:
        rate: requests a second from the first to the last one that the server saw, a figure for each round.
        cores: CPU time by wall time of the whole run, likewise.
    """

    contender: str
    window: int
    objects: int
    rate: list[float]
    cores: list[float]
    us_per_object: list[float]

    @property
    def fastest(self) -> tuple[float, float]:
        """Rate and cores of the round with the highest rate."""
        return max(zip(self.rate, self.cores, strict=True))


@dataclass(frozen=True, slots=True)
class CheckpointResult:
    """
    Objects a second of one way to record, a figure for each round; the n-th rounds of all ways belong together.

    Attributes:
        rate: from the first request to the end of the run, so that start-up does not count and the last commit does.
    """

    server: str
    variant: str
    ranges: int
    objects: int
    rate: list[float]
    us_per_object: list[float]

    def loss_against(self, other: CheckpointResult) -> float:
        """Return by which fraction this way is slower than *other*, the median over the rounds."""
        return median(1 - mine / theirs for mine, theirs in zip(self.rate, other.rate, strict=True))


@dataclass(frozen=True, slots=True)
class ScaleResult:
    """
    One shard of *rows* rows.

    Attributes:
        startup_s: from the call of `run_shard` to the first request on an object of the shard.
    """

    rows: int
    range_rows: int
    peak_mb: float
    startup_s: float
    rate: float
    us_per_object: float


@dataclass(frozen=True, slots=True)
class PlanningResult:
    """
    One contender at making a manifest of an inventory of *rows* rows; a figure for each round.

    Attributes:
        share: which rows are selected, a name in `benchmarks.planning.inventories.WHERE`.
        selected: how many these are.
        cpu_s: user and system time of its process, start-up and imports aside.
        peak_mb: the most memory that the process held, start-up and imports included.
    """

    file_format: str
    rows: int
    share: str
    contender: str
    selected: int
    cpu_s: list[float]
    wall_s: list[float]
    peak_mb: list[float]

    @property
    def case(self) -> tuple[str, int, str]:
        """What the contender had to do."""
        return self.file_format, self.rows, self.share


@dataclass(frozen=True, slots=True)
class Results:
    """All that was found, and under which conditions; *conditions* are sentences' parts by name."""

    cpu: list[CpuResult] = field(default_factory=list)
    latency: list[LatencyResult] = field(default_factory=list)
    checkpoints: list[CheckpointResult] = field(default_factory=list)
    scale: list[ScaleResult] = field(default_factory=list)
    planning: list[PlanningResult] = field(default_factory=list)
    listing: list[CpuResult] = field(default_factory=list)
    conditions: dict[str, str] = field(default_factory=dict)

    def find_checkpoints(self, server: str, variant: str) -> CheckpointResult | None:
        """Return the result of that name, ``None`` if it was not measured."""
        return next((row for row in self.checkpoints if (row.server, row.variant) == (server, variant)), None)

    def find_planning(self, case: tuple[str, int, str], contender: str) -> PlanningResult | None:
        """Return the result of that name, ``None`` if it was not measured."""
        return next((row for row in self.planning if (row.case, row.contender) == (case, contender)), None)

    def find_cpu(self, server: str, job: str, contender: str) -> CpuResult | None:
        """Return the result of that name, ``None`` if it was not measured."""
        wanted = (server, job, contender)
        return next((row for row in self.cpu if (row.server, row.job, row.contender) == wanted), None)

    def to_json(self) -> str:
        """Return the results as JSON text."""
        return json.dumps(dataclasses.asdict(self), indent=1, default=float) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Results:
        """Return what `to_json` wrote."""
        data: dict[str, Any] = json.loads(text)
        return cls(
            [CpuResult(**row) for row in data["cpu"]],
            [LatencyResult(**row) for row in data["latency"]],
            [CheckpointResult(**row) for row in data["checkpoints"]],
            [ScaleResult(**row) for row in data["scale"]],
            [PlanningResult(**row) for row in data.get("planning", ())],
            [CpuResult(**row) for row in data.get("listing", ())],
            data["conditions"],
        )
