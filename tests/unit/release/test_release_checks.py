"""The checks of a release find what they are for; and the support matrix is the one that all other places tell."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from release import contents, matrix, metadata, version
from release.__main__ import dependencies, main
from release.build import Built
from release.checking import Checks, CommandError, run
from release.tree import project_files

GOOD = "# Changelog\n\n## [0.1.0] - 2026-12-01\n\n## [0.0.1] - 2026-01-01\n"


def test_classifiers_pins_scripts_and_documents_say_what_the_matrix_says() -> None:
    """``release/matrix.json`` is the one place; a disagreement is told with the file that is wrong."""
    assert list(matrix.matrix_problems()) == []


def test_a_page_with_other_tables_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page = tmp_path / "support.md"
    page.write_text(matrix.PAGE.read_text().replace("every CI run", "never", 1))
    monkeypatch.setattr(matrix, "PAGE", page)
    assert any("--write-matrix" in problem for problem in matrix.matrix_problems())


@pytest.mark.parametrize(
    ("text", "final", "wrong"),
    [
        (GOOD, True, ""),
        (GOOD.replace("2026-12-01", "unreleased"), False, ""),
        (GOOD.replace("2026-12-01", "unreleased"), True, "has no date"),
        (GOOD.replace("[0.1.0]", "[0.2.0]"), False, "first section is of 0.2.0"),
        (GOOD.replace("# Changelog\n", "# Changelog\n\n## [Unreleased]\n"), False, ""),
        (GOOD.replace("# Changelog\n", "# Changelog\n\n## [Unreleased]\n"), True, "first section is of Unreleased"),
        ("# Changelog\n", False, "has no section"),
    ],
)
def test_changelog_and_version_belong_together(text: str, final: bool, wrong: str) -> None:
    found = list(version._changelog_problems(text, "0.1.0", final=final))
    assert (found == []) if not wrong else any(wrong in problem for problem in found)


def test_documents_that_name_another_version_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(version, "ROOT", tmp_path)
    monkeypatch.setattr(version, "version", lambda: "0.1.0")
    page = tmp_path / "a.md"
    page.write_text(
        "pip install dist/airflow_provider_s3batch-0.1.0-py3-none-any.whl\n"
        "pip install 'airflow-provider-s3batch[athena]==0.1.1'\n"
        "airflow_provider_s3batch-0.2.0rc1.tar.gz, or airflow-provider-s3batch==0.1.0.\n"
    )
    told = list(version.mention_problems([page]))
    assert [problem.split(",")[0] for problem in told] == [
        "a.md:2: names version 0.1.1",
        "a.md:3: names version 0.2.0rc1",
    ]


def made_wheel(folder: Path, more: dict[str, bytes], without: str = "") -> Path:
    """Return a wheel with all that belongs into it but *without*, and with *more*."""
    path = folder / "airflow_provider_s3batch-0.1.0-py3-none-any.whl"
    base = f"airflow_provider_s3batch-{version.version()}"
    names = [name for name in project_files() if name.startswith(contents.PACKAGE)]
    shared = [name for name in project_files() if name.startswith(contents.SHARED)]
    share = f"{base}.data/data/share/{metadata.NAME}/grafana/"
    with zipfile.ZipFile(path, "w") as archive:
        for name in [*names, *(share + name.removeprefix(contents.SHARED) for name in shared)]:
            if name != without:
                archive.writestr(name, b"")
        for name, body in more.items():
            archive.writestr(name, body)
    return path


@pytest.mark.parametrize(
    ("more", "without", "wrong"),
    [
        ({}, "", ""),
        ({}, "airflow_s3batch/py.typed", "lacks: airflow_s3batch/py.typed"),
        ({}, "airflow_s3batch/ui/static/vendor/echarts/NOTICE", "lacks: airflow_s3batch/ui"),
        ({"tests/test_x.py": b""}, "", "not the package's: tests/test_x.py"),
        ({"airflow_s3batch/__pycache__/x.pyc": b""}, "", "leftovers: airflow_s3batch/__pycache__/x.pyc"),
        (
            {"airflow_s3batch/x.txt": f"{contents.ROOT}/x".encode()},
            "",
            "folders of this machine in: airflow_s3batch/x.txt",
        ),
    ],
)
def test_what_is_missing_in_a_wheel_or_too_much_is_named(
    tmp_path: Path, more: dict[str, bytes], without: str, wrong: str
) -> None:
    found = list(contents.wheel_problems(made_wheel(tmp_path, more, without)))
    assert (found == []) if not wrong else any(wrong in problem for problem in found), found


def test_a_source_distribution_without_the_tests_is_found(tmp_path: Path) -> None:
    """Whoever packages it has to be able to run them."""
    path = tmp_path / "x.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in project_files():
            if not name.startswith("tests/"):
                archive.addfile(tarfile.TarInfo(f"base/{name}"), io.BytesIO())
    (told,) = contents.sdist_problems(path)
    assert "lacks: tests/" in told


def test_what_building_and_testing_leaves_is_not_the_project_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In an unpacked source distribution, where nobody can ask git."""
    for name in ("release/build.py", "build/site/index.html", ".venv/made", ".mypy_cache/x", "dist/a.whl", "PKG-INFO"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setattr("release.tree.ROOT", tmp_path)
    assert project_files() == ["release/build.py"]


@pytest.mark.parametrize(("minor", "asked"), [(13, ["newest", "lowest"]), (14, ["newest"])])
def test_the_lowest_airflow_is_not_asked_for_on_a_python_that_it_excludes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], minor: int, asked: list[str]
) -> None:
    """And that is said."""
    monkeypatch.setattr("release.__main__.sys", SimpleNamespace(version_info=SimpleNamespace(minor=minor)))
    assert dependencies() == asked
    assert ("Airflow 3.1 excludes Python 3.14" in capsys.readouterr().out) == (minor == 14)


@pytest.mark.parametrize("problems", [[], ["a licence is missing"]])
def test_what_has_not_passed_is_not_kept_for_the_upload(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, problems: list[str]
) -> None:
    archive = tmp_path / "x.whl"
    archive.touch()
    monkeypatch.setattr("release.build.build", lambda *_: Built(archive, archive, archive, archive))
    monkeypatch.setattr("release.__main__.dependencies", list)
    monkeypatch.setattr("release.__main__._check_archives", lambda checks, _: checks.check("a", "b", lambda: problems))
    assert main(["--keep", str(tmp_path / "dist")]) == bool(problems)
    assert (tmp_path / "dist" / "x.whl").exists() == (not problems)


def test_a_check_that_breaks_or_whose_command_fails_has_failed() -> None:
    said: list[str] = []
    checks = Checks(said.append)
    assert checks.check("a", "fine", list)
    assert not checks.check("a", "wrong", lambda: ["one thing", "another"])
    assert not checks.check("b", "broken", lambda: [str(1 // 0)])
    assert not checks.check("b", "command", lambda: [run("python3", "-c", "raise SystemExit('told why')")])
    assert checks.failed == 3
    assert [line.split(":")[0] for line in said] == ["ok   a", "FAIL a", "FAIL b", "FAIL b"]
    assert "ZeroDivisionError" in said[2]
    assert "told why" in said[3]
    assert checks.table().splitlines()[1].split()[:3] == ["a", "2", "1"]
    with pytest.raises(CommandError, match="exit code 3"):
        run("python3", "-c", "raise SystemExit(3)")
