"""
``make release-check``, or ``python -m release``: everything that has to be true of a release, checked in one go.

``--final`` asks for a dated section in the changelog, too: for the commit that is tagged. ``--keep FOLDER`` leaves the
distributions there if all is well. ``--write-matrix`` only puts the tables of the support matrix into docs/support.md.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from release import build, contents, install, matrix, metadata, version
from release.checking import ROOT, Checks, CommandError, run

PROGRAMS = Path(sys.executable).parent


def main(arguments: Sequence[str]) -> int:
    """Make all checks, print the table, and return 1 if one failed."""
    parser = argparse.ArgumentParser(prog="python -m release", description=(__doc__ or "").strip().partition("\n")[0])
    parser.add_argument("--final", action="store_true", help="the changelog has to name the day of the release")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="if all is well, leave the distributions there")
    parser.add_argument("--write-matrix", action="store_true", help="only write the tables of docs/support.md")
    asked = parser.parse_args(arguments)
    if asked.write_matrix:
        text = matrix.PAGE.read_text(encoding="utf-8")
        matrix.PAGE.write_text(matrix.page_with(text, matrix.read_matrix()), encoding="utf-8")
        return 0
    began = time.monotonic()
    checks = Checks(lambda line: print(line, flush=True))
    with tempfile.TemporaryDirectory(prefix="s3batch-release-") as folder:
        _check_all(checks, Path(folder), final=asked.final, keep=asked.keep)
    print(f"\n{checks.table()}\n")
    verdict = "can be released" if not checks.failed else f"{checks.failed} of {len(checks.results)} checks failed"
    print(f"{metadata.NAME} {version.version()}: {verdict} ({time.monotonic() - began:.0f} s)")
    return 1 if checks.failed else 0


def _check_all(checks: Checks, folder: Path, *, final: bool, keep: Path | None) -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    checks.check("version", "one version, with its changelog", lambda: version.version_problems(final=final))
    checks.check("version", "the documents name no other", lambda: version.mention_problems(pages))
    checks.check("matrix", "all places agree on what is supported", matrix.matrix_problems)
    try:
        built = build.build(PROGRAMS / "uv", folder)
    except CommandError as error:
        message = str(error)
        checks.check("build", "wheel and source distribution", lambda: [message])
        return
    checks.check("build", "the same files give the same distributions", lambda: build.build_problems(built))
    with ThreadPoolExecutor(3) as pool:
        for name in dependencies():
            pool.submit(_installed, checks, built.wheel, folder / "environments", name)
        _check_archives(checks, built)
    if keep is not None and not checks.failed:
        keep.mkdir(parents=True, exist_ok=True)
        for archive in (built.sdist, built.wheel):
            shutil.copy(archive, keep)


def dependencies() -> list[str]:
    """Return with which dependencies the wheel is installed; the lowest Airflow does not run on every Python."""
    lowest, here = matrix.read_matrix().lines[0], f"3.{sys.version_info.minor}"
    if here in lowest.pythons:
        return ["newest", "lowest"]
    print(f"not checked: the lowest dependencies, for Airflow {lowest.name} excludes Python {here}", flush=True)
    return ["newest"]


def _check_archives(checks: Checks, built: build.Built) -> None:
    wheel, sdist = built.wheel, built.sdist
    checks.check("metadata", "twine check --strict", lambda: _twine(wheel, sdist))
    checks.check("metadata", "name, version, Pythons, addresses", lambda: metadata.metadata_problems(wheel))
    checks.check("metadata", "licences of all that is inside", lambda: metadata.licence_problems(wheel))
    checks.check("metadata", "entry points", lambda: metadata.entry_point_problems(wheel))
    checks.check("contents", "wheel: the package and nothing else", lambda: contents.wheel_problems(wheel))
    checks.check("contents", "sdist: the project and nothing else", lambda: contents.sdist_problems(sdist))


def _twine(*archives: Path) -> list[str]:
    run(sys.executable, "-m", "twine", "check", "--strict", *archives)
    return []


def _installed(checks: Checks, wheel: Path, folder: Path, name: str) -> None:
    made: list[install.Environment] = []

    def _install() -> list[str]:
        made.append(install.install(PROGRAMS / "uv", wheel, folder, name))
        return []

    if checks.check(name, f"the wheel is installed with the {name} dependencies", _install):
        install.check_installed(checks, PROGRAMS / "uv", made[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
