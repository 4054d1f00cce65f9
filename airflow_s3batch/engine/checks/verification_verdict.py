"""Whether second looks at objects have shown what they should, and if not, whether another attempt may help."""

from __future__ import annotations

from collections.abc import Callable, Collection

from airflow_s3batch.core.errors import AccessError, InfrastructureError, TooManyFailuresError
from airflow_s3batch.core.outcomes import Summary, Tally
from airflow_s3batch.core.verdicts import is_transient
from airflow_s3batch.operations.verification import DIFFERENCES


def judge_looks(name: str, summary: Summary, tolerate: Collection[str]) -> None:
    """
    Return if all was looked at and is as it should be; everything is committed already.

    Args:
        name: what was looked at, for the sentence.
        summary: what this attempt has seen.
        tolerate: codes that are told and don't count.

    Raises:
        InfrastructureError: the attempt was ended, or the store had trouble; the next one goes on.
        AccessError: objects could not be looked at, for reasons that another attempt won't change.
        TooManyFailuresError: objects are not as the operation should have left them.
    """
    tally = summary.tally
    unread = _part(tally, lambda code: code not in DIFFERENCES)
    if unread.failed and all(is_transient(code) for code in unread.codes):
        raise InfrastructureError(f"{name}: {_told(unread)} could not be looked at: the next attempt tries them again")
    if summary.stopped:
        raise InfrastructureError(
            f"{name}: {summary.stopped} after {summary.objects:,} objects; the rest is left to do"
        )
    counted = _part(tally, lambda code: code in DIFFERENCES and code not in tolerate)
    if counted.failed:
        raise TooManyFailuresError(
            f"{name}: {_told(counted)} are not as the operation should have left them.{_first(counted)} The "
            "report lists them in differences.csv; clear this task to look at them once more"
        )
    if unread.failed:
        raise AccessError(
            f"{name}: {_told(unread)} could not be looked at.{_first(unread)} Fix the cause and clear this task to try "
            "them again"
        )


def _part(tally: Tally, is_meant: Callable[[str], bool]) -> Tally:
    found = Tally(tally.succeeded)
    for code, number in tally.codes.items():
        if is_meant(code):
            found.add_failures(code, number, tally.examples.get(code, []))
    return found


def _told(tally: Tally) -> str:
    codes = ", ".join(f"{code} {number:,}" for code, number in sorted(tally.codes.items(), key=lambda item: -item[1]))
    return f"{tally.failed:,} objects ({codes})"


def _first(tally: Tally) -> str:
    code = max(tally.codes, key=lambda each: tally.codes[each])
    return f" First: {tally.examples[code][0]} ({code})." if tally.examples.get(code) else ""
