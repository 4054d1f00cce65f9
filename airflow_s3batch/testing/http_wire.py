"""HTTP/1.1 messages as bytes: read off a stream whole, and just enough understood to know where they end."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

END_OF_HEAD = b"\r\n\r\n"
HEAD_BYTES = 1 << 20
_BODYLESS_STATUSES = frozenset({b"204", b"304"})


class Message(NamedTuple):
    """One request or answer, byte for byte: *head* ends in an empty line, *body* is as it came (chunked or not)."""

    head: bytes
    body: bytes

    def header(self, name: str) -> str:
        """Return the value of the header *name* (lower case), empty if there is none."""
        lowered = self.head.lower()
        start = lowered.find(b"\r\n" + name.encode() + b":")
        if start < 0:
            return ""
        start += len(name) + 3
        return self.head[start : self.head.index(b"\r\n", start)].decode("latin-1").strip()


async def read_head(reader: asyncio.StreamReader) -> bytes | None:
    """
    Return the next message's head with the empty line, ``None`` if the peer closed the connection instead.

    Raises:
        ConnectionError: the peer closed it in the middle of the head.
    """
    try:
        return await reader.readuntil(END_OF_HEAD)
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise ConnectionResetError("closed in the middle of a head") from error
        return None


async def read_body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    """Return the body of the message with this *head*, chunk sizes included."""
    message = Message(head, b"")
    if message.header("transfer-encoding").lower() == "chunked":
        return await _read_chunks(reader)
    length = message.header("content-length")
    return await reader.readexactly(int(length)) if length else b""


async def read_answer(reader: asyncio.StreamReader, method: str) -> Message:
    """
    Return the final answer to a request with *method*; interim ones (1xx) are dropped.

    Raises:
        ConnectionError: the peer closed the connection without an answer, or in the middle of its head.
    """
    while True:
        head = await read_head(reader)
        if head is None:
            raise ConnectionResetError("closed without an answer")
        status = head.split(b" ", 2)[1][:3]
        if status.startswith(b"1"):
            continue
        if method == "HEAD" or status in _BODYLESS_STATUSES:
            return Message(head, b"")
        return Message(head, await read_body(reader, head))


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while True:
        line = await reader.readuntil(b"\r\n")
        parts.append(line)
        size = int(line.split(b";", 1)[0], 16)
        if not size:
            break
        parts.append(await reader.readexactly(size + 2))
    while parts[-1] != b"\r\n":  # trailers, then an empty line
        parts.append(await reader.readuntil(b"\r\n"))
    return b"".join(parts)
