"""Runs checks, a line each, and the table at the end."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
"""Of the repository, or of an unpacked source distribution."""


class CommandError(Exception):
    """A command failed; the message is its output."""


class Result(NamedTuple):
    """What became of one check; *problems* are sentences, none if all is well."""

    stage: str
    what: str
    problems: tuple[str, ...]
    took_s: float


class Checks:
    """
    The checks of a run, which may be made by several threads.

    Attributes:
        results: in the order in which the checks ended.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.results: list[Result] = []
        self._say = say
        self._lock = threading.Lock()

    def check(self, stage: str, what: str, find: Callable[[], Iterable[str]]) -> bool:
        """Say whether *find* gives no problem, and return that; a command that fails in it is one."""
        began = time.monotonic()
        try:
            problems = tuple(find())
        except CommandError as error:
            problems = (str(error),)
        except Exception as error:  # noqa: BLE001 - a check that breaks has not passed, and the others go on
            problems = (f"{type(error).__name__}: {error}",)
        result = Result(stage, what, problems, time.monotonic() - began)
        with self._lock:
            self.results.append(result)
            self._say(_line(result))
        return not problems

    def table(self) -> str:
        """Return how many checks each stage had, how many failed, and how long they took."""
        stages = list(dict.fromkeys(result.stage for result in self.results))
        rows = [f"{'stage':<12} {'checks':>6} {'failed':>6} {'seconds':>8}"]
        for stage in stages:
            of_stage = [result for result in self.results if result.stage == stage]
            failed = sum(bool(result.problems) for result in of_stage)
            took_s = sum(result.took_s for result in of_stage)
            rows.append(f"{stage:<12} {len(of_stage):>6} {failed:>6} {took_s:>8.1f}")
        return "\n".join(rows)

    @property
    def failed(self) -> int:
        """How many checks failed."""
        return sum(bool(result.problems) for result in self.results)


def _line(result: Result) -> str:
    head = f"{'FAIL' if result.problems else 'ok  '} {result.stage}: {result.what} ({result.took_s:.1f} s)"
    return "\n".join([head, *(f"     {line}" for problem in result.problems for line in problem.splitlines())])


def run(*command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """
    Run *command* and return what it printed.

    Raises:
        CommandError: it failed; shows the end of what it printed.
    """
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=cwd, env=env)  # noqa: S603 - our own
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines()[-30:]
        raise CommandError("\n".join([f"{' '.join(words)}: exit code {done.returncode}", *said]))
    return done.stdout
