"""User metadata and content headers: as users declare them, as copies take them, and as HeadObject shows them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from airflow_s3batch.operations.fields import Column, text_problems
from airflow_s3batch.operations.moments import http_date, moment_of, moment_problems

META = "x-amz-meta-"
MOST_METADATA_BYTES = 2_048
"""Of names and values together. https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html"""

_NAME = re.compile("[A-Za-z0-9!#$%&'*+.^_`|~-]+").fullmatch

CONTENT_HEADERS = (
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
)
CONTENT_FIELDS = tuple(name.replace("-", "_") for name in CONTENT_HEADERS)
"""The operations' fields of these headers, in the same order."""

_PARAMS = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "Expires")


class ContentChoice(NamedTuple):
    """What an operation's fields say of metadata and content headers; ``None`` says nothing."""

    metadata: Mapping[str, str | Column] | None
    cache_control: str | Column | None
    content_disposition: str | Column | None
    content_encoding: str | Column | None
    content_language: str | Column | None
    content_type: str | Column | None
    expires: datetime | str | Column | None

    @classmethod
    def of(cls, operation: Any) -> ContentChoice:
        """Return the choice of an operation that has fields of these names."""
        return cls(*(getattr(operation, name) for name in cls._fields))

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said."""
        return all(value is None for value in self)

    @property
    def has_headers(self) -> bool:
        """Whether something is said of content headers."""
        return any(value is not None for value in self[1:])

    def problems(self) -> list[str]:
        """Return what is wrong, a clause each."""
        named = dict(zip(self._fields[1:-1], self[1:-1], strict=True))
        found = [*text_problems(**named), *_header_problems(named)]
        found.extend(moment_problems(expires=self.expires or None))
        if self.content_type == "":
            found.append("content_type='': S3 shows a type for every object; name the one to set")
        if self.metadata is None:
            return found
        if not isinstance(self.metadata, Mapping):
            return [*found, f"metadata={self.metadata!r}: expected texts by name"]
        named = {str(name): value for name, value in self.metadata.items()}
        found.extend([*text_problems(**named), *_header_problems(named)])
        found.extend(f"metadata name {name!r}: expected letters, digits, - and _" for name in named if not _NAME(name))
        texts = [text for item in self.metadata.items() for text in item if isinstance(text, str)]
        if sum(len(text.encode()) for text in texts) > MOST_METADATA_BYTES:
            found.append(f"metadata: more than {MOST_METADATA_BYTES} bytes of names and values")
        return found

    def params(self) -> dict[str, Any]:
        """Return the parameters of a request that sets all metadata anew."""
        params: dict[str, Any] = {} if self.metadata is None else {"Metadata": dict(self.metadata)}
        params.update((name, value) for name, value in zip(_PARAMS, self[1:], strict=True) if value)
        if self.expires:
            params["Expires"] = moment_of(self.expires)  # type: ignore[arg-type]
        return params

    def applied_to(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the metadata and content headers of an object with *headers* once this choice is made on it."""
        shown = {name: value for name, value in headers.items() if name in CONTENT_HEADERS or name.startswith(META)}
        if self.metadata is not None:
            shown = {name: value for name, value in shown.items() if not name.startswith(META)}
            shown.update((META + name.lower(), str(value)) for name, value in self.metadata.items())
        for name, value in zip(CONTENT_HEADERS, self[1:], strict=True):
            if value is not None:
                shown.pop(name, None)
                if value:
                    shown[name] = http_date(value) if name == "expires" else str(value)  # type: ignore[arg-type]
        return shown

    def is_shown_by(self, headers: Mapping[str, str]) -> bool:
        """Return whether a HeadObject's *headers* show this choice already."""
        return self.applied_to(headers) == _EMPTY.applied_to(headers)

    def differs_from(self, headers: Mapping[str, str]) -> str:
        """Return how a HeadObject's *headers* show something else, a clause; HTTP drops spaces around values."""
        wanted, shown = (_trimmed(choice.applied_to(headers)) for choice in (self, _EMPTY))
        names = sorted(name for name in {**wanted, **shown} if wanted.get(name) != shown.get(name))
        return "; ".join(f"{name} is {shown.get(name)!r}, not {wanted.get(name)!r}" for name in names)[:400]


def _trimmed(headers: Mapping[str, str]) -> dict[str, str]:
    """Return *headers* as they mean the same: without spaces around them, empty ones, and ways to write a time."""
    found = {name: value.strip() for name, value in headers.items() if value.strip()}
    with contextlib.suppress(TypeError, ValueError):
        found["expires"] = str(parsedate_to_datetime(found.get("expires", "")).timestamp())
    return found


_EMPTY = ContentChoice(None, None, None, None, None, None, None)


def content_of(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the metadata and content headers among HeadObject's *headers*, as requests set them."""
    return _EMPTY.applied_to(headers)


def _header_problems(values: Mapping[str, Any]) -> list[str]:
    """Return a clause for each of *values* that no header can carry."""
    return [
        f"{name}={value!r}: a header takes printable ASCII characters only"
        for name, value in values.items()
        if isinstance(value, str) and not (value.isascii() and value.isprintable())
    ]


def is_readable(headers: Mapping[str, str]) -> bool:
    """Return whether HeadObject's *headers* show all metadata as it is: none is missing, none has odd characters."""
    shown = [*content_of(headers).values(), headers.get("x-amz-website-redirect-location", "")]
    return "".join(shown).isascii() and headers.get("x-amz-missing-meta", "0") == "0"
