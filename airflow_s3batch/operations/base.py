"""
What every operation is: declarative, frozen, self-validating, and a source of requests.

An operation never does I/O. For each object it is a generator that yields a `Request`, is sent the `Response`
(retried and judged by the engine until it is final) and at last returns the object's `Outcome`.
"""

from __future__ import annotations

import dataclasses
import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

from airflow_s3batch.core.errors import ArgumentError, ManifestError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import SUCCESS, Outcome


class Replay(enum.Enum):
    """What may be done again with an object whose outcome was lost in a crash."""

    SAFE = "safe"
    """Doing it twice is the same as doing it once."""
    CHECK = "check"
    """The operation first looks whether the object already is as wanted; "already so" is a success."""
    UNSAFE = "unsafe"
    """Not without the user's word: the row is reported as ``OutcomeUnknown``."""


@dataclass(frozen=True, slots=True)
class Column:
    """A value that differs per object: the manifest's column *name* (of ``columns=`` or one of the fixed ones)."""

    name: str

    def value_of(self, obj: S3Object) -> Any:
        """
        Return the column's value for *obj*; ``None`` if it is null.

        Raises:
            KeyError: the manifest has no such column.
        """
        if self.name in obj.columns:
            return obj.columns[self.name]
        if self.name in S3Object._fields and self.name != "columns":
            return getattr(obj, self.name)
        raise KeyError(self.name)


class Call:
    """
    The part of a request that many objects share: an S3 API and its parameters as botocore names them.

    Bucket, key, version and copy source come from each `Request`. The engine serializes a call once per bucket, so
    an operation keeps its calls rather than making one per object. Calls are compared by identity.
    """

    __slots__ = ("api", "params", "wants_headers")

    def __init__(self, api: str, params: Mapping[str, Any] | None = None, *, wants_headers: bool = False) -> None:
        """*api* is named as in botocore's S3 model; *wants_headers*: the operation reads response headers."""
        self.api = api
        self.params = dict(params or {})
        self.wants_headers = wants_headers

    def __repr__(self) -> str:
        return f"Call({self.api!r}, {self.params!r})"


class Request(NamedTuple):
    """
    One S3 request.

    Attributes:
        key: raw; empty for requests on a bucket (``DeleteObjects``).
        headers: what differs per object, as ``(lower-case name, wire value)``, e.g. the copy source.
        body: replaces the call's body (``DeleteObjects``, scratch objects).
        delay_s: wait so long before sending.
    """

    call: Call
    bucket: str
    key: str
    version_id: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    delay_s: float = 0.0


