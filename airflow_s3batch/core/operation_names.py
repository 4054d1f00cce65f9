"""What an operation is called, from its declaration: the same in sentences, lists and on pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


def operation_name(declared: Any) -> str:
    """Return ``put_object_tagging``, or several joined by ``+``, as the logs do; empty if nothing is declared."""
    if not isinstance(declared, Mapping):
        return ""
    steps = declared.get("operations")
    named = [step for step in steps if isinstance(step, Mapping)] if isinstance(steps, list) else [declared]
    texts = (str(step.get("operation", "")) for step in named[:10])
    return "+".join(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text).lower() for text in texts if text)
