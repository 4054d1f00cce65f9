"""The first line of a CSV file: looked at before anything is decided about the rest, from the first kilobytes."""

from __future__ import annotations

import csv
import io
import zlib
from typing import TYPE_CHECKING, NamedTuple

from airflow_s3batch.core.errors import InventoryError

if TYPE_CHECKING:
    from airflow_s3batch.engine.files.storage import Storage, StoredFile

HEAD_BYTES = 64 * 1024
_GZIP = b"\x1f\x8b"
_FOREIGN = {
    b"PAR1": "Parquet; use ParquetFiles",
    b"ORC": "ORC; write it as Parquet and use ParquetFiles",
    b"PK\x03\x04": "a zip archive; use gzip, or no compression",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; use gzip, or no compression",
    b"BZh": "compressed with bzip2; use gzip, or no compression",
    b"\xff\xfe": "UTF-16; write it as UTF-8",
    b"\xfe\xff": "UTF-16; write it as UTF-8",
}
_DELIMITERS = {",": "','", ";": "';'", "\t": "a tab ('\\t')", "|": "'|'"}


class Head(NamedTuple):
    """
    How a CSV file begins.

    Attributes:
        compression: ``gzip`` or ``none``.
        fields: of its first line that is not blank; empty if there is none.
        line_end: of that line; empty if it is the last one, too.
        starts_blank: it is not the very first line.
    """

    compression: str
    fields: tuple[str, ...]
    line_end: str = ""
    starts_blank: bool = False


def read_head(storage: Storage, file: StoredFile, delimiter: str) -> Head:
    """
    Return how *file* (of at least one byte) begins.

    Raises:
        InventoryError: it is not CSV in UTF-8, plain or compressed with gzip.
    """
    if file.url.key.endswith(".json"):
        raise InventoryError(
            f"{file.url}: expected CSV, but this is JSON; for the manifest.json of an S3 Inventory use Inventory, for "
            "that of a completion report CompletionReport"
        )
    start = storage.read_part(file.url, 0, min(file.size, HEAD_BYTES))
    is_whole = len(start) >= file.size
    compression = "none"
    if start.startswith(_GZIP):
        compression = "gzip"
        start, is_whole = _unzipped(start, file, is_whole=is_whole)
    text = _decoded(start, file, is_whole=is_whole)
    head = _first_record(text, file, delimiter, is_whole=is_whole)
    _check_delimiter(head.fields, file, delimiter)
    return head._replace(compression=compression)


def _unzipped(packed: bytes, file: StoredFile, *, is_whole: bool) -> tuple[bytes, bool]:
    """Return the first bytes of what is packed, which can be in several members, and whether that is all."""
    text, is_ended = b"", True
    while packed and is_ended and len(text) < HEAD_BYTES:
        member = zlib.decompressobj(wbits=31)
        try:
            text += member.decompress(packed, HEAD_BYTES - len(text))
        except zlib.error as error:
            raise InventoryError(f"{file.url}: it begins like gzip, but can't be unpacked ({error})") from None
        packed, is_ended = member.unused_data, member.eof
    return text, is_whole and is_ended and not packed


def _decoded(start: bytes, file: StoredFile, *, is_whole: bool) -> str:
    for magic, what in _FOREIGN.items():
        if start.startswith(magic):
            raise InventoryError(f"{file.url}: expected CSV in UTF-8, but this is {what}")
    if b"\0" in start:
        raise InventoryError(f"{file.url}: expected CSV in UTF-8, but it has NUL bytes")
    try:
        return start.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if not is_whole and error.start > len(start) - 4:
            return start[: error.start].decode("utf-8-sig")
        raise InventoryError(f"{file.url}: expected CSV in UTF-8, but byte {error.start} is not UTF-8") from None


def _first_record(text: str, file: StoredFile, delimiter: str, *, is_whole: bool) -> Head:
    lines = io.StringIO(text, newline="")
    try:
        fields: list[str] = next((row for row in csv.reader(lines, delimiter=delimiter, strict=True) if row), [])
    except csv.Error as error:
        raise InventoryError(f"{file.url}: its first line is not CSV ({error})") from None
    if not is_whole and lines.tell() >= len(text):
        raise InventoryError(f"{file.url}: its first line is longer than {HEAD_BYTES:,} bytes; is this CSV?")
    read = text[: lines.tell()]
    line_end = read[len(read.rstrip("\r\n")) :] if fields else ""
    return Head("none", tuple(fields), line_end, starts_blank=text.startswith(("\r", "\n")))


def _check_delimiter(fields: tuple[str, ...], file: StoredFile, delimiter: str) -> None:
    """Refuse a header that is one field because it has another delimiter."""
    others = [other for other in _DELIMITERS if other != delimiter and len(fields) == 1 and fields[0].count(other) >= 1]
    names = {name for other in others for name in fields[0].lower().replace('"', "").split(other)}
    if others and {"bucket", "key"} <= names:
        raise InventoryError(
            f"{file.url}: its first line has one column with delimiter={delimiter!r}: {fields[0][:80]!r}; is the "
            f"delimiter {' or '.join(_DELIMITERS[other] for other in others)}?"
        )
