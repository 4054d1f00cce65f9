"""The wheel, installed into an environment that has nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not UV.exists() and not os.environ.get("CI"), reason="uv is not installed beside this Python"),
]


def run(*command: str | Path, **environment: str) -> str:
    """Run *command* and return its output; a failure shows it."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel built from the working tree."""
    folder = tmp_path_factory.mktemp("dist")
    run(UV, "build", "--quiet", "--wheel", "--out-dir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of programs of an environment with the wheel and what it asks for."""
    folder = tmp_path_factory.mktemp("empty") / "env"
    run(UV, "venv", "--quiet", "--python", sys.executable, folder)
    constraints = ROOT / ".ci" / "constraints.txt"
    run(UV, "pip", "install", "--quiet", "--python", folder / "bin" / "python", "--constraint", constraints, wheel)
    return folder / "bin"


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    """Types, the report's template and the licence are in; tests, demo and benchmarks are not."""
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {
        "airflow_s3batch",
        "airflow_provider_s3batch",
    }
    assert "airflow_s3batch/py.typed" in names
    assert "airflow_s3batch/reports/page/templates/report.html.j2" in names
    assert {"index.html", "vendor/echarts/LICENSE", "vendor/echarts/NOTICE"} <= {
        name.removeprefix("airflow_s3batch/ui/static/") for name in names
    }
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_airflow_knows_the_provider(environment: Path, tmp_path: Path) -> None:
    """`airflow providers get` shows it, with its version."""
    home = {"AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    shown = run(environment / "airflow", "providers", "get", "airflow-provider-s3batch", "--full", "-o", "json", **home)
    assert "airflow-provider-s3batch" in shown
    assert "S3 Batch" in shown


def test_every_public_name_can_be_imported(environment: Path, tmp_path: Path) -> None:
    """What the documentation names is there without the test dependencies."""
    names = ["operators", "sensors", "hooks", "triggers", "notifications", "operations", "engine", "reports", "testing"]
    program = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    module = importlib.import_module(name)\n"
        "    assert module.__all__, name\n"
        "    for public in module.__all__:\n"
        "        getattr(module, public)\n"
        "print('all there')\n"
    )
    modules = ["airflow_s3batch", *(f"airflow_s3batch.{name}" for name in names)]
    assert "all there" in run(environment / "python", "-c", program, *modules, AIRFLOW_HOME=str(tmp_path))
