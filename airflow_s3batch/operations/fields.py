"""Values of an operation's fields: columns and templates in them, nested as users nest them, and checks they share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_s3batch.core.objects import S3Object


@dataclass(frozen=True, slots=True)
class Column:
    """A value that differs per object: the manifest's column *name* (of ``columns=`` or one of the fixed ones)."""

    name: str

    def value_of(self, obj: S3Object) -> Any:
        """
        Return the column's value for *obj*; ``None`` if it is null.

        Raises:
            KeyError: the manifest has no such column.
        """
        if self.name in obj.columns:
            return obj.columns[self.name]
        if self.name in S3Object._fields and self.name != "columns":
            return getattr(obj, self.name)
        raise KeyError(self.name)


def strings_in(value: Any) -> list[str]:
    """Return all texts in *value*, those of nested mappings (keys, too) and lists included."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for item in value.items() for text in strings_in(list(item))]
    if isinstance(value, (list, tuple)):
        return [text for item in value for text in strings_in(item)]
    return []


def columns_in(value: Any) -> list[Column]:
    """Return all columns in *value*, those of nested mappings and lists included."""
    if isinstance(value, Column):
        return [value]
    if isinstance(value, Mapping):
        return [column for item in value.values() for column in columns_in(item)]
    if isinstance(value, (list, tuple)):
        return [column for item in value for column in columns_in(item)]
    return []


def rendered(value: Any, render_text: Callable[[str], str]) -> Any:
    """Return *value* with every text in it gone through *render_text*."""
    if isinstance(value, str):
        return render_text(value)
    if isinstance(value, Mapping):
        return {rendered(k, render_text): rendered(v, render_text) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(rendered(item, render_text) for item in value)
    return value


def resolved(value: Any, columns: Mapping[str, Any], *, null: str | None) -> Any:
    """Return *value* with the values of *columns* (texts) for each `Column` in it; *null* stands for a null."""
    if isinstance(value, Column):
        found = columns[value.name]
        return null if found is None else found if isinstance(found, bool) else str(found)
    if isinstance(value, Mapping):
        return {key: resolved(item, columns, null="") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(resolved(item, columns, null="") for item in value)
    return value


def text_problems(**values: Any) -> list[str]:
    """Return a clause for each of *values* that is neither a text nor a `Column`; ``None`` is fine."""
    return [
        f"{name}={value!r} is not a text"
        for name, value in values.items()
        if value is not None and not isinstance(value, (str, Column))
    ]


def choice_problems(allowed: Collection[str], **values: Any) -> list[str]:
    """Return a clause for each of *values* that is not one of *allowed*; ``None`` and columns are fine."""
    return [
        f"{name}={value!r}: expected one of {', '.join(sorted(allowed))}"
        for name, value in values.items()
        if value is not None and not isinstance(value, Column) and value not in allowed
    ]


def is_day_count(value: Any, most: int = 2**31 - 1) -> bool:
    """Return whether *value* is a number of days from 1 to *most* or its text; ``None`` and columns are fine."""
    if value is None or isinstance(value, Column):
        return True
    if isinstance(value, str):
        return value.isascii() and value.isdigit() and len(value) <= len(str(most)) and 1 <= int(value) <= most
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def plain(value: Any) -> Any:
    """Return *value* as JSON has it; the same in every process."""
    if isinstance(value, Column):
        return {"column": value.name}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)
