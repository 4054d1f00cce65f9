"""Operations that the package has, finished or not, and what is needed to look at one."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import airflow_s3batch.operations
from airflow_s3batch.operations import InOrder, Operation

ROOT = Path(__file__).parents[3]
INIT = "airflow_s3batch/operations/__init__.py"


class Candidate(NamedTuple):
    """
    One operation.

    Attributes:
        operation: its example, or whatever can be made of it; ``None`` if nothing can.
        place: the file that it stands in, from the root of the repository.
    """

    kind: type[Operation]
    operation: Operation | None
    place: str

    @property
    def name(self) -> str:
        """The class name."""
        return self.kind.__name__

    @property
    def fields(self) -> list[dataclasses.Field[Any]]:
        """What users declare."""
        is_made = dataclasses.is_dataclass(self.kind)
        return [each for each in dataclasses.fields(self.kind) if each.init] if is_made else []  # type: ignore[arg-type]


def candidate(kind: type[Operation]) -> Candidate:
    """Return *kind* with a declaration, be it a guess: the fields that have no default get a value of their type."""
    operation: Operation | None
    try:
        operation = kind.example()
    except NotImplementedError:
        operation = _guessed(kind)
    except Exception:  # noqa: BLE001 - whatever is wrong with it is told by the requirements
        operation = None
    file = Path(inspect.getsourcefile(kind) or "?").resolve()
    return Candidate(kind, operation, str(file.relative_to(ROOT)) if file.is_relative_to(ROOT) else file.name)


def _guessed(kind: type[Operation]) -> Operation | None:
    try:
        return kind(**{each.name: _value(str(each.type)) for each in dataclasses.fields(kind) if _is_required(each)})  # type: ignore[arg-type]
    except Exception:  # noqa: BLE001 - see above
        return None


def _is_required(field: dataclasses.Field[Any]) -> bool:
    has_default = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
    return field.init and not has_default


def _value(annotation: str) -> Any:
    if "Mapping" in annotation:
        return {"k": "v"}
    if re.match(r"(Sequence|list|tuple)", annotation):
        return ["v"]
    return {"int": 1, "bool": False, "float": 1.0}.get(re.split(r"\W", annotation)[0], "v")


def kinds_in_the_package() -> list[type[Operation]]:
    """Return each operation below `airflow_s3batch.operations` that users declare, but for `InOrder`, which is many."""
    package = airflow_s3batch.operations
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
    found = {kind for kind in _below(Operation) if kind.__module__.startswith(f"{package.__name__}.")}
    return sorted((kind for kind in found - {InOrder} if kind.is_for_users), key=lambda kind: kind.__name__)


def _below(kind: type[Operation]) -> Iterator[type[Operation]]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)
