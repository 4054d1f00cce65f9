"""
Compute a checksum of what each object holds.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-compute-checksums.html
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

from airflow_s3batch.core.digests import ALGORITHMS, Digest, missing_library, new_digest
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import SUCCESS, Outcome
from airflow_s3batch.operations.base import Operation, Replay
from airflow_s3batch.operations.bodies.sources import e_tag_in
from airflow_s3batch.operations.fields import Column, choice_problems
from airflow_s3batch.operations.requests import Call, Request, Response, RunContext, Steps
from airflow_s3batch.operations.verification import AS_LEFT, CHANGED_SINCE, Done, differs, gone

FULL_OBJECT = "FULL_OBJECT"
COMPOSITE = "COMPOSITE"
RANGE_BYTES = 64 * 1024**2
"""How much is read with one request; what a failure costs, and what is held up by a slow one."""

RANGE_TIMEOUT_S = 600.0
NOT_MULTIPART = "NotMultipart"
ARCHIVED = "InvalidObjectState"
"""S3's ErrorCode for objects in GLACIER, DEEP_ARCHIVE or an archive tier."""

_GET = Call("GetObject", wants_headers=True, timeout_s=RANGE_TIMEOUT_S)
_HEAD = Call("HeadObject", {"PartNumber": 1}, wants_headers=True)
_CHECKED_HEAD = Call("HeadObject", {"ChecksumMode": "ENABLED"}, wants_headers=True)
_PARTS = re.compile(r'"?[0-9a-fA-F]+-(\d+)"?').fullmatch
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)").fullmatch


