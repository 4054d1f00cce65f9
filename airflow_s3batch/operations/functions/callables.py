"""Functions by name, ``package.module:function``: found without running their module's code, and imported when used."""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import sys
from collections.abc import Callable
from importlib.machinery import BuiltinImporter, FrozenImporter, ModuleSpec, PathFinder
from typing import Any

_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*").fullmatch
_DO_NOTHING_YET = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
_DAG_FILE = "unusual_prefix_"
"""Airflow gives the modules of Dag files names that begin so; only the process that parsed them knows those."""
_DAG_FOLDER = re.compile(rf"^{_DAG_FILE}[0-9a-f]{{40}}_")


def path_of(function: Callable[..., Any]) -> str:
    """
    Return the path by which *function* can be imported, ``module:name``.

    Where there is none, as for lambdas, functions inside of functions and methods of an object, it is a text that
    `path_problems` refuses.
    """
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if module not in sys.modules or not name or _attribute(sys.modules[module], name) is not function:
        return f"<{name or type(function).__name__}>"
    return f"{module}:{name}"


def lasting_path(path: str) -> str:
    """Return *path* without what tells in which folder a Dag file lies: workers and Dag versions differ in that."""
    return _DAG_FOLDER.sub("", path)


def path_problems(path: str, *, in_processes: bool = False) -> list[str]:
    """
    Return why *path* can't name a function, a clause each.

    What can be seen without running a line of the module's code is looked at: whether the module is there, and whether
    its source has the name. A package that is not installed here at all may be so where the job runs.
    """
    if "<" in path:
        return [f"function={path!r} has no name to import it by; use a function at the top of a module"]
    if not _PATH(path):
        return [f"function={path!r} is not of the form 'package.module:function'"]
    module, _, name = path.partition(":")
    is_local = module == "__main__" or module.startswith(_DAG_FILE)
    if is_local and in_processes:
        return [f"function={path!r} is not in a module that another process can import; move it into one"]
    if is_local or module in sys.modules:
        found = sys.modules.get(module)
        return [] if found is None or _attribute(found, name) else [f"function={path!r}: {module} has no {name}"]
    return _unloaded_problems(module, name)


@functools.lru_cache(256)
def _unloaded_problems(module: str, name: str) -> list[str]:
    spec: ModuleSpec | None = None
    *_, last = names = [module[: end.start()] for end in re.finditer(r"\.|$", module)]
    for dotted in names:
        if spec is not None and spec.submodule_search_locations is None:
            return [f"function='{module}:{name}': {spec.name} is no package, so there is no {dotted}"]
        try:
            found = _spec(dotted, spec)
        except (KeyError, ImportError):  # part of a namespace package, whose places are only known once it is imported
            return []
        if found is None:
            return [f"function='{module}:{name}': there is no module {dotted}"] if spec else []
        spec = found
    source = _source(spec, last)
    first = name.partition(".")[0]
    is_plain = source is not None and "import *" not in source and "__getattr__" not in source
    if source is not None and is_plain and not re.search(rf"\b{re.escape(first)}\b", source):
        return [f"function='{module}:{name}': {module} has no {first}"]
    return []


def _spec(dotted: str, parent: ModuleSpec | None) -> ModuleSpec | None:
    if parent is None:
        return (
            BuiltinImporter.find_spec(dotted) or FrozenImporter.find_spec(dotted) or PathFinder.find_spec(dotted, None)
        )
    return PathFinder.find_spec(dotted, list(parent.submodule_search_locations or ()))


def _source(spec: ModuleSpec | None, module: str) -> str | None:
    get_source = getattr(spec.loader, "get_source", None) if spec is not None else None
    try:
        text: str | None = get_source(module) if get_source is not None else None
    except (ImportError, OSError, SyntaxError):
        return None
    return text


@functools.lru_cache(256)
def function_at(path: str) -> Callable[..., Any]:
    """
    Return the function that *path* names; its module is imported.

    Raises:
        ImportError: there is none.
        TypeError: it is no function, or one whose call does nothing yet. Any other exception is the module's own.
    """
    module, _, name = path.partition(":")
    found = _attribute(importlib.import_module(module), name)
    if found is None:
        raise ImportError(f"{module} has no {name}")
    if not callable(found):
        raise TypeError(f"{name} in {module} is no function")
    if any(is_such(found) for is_such in _DO_NOTHING_YET):
        told = "only returns something to be awaited or iterated over; write a plain function"
        raise TypeError(f"{name} in {module} {told}")
    return found  # type: ignore[no-any-return]


def _attribute(module: Any, name: str) -> Any:
    return functools.reduce(lambda found, part: getattr(found, part, None), name.split("."), module)
