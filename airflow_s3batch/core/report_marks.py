"""What stands for a report in its summary: 16 hex digits over its result files and over what a verification found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

_MARKED = ("has_begun", "checked", "unread", "missing", "codes")


def verification_mark(fingerprint: str, verification: Mapping[str, Any]) -> str:
    """Return 16 hex digits that stand for a report with this *fingerprint* and for what second looks have shown."""
    told = json.dumps([fingerprint, {name: verification.get(name) for name in _MARKED}], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]
