"""What can be typed: one parser for the console script, its documentation, and Airflow's own command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from airflow_s3batch.cli.store_options import add_store_options
from airflow_s3batch.cli.verbs import Verb, verbs
from airflow_s3batch.version import __version__

DESCRIPTION = "S3 Batch Operations for Apache Airflow: look at jobs, their reports and failures, and steer them."
EPILOG = """\
A URL names a job: its folder, its report, or any file below it (s3://ops/s3batch/<job>/report/report.html).

Exit codes: 0 green, or done; 1 the job is not green; 2 wrong arguments; 3 not found, no access or no answer."""


def make_parser(prog: str = "s3batch") -> argparse.ArgumentParser:
    """Return the parser of the console script."""
    parser = argparse.ArgumentParser(
        prog=prog, description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"{prog} {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for verb in verbs():
        add_verb(commands.add_parser(verb.NAME, help=verb.HELP, description=f"{verb.HELP}."), verb, add_store_options)
    return parser


def add_verb(
    parser: argparse.ArgumentParser, verb: Verb, add_options: Callable[[argparse.ArgumentParser], None]
) -> None:
    """Make *parser* that of *verb*, with *add_options* for the options that say which store."""
    verb.add_arguments(parser)
    add_options(parser)
    parser.set_defaults(verb=verb)