@dataclass(frozen=True)
class ComputeObjectChecksum(Operation):
    """
    Read each object and report a checksum of it, like S3 Batch Operations' ``S3ComputeObjectChecksum``.

    The checksum is in the report's message, in AWS's JSON form: ``checksum_base64``, ``checksum_hex``, ``etag``,
    ``checksumAlgorithm``, ``checksumType``. Nothing is stored with the object. Objects are read in ranges of 64 MiB
    under the condition that they stay as they are; nothing is kept in memory, and what was read is not read again when
    a later range fails. Archived objects can't be read: restore them first, or let AWS do it (``engine="managed"``).

    A composite checksum is one over the checksums of the parts that the object was uploaded in, followed by their
    number, as S3 shows it. Objects that were not uploaded in parts have none.

    CRC32C and CRC64NVME need the library ``awscrt``, the XXHASH algorithms ``xxhash``, on the workers: ``pip install
    'airflow-provider-s3batch[checksums]'``.

    Args:
        algorithm: ``CRC32``, ``CRC32C``, ``CRC64NVME``, ``MD5``, ``SHA1``, ``SHA256``, ``SHA512``, ``XXHASH64``,
            ``XXHASH3`` or ``XXHASH128``.
        checksum_type: ``"FULL_OBJECT"`` or ``"COMPOSITE"``, which CRC64NVME doesn't have.
    """

    algorithm: str | Column
    checksum_type: str | Column = FULL_OBJECT

    name: ClassVar[str] = "compute_object_checksum"
    requests: ClassVar[tuple[str, ...]] = ("GetObject", "HeadObject")
    replay: ClassVar[Replay] = Replay.SAFE
    managed_name: ClassVar[str] = "S3ComputeObjectChecksum"
    is_probed: ClassVar[bool] = False
    compares: ClassVar[str] = "the ETag, and S3's own checksum where it has one of that kind, with those of the report"
    reads_messages: ClassVar[bool] = True

    @classmethod
    def example(cls) -> Self:  # noqa: D102
        return cls("SHA256")

    def problems(self) -> list[str]:  # noqa: D102
        found = choice_problems(ALGORITHMS, algorithm=self.algorithm)
        found += choice_problems((FULL_OBJECT, COMPOSITE), checksum_type=self.checksum_type)
        if self.algorithm is None or self.checksum_type is None:
            found.append("algorithm and checksum_type can't be empty")
        if (self.algorithm, self.checksum_type) == ("CRC64NVME", COMPOSITE):
            found.append("CRC64NVME has no composite form; use checksum_type='FULL_OBJECT'")
        return found

    def machine_problems(self) -> list[str]:  # noqa: D102
        wanted = ALGORITHMS if isinstance(self.algorithm, Column) else (self.algorithm,)
        missing = sorted({missing_library(algorithm) for algorithm in wanted} - {""})
        if not missing:
            return []
        told = " and ".join(missing)
        return [f"{told} is not installed; pip install 'airflow-provider-s3batch[checksums]' on the workers"]

    # -- AWS's own service ---------------------------------------------------------------------

    def managed_form(self) -> dict[str, Any]:  # noqa: D102
        return {"ChecksumAlgorithm": self.algorithm, "ChecksumType": self.checksum_type}

    @classmethod
    def from_managed_form(cls, form: Mapping[str, Any]) -> Self:  # noqa: D102
        return cls(form.get("ChecksumAlgorithm", "CRC64NVME"), form.get("ChecksumType", FULL_OBJECT))

    # -- what the engine asks ------------------------------------------------------------------

    def steps(self, obj: S3Object, context: RunContext) -> Steps[Outcome]:  # noqa: ARG002, D102
        if self.checksum_type == COMPOSITE:
            return (yield from self._composite(obj))
        read = yield from _read(obj, _Reading(new_digest(str(self.algorithm)), obj.size))
        if isinstance(read, Outcome):
            return read
        return self._success(read.digest.digest(), read.e_tag, "")

    def _composite(self, obj: S3Object) -> Steps[Outcome]:
        """Read part by part; the parts' checksums, one after the other, are what the composite one is over."""
        whole, number, parts, start, e_tag = new_digest(str(self.algorithm)), 1, 1, 0, ""
        while number <= parts:
            part = yield from _read_part(obj, number, start, e_tag, new_digest(str(self.algorithm)))
            if isinstance(part, Outcome):
                return part
            whole.update(part.digest.digest())
            number, parts, start, e_tag = number + 1, part.of, part.end, part.e_tag
        return self._success(whole.digest(), e_tag, f"-{parts}")

    def _success(self, digest: bytes, e_tag: str, suffix: str) -> Outcome:
        result = {
            "checksum_base64": base64.b64encode(digest).decode() + suffix,
            "etag": e_tag.strip('"'),
            "checksumAlgorithm": self.algorithm,
            "checksumType": self.checksum_type,
            "checksum_hex": digest.hex() + suffix,
        }
        return SUCCESS._replace(message=json.dumps(result, separators=(",", ":")))

    def marks(self, obj: S3Object) -> frozenset[str]:  # noqa: ARG002, D102
        return frozenset({"body"})

    def compared(self, obj: S3Object, done: Done) -> Steps[Outcome]:  # noqa: D102
        head = yield Request(_CHECKED_HEAD, obj.bucket, obj.key, obj.version_id)
        if not head.is_success:
            return gone(head)
        told, seen = _result_in(done.message), e_tag_in(head.headers)
        if seen != told.get("etag", seen):
            return differs(CHANGED_SINCE, f"ETag {seen}; the body that was read had {told['etag']}")
        kept = head.headers.get(f"x-amz-checksum-{self.algorithm}".lower(), "")
        kind = head.headers.get("x-amz-checksum-type", COMPOSITE if "-" in kept else FULL_OBJECT)
        was = told.get("checksum_base64", kept)
        if kept and kind == self.checksum_type and kept != was:
            return differs("ChecksumDiffers", f"S3 shows {kept}; computed was {was}")
        return AS_LEFT

    def probe(self, scratch: S3Object, sample: S3Object) -> Steps[Mapping[str, str]]:  # noqa: ARG002, D102
        yield from ()
        return {}

    def iam_actions(self) -> set[str]:  # noqa: D102
        return {"s3:GetObject", "s3:GetObjectVersion"}

    def managed_iam_actions(self) -> set[str]:  # noqa: D102
        return {*self.iam_actions(), "s3:RestoreObject"}


class _Reading(NamedTuple):
    """
    How far an object was read.

    Attributes:
        digest: over all bytes up to *at*.
        size: of the object, as the manifest has it; ``None`` if unknown.
        e_tag: in quotes; empty until an answer told it.
        at: the next byte to be read.
        end: the byte behind the last one to be read; ``None`` until an answer told the size.
    """

    digest: Digest
    size: int | None
    e_tag: str = ""
    at: int = 0
    end: int | None = None

    def request(self, obj: S3Object, sink: Callable[[], Callable[[bytes], None]]) -> Request:
        """Return the request for the next range; an empty object has none, and is read as a whole."""
        last = self.at + RANGE_BYTES if self.end is None else min(self.end, self.at + RANGE_BYTES)
        headers = [("if-match", self.e_tag)] if self.e_tag else []
        if self.size != 0 and self.end != 0:
            headers.append(("range", f"bytes={self.at}-{last - 1}"))
        return Request(_GET, obj.bucket, obj.key, obj.version_id, tuple(headers), sink=sink)


class _Sink:
    """Makes what takes a body's pieces: each try goes on from *digest* anew. The last one counts."""

    __slots__ = ("_digest", "digest", "taken")

    def __init__(self, digest: Digest) -> None:
        self._digest = digest
        self.digest = digest
        self.taken = 0

    def __call__(self) -> Callable[[bytes], None]:
        self.digest = digest = self._digest.copy()
        self.taken = 0

        def take(piece: bytes) -> None:
            self.taken += len(piece)
            digest.update(piece)

        return take


