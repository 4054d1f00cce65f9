"""Which versions of what did the work, for the evidence."""

from __future__ import annotations

import functools
import platform
from importlib import metadata

from airflow_s3batch.version import __version__

_PACKAGES = {"airflow": "apache-airflow", "boto3": "boto3", "duckdb": "duckdb", "pyarrow": "pyarrow"}


@functools.cache
def versions() -> dict[str, str]:
    """Return versions by name, of this process: this package, Python, Airflow, libcurl and what else is installed."""
    found = {"airflow_s3batch": __version__, "python": platform.python_version(), **_libcurl()}
    for name, package in _PACKAGES.items():
        try:
            found[name] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _libcurl() -> dict[str, str]:
    import pycurl

    words = (word.partition("/") for word in str(pycurl.version).split())
    named = {name.lower(): number for name, _, number in words if number}
    return {name: named[name] for name in ("libcurl", "pycurl", "openssl") if name in named}
