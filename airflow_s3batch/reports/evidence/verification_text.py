"""What a summary says of second looks: a sentence, and whether they leave the job green."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_s3batch.operations.verification import DIFFERENCES


def is_verified(verification: Mapping[str, Any] | None) -> bool:
    """Return whether second looks are no reason against green: none was asked for, or all found what they should."""
    if verification is None:
        return True
    return bool(verification["has_begun"]) and not (
        verification["counted"] or verification["unread"] or verification["missing"]
    )


def verification_sentence(verification: Mapping[str, Any] | None) -> str:
    """Return what second looks have shown, in a sentence or a few; empty if none was asked for."""
    if verification is None:
        return ""
    if not verification["has_begun"]:
        return "A verification was asked for and has not begun: clear its task."
    asked, of, checked = (verification[name] for name in ("asked", "of", "checked"))
    if not of:
        return "Nothing has succeeded, so there was nothing to look at again."
    if asked is not None and asked < of:
        told = f"{checked:,} of {of:,} succeeded objects were looked at again (a random sample): "
    else:
        told = f"{checked:,} succeeded objects were looked at again: "
    told += _differences(verification) if verification["differ"] else "all are as they should be."
    told = told if checked else ""
    return " ".join(filter(None, (told, _unread(verification), _missing(verification))))


def _differences(verification: Mapping[str, Any]) -> str:
    differ, counted = verification["differ"], verification["counted"]
    codes = {code: number for code, number in verification["codes"].items() if code in DIFFERENCES}
    code = max(codes, key=lambda each: codes[each])
    first = f" First: {verification['examples'][code][0]} ({code})." if verification["examples"].get(code) else ""
    limit = "" if counted == differ else f"; {counted:,} count"
    return (
        f"{differ:,} differ ({_listed(codes)}){limit}.{first} They are listed in {verification['differences_url']}, "
        f"the reasons in {verification['reasons_url']}."
    )


def _listed(codes: Mapping[str, int]) -> str:
    return ", ".join(f"{code} {number:,}" for code, number in sorted(codes.items(), key=lambda item: -item[1]))


def _unread(verification: Mapping[str, Any]) -> str:
    number = verification["unread"]
    if not number:
        return ""
    codes = {code: n for code, n in verification["codes"].items() if code not in DIFFERENCES}
    return f"{number:,} more could not be looked at ({_listed(codes)}), see {verification['reasons_url']}."


def _missing(verification: Mapping[str, Any]) -> str:
    number = verification["missing"]
    return f"The verification did not finish: {number:,} objects are left; clear its task." if number else ""
