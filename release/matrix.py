"""The support matrix: `matrix.json` says what is supported and what was run; all other places have to agree with it."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any, NamedTuple

from release.checking import ROOT

FILE = ROOT / "release/matrix.json"
PAGE = ROOT / "docs/support.md"
BEGIN, END = "<!-- matrix: made by python -m release --write-matrix -->", "<!-- end of matrix -->"
ALWAYS = "every CI run"


class Line(NamedTuple):
    """A line of Airflow releases, such as 3.2, and the Pythons that Airflow itself supports on it."""

    name: str
    pythons: tuple[str, ...]


class Run(NamedTuple):
    """
    Tests that were run: on what, by which command, with which of the files in ``.ci``, and when.

    Attributes:
        when: `ALWAYS`, or the day of the last run, ISO.
    """

    airflow: str
    amazon: str
    python: str
    pins: str
    command: str
    what: str
    when: str

    @property
    def line(self) -> str:
        """Of Airflow, such as 3.2."""
        return self.airflow.rpartition(".")[0]


class Matrix(NamedTuple):
    """What is supported, and what was run."""

    pythons: tuple[str, ...]
    lines: tuple[Line, ...]
    lowest: dict[str, str]
    runs: tuple[Run, ...]


def read_matrix() -> Matrix:
    """Return what `matrix.json` says."""
    data: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    lines = tuple(Line(line["line"], tuple(line["python"])) for line in data["airflow"])
    return Matrix(tuple(data["python"]), lines, data["lowest"], tuple(Run(**run) for run in data["runs"]))


def pythons_sentence(matrix: Matrix) -> str:
    """Return ``3.11, 3.12 or 3.13``, as documents are to name the Pythons."""
    return f"{', '.join(matrix.pythons[:-1])} or {matrix.pythons[-1]}"


def tables(matrix: Matrix) -> str:
    """Return the tables of `PAGE`: what runs where, and what was run."""
    head = ["Airflow", *(f"Python {python}" for python in matrix.pythons)]
    rows = [[line.name, *(_cell(matrix, line, python) for python in matrix.pythons)] for line in matrix.lines]
    run_head = ["Airflow", "amazon provider", "Python", "what ran", "command", "when"]
    runs = [[run.airflow, run.amazon, run.python, run.what, f"`{run.command}`", run.when] for run in matrix.runs]
    return "\n\n".join(_table(*table) for table in ((head, rows), (run_head, runs)))


def _cell(matrix: Matrix, line: Line, python: str) -> str:
    if python not in line.pythons:
        return "Airflow excludes it"
    ran = [run for run in matrix.runs if (run.line, run.python) == (line.name, python)]
    if not ran:
        return "not run"
    return "every CI run" if any(run.when == ALWAYS for run in ran) else f"ran {max(run.when for run in ran)}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def page_with(text: str, matrix: Matrix) -> str:
    """Return *text*, of `PAGE`, with the tables in their place."""
    return re.sub(
        rf"{re.escape(BEGIN)}\n.*{re.escape(END)}",
        lambda _: f"{BEGIN}\n\n{tables(matrix)}\n\n{END}",
        text,
        flags=re.DOTALL,
    )


def matrix_problems() -> Iterator[str]:
    """Yield which places say something else than `matrix.json`."""
    matrix = read_matrix()
    page = PAGE.read_text(encoding="utf-8")
    if BEGIN not in page or page_with(page, matrix) != page:
        yield "docs/support.md: its tables are not those of release/matrix.json; run python -m release --write-matrix"
    yield from _project_problems(matrix)
    yield from _pin_problems(matrix)
    yield from _text_problems(matrix)


def _project_problems(matrix: Matrix) -> Iterator[str]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    prefix = "Programming Language :: Python :: "
    told = [text.removeprefix(prefix) for text in project["classifiers"] if re.fullmatch(rf"{prefix}3\.\d+", text)]
    if told != list(matrix.pythons):
        yield f"pyproject.toml: its classifiers name Python {told}, the matrix {list(matrix.pythons)}"
    if project["requires-python"] != f">={matrix.pythons[0]}":
        yield f"pyproject.toml: requires-python is {project['requires-python']}, not {matrix.pythons[0]}"
    for name, version in matrix.lowest.items():
        if f"{name}>={version}" not in project["dependencies"]:
            yield f"pyproject.toml: no dependency {name}>={version}, the lowest version of the matrix"
    for run in matrix.runs:
        supported = next((line.pythons for line in matrix.lines if line.name == run.line), ())
        if run.python not in matrix.pythons or run.python not in supported:
            yield f"release/matrix.json: Airflow {run.airflow} ran on Python {run.python}, which it calls unsupported"


def _pin_problems(matrix: Matrix) -> Iterator[str]:
    for run in matrix.runs:
        pins = (ROOT / ".ci" / run.pins).read_text(encoding="utf-8").splitlines()
        for name, version in (("apache-airflow", run.airflow), ("apache-airflow-providers-amazon", run.amazon)):
            if f"{name}=={version}" not in pins:
                yield f".ci/{run.pins}: not {name}=={version}, with which {run.command!r} ran; run it again"


def _text_problems(matrix: Matrix) -> Iterator[str]:
    expected = pythons_sentence(matrix)
    pages = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", ".ci/python", "docker/README.md")]
    for page in [*pages, *sorted((ROOT / "docs").rglob("*.md"))]:
        for told in re.findall(r"Python (3\.\d+(?:, 3\.\d+)* or 3\.\d+)", page.read_text(encoding="utf-8")):
            if told != expected:
                yield f"{page.relative_to(ROOT)}: names Python {told}, the matrix {expected}"
    script = (ROOT / ".ci/python").read_text(encoding="utf-8")
    if f"(3, {matrix.pythons[0][2:]}) <= sys.version_info[:2] <= (3, {matrix.pythons[-1][2:]})" not in script:
        yield f".ci/python: takes other Pythons than {expected}"
    image = (ROOT / "docker/Dockerfile").read_text(encoding="utf-8")
    version = re.search(r"PYTHON_VERSION=([0-9.]+)", image)
    if version is None or version[1] not in matrix.pythons:
        yield f"docker/Dockerfile: PYTHON_VERSION is none of {expected}"
