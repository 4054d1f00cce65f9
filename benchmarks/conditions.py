"""Under which conditions was measured: versions, processor, load. Nothing that identifies the machine."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path

import pycurl

from airflow_s3batch.testing.process import ServerMissingError, find_program
from airflow_s3batch.version import __version__

_PACKAGES = ("boto3", "botocore", "pyarrow", "uvloop")
_PROGRAMS = {"SeaweedFS": ("weed", "version"), "s5cmd": ("s5cmd", "version"), "rclone": ("rclone", "version")}
_NUMBER = re.compile(r"v?(\d+\.\d+(?:\.\d+)?)")


def conditions() -> dict[str, str]:
    """Return what to say about the machine and the software, by topic."""
    libcurl = next((part for part in pycurl.version.split() if part.startswith("libcurl/")), "libcurl/?")
    versions = [f"airflow-provider-s3batch {__version__}", f"Python {platform.python_version()}"]
    versions += [f"pycurl {importlib.metadata.version('pycurl')} ({libcurl})"]
    versions += [f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES if _is_installed(name)]
    versions += [f"{name} {version}" for name in _PROGRAMS if (version := _program_version(name))]
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores, {platform.system()}",
        "versions": ", ".join(versions),
    }


def load() -> float:
    """Return how many processes wanted to run, on average over the last minute."""
    return os.getloadavg()[0]


def _is_installed(package: str) -> bool:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return bool(importlib.metadata.version(package))
    return False


def _program_version(name: str) -> str:
    program, argument = _PROGRAMS[name]
    try:
        path = find_program(program, program)
    except ServerMissingError:
        return ""
    shown = subprocess.run([str(path), argument], capture_output=True, text=True, check=False).stdout
    found = _NUMBER.search(shown)
    return found[1] if found else ""


def _processor() -> str:
    with contextlib.suppress(OSError):
        found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
        if found:
            return found[1].strip()
    return platform.machine()
