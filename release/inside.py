"""
What `release.install` runs in an environment that has only the wheel: prints a JSON list of what is wrong.

``inside.py names``, or ``inside.py dags FOLDER HEAVY…``. It knows nothing of the source tree.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

DISTRIBUTION = "airflow-provider-s3batch"
MODULES = ("", ".operators", ".sensors", ".hooks", ".triggers", ".notifications", ".operations", ".engine", ".reports")
MORE = (".sources", ".filters", ".approvals", ".assets", ".testing")


def names() -> Iterator[str]:
    """Yield what is wrong with public names, entry points and the plugin."""
    import airflow_s3batch

    if not Path(airflow_s3batch.__file__).is_relative_to(sys.prefix):
        yield f"airflow_s3batch comes from {airflow_s3batch.__file__}, not from the environment"
    for name in (*MODULES, *MORE):
        module = importlib.import_module(f"airflow_s3batch{name}")
        yield from (f"{module.__name__} has no {public}" for public in module.__all__ if not hasattr(module, public))
    points = importlib.metadata.distribution(DISTRIBUTION).entry_points
    if not points:
        yield "there are no entry points"
    for point in points:
        point.load()
    yield from _provider_info()
    yield from _plugin()


def _provider_info() -> Iterator[str]:
    from airflow_s3batch.get_provider_info import get_provider_info
    from airflow_s3batch.version import __version__

    told = get_provider_info()
    installed = importlib.metadata.version(DISTRIBUTION)
    if (told["package-name"], __version__) != (DISTRIBUTION, installed):
        yield f"get_provider_info() tells {told['package-name']}; version.py {__version__}; {installed} is installed"
    for kind in ("operators", "sensors", "hooks", "triggers"):
        for entry in told[kind]:
            for module in entry["python-modules"]:
                importlib.import_module(module)
    for path in (*told["extra-links"], *told["notifications"], *told["cli"]):
        module, _, name = path.rpartition(".")
        if not hasattr(importlib.import_module(module), name):
            yield f"get_provider_info() names {path}, and there is none"


def _plugin() -> Iterator[str]:
    from airflow import plugins_manager

    loaded = [plugin["name"] for plugin in plugins_manager.get_plugin_info()]
    if "s3batch" not in loaded:
        yield f"Airflow loads the plugins {loaded}, not s3batch"


def dags(folder: str, *heavy: str) -> Iterator[str]:
    """Yield which files in *folder* are not imported, or import one of *heavy*."""
    sys.path.insert(0, folder)
    files = sorted(Path(folder).glob("*.py"), key=lambda file: (_has_asset(file), file.name))
    for file in files:
        before = set(sys.modules)
        try:
            importlib.import_module(file.stem)
        except Exception as error:  # noqa: BLE001 - whatever it is, the example is broken
            yield f"{file.name}: {type(error).__name__}: {error}"
        loaded = [name for name in heavy if name in set(sys.modules) - before]
        # Airflow itself asks its amazon provider how an asset's address is spelt, and that imports boto3.
        if loaded := [name for name in loaded if not (_has_asset(file) and name.startswith("boto"))]:
            yield f"{file.name}: parsing it imports {', '.join(loaded)}"


def _has_asset(file: Path) -> bool:
    return "inventory_asset(" in file.read_text(encoding="utf-8")


def main(arguments: Sequence[str]) -> None:
    """Print what is wrong, a JSON list on the last line."""
    found = names() if arguments[0] == "names" else dags(*arguments[1:])
    print(json.dumps(list(found)))


if __name__ == "__main__":
    main(sys.argv[1:])
