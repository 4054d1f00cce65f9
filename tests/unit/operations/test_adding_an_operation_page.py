"""``docs/adding-an-operation.md``, followed to the letter in a copy of the repository, makes a complete operation."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from todo_candidates import ROOT

PAGE = (ROOT / "docs" / "adding-an-operation.md").read_text(encoding="utf-8")
OWN = "tests/unit/operations/test_adding_an_operation_page.py"
NEEDED = ("airflow_s3batch", "docs", "tests", "pyproject.toml", "README.md", "CHANGELOG.md")
_BLOCK = re.compile(r"(?:<!-- block: ([^\n]*) -->\n)?```(\w+)\n(.*?)```\n", re.DOTALL)


class Block(NamedTuple):
    """A block of the page: what stands in it, its marker, and the text before it."""

    marker: str
    text: str
    before: str

    @property
    def file(self) -> str:
        """The name of the file that it is, empty if it is none."""
        found = re.search(r"file=([\w.]+)", self.marker)
        return found[1] if found else ""

    @property
    def place(self) -> str:
        """Where that file belongs: the last path of that name that the page has told before; else the root."""
        return next(iter(re.findall(rf"`([\w/]+/{re.escape(self.file)})`", self.before)[::-1]), self.file)


def blocks() -> Iterator[Block]:
    for found in _BLOCK.finditer(PAGE):
        yield Block(found[1] or "", found[3], PAGE[: found.start()])


def run(command: str, clone: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(clone), "PYTEST_ADDOPTS": "-p no:cacheprovider"}
    environment.pop("PYTEST_XDIST_WORKER", None)
    return subprocess.run(
        ["/bin/bash", "-c", command],
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def copy_of_the_repository(clone: Path) -> Path:
    """Return *clone*, with what an operation touches."""
    clone.mkdir()
    for name in NEEDED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "images", "site", "_build")
            shutil.copytree(ROOT / name, clone / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, clone / name)
    return clone


def follow(block: Block, clone: Path) -> list[str]:
    """Do what *block* says; return the files that were written and the commands that were run."""
    if block.file:
        (clone / block.place).write_text(block.text, encoding="utf-8")
        return [block.place]
    if OWN not in block.marker:
        return []
    commands = re.findall(r"^\$ (.*)$", block.text, re.MULTILINE)
    for command in commands:
        ended = run(command, clone)
        assert ended.returncode == ("exit=1" in block.marker), f"{command}\n{ended.stdout}{ended.stderr}"
        output = [line for line in block.text.splitlines() if line != "…" and not line.startswith("$ ")]
        assert [line for line in output if line not in ended.stdout.splitlines()] == [], ended.stdout
    return commands


def test_whoever_follows_the_page_ends_with_a_complete_operation(tmp_path: Path) -> None:
    """Files, patches and commands in the page's order; each command ends, and prints, as the page says."""
    clone = copy_of_the_repository(tmp_path / "clone")
    done = [each for block in blocks() for each in follow(block, clone)]
    assert {"airflow_s3batch/operations/marking.py", "tests/unit/operations/test_marker_steps.py"} <= set(done)
    assert sum("pytest" in each for each in done) == 2
