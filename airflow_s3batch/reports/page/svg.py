"""Elements of SVG as text, with everything escaped; axes with round numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from markupsafe import Markup, escape

from airflow_s3batch.core.visible import visible


def tag(name: str, *content: Any, **attributes: Any) -> Markup:
    """Return an element; attributes are spelled with ``_`` for ``-``, and one behind Python's own words."""
    written = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), _plain(value)) for key, value in attributes.items()
    )
    inside = Markup("").join(item if isinstance(item, Markup) else escape(visible(item)) for item in content)
    name = Markup(name)  # noqa: S704 - ours, as are the names of attributes
    return Markup("<{}{}>{}</{}>").format(name, written, inside, name)


def _plain(value: Any) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else visible(value)


def picture(content: Iterable[Markup], *, width: int, height: int, name: str, title: str, description: str) -> Markup:
    """Return an SVG that scales to its place, and that screen readers read as *title* and *description*."""
    return tag(
        "svg",
        tag("title", title, id=f"{name}-title"),
        tag("desc", description, id=f"{name}-desc"),
        *content,
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
        class_="plot",
    )


def round_steps(most: float, about: int = 4) -> list[float]:
    """Return 0 and up to about *about* round numbers, the last of them at least *most*."""
    if most < 1e-9:
        return [0.0, 1.0]
    raw = most / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    return [step * number for number in range(math.ceil(most / step - 1e-9) + 1)]
