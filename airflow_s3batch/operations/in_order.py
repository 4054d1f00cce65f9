"""
Several operations on each object, one after the other.

What AWS's S3 Batch Operations lacks: there each operation is a job of its own, over all objects.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import SUCCESS, VANISHED, Outcome
from airflow_s3batch.operations.base import Operation, Replay
from airflow_s3batch.operations.bodies.sources import HEAD_SOURCE, e_tag_in
from airflow_s3batch.operations.copies.moving import MoveObject
from airflow_s3batch.operations.deletes.deleting import DeleteObject, body_difference
from airflow_s3batch.operations.probing import HEAD, SCRATCH_BODY, expect_success
from airflow_s3batch.operations.requests import BucketFacts, Call, Capabilities, Request, RunContext, Steps
from airflow_s3batch.operations.tags.tagging import PutObjectTagging
from airflow_s3batch.operations.verification import AS_LEFT, Done

_PUT = Call("PutObject", {"Metadata": {"s3batch": "probe"}}, wants_headers=True)
_DONE_BEFORE = Outcome(204, "", "Successful: an earlier attempt did all steps, the object is gone already")
_WORST = (Replay.UNSAFE, Replay.CHECK, Replay.SAFE)


@dataclass(frozen=True)
class InOrder(Operation):
    """
    Do several operations to each object in the order given; ``operation=[A, B]`` means the same as ``InOrder([A, B])``.

    The first one that fails ends it for that object: the report has one row, whose message says which step that was. A
    later attempt begins with the first step again. What may be done again after a crash is decided by the step that
    bears it least. Where a later step may have deleted the object already, the earlier ones are only taken for done if
    what they leave is there.

    An operation that deletes the object, or makes another version of it, has to be the last, and so has one that must
    not be done twice. What somebody writes between a copy and a `DeleteObject` is only kept if the manifest has ETags
    or versions; `MoveObject` as the last step keeps it in any case. A copy overwrites what stands at its target: where
    several rows have one target, such as the versions of a key, and are deleted then, the last copy is all that is
    left, unless the target's bucket keeps versions. `MoveObject` keeps the others where they are.

    Args:
        operations: two or more operations.
    """

    operations: tuple[Operation, ...]

    name: ClassVar[str] = "in_order"
    replay: ClassVar[Replay] = Replay.SAFE
    compares: ClassVar[str] = "what each step left, unless a later step changes that again or deletes the object"

    def __post_init__(self) -> None:
        """Make one flat tuple of the steps; name, replay rule and the rest follow from them."""
        if isinstance(self.operations, (list, tuple)):
            nested = [each.operations if isinstance(each, InOrder) else (each,) for each in self.operations]
            object.__setattr__(self, "operations", tuple(step for steps in nested for step in steps))
        if found := self.problems():  # templates don't change which operations there are
            raise ArgumentError.of(type(self).__name__, found)
        object.__setattr__(self, "_contexts", (None, []))
        super().__post_init__()
        object.__setattr__(self, "name", "+".join(step.name for step in self.operations))
        requests = dict.fromkeys(request for step in self.operations for request in step.requests)
        object.__setattr__(self, "requests", tuple(requests))
        object.__setattr__(self, "replay", min((step.replay for step in self.operations), key=_WORST.index))
        object.__setattr__(self, "destroys", any(step.destroys for step in self.operations))
        object.__setattr__(self, "is_probed", any(step.is_probed for step in self.operations))
        reasons = dict.fromkeys(step.denied_for for step in self.operations if step.denied_for)
        object.__setattr__(self, "denied_for", "; or ".join(reasons))
        object.__setattr__(self, "reads_messages", any(step.reads_messages for step in self.operations))
        limits = [step.most_at_once for step in self.operations if step.most_at_once]
        object.__setattr__(self, "most_at_once", min(limits, default=0))

    # -- what a user declares ------------------------------------------------------------------

    @classmethod
    def example(cls) -> Self:  # noqa: D102
        return cls((PutObjectTagging({"moved": "true"}), MoveObject("archive")))

    def problems(self) -> list[str]:  # noqa: D102
        if not isinstance(self.operations, tuple):
            return [f"operations={self.operations!r}: expected a list of operations"]
        if wrong := [step for step in self.operations if not isinstance(step, Operation)]:
            return [f"{step!r} is not an operation" for step in wrong]
        if len(self.operations) < 2:
            return [f"{len(self.operations)} operations; expected two or more"]
        found = [f"{type(step).__name__} is done by AWS alone" for step in self.operations if not step.runs_on_workers]
        for step in self.operations[:-1]:
            if step.ends_sequence:
                found.append(f"{type(step).__name__} has to be the last operation: {step.ends_sequence}")
            elif step.replay is Replay.UNSAFE:
                found.append(
                    f"{type(step).__name__} has to be the last operation unless it is declared idempotent: where a "
                    "later one fails, the next attempt does all of them again"
                )
        if self.operations[-1].destroys:
            found += [
                f"{type(step).__name__}(skip_existing={rule!r}) can skip an object whose target is another one, and "
                f"{type(self.operations[-1]).__name__} would then delete the only copy; use skip_existing='same-etag'"
                for step in self.operations
                if (rule := getattr(step, "skip_existing", None)) not in (None, "same-etag")
            ]
        return found

    @property
    def has_templates(self) -> bool:  # noqa: D102
        return any(step.has_templates for step in self.operations)

    def render(self, render_text: Callable[[str], str]) -> Self:  # noqa: D102
        return type(self)(tuple(step.render(render_text) for step in self.operations))

    def columns(self) -> set[str]:  # noqa: D102
        return set().union(*(step.columns() for step in self.operations))

    def for_object(self, obj: S3Object) -> Self:  # noqa: ARG002, D102 - each step takes its own columns
        return self

    def for_probe(self, sample: S3Object) -> Self:  # noqa: D102
        return type(self)(tuple(step.for_probe(sample) for step in self.operations))

    def to_json(self) -> dict[str, Any]:  # noqa: D102
        return {"operation": type(self).__name__, "operations": [step.to_json() for step in self.operations]}

    def completed(self, document: Mapping[str, Any]) -> dict[str, Any]:  # noqa: D102
        steps = document.get("operations", ())
        if len(steps) != len(self.operations):
            return dict(document)
        told = [step.completed(each) for step, each in zip(self.operations, steps, strict=True)]
        return {**document, "operations": told}

    def managed_problems(self) -> list[str]:  # noqa: D102
        return ["AWS S3 Batch Operations does one operation a job; use engine='worker', or one job for each operation"]

    # -- what the engine asks -----------------------------------------------------------------

    def machine_problems(self) -> list[str]:  # noqa: D102
        return [problem for step in self.operations for problem in step.machine_problems()]

    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:  # noqa: D102
        told = []
        outcome = SUCCESS
        parts = []
        for number, step in enumerate(self.operations, 1):
            try:
                parts.append(step.for_object(obj))
            except ArgumentError as error:  # before the first request: nothing is half done
                return self._failed(number, Outcome(400, step.invalid_code, str(error)[:500]))
        if why := (yield from self._why_not_again(obj, context)):
            return self._failed(len(parts), Outcome(412, "PreconditionFailed", why))
        for number, (part, own) in enumerate(zip(parts, self._own_contexts(context), strict=True), 1):
            outcome = yield from part.steps(obj, own)
            if outcome.error_code:
                if outcome.error_code in VANISHED and (yield from self._was_all_done(obj, context)):
                    return _DONE_BEFORE
                return self._failed(number, outcome)
            if outcome.message != SUCCESS.message:
                told.append(outcome.message)
        return outcome._replace(message="; ".join(told)) if told else outcome

    def verification_problems(self) -> list[str]:  # noqa: D102
        return [problem for step in self.operations for problem in step.verification_problems()]

    def compared(self, obj: S3Object, done: Done) -> Steps[Outcome]:  # noqa: D102
        parts = [step.for_object(obj) for step in self.operations]
        last = parts[-1]
        has_condition = isinstance(last, DeleteObject) and not last.allow_unconditional and obj.e_tag is not None
        done = done._replace(is_pinned=done.is_pinned or has_condition)
        for number, part in enumerate(parts, 1):
            later = [mark for other in parts[number:] for mark in other.marks(obj)]
            if not _stands(part.marks(obj), later):
                continue
            outcome = yield from part.compared(obj, done)
            if not outcome.is_success:
                return self._failed(number, outcome)
        return AS_LEFT

    def marks(self, obj: S3Object) -> frozenset[str]:  # noqa: D102
        return frozenset().union(*(step.for_object(obj).marks(obj) for step in self.operations))

    def verification_iam_actions(self) -> set[str]:  # noqa: D102
        return set().union(*(step.verification_iam_actions() for step in self.operations))

    def _failed(self, number: int, outcome: Outcome) -> Outcome:
        step = f"step {number} of {len(self.operations)}, {self.operations[number - 1].name}"
        return outcome._replace(message=f"{step}: {outcome.message}")

    def _why_not_again(self, obj: S3Object, context: RunContext) -> Steps[str]:
        """
        Return why a later attempt leaves what stands at the place of *obj* alone; empty if it is *obj*.

        An earlier one may have deleted *obj*: what somebody wrote there since must not be copied over its copy.
        """
        last = self.operations[-1]
        is_bold = isinstance(last, DeleteObject) and last.allow_unconditional
        if is_bold or not (context.is_replay and self.destroys) or obj.version_id not in (None, "null"):
            return ""
        look = HEAD_SOURCE if isinstance(last, MoveObject) else HEAD
        head = yield Request(look, obj.bucket, obj.key, obj.version_id)
        seen = e_tag_in(head.headers)
        return body_difference(obj, seen, head, context) if head.is_success and seen else ""

    def _was_all_done(self, obj: S3Object, context: RunContext) -> Steps[bool]:
        """Return whether *obj* is gone by an earlier attempt's last step, and the others have left their mark."""
        if not (context.is_replay and self.destroys):
            return False
        for step, own in zip(self.operations, self._own_contexts(context), strict=True):
            if not (yield from step.for_object(obj).was_done(obj, own)):
                return False
        return True

    def _own_contexts(self, context: RunContext) -> list[RunContext]:
        """Return what each step is told: of the findings only its own. Made once per run."""
        known, contexts = self._contexts  # type: ignore[attr-defined]
        if known is not context:
            contexts = [
                replace(context, capabilities=_own(context.capabilities, number))
                for number in range(1, len(self.operations) + 1)
            ]
            object.__setattr__(self, "_contexts", (context, contexts))
        return contexts  # type: ignore[no-any-return]

    def buckets(self, sample: S3Object) -> list[str]:  # noqa: D102
        return list(dict.fromkeys(bucket for step in self.operations for bucket in step.buckets(sample)))

    def bucket_problems(self, facts: BucketFacts) -> list[str]:  # noqa: D102
        return [f"{step.name}: {problem}" for step in self.operations for problem in step.bucket_problems(facts)]

    def object_problems(self, obj: S3Object, facts: BucketFacts) -> list[str]:  # noqa: D102
        return [f"{step.name}: {problem}" for step in self.operations for problem in step.object_problems(obj, facts)]

    def probe(self, scratch: S3Object, sample: S3Object) -> Steps[Mapping[str, str]]:  # noqa: D102
        findings: dict[str, str] = {}
        for number, step in enumerate(self.operations, 1):
            if not step.is_probed:
                continue
            if number > 1:  # the step before may have left anything, or nothing
                response = yield Request(_PUT, scratch.bucket, scratch.key, body=SCRATCH_BODY)
                expect_success(step.name, response)
                scratch = scratch._replace(e_tag=response.headers.get("etag", "").strip('"'))
            own = yield from step.probe(scratch, sample)
            findings.update({f"{number}.{name}": finding for name, finding in own.items()})
        return findings

    def warnings(self, capabilities: Capabilities) -> list[str]:  # noqa: D102
        own = enumerate(self.operations, 1)
        return [warning for number, step in own for warning in step.warnings(_own(capabilities, number))]

    def iam_actions(self) -> set[str]:  # noqa: D102
        return set().union(*(step.iam_actions() for step in self.operations))


def _own(capabilities: Capabilities, number: int) -> Capabilities:
    """Return *capabilities* with the findings of the step *number* only, under the names that it knows."""
    prefix = f"{number}."
    own = {name.removeprefix(prefix): found for name, found in capabilities.findings.items() if name.startswith(prefix)}
    return replace(capabilities, findings=own)


def _stands(marks: Collection[str], later: Collection[str]) -> bool:
    """Return whether what has *marks* is still as it was left, after steps that leave the marks *later*."""
    is_on_object = any("://" not in mark for mark in marks)
    return not set(marks) & set(later) and not (is_on_object and "object" in later)
