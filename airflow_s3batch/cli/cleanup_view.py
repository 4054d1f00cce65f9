"""What a cleanup did, or would do, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_s3batch.cli.printing import print_facts, told
from airflow_s3batch.core.amounts import number, size

if TYPE_CHECKING:
    from rich.console import Console

    from airflow_s3batch.reports.cleanup.cleanup import Cleanup


def print_cleanup(console: Console, result: Cleanup) -> None:
    """Print what went, what stays and why."""
    verb = "would remove" if result.is_dry else "removed"
    facts = [
        (verb, f"{number(result.jobs)} jobs, {number(result.files)} files, {size(result.bytes)}"),
        *(("kept", f"{number(count)} jobs: {reason}") for reason, count in result.kept.most_common()),
    ]
    for url in result.named:
        console.print(told(url), soft_wrap=True)
    if result.jobs > len(result.named):
        console.print(f"and {number(result.jobs - len(result.named))} more")
    print_facts(console, facts)
    if result.refused:
        console.print(told(f"A real cleanup would refuse: {result.refused}", "bold red"), soft_wrap=True)
