"""Which files are the project's: those that git keeps or would keep, and of an unpacked source distribution all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from release.checking import ROOT, run

_MADE_BY_BUILDING = ("PKG-INFO",)
_NOT_OURS = ("__pycache__", ".venv")
_MADE_BY_MAKE = frozenset({"build", "dist", ".demo", ".stack", ".hypothesis", ".tutorial"})
"""Folders of the root that the Makefile's targets leave, beside caches; git ignores them."""


def project_files() -> list[str]:
    """Return the project's files, as paths from `ROOT` with slashes, sorted."""
    if (ROOT / ".git").exists():
        listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
        return sorted({name for name in listed.split("\0") if name and (ROOT / name).is_file()})
    names = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
    return sorted(
        name.as_posix()
        for name in names
        if name.as_posix() not in _MADE_BY_BUILDING
        and not any(part.startswith(_NOT_OURS) or part.endswith(("_cache", ".egg-info")) for part in name.parts)
        and name.parts[0] not in _MADE_BY_MAKE
    )


def copy_project(target: Path) -> None:
    """Copy the project's files, and nothing else, to *target*, as somebody else's clone has them: other times."""
    for name in project_files():
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, place)
        place.chmod(0o755 if os.access(ROOT / name, os.X_OK) else 0o644)