class Response(NamedTuple):
    """
    The final answer to a request.

    Attributes:
        status: HTTP status; 0 if there was no answer.
        headers: lower-case names; empty unless the call wants them.
        error_code: S3's error code or the transport's name for the failure; empty if the request succeeded.
        message: the error's text in one line.
        is_retried: an earlier try of this request got no answer or an error, and may have been executed all the same.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    error_code: str = ""
    message: str = ""
    is_retried: bool = False

    @property
    def is_success(self) -> bool:
        """Whether the request succeeded."""
        return not self.error_code

    def outcome(self) -> Outcome:
        """Return the outcome of an object for which this response is decisive."""
        return Outcome(self.status, self.error_code, self.message) if self.error_code else SUCCESS


T = TypeVar("T")
Steps = Generator[Request, Response, T]


@dataclass(frozen=True, slots=True)
class BucketFacts:
    """
    A bucket's configuration as read-only calls tell it; ``""`` where the store does not say.

    Attributes:
        versioning: ``Enabled``, ``Suspended``, ``Off`` or unknown.
        ownership: ``BucketOwnerEnforced`` (no ACLs), ``BucketOwnerPreferred``, ``ObjectWriter`` or unknown.
    """

    versioning: str = ""
    ownership: str = ""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """
    What the preflight found out about the store, for the operations that have to know.

    Attributes:
        is_aws: the endpoint is AWS; nothing was probed.
        findings: facts by name, e.g. ``{"metadata_directive": "REPLACE"}``; which ones is the operation's business.
        buckets: what the target buckets allow.
    """

    is_aws: bool = True
    findings: Mapping[str, str] = dataclasses.field(default_factory=dict)
    buckets: Mapping[str, BucketFacts] = dataclasses.field(default_factory=dict)

    def bucket(self, name: str) -> BucketFacts:
        """Return what is known about the bucket *name*."""
        return self.buckets.get(name, BucketFacts())


@dataclass(frozen=True, slots=True)
class RunContext:
    """
    What an operation is told besides the object.

    Attributes:
        is_replay: an earlier attempt may have worked on the object; its outcome was lost, or was a failure.
    """

    capabilities: Capabilities = dataclasses.field(default_factory=Capabilities)
    is_replay: bool = False


class Operation(ABC):
    """
    Base of all operations: frozen dataclasses whose fields are what the user declares.

    Class attributes:
        name: snake case of the class name, as logs and reports show it.
        replay: what may be done again after a crash.
        destroys: whether object data is lost by it for good.
        batch_size: objects that one request can hold; above 1, `batch_steps` is used.
        invalid_code: ErrorCode of objects whose column values the operation can't take.
    """

    name: ClassVar[str]
    replay: ClassVar[Replay]
    destroys: ClassVar[bool] = False
    batch_size: ClassVar[int] = 1
    invalid_code: ClassVar[str] = "InvalidArgument"
    _MOST_VARIANTS: ClassVar[int] = 5_000

    def __post_init__(self) -> None:
        """Check literal values; fields with Jinja in them are checked after rendering."""
        object.__setattr__(self, "_column_names", tuple(sorted(self.columns())))
        object.__setattr__(self, "_variants", {})
        if not self.has_templates:
            self.validate()

    # -- what a user declares ------------------------------------------------------------------

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
        return any("{{" in text or "{%" in text for text in _strings(self._fields()))

    def render(self, render_text: Callable[[str], str]) -> Self:
        """Return a copy whose strings went through *render_text*; it is validated."""
        values = {name: _rendered(value, render_text) for name, value in self._fields().items()}
        rendered = dataclasses.replace(self, **values)  # type: ignore[type-var]
        rendered.validate()
        return rendered

    def columns(self) -> set[str]:
        """Return the names of the manifest columns that fields refer to."""
        return {column.name for column in _columns(self._fields())}

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
        fields = {name: _resolved(value, values, null=None) for name, value in self._fields().items()}
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
        except ArgumentError:
            return self._with_columns(dict.fromkeys(self.columns(), "x"))

    def to_json(self) -> dict[str, Any]:
        """Return the declaration as JSON-ready values: for the job's files, the fingerprint and Airflow's UI."""
        return {"operation": type(self).__name__, **{name: _plain(value) for name, value in self._fields().items()}}

    def serialize(self) -> dict[str, Any]:
        """Serve Airflow, which calls this to show a template field and to version the Dag."""
        return self.to_json()

    def _fields(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.init}  # type: ignore[arg-type]

    # -- what the engine asks -----------------------------------------------------------------

    @abstractmethod
    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:
        """Yield the requests for one object; return its outcome."""

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

    @abstractmethod
    def iam_actions(self) -> set[str]:
        """Return the IAM actions that the worker engine needs on the objects, e.g. ``{"s3:PutObjectTagging"}``."""


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for item in value.items() for text in _strings(list(item))]
    if isinstance(value, (list, tuple)):
        return [text for item in value for text in _strings(item)]
    return []


def _columns(value: Any) -> list[Column]:
    if isinstance(value, Column):
        return [value]
    if isinstance(value, Mapping):
        return [column for item in value.values() for column in _columns(item)]
    if isinstance(value, (list, tuple)):
        return [column for item in value for column in _columns(item)]
    return []


def _rendered(value: Any, render_text: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return render_text(value)
    if isinstance(value, Mapping):
        return {_rendered(k, render_text): _rendered(v, render_text) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_rendered(item, render_text) for item in value)
    return value


def _resolved(value: Any, columns: Mapping[str, Any], *, null: str | None) -> Any:
    """Return *value* with the values of *columns* (texts) for each `Column` in it; *null* stands for a null."""
    if isinstance(value, Column):
        found = columns[value.name]
        return null if found is None else found if isinstance(found, bool) else str(found)
    if isinstance(value, Mapping):
        return {key: _resolved(item, columns, null="") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_resolved(item, columns, null="") for item in value)
    return value


def text_problems(**values: Any) -> list[str]:
    """Return a clause for each of *values* that is neither a text nor a `Column`; ``None`` is fine."""
    return [
        f"{name}={value!r} is not a text"
        for name, value in values.items()
        if value is not None and not isinstance(value, (str, Column))
    ]


def choice_problems(allowed: Collection[str], **values: Any) -> list[str]:
    """Return a clause for each of *values* that is not one of *allowed*; ``None`` and columns are fine."""
    return [
        f"{name}={value!r}: expected one of {', '.join(sorted(allowed))}"
        for name, value in values.items()
        if value is not None and not isinstance(value, Column) and value not in allowed
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, Column):
        return {"column": value.name}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)
