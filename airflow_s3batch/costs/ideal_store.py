"""
A store that does at once what it is asked, so that an operation tells by itself which requests an object takes.

It answers an operation's own steps as S3 would for one object that is there, keeps nothing but what those steps look at
again, and does no I/O.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, TypeVar
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from airflow_s3batch.core.manifest import UNKNOWN_CLASS
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.operations.requests import Errand, Request, Response, Steps

E_TAG = "0123456789abcdef0123456789abcdef"
PART_BYTES = 8 * 1024**2
"""How large the parts of an uploaded object are taken to be: what AWS's CLI and SDKs choose unless told otherwise."""

_CLASS, _ENCRYPTION = "x-amz-storage-class", "x-amz-server-side-encryption"
_THEN, _NOW = "Mon, 01 Jan 2024 00:00:00 GMT", "Tue, 02 Jan 2024 00:00:00 GMT"
_RANGE = re.compile(r"bytes=(\d+)-(\d+)").fullmatch
_ACL = b"<AccessControlPolicy><Owner><ID>o</ID></Owner><AccessControlList/></AccessControlPolicy>"
_NO_TAGS = b"<Tagging><TagSet/></Tagging>"
_ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE", "INTELLIGENT_TIERING", UNKNOWN_CLASS})
_OK = Response(200, {}, b"")
T = TypeVar("T")


class Sent(NamedTuple):
    """
    One request, as it matters to the bill.

    Attributes:
        storage_class: of what it is about, as far as the request itself tells.
        target_class: of what it writes.
        reads: whether the object's bytes are read.
        replaces: whether the object itself goes, or is written anew.
        uses_kms: whether it names a KMS key's encryption; *has_bucket_key*: that S3 asks KMS for but seldom.
        tier: of a restore.
    """

    api: str
    storage_class: str
    target_class: str = "STANDARD"
    reads: bool = False
    replaces: bool = False
    uses_kms: bool = False
    has_bucket_key: bool = False
    tier: str = ""


class _Asked(NamedTuple):
    """A request; *note* is what there is to say of it before it is answered."""

    request: Request
    headers: dict[str, str]
    place: tuple[str, str]
    note: Sent


_Answered = tuple[Sent, Response]


