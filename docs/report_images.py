"""
`python docs/report_images.py [FOLDER]`: the pictures of docs/report.md, of the example reports that tests look at.

Needs Chromium, and what the tests of the page need; nothing is asked of any server.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS), str(DOCS.parent), *(str(DOCS.parent / "tests" / name) for name in ("ui", "unit/reports"))]

from browsing import running_browser  # noqa: E402
from report_examples import EXAMPLES  # noqa: E402
from screenshots import _small as small  # noqa: E402


class Shot(NamedTuple):
    """One picture: of which example, from which element's top on, how high."""

    name: str
    example: str
    since: str = "header"
    height: int = 1_000
    dark: bool = False


SHOTS = (
    Shot("report", "trend", height=1_130),
    Shot("report-rate", "million", "#rate", 430),
    Shot("report-history", "trend", "#history", 620),
    Shot("report-evidence", "trend", "#evidence", 900),
    Shot("report-dry-run", "dry_run", height=560, dark=True),
)
WIDTH = 1_040


def main(folder: Path) -> None:
    """Take all pictures into *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {name: EXAMPLES[name]().page() for name in {shot.example for shot in SHOTS}}
    with tempfile.TemporaryDirectory(prefix="s3batch-shots-") as home, running_browser() as browser:
        for name, page in pages.items():
            (Path(home) / f"{name}.html").write_bytes(page)
        for shot in SHOTS:
            path = folder / f"{shot.name}.png"
            path.write_bytes(_taken(browser, Path(home) / f"{shot.example}.html", shot))
            print(f"{path}: {path.stat().st_size:,} bytes")  # noqa: T201 - it is a command


def _taken(browser: Any, page_file: Path, shot: Shot) -> bytes:
    with browser.new_context(
        viewport={"width": WIDTH, "height": 800},
        color_scheme="dark" if shot.dark else "light",
        java_script_enabled=False,
    ) as context:
        page = context.new_page()
        page.goto(page_file.as_uri())
        top = page.locator(shot.since).first.bounding_box()["y"]
        clip = {"x": 0, "y": max(top - 24, 0), "width": WIDTH, "height": shot.height}
        return small(page.screenshot(full_page=True, clip=clip))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS / "images")
