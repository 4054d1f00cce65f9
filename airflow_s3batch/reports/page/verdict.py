"""The verdict of the page: a word, and a sentence that says why."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from airflow_s3batch.core.outcomes import DRY_RUN
from airflow_s3batch.reports.evidence.approval_words import approval_sentence
from airflow_s3batch.reports.evidence.verification_text import verification_sentence

if TYPE_CHECKING:
    from airflow_s3batch.reports.summary import JobSummary


class Verdict(NamedTuple):
    """
    What the page says first.

    Attributes:
        state: ``green``, ``red`` or ``dry``.
        word: the verdict in a word or a few.
        reason: a sentence; *notes* what approval and verification have to say to that.
    """

    state: str
    word: str
    reason: str
    notes: tuple[str, ...] = ()


def would_do(summary: JobSummary) -> int:
    """Return to how many objects a dry run would have done something."""
    return summary.codes.get(DRY_RUN, 0) if summary.dry_run else 0


def really_failed(summary: JobSummary) -> int:
    """Return the failures, those aside that are none: what a dry run would do."""
    return summary.failed - would_do(summary)


def verdict(summary: JobSummary) -> Verdict:
    """Return the verdict on *summary*."""
    said = (approval_sentence(summary.approval), verification_sentence(summary.verification))
    notes = tuple(filter(None, said))
    if summary.dry_run:
        return Verdict("dry", "Dry run: nothing was done.", _dry(summary), notes)
    word = "Green." if summary.is_green else "Red."
    return Verdict(word.lower().rstrip("."), word, _reason(summary), notes)


def _dry(summary: JobSummary) -> str:
    if summary.refused_shards:
        return f"{summary.sentence()}."
    told = f"{would_do(summary):,} of {summary.objects:,} objects would be done"
    others = really_failed(summary)
    return f"{told}; {others:,} can't be, as far as a look at them tells." if others else f"{told}."


def _reason(summary: JobSummary) -> str:
    if summary.no_manifest or summary.refused_shards:
        return f"{summary.sentence().rstrip('.')}."
    if not summary.objects:
        return "The selection matched no object, so nothing was done."
    if not summary.failed:
        return f"All {summary.objects:,} objects succeeded."
    is_within = summary.counted_failures <= summary.allowed
    return (
        f"{summary.failed:,} of {summary.objects:,} objects failed{', no more than allowed' if is_within else ''}: "
        f"{summary.counted_failures:,} count, {summary.allowed:,} are allowed."
    )
