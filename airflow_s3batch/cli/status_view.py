"""A running job on a terminal: a line for the job, a bar for each shard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from airflow_s3batch.cli.bars import bar
from airflow_s3batch.cli.printing import told
from airflow_s3batch.core.amounts import duration, number, share
from airflow_s3batch.engine.jobs.shards_seen import DONE, RUNNING, SILENT, STOPPED, WAITING, ShardSeen

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from airflow_s3batch.core.control import Control
    from airflow_s3batch.engine.rates.shared_seen import RateSeen

STYLES = {RUNNING: "cyan", DONE: "green", STOPPED: "yellow", SILENT: "magenta", WAITING: "dim", "paused": "yellow"}
_ORDER = (RUNNING, "paused", SILENT, STOPPED, WAITING, DONE)
MOST_SHARDS = 30


class Seen(NamedTuple):
    """
    A job at one moment.

    Attributes:
        name: of the operation task; empty if none was started.
        rate: objects a second since the look before; ``None`` in the first.
        aws: a sentence for each AWS job.
        rates: that the job shares with others at the moment.
    """

    url: str
    name: str
    control: Control
    shards: Sequence[ShardSeen]
    rate: float | None = None
    aws: Sequence[str] = ()
    rates: Sequence[RateSeen] = ()

    @property
    def rows(self) -> int:
        """Objects of the job."""
        return sum(shard.rows for shard in self.shards)

    @property
    def done(self) -> int:
        """Objects with an outcome."""
        return sum(shard.done for shard in self.shards)

    def state_of(self, shard: ShardSeen) -> str:
        """Return the shard's state; what waits or has stopped while the job is paused is paused."""
        return "paused" if self.control.is_paused and shard.state in (STOPPED, WAITING, SILENT) else shard.state

    @property
    def is_over(self) -> bool:
        """Whether every shard is done."""
        return all(shard.state == DONE for shard in self.shards)


def status_lines(seen: Seen, *, most: int | None = MOST_SHARDS) -> Group:
    """Return what is printed of *seen*: at most *most* shards, those first that are at work."""
    from rich.console import Group

    return Group(*_head(seen), *([_table(seen, most)] if seen.shards and not seen.aws else []))


def _head(seen: Seen) -> list[Text]:
    from rich.text import Text

    states = Counter(seen.state_of(shard) for shard in seen.shards)
    failed = sum(shard.failed for shard in seen.shards)
    lines = [told(seen.url, "bold")]
    if not seen.control.is_default or seen.control.by:
        lines.append(told(seen.control.sentence(), "yellow" if seen.control.is_paused else ""))
    if not seen.aws:
        line = Text(f"{bar(seen.done, seen.rows)} ")
        line.append(f"{number(seen.done)} of {number(seen.rows)} objects ({share(seen.done, seen.rows)})")
        line.append(f", {number(failed)} failed", "red" if failed else "")
        if seen.rate is not None:
            left_s = (seen.rows - seen.done) / seen.rate if seen.rate else None
            line.append(f", {seen.rate:,.0f}/s" + (f", {duration(left_s)} left at this rate" if left_s else ""))
        lines.append(line)
        shards = ", ".join(f"{number(states[state])} {state}" for state in _ORDER if states[state])
        lines.append(told(f"{seen.name or 'no operation task has started'}: shards {shards or 'none'}"))
    lines.extend(told(sentence) for sentence in seen.aws)
    lines.extend(told(rate.sentence()) for rate in seen.rates)
    return lines


def _table(seen: Seen, most: int | None) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("shard", "progress", "done", "objects", "failed", "state", "heard of"):
        table.add_column(column, justify="left" if column in ("progress", "state") else "right")
    ordered = sorted(seen.shards, key=lambda shard: (_ORDER.index(seen.state_of(shard)), shard.shard))
    for shard in ordered[:most]:
        state = seen.state_of(shard)
        table.add_row(
            str(shard.shard),
            Text(bar(shard.done, shard.rows), STYLES[state]),
            number(shard.done),
            number(shard.rows),
            Text(number(shard.failed), "red" if shard.failed else ""),
            Text(state, STYLES[state]),
            "never" if shard.age_s is None else f"{duration(shard.age_s)} ago",
        )
    if most is not None and len(ordered) > most:
        table.caption = f"and {number(len(ordered) - most)} more shards; --all shows them"
    return table
