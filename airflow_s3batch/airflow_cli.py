"""
The commands of ``s3batch`` within Airflow's own command line: ``airflow s3batch report …``, where Airflow takes them.

The store is that of an Airflow connection there (``--aws-conn-id``), as in a Dag. Airflow 3.3 asks providers for
commands; 3.1 does not, where the script ``s3batch`` does the same with boto3's configuration.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.cli.cli_config import ActionCommand, GroupCommand

from airflow_s3batch.cli.verbs import Verb, verbs
from airflow_s3batch.hooks.s3 import DEFAULT_CONN_ID

if TYPE_CHECKING:
    from airflow_s3batch.engine.access import S3Access
    from airflow_s3batch.engine.files.storage import Storage


def get_cli_commands() -> list[Any]:
    """Return the group ``s3batch``; called by Airflow's ``ProvidersManager``."""
    from airflow_s3batch.cli.parser import DESCRIPTION

    commands = [
        ActionCommand(
            name=verb.NAME,
            help=verb.HELP,
            func=functools.partial(_carry_out, verb),
            args=(_Arguments(verb),),  # type: ignore[arg-type] # Airflow asks it for `flags` and `add_to_parser` alone
        )
        for verb in verbs()
    ]
    return [GroupCommand(name="s3batch", help=DESCRIPTION, subcommands=commands)]


@dataclass(frozen=True)
class _Arguments:
    """All that a verb takes, in the place of one of Airflow's ``Arg``; *flags* is what Airflow sorts by."""

    verb: Verb
    flags: tuple[str, ...] = ("arguments",)

    def add_to_parser(self, parser: argparse.ArgumentParser) -> None:
        from airflow_s3batch.cli.parser import add_verb

        add_verb(parser, self.verb, _add_connection_options)


def _add_connection_options(parser: argparse.ArgumentParser) -> None:
    options = parser.add_argument_group("store")
    options.add_argument(
        "--aws-conn-id", metavar="ID", default=DEFAULT_CONN_ID, help="Airflow connection of the store (%(default)s)"
    )
    options.add_argument("--region", metavar="NAME", help="overrides the connection's region")
    parser.set_defaults(access_of=_access_of)


def _carry_out(verb: Verb, args: argparse.Namespace) -> None:
    """Run *verb* and end the process with its exit code, as Airflow ignores what a command returns."""
    from airflow_s3batch.cli.main import carry_out

    args.verb = verb
    sys.exit(carry_out(args, _connect))


def _connect(args: argparse.Namespace) -> Storage:
    from airflow_s3batch.hooks.s3 import storage_on

    return storage_on(_access_of(args))


def _access_of(args: argparse.Namespace) -> S3Access:
    from airflow_s3batch.hooks.s3 import StoreSettings

    # As Airflow's own ``connections get`` does: without it, connections in its database are not looked for.
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
    return StoreSettings(args.aws_conn_id or None, args.region).access()
