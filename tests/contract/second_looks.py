"""Second looks at objects of the contract's worlds, without a job around them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from worlds import Outcomes, World

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.engine import Policy
from airflow_s3batch.engine.loop.executor import Executor
from airflow_s3batch.engine.wire.exchange import Work
from airflow_s3batch.operations import Operation, RunContext
from airflow_s3batch.operations.second_look import SecondLook, with_done
from airflow_s3batch.operations.verification import Done


def codes_of(
    world: World, operation: Operation, objects: Iterable[S3Object], outcomes: Outcomes, *, seconds_ago: float = 0.0
) -> dict[str, str]:
    """Look at *objects*, to which *operation* was done so long ago; return the codes of those that differ, by key."""
    now = datetime.now(UTC)
    found: dict[str, str] = {}

    def note(work: Work, outcome: Outcome) -> None:
        if outcome.error_code:
            found[work.obj.key] = outcome.error_code

    works = []
    for number, obj in enumerate(objects):
        message = outcomes[obj.bucket, obj.key, obj.version_id].message
        works.append(Work(number, with_done(obj, Done(now, now, lambda: seconds_ago, message))))
    with Executor(world.access, Policy(max_attempts=3), is_read_only=True) as executor:
        executor.run(SecondLook(operation), works, RunContext(), note)
    return found
