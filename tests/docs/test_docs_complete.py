"""What the docs name exists, what they show is shown, and what is made from the code is what the code says."""

from __future__ import annotations

import importlib
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from doc_pages import ROOT, page_paths

PUBLIC = (
    "airflow_s3batch",
    "airflow_s3batch.operators",
    "airflow_s3batch.sensors",
    "airflow_s3batch.hooks",
    "airflow_s3batch.triggers",
    "airflow_s3batch.links",
    "airflow_s3batch.notifications",
    "airflow_s3batch.operations",
    "airflow_s3batch.engine",
    "airflow_s3batch.reports",
    "airflow_s3batch.costs",
    "airflow_s3batch.sources",
    "airflow_s3batch.filters",
    "airflow_s3batch.testing",
)
ELSEWHERE = {"ALL_OPERATIONS", "__version__"}
SITE_PAGES = ROOT / "docs" / "site" / "reference_pages.py"
MADE_BY = {
    "docs/operations.md": "airflow_s3batch.operations.reference",
    "docs/filters.md": "airflow_s3batch.manifests.sql.reference",
    "docs/cli.md": "airflow_s3batch.cli.reference",
}
_PATH = re.compile(
    r"(?<![\w/.-])(?:docs|docker|dags|deploy|stack|tests|benchmarks)/[\w./-]*\.(?:md|py|yaml|json|svg|png)\b"
)
_IMAGE = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)|<img[^>]+src=\"([^\"]+)\"")


def sources() -> list[Path]:
    """All text of the package and of the pages that may name a file of the repository."""
    code = [path for path in (ROOT / "airflow_s3batch").rglob("*") if path.suffix in {".py", ".js", ".html"}]
    return [*(path for path in code if "vendor" not in path.parts), *(ROOT / path for path in page_paths())]


def test_every_file_that_is_named_exists() -> None:
    """In messages, docstrings and pages alike; a page may name one beside itself."""
    missing = {
        f"{source.relative_to(ROOT)}: {name}"
        for source in sources()
        for name in _PATH.findall(source.read_text())
        if not (ROOT / name).exists() and not (source.parent / name).exists() and not _is_written(name, source)
    }
    assert not missing, "\n".join(sorted(missing))


def _is_written(name: str, page: Path) -> bool:
    """Return whether a block of *page* is that file: the reader makes it."""
    return re.search(rf"<!-- block:[^>]*\bfile=[\w./-]*{re.escape(Path(name).name)}\b", page.read_text()) is not None


def shown_images() -> set[Path]:
    found = set()
    for page in page_paths():
        for groups in _IMAGE.findall((ROOT / page).read_text()):
            target = "".join(groups)
            if "://" not in target:
                found.add(((ROOT / page).parent / target).resolve())
    return found


def test_every_picture_that_a_page_shows_exists() -> None:
    assert [str(path) for path in shown_images() if not path.exists()] == []


def test_every_picture_is_shown() -> None:
    """What nobody shows is not worth making."""
    unseen = {path.name for path in (ROOT / "docs" / "images").iterdir()} - {path.name for path in shown_images()}
    assert unseen == set()


def test_every_picture_is_made_by_a_script() -> None:
    """`make screenshots` makes them all anew."""
    scripts = "".join(path.read_text() for path in (ROOT / "docs").glob("*.py"))
    names = {path.stem.removeprefix("ui-") for path in (ROOT / "docs" / "images").glob("*.png")}
    assert {name for name in names if f'"{name}"' not in scripts} == set()


@pytest.mark.parametrize("path", MADE_BY)
def test_pages_that_are_made_from_the_code_are_up_to_date(path: str) -> None:
    page = importlib.import_module(MADE_BY[path]).page()
    command = f"python -m {MADE_BY[path]} > {path}"
    assert (ROOT / path).read_text() == page, f"the code has changed; {command}"


def test_pages_of_the_reference_are_up_to_date() -> None:
    made = runpy.run_path(str(SITE_PAGES))
    stale = [name for name, page in made["PAGES"].items() if (made["FOLDER"] / name).read_text() != page()]
    assert stale == [], "the code has changed: python docs/site/reference_pages.py"


def test_every_format_of_a_file_is_told() -> None:
    code = "".join(path.read_text() for path in (ROOT / "airflow_s3batch").rglob("*.py"))
    formats = set(re.findall(r'"(airflow-s3batch-[a-z-]+/\d+)"', code))
    assert formats == set(runpy.run_path(str(SITE_PAGES))["FORMATS"])


def test_the_reference_has_every_public_name() -> None:
    pages = "".join(path.read_text() for path in (ROOT / "docs" / "reference").glob("*.md"))
    shown = {name.rpartition(".")[2] for name in re.findall(r"^\.\. auto\w+:: *([\w.]+)", pages, re.MULTILINE)}
    whole = set(re.findall(r"^\.\. automodule:: *([\w.]+)", pages, re.MULTILINE))
    operations = (ROOT / "docs" / "operations.md").read_text()
    errors = set(vars(importlib.import_module("airflow_s3batch.core.errors")))
    missing = [
        f"{module}.{name}"
        for module in PUBLIC
        for name in importlib.import_module(module).__all__
        if name not in shown | ELSEWHERE | errors and module not in whole and f"\n## {name}\n" not in operations
    ]
    assert missing == []


def test_the_site_needs_no_airflow_to_know_its_version() -> None:
    """One place has it."""
    code = "import runpy; print(runpy.run_path('docs/conf.py')['release'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    from airflow_s3batch.version import __version__

    assert done.stdout.strip() == __version__
