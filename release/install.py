"""Installs the wheel into environments that hold nothing else, and asks what a user of it would ask there."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from release.checking import ROOT, Checks, CommandError, run
from release.metadata import NAME
from release.version import version

INSIDE = Path(__file__).with_name("inside.py")
HEAVY = ("duckdb", "pyarrow", "pandas", "numpy", "pycurl", "sqlglot", "boto3", "botocore")
"""What parsing a Dag has no need of. Airflow itself loads rich and FastAPI."""


class Environment(NamedTuple):
    """
    An environment with the wheel.

    Attributes:
        name: which dependencies it has.
        folder: empty but for the environment in ``env``: where commands are run, outside of the source tree.
    """

    name: str
    folder: Path

    def program(self, name: str) -> Path:
        """Return the path of one of its programs."""
        return self.folder / "env/bin" / name

    def run(self, *command: str | Path) -> str:
        """
        Run one of its programs, which sees neither the source tree nor anybody's Airflow.

        Raises:
            CommandError: it failed.
        """
        home = {"AIRFLOW_HOME": str(self.folder / "home"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHON"))}
        program, *arguments = command
        return run(self.program(str(program)), *arguments, cwd=self.folder, env={**clean, **home})


def install(uv: Path, wheel: Path, folder: Path, name: str) -> Environment:
    """
    Install *wheel* with the ``newest`` or the ``lowest`` dependencies, as *name* says, below *folder*.

    Raises:
        CommandError: it can't be installed.
    """
    made = Environment(name, folder / name)
    made.folder.mkdir(parents=True)
    run(uv, "venv", "--quiet", "--python", sys.executable, made.folder / "env")
    pins = ROOT / (".ci/constraints.txt" if name == "newest" else ".ci/constraints-lowest.txt")
    how = ("--resolution", "lowest-direct") if name == "lowest" else ()
    python = made.program("python")
    command = (uv, "pip", "install", "--quiet", "--python", python, "--constraint", pins, *how, wheel)
    run(*command, cwd=made.folder, env={**os.environ, "UV_COMPILE_BYTECODE": "0"})  # most of it is never imported
    return made


def check_installed(checks: Checks, uv: Path, made: Environment) -> None:
    """Make all checks in *made*."""
    stage = made.name
    checks.check(stage, "what it needs is installed, and fits together", lambda: _consistent(uv, made))
    checks.check(stage, "s3batch --version tells the version", lambda: _command_line(made))
    checks.check(stage, "airflow providers get shows the provider", lambda: _provider(made))
    checks.check(stage, "public names, entry points, plugin", lambda: _inside(made, "names"))
    checks.check(stage, "the example Dags are imported, with nothing heavy", lambda: _dags(made))


def _consistent(uv: Path, made: Environment) -> Iterator[str]:
    run(uv, "pip", "check", "--python", made.program("python"))
    yield from ()


def _command_line(made: Environment) -> Iterator[str]:
    said = made.run("s3batch", "--version").strip()
    if said != f"s3batch {version()}":
        yield f"it says {said!r}, the version is {version()}"


def _provider(made: Environment) -> Iterator[str]:
    said = made.run("airflow", "providers", "get", NAME, "--output", "json")
    shown = json.loads(said[said.index("[") :])[0]
    if (shown["Provider"], shown["Version"]) != (NAME, version()):
        yield f"it shows {shown}"


def _inside(made: Environment, *what: str | Path) -> Iterator[str]:
    said = made.run("python", INSIDE, *what)
    yield from json.loads(said.splitlines()[-1])


def _dags(made: Environment) -> Iterator[str]:
    folder = made.folder / "dags"
    folder.mkdir()
    for dag in sorted((ROOT / "dags").glob("*.py")):
        (folder / dag.name).write_bytes(dag.read_bytes())
    if not any(folder.iterdir()):
        raise CommandError(f"{ROOT / 'dags'}: there are no examples")
    yield from _inside(made, "dags", folder, *HEAVY)
