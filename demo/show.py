"""What the demo writes to the terminal: steps, lines, and on a real terminal a status line that changes in place."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
import time
from collections.abc import Iterator
from typing import TextIO

GREEN, RED, DIM, BOLD = "32", "31", "2", "1"
YES, NO, DOING = "✓", "✗", "·"


class Screen:
    """Writes to *out*; colours and the status line only if that is a terminal."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = sys.stdout if out is None else out
        if isinstance(self._out, io.TextIOWrapper):
            self._out.reconfigure(errors="replace")  # not every terminal knows a check mark
        self._is_live = self._out.isatty() and os.environ.get("TERM") != "dumb"
        self._has_colour = self._is_live and "NO_COLOR" not in os.environ
        self._status = ""

    def line(self, text: str = "") -> None:
        """Write a line."""
        self.status("")
        print(text, file=self._out, flush=True)

    def heading(self, text: str) -> None:
        """Write a line that something new begins with."""
        self.line()
        self.line(self.paint(text, BOLD))

    def mark(self, text: str, *, good: bool = True) -> None:
        """Write a line with a check mark, or a cross."""
        sign = self.paint(YES, GREEN) if good else self.paint(NO, RED)
        self.line(f"  {sign} {text}")

    def status(self, text: str) -> None:
        """Replace the status line; nothing happens where there is none."""
        if not self._is_live or text == self._status:
            return
        self._status = text
        width = shutil.get_terminal_size().columns
        shown = f"  {DOING} {text}"[: width - 1] if text else ""
        self._out.write(f"\r\x1b[2K{shown}")
        self._out.flush()

    @contextlib.contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Show *text* as being done, and then as done, with the time it took."""
        began = time.monotonic()
        self.status(f"{text} …")
        try:
            yield
        except BaseException:
            self.mark(text, good=False)
            raise
        took = self.paint(f"{time.monotonic() - began:.1f} s", DIM)
        self.mark(f"{text}  {took}")

    def paint(self, text: str, code: str) -> str:
        """Return *text* in a colour or weight, if colours are shown."""
        return f"\x1b[{code}m{text}\x1b[0m" if self._has_colour else text
