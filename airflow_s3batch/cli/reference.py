"""``docs/cli.md``, put together from the parser itself: ``python -m airflow_s3batch.cli.reference > docs/cli.md``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import cast

from airflow_s3batch.cli.parser import make_parser
from airflow_s3batch.cli.store_options import add_store_options

EXAMPLES = {
    "report": (
        "s3batch report s3://ops/s3batch/<job>",
        "s3batch report s3://ops/s3batch/<job> --html report.html",
        "s3batch report s3://ops/s3batch/<job> --rows --codes AccessDenied | head",
    ),
    "failed": (
        "s3batch failed s3://ops/s3batch/<job>",
        "s3batch failed s3://ops/s3batch/<job> --codes AccessDenied --csv again.csv",
        "s3batch failed s3://ops/s3batch/<job> --spreadsheet for-the-team.csv",
    ),
    "plan": (
        "s3batch plan s3://ops/s3batch/<job>",
        "s3batch plan s3://ops/s3batch/<job> --prices shipped",
    ),
    "jobs": (
        "s3batch jobs s3://ops/s3batch",
        "s3batch jobs s3://ops/s3batch --state failed --sort failed --limit 10",
        "s3batch jobs s3://ops/s3batch --json --sort none --limit 100000 | jq -r .url",
    ),
    "iam-policy": (
        "s3batch iam-policy --job s3://ops/s3batch/<job>",
        """s3batch iam-policy --operation '{"operation": "PutObjectTagging", "tags": {"k": "v"}}' \\
    --objects s3://lake/raw --job-url s3://ops/s3batch --engine managed --role-arn arn:aws:iam::123456789012:role/r""",
    ),
    "cleanup": ("s3batch cleanup s3://ops/s3batch --older-than 90d --keep-reports --dry-run",),
}
HEAD = """\
# Command line

Made by `python -m airflow_s3batch.cli.reference`.

`s3batch` comes with the package and needs neither Airflow's database nor its API: only the store. Credentials, region
and endpoint come from boto3's own configuration and environment (`AWS_PROFILE`, `AWS_ENDPOINT_URL_S3`, …) or from the
options below.

Airflow 3.3 asks providers for commands: there the same commands are `airflow s3batch …`, too, with `--aws-conn-id` (by
default `aws_default`) and `--region` in place of the store's options. Airflow 3.1 does not ask; use the script.

**A URL names a job**: its folder, its report, or any file below it, as the log, the notification or the page shows it.

**Exit codes**: 0 green, or done; 1 the job is not green (`failed`: something failed; `cleanup --dry-run`: a guard would
refuse); 2 wrong arguments; 3 not found, no access, or no answer; 130 interrupted; 141 who read the output has gone. An
error is one sentence on standard error.

**For programs**: `--json` is ASCII and changes only by additions; `jobs` and `failed` print one object a line. Output
that is piped has no colours, and no line is folded; `NO_COLOR` is heeded in a terminal.

**Keys are somebody else's text.** In a terminal, control characters, direction marks and the like are spelled out
(`\\u{1b}`), and no markup is taken from them. CSV comes in two kinds: for programs (`report --rows`, `failed --csv`)
keys are URL-encoded and every field is exact, so it can be read back and run again; for people (`--spreadsheet`) keys
are decoded, and a cell that a spreadsheet would take for a formula begins with an apostrophe, so it can't.
"""


def page() -> str:
    """Return the page."""
    (commands,) = (action for action in make_parser()._actions if isinstance(action, argparse._SubParsersAction))  # noqa: SLF001
    parts = [HEAD, "## The store's options\n", _table(_store_options()), ""]
    shared = {action.dest for action in _store_options()}
    for name, parser in cast("dict[str, argparse.ArgumentParser]", commands.choices).items():
        own = [action for action in parser._actions if action.dest not in {*shared, "help"}]  # noqa: SLF001
        parts += [f"## `s3batch {name}`\n", f"{_capital(str(parser.description))}\n"]
        if name in EXAMPLES:
            parts += ["```console", *(f"$ {line}" for line in EXAMPLES[name]), "```\n"]
        parts += [_table(own), ""] if own else []
    return "\n".join(parts)


def _store_options() -> list[argparse.Action]:
    parser = argparse.ArgumentParser(add_help=False)
    add_store_options(parser)
    return parser._actions  # noqa: SLF001


def _table(actions: list[argparse.Action]) -> str:
    return "\n".join(["| argument | what it does |", "|---|---|", *(_row(action) for action in actions)])


def _row(action: argparse.Action) -> str:
    names = ", ".join(action.option_strings) or str(action.metavar or action.dest)
    value = "" if not action.option_strings or action.nargs == 0 else f" {' '.join(_values(action))}"
    needed = " (required)" if action.required and action.option_strings else ""
    text = (action.help or "") % {**vars(action), "prog": "s3batch"}
    return f"| `{names}{value}` | {_capital(text)}{needed} |"


def _values(action: argparse.Action) -> Iterator[str]:
    if action.choices is not None:
        yield "{" + ",".join(map(str, action.choices)) + "}"
    else:
        yield str(action.metavar or action.dest.upper())
    if action.nargs == "+":
        yield "…"


def _capital(text: str) -> str:
    return text if text.startswith("s3://") else text[:1].upper() + text[1:]


if __name__ == "__main__":
    sys.stdout.write(page())
