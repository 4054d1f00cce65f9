"""Whether an attempt at a shard was good enough, and if not, whether another one may help."""

from __future__ import annotations

from airflow_s3batch.core.errors import InfrastructureError, TooManyFailuresError
from airflow_s3batch.core.outcomes import NOT_ATTEMPTED, Summary, Tally
from airflow_s3batch.core.verdicts import is_transient
from airflow_s3batch.engine.policy import Policy, allowed_count


def judge_shard(
    name: str,
    summary: Summary,
    to_do: int,
    rows: int,
    policy: Policy,
    *,
    is_asked_to_stop: bool,
    is_job_lost: bool = False,
    advice: str = "",
) -> None:
    """
    Return if the shard is done; everything is committed already.

    Args:
        name: of the operation and the shard, for the sentence.
        summary: what this attempt did.
        to_do: objects that had not succeeded before it.
        rows: objects of the shard.
        policy: what counts, and how much of it is allowed.
        is_asked_to_stop: somebody outside ended the attempt.
        is_job_lost: the failures of other shards ended it; an attempt more would end in the same way.
        advice: a sentence on the cause, if it is known.

    Raises:
        TooManyFailuresError: more failed than is allowed, for reasons that another attempt won't change.
        InfrastructureError: what failed, or was not reached, may succeed in another attempt.
    """
    tally = summary.tally
    skipped = to_do - tally.objects
    if skipped and is_asked_to_stop:
        raise InfrastructureError(f"{name}: stopped after {summary.objects:,} objects; the rest is left to do")
    if skipped:
        tally.add_failures(NOT_ATTEMPTED, skipped, [])
    counted = tally.counted_failures(policy.tolerate)
    allowed = allowed_count(policy.allowed_failures, rows)
    if counted <= allowed:
        return
    told = f"{name}: {tally.sentence()}.{_first(tally, policy.tolerate)}"
    passing = sum(number for code, number in tally.codes.items() if is_transient(code) and code not in policy.tolerate)
    if passing and not is_job_lost and counted - passing - skipped <= allowed:
        raise InfrastructureError(
            f"{told} These are troubles of the store or the network: the next attempt does them again"
        )
    limit = f" {counted:,} count, {allowed:,} are allowed." if allowed or counted != tally.failed else ""
    stopped = f" Stopped early: {summary.stopped}." if summary.stopped else ""
    told = f"{told}{limit}{' ' if advice else ''}{advice}{stopped}"
    raise TooManyFailuresError(f"{told} Fix the cause and clear this task to run only these again")


def _first(tally: Tally, tolerate: frozenset[str]) -> str:
    """Return an example of the most frequent failure that counts, as a sentence with a space in front."""
    counting = [code for code, urls in tally.examples.items() if urls and code not in tolerate]
    if not counting:
        return ""
    code = max(counting, key=lambda code: tally.codes[code])
    return f" First: {tally.examples[code][0]} ({code})."
