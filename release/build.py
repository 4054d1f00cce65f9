"""Builds the distributions, more than once: what differs between two builds of the same files is not reproducible."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from release.checking import ROOT, run
from release.tree import copy_project

EPOCH = "1767225600"
"""1 January 2026, UTC: the time of the files in a build for which nobody has set SOURCE_DATE_EPOCH."""


class Built(NamedTuple):
    """
    The distributions, and the same built once more.

    Attributes:
        wheel: built from the source distribution *sdist*, as it is published.
        direct_wheel: built from the tree.
        other_sdist: built from a copy of the project's files alone.
    """

    sdist: Path
    wheel: Path
    direct_wheel: Path
    other_sdist: Path


def build(uv: Path, folder: Path) -> Built:
    """
    Build all of it below *folder*.

    Raises:
        CommandError: a build failed.
    """
    copy_project(folder / "clone")
    with ThreadPoolExecutor(2) as pool:
        direct = pool.submit(_build, uv, ROOT, folder / "direct", "--wheel")
        other = pool.submit(_build, uv, folder / "clone", folder / "other", "--sdist")
        sdist = _build(uv, ROOT, folder / "dist", "--sdist")
        wheel = _build(uv, sdist, folder / "dist", "--wheel")
        return Built(sdist, wheel, direct.result(), other.result())


def _build(uv: Path, source: Path, out: Path, kind: str) -> Path:
    env = {**os.environ, "SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH", EPOCH)}
    pins = ROOT / ".ci/constraints.txt"
    run(uv, "build", "--quiet", kind, "--build-constraints", pins, "--out-dir", out, source, env=env)
    (built,) = out.glob("*.whl" if kind == "--wheel" else "*.tar.gz")
    return built


def build_problems(built: Built) -> Iterator[str]:
    """Yield which builds of the same files are not the same."""
    if built.wheel.read_bytes() != built.direct_wheel.read_bytes():
        yield "the wheel built from the source distribution is not the one built from the tree: files are left out"
    if built.sdist.read_bytes() != built.other_sdist.read_bytes():
        yield (
            "the source distribution of a copy of the files is another one: files that git ignores are in it, "
            "or something depends on time or place"
        )
