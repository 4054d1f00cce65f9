"""Parameters of a task that are said to be the Dag's of the same name: ``params={"prefix": "{{ params.prefix }}"}``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from airflow.sdk import Param

_ITSELF = re.compile(r"\{\{\s*params(?:\.(\w+)|\[\s*['\"](\w+)['\"]\s*\])\s*\}\}")


def named_after_dags(params: Any) -> frozenset[str]:
    """
    Return the names in *params* whose value is the template of the Dag's param of that very name.

    Airflow puts a task's params over the Dag's, so that template would render to itself, a text with braces; what is
    meant is what the task has anyway if it is left out.
    """
    if not isinstance(params, Mapping):
        return frozenset()
    return frozenset(name for name, param in params.items() if _is_itself(name, param))


def _is_itself(name: str, param: Any) -> bool:
    value = param.value if isinstance(param, Param) else param
    found = _ITSELF.fullmatch(value.strip()) if isinstance(value, str) else None
    return found is not None and name in found.groups()
