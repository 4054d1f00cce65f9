"""
A new operation can forget nothing: here is all that one has to bring, found out from the code itself.

Whoever adds an operation runs this first: ``pytest tests/unit/operations/test_complete_operations.py -k NewOperation``.
It tells what is left to do, file by file, in the order in which one does it. ``docs/adding-an-operation.md`` shows one
from beginning to end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import pytest
from todo_behaviour import (
    does_no_harm,
    has_policies,
    is_done_by_aws_or_says_why_not,
    is_known_by_its_requests,
    is_looked_at_again,
    sends_what_it_says,
)
from todo_candidates import Candidate, candidate, kinds_in_the_package
from todo_declaration import is_a_declaration, is_a_value, is_exported
from todo_papers import (
    explains_its_codes,
    has_tests_of_its_steps,
    is_emulated,
    is_in_the_papers,
    is_soaked,
    is_under_contract,
)

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations import ALL_OPERATIONS, Call, Column, Operation, Replay, Request, RunContext
from airflow_s3batch.operations.requests import Steps
from airflow_s3batch.operations.verification import Done

REQUIREMENTS: tuple[Callable[[Candidate], Iterator[str]], ...] = (
    is_a_declaration,
    is_exported,
    is_a_value,
    sends_what_it_says,
    is_known_by_its_requests,
    does_no_harm,
    is_looked_at_again,
    has_policies,
    is_done_by_aws_or_says_why_not,
    explains_its_codes,
    has_tests_of_its_steps,
    is_under_contract,
    is_soaked,
    is_emulated,
    is_in_the_papers,
)
"""Each yields what is missing: the file, and what to do there. In the order in which one does it."""


def to_do(kind: type[Operation]) -> list[str]:
    """Return all that *kind* lacks."""
    op = candidate(kind)
    found = [each for requirement in REQUIREMENTS for each in requirement(op)]
    if op.operation is None:
        found.append(f"{op.place}: what {op.name} sends is looked at once example() returns a declaration")
    return list(dict.fromkeys(found))


def told(kind: type[Operation], found: list[str]) -> str:
    """Return the list as people read it."""
    lines = [f"{number:2}. {each}" for number, each in enumerate(found, 1)]
    head = f"{kind.__name__} is not complete; {len(found)} left to do (docs/adding-an-operation.md shows how):"
    return "\n".join([head, *lines])


@pytest.mark.parametrize("kind", kinds_in_the_package(), ids=lambda kind: kind.__name__)
def test_the_operation_is_complete(kind: type[Operation]) -> None:
    found = to_do(kind)
    if found:
        pytest.fail(told(kind, found), pytrace=False)


def test_all_operations_are_looked_at() -> None:
    """Also those that nobody has added to the list of all."""
    assert set(ALL_OPERATIONS) <= set(kinds_in_the_package())


@dataclass(frozen=True)
class TouchObject(Operation):
    """Write each object anew"""

    value: str | Column = "v"

    name: ClassVar[str] = "touch"
    replay: ClassVar[Replay] = Replay.SAFE

    def problems(self) -> list[str]:
        return [] if isinstance(self.value, str) else ["value is not a text"]

    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:
        yield Request(Call("RenameObject"), obj.bucket, obj.key)
        response = yield Request(Call("PutObject"), obj.bucket, obj.key)
        return response.outcome() if response.is_success else Outcome(0, "Untouchable", "")

    def probe(self, scratch: S3Object, sample: S3Object) -> Steps[Mapping[str, str]]:
        yield from self.steps(scratch, RunContext())
        return {}

    def iam_actions(self) -> set[str]:
        return {"S3:WriteObject"}


@dataclass(frozen=True)
class ForgetObject(TouchObject):
    """Nothing that AWS has."""

    managed_name: ClassVar[str] = "S3ForgetObject"
    requests: ClassVar[tuple[str, ...]] = ("PutObjectTorrent",)


def test_who_forgets_everything_is_told_everything_in_order() -> None:
    found = [each for each in to_do(TouchObject) if "put @dataclass" not in each]
    files = list(dict.fromkeys(each.partition(": ")[0] for each in found))
    assert files == [
        "tests/unit/operations/test_complete_operations.py",  # the class itself
        "airflow_s3batch/operations/__init__.py",
        "airflow_s3batch/costs/billing.py",
        "airflow_s3batch/testing/fault_requests.py",
        "airflow_s3batch/reports/page/advice.py",
        "airflow_s3batch/ui/static/js/codes.js",
        "docs/operating/runbook.md",
        "tests/unit/operations/test_…_steps.py",
        "tests/contract/cases.py",
        "tests/soak/scenarios.py",
        "docs/operations.md",
        "README.md",
        "CHANGELOG.md",
    ]
    told_of_itself = "\n".join(each for each in found if each.startswith(files[0]))
    for part in (
        'name: ClassVar[str] = "touch_object"',
        "give either compares",
        "example()",
        "begin the docstring",
        "explain value under Args",
        "value=Column('c') does not work",
        "requests lacks 'PutObject'",
        "iam_actions() lacks 's3:PutObject'",
        "under if-match",
        "destroys: ClassVar[bool] = True",
        "takes a store that answers 200",
        "iam_policies(TouchObject) raises",
    ):
        assert part in told_of_itself
    assert told(TouchObject, found).startswith(f"TouchObject is not complete; {len(found)} left to do")


class CopyOfNothing(ForgetObject):
    """No dataclass, no name."""

    compares: ClassVar[str] = "its torrent"

    def compared(self, obj: S3Object, done: Done) -> Steps[Outcome]:
        response = yield Request(Call("GetObjectTorrent"), obj.bucket, obj.key)
        return response.outcome()


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda requirement: requirement.__name__)
def test_each_requirement_can_be_missed(requirement: Callable[[Candidate], Iterator[str]]) -> None:
    assert any(list(requirement(candidate(kind))) for kind in (TouchObject, ForgetObject, CopyOfNothing))
