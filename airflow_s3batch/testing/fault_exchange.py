"""One client connection of the fault proxy, and one request on it, as faults handle them."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress

from airflow_s3batch.testing.fault_requests import ProxiedRequest
from airflow_s3batch.testing.faults import as_bytes
from airflow_s3batch.testing.http_wire import HEAD_BYTES, Message, read_answer

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class ProxiedConnection:
    """
    A client's connection, and the one to the server that belongs to it.

    Attributes:
        reader: what the client sends.
        is_over: nothing more is to be read from the client.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: tuple[str, int]) -> None:
        self.reader = reader
        self.writer = writer
        self.is_over = False
        self._server = server
        self._upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def forward(self, request: Message, method: str) -> Message:
        """Send *request* to the server as it is, and return its whole answer."""
        if self._upstream is None or self._upstream[0].at_eof():  # the server closes kept connections, too
            self._close_upstream()
            self._upstream = await asyncio.open_connection(*self._server, limit=HEAD_BYTES)
        reader, writer = self._upstream
        writer.write(request.head + request.body)
        answer = await read_answer(reader, method)
        if answer.header("connection").lower() == "close":
            self._close_upstream()
        return answer

    def reset(self) -> None:
        """Close with a TCP reset."""
        self.is_over = True
        with suppress(OSError):
            plain: socket.socket = self.writer.get_extra_info("socket")
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.writer.transport.abort()

    def close(self) -> None:
        """Close in order; what was sent before still arrives."""
        self.is_over = True
        self.writer.close()

    async def hang(self) -> None:
        """Do nothing until the proxy ends."""
        self.is_over = True
        await asyncio.Event().wait()

    def end(self) -> None:
        """Give both connections back."""
        self._close_upstream()
        self.writer.close()

    def _close_upstream(self) -> None:
        if self._upstream is not None:
            self._upstream[1].close()
            self._upstream = None


class ProxiedExchange:
    """
    A request that a fault happens to.

    Attributes:
        request: what the client asks.
        chance: a number from 0 to below 1 that belongs to this request and the injection's seed.
    """

    def __init__(self, connection: ProxiedConnection, request: ProxiedRequest, chance: float) -> None:
        self.request = request
        self.chance = chance
        self._connection = connection

    async def execute(self) -> Message:
        """Let the server do what was asked; return its answer, of which the client knows nothing yet."""
        return await self._connection.forward(self.request.message, self.request.method)

    async def send(self, data: Message | bytes) -> None:
        """Send *data* to the client as it is."""
        self._connection.writer.write(as_bytes(data))
        await self._connection.writer.drain()

    async def hang(self) -> None:
        """Leave the client without a word, its connection open, until the proxy ends."""
        await self._connection.hang()

    def reset(self) -> None:
        """Close the client's connection with a TCP reset."""
        self._connection.reset()

    def close(self) -> None:
        """Close the client's connection in order."""
        self._connection.close()