def _read(obj: S3Object, reading: _Reading) -> Steps[_Reading | Outcome]:
    """Read on to the end; return how it stands then, or the object's outcome if it can't be read."""
    while reading.end is None or reading.at < reading.end:
        sink = _Sink(reading.digest)
        response = yield reading.request(obj, sink)
        if response.status == 416 and reading.end is None and reading.size != 0:  # it is empty, whatever was said
            reading = reading._replace(size=0)
            continue
        if not response.is_success:
            return _told(response)
        found = _after(reading, response, sink)
        if isinstance(found, Outcome):
            return found
        reading = found
    return reading


def _after(reading: _Reading, response: Response, sink: _Sink) -> _Reading | Outcome:
    """Return how far the object is read now that *sink* has taken the body of *response*."""
    shown = _RANGE(response.headers.get("content-range", ""))
    if shown is None and reading.at == 0 and reading.end in (None, sink.taken):  # the whole object
        first, last, size = 0, sink.taken - 1, sink.taken
    elif shown is not None:
        first, last, size = map(int, shown.groups())
    else:
        return Outcome(response.status, "InvalidResponse", "the store ignores which range was asked for")
    if first != reading.at or last + 1 - first != sink.taken:
        return Outcome(response.status, "InvalidResponse", f"{sink.taken:,} bytes came for the range {first}-{last}")
    e_tag = response.headers.get("etag", "")
    if reading.e_tag and e_tag != reading.e_tag:
        return Outcome(412, "PreconditionFailed", "somebody stored another object while it was read")
    end = size if reading.end is None else reading.end
    return _Reading(sink.digest, size, e_tag, last + 1, end)


class _Part(NamedTuple):
    """A part that was read: up to *end*, out of *of* parts."""

    digest: Digest
    end: int
    of: int
    e_tag: str


def _read_part(obj: S3Object, number: int, start: int, e_tag: str, digest: Digest) -> Steps[_Part | Outcome]:
    """Read the part *number*, from 1, which begins at *start* of the object with *e_tag* (empty for the first)."""
    headers = (("if-match", e_tag),) if e_tag else ()
    query = (("partNumber", str(number)),)
    head = yield Request(_HEAD, obj.bucket, obj.key, obj.version_id, headers, query=query)
    if not head.is_success:
        return _told(head)
    e_tag, count = head.headers.get("etag", ""), head.headers.get("x-amz-mp-parts-count", "")
    uploaded = _PARTS(e_tag)
    if uploaded is None and count in ("", "1"):
        return Outcome(400, NOT_MULTIPART, "was not uploaded in parts, so it has no composite checksum")
    if not count.isdigit():
        return (yield from _read_whole_part(obj, number, start, e_tag, digest))
    end = start + int(head.headers.get("content-length", "0"))
    read = yield from _read(obj, _Reading(digest, None, e_tag, start, end))
    return read if isinstance(read, Outcome) else _Part(read.digest, end, int(count), e_tag)


def _read_whole_part(obj: S3Object, number: int, start: int, e_tag: str, digest: Digest) -> Steps[_Part | Outcome]:
    """Read a part with one request, from a store that does not tell the sizes of parts; the ETag tells their number."""
    sink = _Sink(digest)
    query = (("partNumber", str(number)),)
    response = yield Request(_GET, obj.bucket, obj.key, obj.version_id, (("if-match", e_tag),), query=query, sink=sink)
    if not response.is_success:
        return _told(response)
    shown, uploaded = _RANGE(response.headers.get("content-range", "")), _PARTS(e_tag)
    if shown is None or uploaded is None or int(shown[1]) != start or int(shown[2]) + 1 - start != sink.taken:
        return Outcome(response.status, "InvalidResponse", "the store does not tell an object's parts apart")
    return _Part(sink.digest, start + sink.taken, int(uploaded[1]), e_tag)


def _told(response: Response) -> Outcome:
    outcome = response.outcome()
    if outcome.error_code == ARCHIVED:
        advice = "it is archived: restore it first (RestoreObject), or use engine='managed', which reads archives"
        return outcome._replace(message=f"{advice}; {outcome.message}")
    if outcome.http_status == 412:
        return outcome._replace(message="somebody stored another object while it was read")
    return outcome


def _result_in(message: str) -> dict[str, str]:
    """Return what a report's *message* tells of the checksum; empty if it is not its JSON."""
    try:
        told = json.loads(message)
    except ValueError:
        return {}
    return {str(name): str(value) for name, value in told.items()} if isinstance(told, dict) else {}
