"""Runs console blocks: one shell for each page, in a copy of a clone; what can't run here is checked instead."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from doc_commands import Checked, check_command
from doc_pages import Block

LIMIT_S = 60
_PROMPT = "$ "
_STATE = """
__code=$?
{{ pwd; env -0 | grep -z -v -E '^(_|SHLVL|__[a-z]*)=' ; }} > {state}
exit $__code
"""


@dataclass(frozen=True)
class Command:
    """A command of a block, and what it is said to print; *number* is its first line in the block, from 0."""

    text: str
    expected: str
    number: int


def commands(block: Block) -> list[Command]:
    """
    Return the commands of *block*.

    Raises:
        BlockError: it has none, or begins with output.
    """
    found: list[tuple[int, list[str], list[str]]] = []
    is_open = False
    for number, line in enumerate(block.text.splitlines()):
        if line.startswith(_PROMPT):
            found.append((number, [line.removeprefix(_PROMPT)], []))
            is_open = line.endswith("\\")
        elif is_open:
            found[-1][1].append(line.removeprefix("> "))
            is_open = line.endswith("\\")
        elif found:
            found[-1][2].append(line)
        elif line.strip():
            raise block.wrong(f"console: {line!r} is no command (they begin with '$ ')")
    if not found:
        raise block.wrong("console: there is no command in it (they begin with '$ ')")
    return [Command("\n".join(lines), "\n".join(output).strip("\n"), number) for number, lines, output in found]


class Done(NamedTuple):
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


class Shell:
    """The shell of one page, in the folder *clone*."""

    def __init__(self, clone: Path, environment: Mapping[str, str]) -> None:
        self.clone = clone
        self.folder = clone
        self.printed = ""
        self.has_run = False
        programs = _programs(clone.parent)
        self.environment = {
            **{name: value for name, value in os.environ.items() if name in {"LANG", "AIRFLOW_HOME", "TMPDIR"}},
            **{name: value for name, value in os.environ.items() if name.startswith("AIRFLOW__")},
            **environment,
            "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(clone.parent),
            "PYTHONPATH": str(clone),
            "NO_COLOR": "1",
            "COLUMNS": "160",
        }

    def run(self, block: Block, replace: Callable[[str], str]) -> None:
        """
        Run or check each command of *block*; *replace* fills in placeholders.

        Raises:
            BlockError: a command is not what it seems, fails, or prints something else than it is said to.
        """
        todo = commands(block)
        checked = [check_command(command.text, block, self.clone) for command in todo]
        if block.reason:
            return
        last = max((index for index, each in enumerate(checked) if each is Checked.CAN_RUN), default=None)
        for index, (command, kind) in enumerate(zip(todo, checked, strict=True)):
            if kind is Checked.CLONES:
                self.folder = self.clone.parent
            elif kind is Checked.CAN_RUN:
                expected = {int(block.words["exit"])} if "exit" in block.words and index == last else None
                self._run(block, command, expected or _good_codes(command.text), replace)

    def _run(self, block: Block, command: Command, codes: Collection[int], replace: Callable[[str], str]) -> None:
        text = replace(command.text)
        self.has_run = True
        done = self._called(text) or self._in_bash(text)
        where = f"line {block.line + command.number}: $ {text}"
        if done.returncode not in codes:
            raise block.wrong(f"{where}\nexit code {done.returncode}\n{done.stdout}{done.stderr}")
        self.printed = done.stdout
        both = done.stdout + done.stderr
        if command.expected and not (matches(command.expected, done.stdout) or matches(command.expected, both)):
            raise block.wrong(f"{where}\nit should print\n{command.expected}\nand prints\n{both}")

    def _in_bash(self, text: str) -> Done:
        state = self.clone.parent / "shell-state"
        script = f"{text}\n{_STATE.format(state=shlex.quote(str(state)))}"
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False,
            timeout=LIMIT_S,
        )  # fmt: skip
        if state.exists():
            folder, _, variables = state.read_text().partition("\n")
            self.folder = Path(folder)
            self.environment = dict(each.partition("=")[::2] for each in variables.split("\0") if each)
        return Done(done.returncode, done.stdout, done.stderr)

    def _called(self, text: str) -> Done | None:
        """Run `s3batch` in this process where a command is nothing else, which takes a tenth of the time."""
        if not text.startswith("s3batch ") or set(text) & set("|&;<>$`*\\"):
            return None
        from airflow_s3batch.cli.main import main

        out, err = io.StringIO(), io.StringIO()
        with (
            contextlib.chdir(self.folder),
            mock.patch.dict(os.environ, self.environment, clear=True),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                code = main(shlex.split(text, comments=True)[1:])
            except SystemExit as left:
                code = int(left.code or 0)
        return Done(code, out.getvalue(), err.getvalue())


def _good_codes(text: str) -> Collection[int]:
    """Return the exit codes that are fine: 1 only says that the job is not green, where a report is read."""
    return {0, 1} if re.match(r"s3batch\s+(report|failed)\b", text) else {0}


def matches(expected: str, printed: str) -> bool:
    """Return whether *printed* is what was *expected*: ``…`` is any text, a line with nothing else any lines."""
    lines = [" ".join(line.split()) for line in expected.strip().splitlines()]
    pattern = "\n".join(".*?".join(re.escape(part) for part in line.split("…")) for line in lines)
    pattern = re.sub(r"(^|\n)\.\*\?(?=\n|$)", r"\1(?s:.*?)", pattern)
    shown = "\n".join(" ".join(line.split()) for line in printed.strip().splitlines())
    return re.fullmatch(pattern, shown) is not None


def _programs(folder: Path) -> Path:
    """Return a folder with `s3batch`, where the environment of the tests has none."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    if not shutil.which("s3batch", path=str(Path(sys.executable).parent)):
        script = programs / "s3batch"
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m airflow_s3batch.cli "$@"\n')
        script.chmod(0o755)
    return programs
