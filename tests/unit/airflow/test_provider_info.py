"""The provider's description is what Airflow accepts, and true."""

from __future__ import annotations

import importlib
import json
import tomllib
from pathlib import Path

import airflow
import jsonschema
import pytest

from airflow_s3batch.get_provider_info import get_provider_info


def test_provider_info_is_valid_for_airflow() -> None:
    """Airflow's own runtime schema accepts it."""
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


def test_package_name_is_the_distribution() -> None:
    """Airflow refuses to list any provider if these differ."""
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert get_provider_info()["package-name"] == project["name"]
    entry = project["entry-points"]["apache_airflow_provider"]["provider_info"]
    assert entry == f"{get_provider_info.__module__}:get_provider_info"


def test_every_module_and_class_that_is_named_exists() -> None:
    """Nothing listed is a typing error."""
    info = get_provider_info()
    for kind in ("operators", "sensors", "hooks", "triggers"):
        for entry in info[kind]:
            for module in entry["python-modules"]:
                importlib.import_module(module)
    for path in info["notifications"]:
        module, _, name = path.rpartition(".")
        assert getattr(importlib.import_module(module), name).__name__ == name


@pytest.mark.parametrize("kind", ["operators", "sensors", "hooks", "triggers"])
def test_every_public_class_is_in_a_module_that_is_named(kind: str) -> None:
    """Whoever looks for what the provider has finds all of it."""
    package = importlib.import_module(f"airflow_s3batch.{kind}")
    homes = {getattr(package, name).__module__ for name in package.__all__}
    assert homes <= {module for entry in get_provider_info()[kind] for module in entry["python-modules"]}
