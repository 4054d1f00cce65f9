"""
What reaches the terminal, and how: nothing that others chose may act there, colour it or break a line.

Keys, messages and error codes are an attacker's text. They are printed through `visible`, and the console takes no
markup; what slips through as a string is spelled out by the console itself.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any

from airflow_s3batch.core.visible import is_hidden, visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

PIPED_WIDTH = 10_000
"""Columns of a line where nobody looks: nothing is folded or cut."""


def make_console(stream: IO[str] | None = None) -> Console:
    """
    Return a console on *stream*, by default what is standard output now.

    Without colours where it is no terminal or ``NO_COLOR`` is set. Strings are taken as they are: no markup, no emoji
    codes, nothing highlighted.
    """
    stream = sys.stdout if stream is None else stream
    _bear_any_text(stream)
    is_terminal = stream.isatty()
    return _console_class()(
        file=stream,
        markup=False,
        emoji=False,
        highlight=False,
        no_color=bool(os.environ.get("NO_COLOR")) or None,
        force_terminal=is_terminal,
        width=None if is_terminal else PIPED_WIDTH,
    )


def told(text: Any, style: str = "") -> Text:
    """Return *text* ready to print: inert, on one line, in *style*."""
    from rich.text import Text

    return Text(visible(text), style=style)


def print_facts(console: Console, facts: Iterable[tuple[str, Any]]) -> None:
    """Print a line for each label and value; a long value is left to the terminal, so that it can be copied whole."""
    lines = [(label, told(value)) for label, value in facts]
    width = max((len(label) for label, _ in lines), default=0)
    for label, value in lines:
        console.print(_joined([told(label.ljust(width), "dim"), value]), soft_wrap=True)


def aligned(rows: Sequence[Sequence[Text]], right: Collection[int] = ()) -> Iterator[Text]:
    """Yield each of *rows* as a line in which columns stand below one another; those of *right* end together."""
    widths = [max(cell.cell_len for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = []
        for index, (cell, width) in enumerate(zip(row, widths, strict=True)):
            room = " " * (width - cell.cell_len)
            cells.append(_joined([room, cell], "") if index in right else _joined([cell, room], ""))
        line = _joined(cells)
        line.rstrip()
        yield line


def _joined(parts: Sequence[Text | str], between: str = "  ") -> Text:
    from rich.text import Text

    line = Text()
    for index, part in enumerate(parts):
        line.append(between if index else "").append(part)
    return line


def print_json(console: Console, document: Any) -> None:
    """Print *document* as JSON in ASCII, so that no character of it can act on a terminal."""
    console.file.write(json.dumps(document, indent=1, default=str) + "\n")


def complain(sentence: str, *, prog: str = "s3batch") -> None:
    """Print an error on standard error; its lines stay lines."""
    _bear_any_text(sys.stderr)
    lines = (visible(line) for line in sentence.splitlines())
    print(f"{prog}: " + "\n".join(lines), file=sys.stderr)  # noqa: T201 - what a command line is for


def _bear_any_text(stream: IO[str]) -> None:
    """Make *stream* spell what its encoding lacks, rather than fail."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


@functools.cache
def _console_class() -> type[Console]:
    from rich import console

    class InertConsole(console.Console):
        """Spells out hidden characters in every string, and lets a broken pipe be seen."""

        def render_str(self, text: str, **how: Any) -> Text:
            return super().render_str(_inert(text), **how)

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return InertConsole


def _inert(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(mark if mark == "\n" or not is_hidden(mark) else visible(mark) for mark in text)
