"""What is in the distributions: everything that is needed, and nothing else."""

from __future__ import annotations

import re
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from release.checking import ROOT
from release.metadata import NAME
from release.tree import project_files
from release.version import version

PACKAGE = "airflow_s3batch/"
NEEDED = (
    "airflow_s3batch/py.typed",
    "airflow_s3batch/costs/tables/us-east-1.json",
    "airflow_s3batch/hooks/s3control_waiters.json",
    "airflow_s3batch/reports/page/style.css",
    "airflow_s3batch/reports/page/templates/report.html.j2",
    "airflow_s3batch/reports/schemas/summary-1.json",
    "airflow_s3batch/ui/static/index.html",
    "airflow_s3batch/ui/static/vendor/echarts/LICENSE",
    "airflow_s3batch/ui/static/vendor/echarts/NOTICE",
)
"""Some of what is not Python, by which one sees that no rule leaves such files out."""
SHARED = "docs/grafana/"
"""Folder that the wheel puts into the environment as ``share/airflow-provider-s3batch/grafana``."""
MOST_WHEEL_BYTES = 1_600_000
MOST_SDIST_BYTES = 4_000_000
DOWNSTREAM = (
    "Makefile",
    "pyproject.toml",
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    ".ci/constraints.txt",
    "docs/conf.py",
)
"""With which a distribution's packager runs the tests and builds the documentation."""

_LEFTOVER = re.compile(
    r"(^|/)(__pycache__|\.git|\.venv[^/]*|build|dist|\.[a-z_]+_cache|\.hypothesis|\.demo)/|\.pyc$|\.orig$"
)
_LOCAL = f"{ROOT}/".encode()


def wheel_problems(wheel: Path) -> Iterator[str]:
    """Yield what the wheel lacks, and what does not belong into it."""
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    base = f"{NAME.replace('-', '_')}-{version()}"
    shared = f"{base}.data/data/share/{NAME}/grafana/"
    expected = {name for name in project_files() if name.startswith(PACKAGE)}
    expected |= {shared + name.removeprefix(SHARED) for name in project_files() if name.startswith(SHARED)}
    found = {name for name in files if not name.startswith(f"{base}.dist-info/")}
    yield from _told("the wheel lacks", [*(expected - found), *(name for name in NEEDED if name not in files)])
    yield from _told("the wheel has what is not the package's", found - expected)
    yield from _dirt(wheel, files, MOST_WHEEL_BYTES)


def sdist_problems(sdist: Path) -> Iterator[str]:
    """Yield what the source distribution lacks, and what does not belong into it."""
    files: dict[str, bytes] = {}
    with tarfile.open(sdist) as archive:
        for member in archive:
            body = archive.extractfile(member)
            if body is not None:
                files[member.name.partition("/")[2]] = body.read()
    expected = set(project_files())
    yield from _told("the source distribution lacks", [*(expected - files.keys()), *(set(DOWNSTREAM) - files.keys())])
    yield from _told("the source distribution has what is not the project's", files.keys() - expected - {"PKG-INFO"})
    yield from _dirt(sdist, files, MOST_SDIST_BYTES)


def _dirt(archive: Path, files: Mapping[str, bytes], most_bytes: int) -> Iterator[str]:
    yield from _told(f"{archive.name} has leftovers", [name for name in files if _LEFTOVER.search(name)])
    local = [name for name, body in files.items() if _LOCAL in body] if len(ROOT.parts) > 2 else []
    yield from _told(f"{archive.name} names folders of this machine in", local)
    if (size := archive.stat().st_size) > most_bytes:
        yield f"{archive.name} has {size:,} bytes; more than {most_bytes:,}: what does not belong into it?"


def _told(what: str, names: Iterable[str]) -> Iterator[str]:
    listed = sorted(set(names))
    if listed:
        more = f" and {len(listed) - 8} more" if len(listed) > 8 else ""
        yield f"{what}: {', '.join(listed[:8])}{more}"
