"""What the package itself says: the texts in its source, and the error codes that it writes into reports."""

from __future__ import annotations

import ast
import functools
import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import airflow_s3batch

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(airflow_s3batch.__file__).parent
NOT_TOLD = ("testing", "cli", "ui")
"""Parts that write no reports."""
HOLE = "…"
"""Stands for what a text has from a variable."""
_CODE = re.compile(r"[A-Za-z][\w.]*")


@functools.cache
def trees() -> dict[Path, ast.Module]:
    """Return the package's source, by path in it."""
    paths = (path.relative_to(PACKAGE) for path in sorted(PACKAGE.rglob("*.py")))
    return {path: ast.parse((PACKAGE / path).read_text()) for path in paths}


@functools.cache
def texts() -> str:
    """Return every string in the package's source, a line each, with `HOLE` for what f-strings put in."""
    found: list[str] = []
    for tree in trees().values():
        inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        found.extend(_text(node) for node in ast.walk(tree) if id(node) not in inner and _is_text(node))
    return "\n".join(found)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _text(node: Any) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    return "".join(str(part.value) if isinstance(part, ast.Constant) else HOLE for part in node.values)


@functools.cache
def own_codes() -> frozenset[str]:
    """Return the error codes in the package's source: those of outcomes, and what answers are renamed to."""
    found: set[str] = set()
    for where, tree in trees().items():
        if where.parts[0] not in NOT_TOLD:
            module = ".".join(("airflow_s3batch", *where.with_suffix("").parts))
            found |= {code for node in ast.walk(tree) for code in _codes(node, module)}
    return frozenset(found)


def _codes(node: ast.AST, module: str) -> Iterator[str]:
    """Yield the codes of a call such as ``Outcome(412, "PreconditionFailed", …)`` or ``_replace(error_code=…)``."""
    given: list[ast.expr] = []
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        place = {"Outcome": 1, "differs": 0}.get(name)
        given = [node.args[place]] if place is not None and len(node.args) > place else []
        given += [keyword.value for keyword in node.keywords if keyword.arg == "error_code"]
    elif isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "invalid_code" and node.value:
        given = [node.value]
    for value in given:
        code = value.value if isinstance(value, ast.Constant) else _constant(value, module)
        if isinstance(code, str) and _CODE.fullmatch(code):
            yield code


def _constant(value: ast.expr, module: str) -> Any:
    """Return what a name in capitals stands for in *module*; other expressions are known only while it runs."""
    if isinstance(value, ast.Name) and value.id.strip("_").isupper():
        return getattr(importlib.import_module(module), value.id)
    return None
