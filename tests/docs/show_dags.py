"""`python tests/docs/show_dags.py`: writes the Dags of `dags/` into the pages that show them with ``file=dags/…``."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHOWN = re.compile(r"(<!-- block: [^\n]*file=(dags/\w+\.py)[^\n]*-->\n```python\n)(.*?)(```\n)", re.DOTALL)


def differing() -> Iterator[tuple[Path, str]]:
    """Yield the pages that show a Dag otherwise than its file has it, and their right text."""
    for page in sorted(ROOT.glob("docs/**/*.md")):
        before = page.read_text()
        after = SHOWN.sub(_as_its_file, before)
        if after != before:
            yield page, after


def _as_its_file(found: re.Match[str]) -> str:
    file = ROOT / found[2]  # a page may also have its reader write a Dag of its own
    return found[1] + file.read_text() + found[4] if file.exists() else found[0]


def main() -> None:
    """Rewrite the pages that differ, and name them."""
    for page, text in differing():
        page.write_text(text)
        sys.stdout.write(f"{page.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
