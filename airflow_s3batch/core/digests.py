"""
S3's ten checksum algorithms, over bytes that come in pieces.

CRC32C, CRC64NVME and the XXHASH family come from optional libraries, which are imported when they are used.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol, Self

LIBRARIES = {
    "CRC32C": "awscrt",
    "CRC64NVME": "awscrt",
    "XXHASH64": "xxhash",
    "XXHASH3": "xxhash",
    "XXHASH128": "xxhash",
}
"""What each algorithm needs beyond Python itself."""

ALGORITHMS = ("CRC32", "CRC32C", "CRC64NVME", "MD5", "SHA1", "SHA256", "SHA512", "XXHASH64", "XXHASH3", "XXHASH128")
_XXHASH = {"XXHASH64": "xxh64", "XXHASH3": "xxh3_64", "XXHASH128": "xxh3_128"}


class Digest(Protocol):
    """A checksum under way, as `hashlib` has it."""

    def update(self, data: bytes, /) -> None:
        """Take the next piece."""

    def copy(self) -> Self:
        """Return another one that goes on from here."""

    def digest(self) -> bytes:
        """Return the checksum of all pieces so far, most significant byte first."""


def missing_library(algorithm: str) -> str:
    """Return the name of the library that *algorithm* needs and that is not installed; empty if all is there."""
    library = LIBRARIES.get(algorithm, "")
    return library if library and find_spec(library) is None else ""


def new_digest(algorithm: str) -> Digest:
    """
    Return a checksum over nothing yet; *algorithm* is one of `ALGORITHMS`.

    Raises:
        ImportError: its library is not installed.
    """
    if algorithm == "CRC32":
        return _Crc(zlib.crc32, 4)
    if algorithm in ("CRC32C", "CRC64NVME"):
        step = getattr(import_module("awscrt.checksums"), algorithm.lower())
        return _Crc(step, 4 if algorithm == "CRC32C" else 8)
    if algorithm in _XXHASH:
        found: Digest = getattr(import_module("xxhash"), _XXHASH[algorithm])()
        return found
    return hashlib.new(algorithm.lower(), usedforsecurity=False)


class _Crc:
    """A cyclic redundancy check; *step* returns the sum that continues another one with more bytes."""

    __slots__ = ("_bytes", "_step", "_sum")

    def __init__(self, step: Callable[[Any, int], int], width: int, value: int = 0) -> None:
        self._step = step
        self._bytes = width
        self._sum = value

    def update(self, data: bytes, /) -> None:
        self._sum = self._step(data, self._sum)

    def copy(self) -> Self:
        return type(self)(self._step, self._bytes, self._sum)

    def digest(self) -> bytes:
        return self._sum.to_bytes(self._bytes)
