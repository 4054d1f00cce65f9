"""What the wheel says of itself, and whether that is what pyproject.toml and the support matrix say."""

from __future__ import annotations

import configparser
import tomllib
import zipfile
from collections.abc import Iterator
from email import message_from_string
from email.message import Message
from pathlib import Path

from release.checking import ROOT
from release.matrix import read_matrix
from release.version import version

NAME = "airflow-provider-s3batch"
KNOWN_URLS: frozenset[str] = frozenset()
"""Addresses of the project that exist. None is known yet; an address that nobody has opened is not published."""
PYTHON = "Programming Language :: Python :: "
_ALWAYS = {
    "Framework :: Apache Airflow :: Provider",
    "Typing :: Typed",
}


def read_metadata(wheel: Path) -> Message:
    """Return the wheel's ``METADATA``."""
    return message_from_string(_in_info(wheel, "METADATA"))


def metadata_problems(wheel: Path) -> Iterator[str]:
    """Yield what the metadata gets wrong."""
    told = read_metadata(wheel)
    expected = {"Name": NAME, "Version": version(), "Requires-Python": f">={read_matrix().pythons[0]}"}
    for name, value in expected.items():
        if told[name] != value:
            yield f"METADATA: {name} is {told[name]!r}, expected {value!r}"
    classifiers = set(told.get_all("Classifier", []))
    if missing := sorted(_ALWAYS - classifiers):
        yield f"METADATA: no classifier {', '.join(missing)}"
    if not (told["Summary"] and told["Description-Content-Type"] == "text/markdown"):
        yield "METADATA: it has no summary, or the description is not Markdown"
    if unknown := sorted(set(told.get_all("Project-URL", [])) - KNOWN_URLS):
        yield f"METADATA: Project-URL {unknown}: not in KNOWN_URLS of release/metadata.py; name only what can be opened"


def licence_problems(wheel: Path) -> Iterator[str]:
    """Yield which licences the metadata should name and does not: ours, and those of what is in the wheel."""
    told = read_metadata(wheel)
    if told["License-Expression"] != project()["license"]:
        yield f"METADATA: License-Expression is {told['License-Expression']!r}"
    named = set(told.get_all("License-File", []))
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    licences = {name for name in names if name.startswith("airflow_s3batch/") and "LICENSE" in name.rpartition("/")[2]}
    if missing := sorted((licences | {"LICENSE"}) - named):
        yield f"METADATA: License-File does not name {', '.join(missing)}; see license-files in pyproject.toml"
    if absent := sorted(name for name in named if not any(entry.endswith(f"licenses/{name}") for entry in names)):
        yield f"the wheel has no {', '.join(absent)} among its licences"


def entry_point_problems(wheel: Path) -> Iterator[str]:
    """Yield where the wheel's entry points are not those that pyproject.toml declares."""
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.read_string(_in_info(wheel, "entry_points.txt"))
    found = {section: dict(parser[section]) for section in parser.sections()}
    declared = {"console_scripts": project()["scripts"], **project()["entry-points"]}
    if found != declared:
        yield f"entry_points.txt has {found}, pyproject.toml {declared}"


def project() -> dict[str, dict[str, dict[str, str]]]:
    """Return the table ``project`` of ``pyproject.toml``."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        return dict(tomllib.load(file)["project"])


def _in_info(wheel: Path, name: str) -> str:
    with zipfile.ZipFile(wheel) as archive:
        (place,) = (entry for entry in archive.namelist() if entry.endswith(f".dist-info/{name}"))
        return archive.read(place).decode()
