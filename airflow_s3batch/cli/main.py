"""The console script ``s3batch``: from arguments to an exit code, whatever happens in between."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from airflow_s3batch.cli import exits
from airflow_s3batch.cli.parser import make_parser
from airflow_s3batch.cli.printing import complain, make_console
from airflow_s3batch.cli.store_options import connect
from airflow_s3batch.core.errors import ArgumentError, S3BatchError
from airflow_s3batch.core.visible import visible

if TYPE_CHECKING:
    from airflow_s3batch.engine.files.storage import Storage


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that *argv* (by default the process's own) names; return its exit code."""
    try:
        args = make_parser().parse_args(argv)
    except SystemExit as end:  # argparse has told what is wrong, or what was asked for
        return end.code if isinstance(end.code, int) else exits.USAGE
    return carry_out(args, connect)


def carry_out(args: argparse.Namespace, connect_store: Callable[[argparse.Namespace], Storage]) -> int:
    """
    Run ``args.verb`` on the store that *connect_store* makes of *args*; return its exit code.

    What goes wrong is one sentence on standard error. A reader that has gone ends the command in silence.
    """
    try:
        with _logs_as_sentences():
            code = args.verb.run(args, _store(args, connect_store), make_console())
            sys.stdout.flush()
    except BrokenPipeError:
        _forget_output()
        return exits.BROKEN_PIPE
    except KeyboardInterrupt:
        complain("interrupted")
        return exits.INTERRUPTED
    except ArgumentError as error:
        complain(str(error))
        return exits.USAGE
    except (S3BatchError, OSError) as error:
        complain(str(error))
        return exits.UNREACHABLE
    return int(code)


def _store(args: argparse.Namespace, connect_store: Callable[[argparse.Namespace], Storage]) -> Storage | None:
    """Return the store, unless the verb says that it needs none: no credentials are looked for then."""
    needs_store = getattr(args.verb, "needs_store", None)
    return connect_store(args) if needs_store is None or needs_store(args) else None


@contextlib.contextmanager
def _logs_as_sentences() -> Iterator[None]:
    """Print this package's warnings like errors, where nobody else has asked for its log."""
    logger, handler = logging.getLogger("airflow_s3batch"), _Sentences(logging.WARNING)
    if logger.hasHandlers():
        yield
        return
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _Sentences(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        complain(visible(record.getMessage()))


def _forget_output() -> None:
    """Keep the interpreter from flushing into the closed pipe when it ends."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