@dataclass
class IdealStore:
    """
    Answers the requests for *obj*.

    Attributes:
        sent: all requests so far.
        refuses_updates: the object's encryption can't be changed in place.
    """

    obj: S3Object
    refuses_updates: bool = False
    sent: list[Sent] = field(default_factory=list)
    _classes: dict[tuple[str, str], str] = field(default_factory=dict)
    _tags: bytes = _NO_TAGS
    _upload_class: str = "STANDARD"

    def drive(self, steps: Steps[T], *, most: int | None = None) -> None:
        """Answer all that *steps* ask for, or the first *most* requests of it."""
        response: Any = None
        try:
            while most is None or len(self.sent) < most:
                request = steps.send(response)
                response = _OK if isinstance(request, Errand) else self._answer(request)
        except StopIteration:
            return
        steps.close()

    @property
    def _place(self) -> tuple[str, str]:
        return self.obj.bucket, self.obj.key

    @property
    def _class(self) -> str:
        return self.obj.storage_class or UNKNOWN_CLASS

    def _answer(self, request: Request) -> Response:
        api, place = request.call.api, (request.bucket, request.key)
        asked = _Asked(request, dict(request.headers), place, Sent(api, self._classes.get(place, self._class)))
        answer = self._ANSWERS.get(api)
        note, response = answer(self, asked) if answer else (asked.note, _OK)
        self.sent.append(note)
        return response._replace(headers={"date": _NOW, **response.headers})

    @property
    def _e_tag(self) -> str:
        return self.obj.e_tag or E_TAG

    def _head(self, asked: _Asked) -> _Answered:
        if asked.place != self._place and asked.place not in self._classes:
            return asked.note, Response(404, {}, b"", "NoSuchKey", "there is no such object")
        size, e_tag, more = self.obj.size or 0, self._e_tag, {}
        if dict(asked.request.query).get("partNumber"):
            parts = max(1, -(-size // PART_BYTES))
            e_tag, size, more = f"{E_TAG}-{parts}", min(size, PART_BYTES), {"x-amz-mp-parts-count": str(parts)}
        if self.obj.version_id:
            more["x-amz-version-id"] = self.obj.version_id
        if asked.note.storage_class not in ("STANDARD", UNKNOWN_CLASS):
            more[_CLASS] = asked.note.storage_class
        shown = {"etag": f'"{e_tag}"', "content-length": str(size), "last-modified": _THEN}
        return asked.note, Response(200, {**shown, **more}, b"")

    def _copy(self, asked: _Asked) -> _Answered:
        self._classes[asked.place] = target = _written_class(asked)
        is_itself = asked.place == self._place
        note = asked.note._replace(storage_class=self._class, target_class=target, reads=True, replaces=is_itself)
        return _with_kms(note, asked), Response(200, {}, _told_e_tag("CopyObjectResult", self._e_tag))

    def _begin_upload(self, asked: _Asked) -> _Answered:
        self._upload_class = _written_class(asked)
        note = asked.note._replace(target_class=self._upload_class)
        return _with_kms(note, asked), Response(200, {}, b"<R><UploadId>u</UploadId></R>")

    def _copy_part(self, asked: _Asked) -> _Answered:
        note = asked.note._replace(storage_class=self._class, target_class=self._upload_class, reads=True)
        return note, Response(200, {}, _told_e_tag("CopyPartResult", E_TAG))

    def _end_upload(self, asked: _Asked) -> _Answered:
        self._classes[asked.place] = self._upload_class
        note = asked.note._replace(target_class=self._upload_class, replaces=asked.place == self._place)
        return note, Response(200, {}, _told_e_tag("CompleteMultipartUploadResult", self._e_tag))

    def _tell_tags(self, asked: _Asked) -> _Answered:
        return asked.note, Response(200, {}, self._tags)

    def _keep_tags(self, asked: _Asked) -> _Answered:
        self._tags = asked.request.body or _NO_TAGS
        return asked.note, _OK

    def _tell_acl(self, asked: _Asked) -> _Answered:
        return asked.note, Response(200, {}, _ACL)

    def _get(self, asked: _Asked) -> _Answered:
        size, wanted = self.obj.size or 0, _RANGE(asked.headers.get("range", ""))
        first, last = (int(wanted[1]), min(int(wanted[2]), size - 1)) if wanted else (0, size - 1)
        note = asked.note._replace(reads=True)
        if wanted and first >= size:
            return note, Response(416, {}, b"", "InvalidRange", "there are no such bytes")
        if asked.request.sink is not None:
            asked.request.sink()(_Zeros.of(last + 1 - first))
        shown = {"etag": asked.headers.get("if-match", f'"{self._e_tag}"')}
        if wanted:
            shown["content-range"] = f"bytes {first}-{last}/{size}"
        return note, Response(206 if wanted else 200, shown, b"")

    def _delete(self, asked: _Asked) -> _Answered:
        return asked.note._replace(replaces=True), Response(204, {}, b"")

    def _delete_many(self, asked: _Asked) -> _Answered:
        told = "".join(f"<Deleted>{each}</Deleted>" for each in _asked_deletes(asked.request.body or b"<Delete/>"))
        answer = Response(200, {}, f"<DeleteResult>{told}</DeleteResult>".encode())
        return asked.note._replace(replaces=True, storage_class=self._class), answer

    def _restore(self, asked: _Asked) -> _Answered:
        wanted = asked.request.call.params.get("RestoreRequest", {}).get("GlacierJobParameters", {})
        note = asked.note._replace(tier=str(wanted.get("Tier", "")).upper())
        is_archived = self._class in _ARCHIVES
        return note, Response(202, {}, b"") if is_archived else Response(
            403, {}, b"", "InvalidObjectState", "no archive"
        )

    def _update(self, asked: _Asked) -> _Answered:
        note = asked.note._replace(uses_kms=True)
        return note, Response(400, {}, b"", "InvalidRequest", "not in place") if self.refuses_updates else _OK

    def _invoke(self, asked: _Asked) -> _Answered:
        tasks = json.loads(asked.request.body or b"{}").get("tasks", [])
        results = [{"taskId": task["taskId"], "resultCode": "Succeeded", "resultString": ""} for task in tasks]
        return asked.note, Response(200, {}, json.dumps({"results": results}).encode())

    _ANSWERS: ClassVar = {
        "HeadObject": _head,
        "CopyObject": _copy,
        "CreateMultipartUpload": _begin_upload,
        "UploadPartCopy": _copy_part,
        "CompleteMultipartUpload": _end_upload,
        "GetObjectTagging": _tell_tags,
        "PutObjectTagging": _keep_tags,
        "GetObjectAcl": _tell_acl,
        "GetObject": _get,
        "DeleteObject": _delete,
        "DeleteObjects": _delete_many,
        "RestoreObject": _restore,
        "UpdateObjectEncryption": _update,
        "Invoke": _invoke,
    }


class _Zeros(bytes):
    """As many bytes as it says, none of which takes any room or time."""

    _length = 0

    @classmethod
    def of(cls, length: int) -> _Zeros:
        made = cls()
        made._length = length
        return made

    def __len__(self) -> int:
        return self._length


def _written_class(asked: _Asked) -> str:
    return str(asked.request.call.params.get("StorageClass") or asked.headers.get(_CLASS) or "STANDARD")


def _with_kms(note: Sent, asked: _Asked) -> Sent:
    params = asked.request.call.params
    named = str(params.get("ServerSideEncryption") or asked.headers.get(_ENCRYPTION) or "")
    return note._replace(uses_kms=named.startswith("aws:kms"), has_bucket_key=params.get("BucketKeyEnabled") is True)


def _told_e_tag(element: str, e_tag: str) -> bytes:
    return f"<{element}><ETag>&quot;{escape(e_tag)}&quot;</ETag></{element}>".encode()


def _asked_deletes(body: bytes) -> Iterator[str]:
    """Yield, for each object that *body*, our own request, asks to delete, what the answer names it by."""
    for element in ElementTree.fromstring(body):  # noqa: S314 - the operation itself has just written it
        fields = {child.tag.rpartition("}")[2]: child.text or "" for child in element}
        names = (name for name in ("Key", "VersionId") if fields.get(name))
        yield "".join(f"<{name}>{escape(fields[name])}</{name}>" for name in names)
