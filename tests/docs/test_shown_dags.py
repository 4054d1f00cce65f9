"""A Dag that a page shows as a file of the repository is that file: there are no two versions of it."""

from __future__ import annotations

from show_dags import ROOT, SHOWN, differing


def test_a_shown_dag_is_the_file() -> None:
    """Word for word; `python tests/docs/show_dags.py` writes the files into the pages."""
    assert [str(page.relative_to(ROOT)) for page, _ in differing()] == []


def test_every_example_is_shown_or_named() -> None:
    """A Dag in `dags/` that no page tells of would be found by nobody."""
    pages = "\n".join(page.read_text() for page in [*ROOT.glob("docs/**/*.md"), ROOT / "README.md"])
    shown = {found[2] for found in SHOWN.finditer(pages)}
    files = {f"dags/{path.name}" for path in (ROOT / "dags").glob("*.py")}
    assert {name for name in files - shown if name not in pages} == set()
    assert len(shown) > 5
