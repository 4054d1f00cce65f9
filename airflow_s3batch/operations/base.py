"""
What every operation is: declarative, frozen, self-validating, and a source of requests.

An operation never does I/O. For each object it is a generator that yields a `Request`, is sent the `Response`
(retried and judged by the engine until it is final) and at last returns the object's `Outcome`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

from airflow_s3batch.core.errors import ArgumentError, CapabilityError, ManifestError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations.fields import Column, columns_in, plain, rendered, resolved, strings_in
from airflow_s3batch.operations.requests import BucketFacts, Capabilities, RunContext, Steps
from airflow_s3batch.operations.verification import Done


class Replay(enum.Enum):
    """What may be done again with an object whose outcome was lost in a crash."""

    SAFE = "safe"
    """Doing it twice is the same as doing it once."""
    CHECK = "check"
    """The operation first looks whether the object already is as wanted; "already so" is a success."""
    UNSAFE = "unsafe"
    """Not without the user's word: a row that may have been done is reported as ``OutcomeUnknown``, be it that the
    attempt died or that the store gave no clear answer."""


class Operation(ABC):
    """
    Base of all operations: frozen dataclasses whose fields are what the user declares.

    Class attributes:
        name: snake case of the class name, as logs and reports show it.
        requests: what may be sent for an object, as botocore names it, the usual first; not what only tries a store.
        replay: what may be done again after a crash.
        destroys: whether object data is lost by it for good.
        batch_size: objects that one request can hold; above 1, `batch_steps` is used.
        invalid_code: ErrorCode of objects whose column values the operation can't take.
        managed_name: member of CreateJob's ``Operation``, e.g. ``S3PutObjectTagging``; empty where AWS has none.
        managed_most_objects: how many AWS takes in one job of it, see
            https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops.html
        runs_on_workers: whether the worker engine can do it; what it can't, AWS does itself.
        is_probed: whether it is tried on a scratch object where the store is not AWS; the user's own code never is, nor
            what only reads.
        most_at_once: objects under way at the same time in one task; 0 leaves it to the policy.
        ends_sequence: why no other operation may follow in `InOrder`, a clause; empty where one may.
        goes_with_object: all that it does is on the object itself, and gone when the object is.
        skips_done: an object that is as wanted already takes no more than the first request.
        denied_for: what else than a missing permission is answered with AccessDenied, a clause; empty if nothing.
        compares: what `compared` compares, in words; empty where nobody can tell afterwards whether it was done.
        unverifiable: why nobody can tell, a clause; empty where `compared` can.
        reads_messages: whether `compared` needs the messages of the outcomes.
        unbilled: what else is billed that no estimate can know, a sentence; empty if nothing.
        is_for_users: whether users declare it; otherwise the package alone does.
    """

    name: ClassVar[str]
    requests: ClassVar[tuple[str, ...]] = ()
    replay: ClassVar[Replay]
    destroys: ClassVar[bool] = False
    batch_size: ClassVar[int] = 1
    invalid_code: ClassVar[str] = "InvalidArgument"
    managed_name: ClassVar[str] = ""
    managed_most_objects: ClassVar[int] = 4_000_000_000
    runs_on_workers: ClassVar[bool] = True
    is_probed: ClassVar[bool] = True
    most_at_once: ClassVar[int] = 0
    ends_sequence: ClassVar[str] = ""
    goes_with_object: ClassVar[bool] = False
    skips_done: ClassVar[bool] = False
    denied_for: ClassVar[str] = ""
    compares: ClassVar[str] = ""
    unverifiable: ClassVar[str] = ""
    reads_messages: ClassVar[bool] = False
    unbilled: ClassVar[str] = ""
    is_for_users: ClassVar[bool] = True
    _MOST_VARIANTS: ClassVar[int] = 5_000

    def __post_init__(self) -> None:
        """Check literal values; fields with Jinja in them are checked after rendering."""
        object.__setattr__(self, "_column_names", tuple(sorted(self.columns())))
        object.__setattr__(self, "_variants", {})
        if not self.has_templates:
            self.validate()

    # -- what a user declares ------------------------------------------------------------------

    @classmethod
    def example(cls) -> Self:
        """Return a short declaration, as a user would write it: for the reference page, and for tests of them all."""
        raise NotImplementedError

    @abstractmethod
    def problems(self) -> list[str]:
        """Return all that is wrong with the fields, a clause each; column values are checked object by object."""

    def validate(self) -> None:
        """
        Check the fields of an operation that is about to be used.

        Raises:
            ArgumentError: lists all that is wrong; also if Jinja is left in a field.
        """
        if found := self.problems():
            raise ArgumentError.of(type(self).__name__, found)
        if self.has_templates:
            raise ArgumentError(
                f"{type(self).__name__}: a field holds '{{{{' or '{{%', a template that is not rendered"
            )

    @property
    def has_templates(self) -> bool:
        """Whether a field still holds Jinja."""
        return any("{{" in text or "{%" in text for text in strings_in(self._fields()))

    def render(self, render_text: Callable[[str], str]) -> Self:
        """Return a copy whose strings went through *render_text*; it is validated."""
        values = {name: rendered(value, render_text) for name, value in self._fields().items()}
        copy = dataclasses.replace(self, **values)  # type: ignore[type-var]
        copy.validate()
        return copy

    def columns(self) -> set[str]:
        """Return the names of the manifest columns that fields refer to."""
        return {column.name for column in columns_in(self._fields())}

    def for_object(self, obj: S3Object) -> Self:
        """
        Return the operation with each `Column` replaced by its value for *obj*; made once per distinct set of values.

        A null becomes ``None`` in a field of its own, and an empty text inside a mapping or list.

        Raises:
            ArgumentError: the operation can't take these values.
            ManifestError: the manifest has no such column.
        """
        names: tuple[str, ...] = self._column_names  # type: ignore[attr-defined]
        if not names:
            return self
        try:
            values = tuple(Column(name).value_of(obj) for name in names)
        except KeyError as error:
            raise ManifestError(f"{self.name}: the manifest has no column {error}; add it to columns=") from None
        variants: dict[Any, Self] = self._variants  # type: ignore[attr-defined]
        found = variants.get(values)
        if found is None:
            if len(variants) >= self._MOST_VARIANTS:
                variants.clear()
            found = variants[values] = self._with_columns(dict(zip(names, values, strict=True)))
        return found

    def _with_columns(self, values: Mapping[str, Any]) -> Self:
        fields = {name: resolved(value, values, null=None) for name, value in self._fields().items()}
        variant = dataclasses.replace(self, **fields)  # type: ignore[type-var]
        variant.validate()
        return variant

    def for_probe(self, sample: S3Object) -> Self:
        """
        Return the operation as the preflight tries it: with *sample*'s values, or with ``x`` where those won't do.

        Raises:
            ArgumentError: neither will do.
            ManifestError: the manifest has no such column.
        """
        try:
            return self.for_object(sample)
        except ArgumentError as error:
            with contextlib.suppress(ArgumentError):
                return self._with_columns(dict.fromkeys(self.columns(), "x"))
            raise error from None

    def to_json(self) -> dict[str, Any]:
        """Return the declaration as JSON-ready values: for the job's files, the fingerprint and Airflow's UI."""
        return {"operation": type(self).__name__, **{name: plain(value) for name, value in self._fields().items()}}

    def completed(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return *document*, which `to_json` wrote, with the fields that the operation has got since then."""
        defaults: dict[str, Any] = {}
        for f in dataclasses.fields(self):  # type: ignore[arg-type]
            if f.init and f.default is not dataclasses.MISSING:
                defaults[f.name] = plain(f.default)
            elif f.init and f.default_factory is not dataclasses.MISSING:
                defaults[f.name] = plain(f.default_factory())
        return {**defaults, **document} if document.get("operation") == type(self).__name__ else dict(document)

    def serialize(self) -> dict[str, Any]:
        """Serve Airflow, which calls this to show a template field and to version the Dag."""
        return self.to_json()

    def _fields(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.init}  # type: ignore[arg-type]

    # -- AWS's own service ---------------------------------------------------------------------

    def managed_problems(self) -> list[str]:
        """Return why AWS S3 Batch Operations can't run the operation as it is, a clause each with the way out."""
        if not self.managed_name:
            return [f"AWS S3 Batch Operations has no {type(self).__name__}; use engine='worker'"]
        if names := sorted(self.columns()):
            told = ", ".join(f"Column({name!r})" for name in names)
            return [f"{told}: AWS S3 Batch Operations takes the same values for all objects; use engine='worker'"]
        return []

    def managed_form(self) -> dict[str, Any]:
        """
        Return the value of `managed_name` in CreateJob's ``Operation``; `managed_problems` has found nothing.

        Source:
            https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_JobOperation.html
        """
        raise NotImplementedError

    @classmethod
    def from_managed_form(cls, form: Mapping[str, Any]) -> Self:
        """
        Return the operation that `managed_form` wrote as *form*.

        Raises:
            ArgumentError: the worker engine can't do what *form* asks for.
        """
        raise NotImplementedError

    def create_job_operation(self) -> dict[str, Any]:
        """Return CreateJob's ``Operation``."""
        return {self.managed_name: self.managed_form()}

    # -- what the engine asks -----------------------------------------------------------------

    def machine_problems(self) -> list[str]:
        """Return why this machine can't run the operation, a clause each: a library or a module is not there."""
        return []

    def check_machine(self) -> None:
        """
        Check that this machine can run the operation; done before the first object, and not when a Dag is parsed.

        Raises:
            CapabilityError: lists what is missing; no object was touched.
        """
        if found := self.machine_problems():
            raise CapabilityError(f"{self.name} can't be run here: {'; '.join(found)}. No object was touched")

    @abstractmethod
    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:
        """Yield the requests for one object; return its outcome."""

    def was_done(self, obj: S3Object, context: RunContext) -> Steps[bool]:  # noqa: ARG002 - for those that can look
        """
        Return whether the operation was done to *obj*, which is gone; ``False`` if that can't be told.

        `InOrder` asks on a replay, when a later step of an attempt that died may have deleted the object.
        """
        yield from ()
        return self.goes_with_object

    def verification_problems(self) -> list[str]:
        """Return why nobody can tell afterwards whether the operation was done, a clause each."""
        return [f"{type(self).__name__} can't be verified: {self.unverifiable}"] if self.unverifiable else []

    def compared(self, obj: S3Object, done: Done) -> Steps[Outcome]:
        """
        Look whether *obj*, to which the operation was *done*, is as it should have been left; yields only what reads.

        Returns a success, or one of the codes of `airflow_s3batch.operations.verification.DIFFERENCES`, or the code
        of a request that failed, so that nobody knows. Asked of what `for_object` has returned.
        """
        raise NotImplementedError

    def marks(self, obj: S3Object) -> frozenset[str]:  # noqa: ARG002 - of most operations all objects get the same
        """
        Return names for what `compared` looks at; an operation of the same mark, done later, leaves it otherwise.

        ``object`` is all of *obj* itself, and a URL that of another object.
        """
        return frozenset()

    def verification_iam_actions(self) -> set[str]:
        """Return the IAM actions that `compared` needs on the objects, and on their copies."""
        return {"s3:GetObject", "s3:GetObjectVersion"}

    def is_batchable(self, obj: S3Object, context: RunContext) -> bool:  # noqa: ARG002 - for those that batch
        """Return whether *obj* may share a request with others; only asked where `batch_size` is above 1."""
        return True

    def batch_steps(self, objects: Sequence[S3Object], context: RunContext) -> Steps[list[Outcome]]:
        """Yield the requests for up to `batch_size` objects of one bucket; return their outcomes in the same order."""
        raise NotImplementedError

    def buckets(self, sample: S3Object) -> list[str]:
        """Return the buckets that the operation works on, as far as the manifest's first row *sample* tells."""
        return [sample.bucket]

    def bucket_problems(self, facts: BucketFacts) -> list[str]:  # noqa: ARG002 - most operations work on any bucket
        """Return why the operation can't work on a bucket that is set up like this, a clause each."""
        return []

    def object_problems(self, obj: S3Object, facts: BucketFacts) -> list[str]:  # noqa: ARG002 - for those that have any
        """
        Return why the operation can't be done to *obj*, of a bucket that is set up like this, a clause each.

        Asked of the manifest's first row before anything is touched; other rows are the steps' business.
        """
        return []

    @abstractmethod
    def probe(self, scratch: S3Object, sample: S3Object) -> Steps[Mapping[str, str]]:
        """
        Try the operation on *scratch*, an object of our own that may be damaged, and look at the effect.

        Runs on endpoints that are not known to be AWS, on what `for_probe` returns. *sample* is the manifest's first
        row.
        Returns the findings for `Capabilities`.

        Raises:
            CapabilityError: the store does not do what the operation needs; nothing of the user's was touched.
        """

    def warnings(self, capabilities: Capabilities) -> list[str]:  # noqa: ARG002 - most operations have none
        """Return what users should know about the operation on a store like this, a sentence each; it is logged."""
        return []

    @abstractmethod
    def iam_actions(self) -> set[str]:
        """Return the IAM actions that the worker engine needs on the objects, e.g. ``{"s3:PutObjectTagging"}``."""

    def managed_iam_actions(self) -> set[str]:
        """
        Return the actions that the role of AWS's own service needs.

        Source:
            https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-iam-role-policies.html
        """
        return self.iam_actions()

    def iam_places(self, *, is_managed: bool = False) -> dict[str, set[str]]:
        """Return the actions by what they are needed on: ``objects``, their ``target``, ``keys`` or ``functions``."""
        found: dict[str, set[str]] = {}
        names = {"s3": "objects", "kms": "keys", "lambda": "functions"}
        for action in self.managed_iam_actions() if is_managed else self.iam_actions():
            found.setdefault(names[action.partition(":")[0]], set()).add(action)
        return found
