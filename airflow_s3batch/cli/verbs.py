"""The list of commands. A command is a module of `commands`; adding one means naming it here."""

from __future__ import annotations

import argparse
import importlib
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from airflow_s3batch.engine.files.storage import Storage

VERBS = ("report", "failed", "plan", "status", "pause", "resume", "speed", "jobs", "iam_policy", "cleanup")
"""Names of the modules, in the order in which help lists them."""


class Verb(Protocol):
    """
    What a module of `commands` has. Importing it must be cheap: what is heavy is imported in `run`.

    Attributes:
        NAME: as it is typed.
        HELP: one line, without a full stop.

    A module may have ``needs_store(args) -> bool``; where that is false, no store is made and `run` is given ``None``.
    """

    NAME: str
    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the command takes, beside the store's options."""

    def run(self, args: argparse.Namespace, store: Storage, console: Console) -> int:
        """Do it and return the exit code (`exits`); an `S3BatchError` is told as a sentence by the caller."""


def verbs() -> Iterator[Verb]:
    """Yield all commands."""
    for name in VERBS:
        yield cast("Verb", importlib.import_module(f"airflow_s3batch.cli.commands.{name}"))
