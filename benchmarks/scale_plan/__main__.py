"""
Writes docs/scale.md: ``python -m benchmarks.scale_plan [--measure]``.

The page is computed from docs/benchmarks.json and docs/scale.json; ``--measure`` makes the latter anew first.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.scale_plan.known import figures_in, tables_in
from benchmarks.scale_plan.page import page


def main() -> None:
    """Read the command line, measure if that is asked for, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="measure the unit costs that no other benchmark has")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder of the figures and of the page")
    arguments = parser.parse_args()
    docs: Path = arguments.docs
    if arguments.measure:
        from benchmarks.scale_plan.measure import measure

        (docs / "scale.json").write_text(
            json.dumps(measure(print), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    (docs / "scale.md").write_text(page(figures_in(docs), tables_in(docs)), encoding="utf-8")
    print(f"wrote {docs / 'scale.md'}")


if __name__ == "__main__":
    main()
