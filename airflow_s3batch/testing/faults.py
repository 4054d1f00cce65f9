"""
What can go wrong between a client and an S3 server: frozen values that `FaultProxy.inject` takes.

| fault | what the client sees | is the request executed? |
|---|---|---|
| `SlowDown`, `TooManyRequests`, `InternalError`, `AccessDenied`, `ExpiredToken`, … | an S3 error | no, or *executed* |
| `ErrorIn200` | status 200 with an error document | no, or *executed* |
| `KeyErrors` | DeleteObjects' answer with an error for each chosen key | no, or *executed* |
| `ResetBefore`, `ResetAfter` | a TCP reset instead of an answer | no; yes |
| `NoAnswer` | silence on an open connection | no, or *executed* |
| `CutAnswer` | half an answer, then the end of the connection | yes |
| `Trickle` | the answer, a byte at a time | yes |
| `Delay` | the answer, late, each by another time: answers overtake one another | yes |
| `SentTwice` | the answer, and once more on the same connection | yes |
| `RefusedConnection`, `HalfOpen`, `CutHandshake` | no connection, a deaf one, half a TLS handshake | no |

A fault of your own is a subclass of `Fault` with `act`. What needs no proxy: a name that can't be resolved (an
``endpoint_url`` below ``.invalid``), and nobody at home (a port on which nobody listens).
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar
from xml.sax.saxutils import escape

from airflow_s3batch.testing.http_wire import END_OF_HEAD, Message

if TYPE_CHECKING:
    from airflow_s3batch.testing.fault_exchange import ProxiedConnection, ProxiedExchange

_ALLOWED_SKEW = timedelta(minutes=15)


@dataclass(frozen=True)
class Fault:
    """Base of what happens to one request."""

    @property
    def name(self) -> str:
        """Under which `FaultProxy.injected` counts it."""
        return type(self).__name__

    async def act(self, exchange: ProxiedExchange) -> None:
        """Answer, or don't; runs in the proxy's event loop, and must not block it."""
        raise NotImplementedError


@dataclass(frozen=True)
class ErrorAnswer(Fault):
    """
    An S3 error of your choice.

    Args:
        status: HTTP status.
        code: S3's error code; empty for an answer without a body.
        executed: do what was asked all the same, and answer with the error then.
        more: XML to put into the error document beside code and message.
    """

    status: int = 500
    code: str = ""
    executed: bool = False
    more: str = ""

    async def act(self, exchange: ProxiedExchange) -> None:  # noqa: D102
        if self.executed:
            await exchange.execute()
        await exchange.send(self.answer(is_head=exchange.request.method == "HEAD"))

    def answer(self, *, is_head: bool = False) -> bytes:
        """Return the bytes of the answer; one to a HEAD has no body."""
        text = f"<Error><Code>{self.code}</Code><Message>injected</Message>{self.more}</Error>" if self.code else ""
        return _answer(self.status, text.encode(), is_head=is_head)


@dataclass(frozen=True)
class SlowDown(ErrorAnswer):
    """503 SlowDown: the store is overloaded."""

    status: int = 503
    code: str = "SlowDown"


@dataclass(frozen=True)
class TooManyRequests(ErrorAnswer):
    """429: what some S3-compatible stores and gateways say instead of 503."""

    status: int = 429
    code: str = "TooManyRequests"


@dataclass(frozen=True)
class InternalError(ErrorAnswer):
    """500 InternalError."""

    status: int = 500
    code: str = "InternalError"


@dataclass(frozen=True)
class AccessDenied(ErrorAnswer):
    """403 AccessDenied: a permission is missing."""

    status: int = 403
    code: str = "AccessDenied"


@dataclass(frozen=True)
class ExpiredToken(ErrorAnswer):
    """
    400 ExpiredToken: temporary credentials have run out.

    ``when=is_signed_by(access_key)`` ends it as soon as the client comes with other ones.
    """

    status: int = 400
    code: str = "ExpiredToken"


@dataclass(frozen=True)
class PermanentRedirect(ErrorAnswer):
    """301 PermanentRedirect: the bucket is in another region."""

    status: int = 301
    code: str = "PermanentRedirect"
    more: str = "<Endpoint>elsewhere.invalid</Endpoint>"


@dataclass(frozen=True)
class ErrorIn200(ErrorAnswer):
    """Status 200 with an error document, as CopyObject and CompleteMultipartUpload answer when they fail late."""

    status: int = 200
    code: str = "InternalError"


@dataclass(frozen=True)
class RequestTimeTooSkewed(ErrorAnswer):
    """
    403 RequestTimeTooSkewed, by a clock that is *offset_s* seconds ahead of this machine's.

    As S3 does, it tells its time, and lets requests pass that are signed with a time at most 15 minutes off its own;
    a server behind the proxy that checks signatures has to agree with that clock.
    """

    status: int = 403
    code: str = "RequestTimeTooSkewed"
    offset_s: float = 0.0

    async def act(self, exchange: ProxiedExchange) -> None:  # noqa: D102
        now = datetime.now(UTC) + timedelta(seconds=self.offset_s)
        signed = exchange.request.message.header("x-amz-date")
        when = datetime.strptime(signed, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) if signed else now
        if abs(when - now) <= _ALLOWED_SKEW:
            await exchange.send(await exchange.execute())
            return
        more = f"<RequestTime>{signed}</RequestTime><ServerTime>{now:%Y-%m-%dT%H:%M:%SZ}</ServerTime>"
        refusal = ErrorAnswer(self.status, self.code, more=more)
        await exchange.send(refusal.answer(is_head=exchange.request.method == "HEAD"))


@dataclass(frozen=True)
class KeyErrors(Fault):
    """
    DeleteObjects is answered with *code* for the keys that match the regular expression *keys*.

    Not *executed*, nothing is deleted and the other keys are answered with *code*, too, since nothing became of them.
    """

    code: str = "InternalError"
    keys: str = ".*"
    executed: bool = False

    async def act(self, exchange: ProxiedExchange) -> None:  # noqa: D102
        if self.executed:
            await exchange.execute()
        asked = re.findall(rb"<Key>(.*?)</Key>(?:<VersionId>(.*?)</VersionId>)?", exchange.request.message.body)
        parts = [self._entry(key.decode(), version.decode()) for key, version in asked]
        text = f'<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{"".join(parts)}</DeleteResult>'
        await exchange.send(_answer(200, text.encode()))

    def _entry(self, key: str, version: str) -> str:
        place = f"<Key>{key}</Key>" + (f"<VersionId>{version}</VersionId>" if version else "")
        if self.executed and not re.search(self.keys, key):
            return f"<Deleted>{place}</Deleted>"
        return f"<Error>{place}<Code>{escape(self.code)}</Code><Message>injected</Message></Error>"


@dataclass(frozen=True)
class ResetBefore(Fault):
    """The connection is reset; the request was never executed."""

    async def act(self, exchange: ProxiedExchange) -> None:  # noqa: D102
        exchange.reset()


@dataclass(frozen=True)
class ResetAfter(Fault):
    """The request is executed, and the connection reset instead of an answer."""

    async def act(self, exchange: ProxiedExchange) -> None:  # noqa: D102
        await exchange.execute()
        exchange.reset()


@dataclass(frozen=True)
class NoAnswer(Fault):
    """The request is read, perhaps *executed*, and never answered; the connection stays open."""

    executed: bool = False

    async def act(self, exchange: ProxiedExchange) -> None:  # noqa: D102
        if self.executed:
            await exchange.execute()
        await exchange.hang()


@dataclass(frozen=True)
class CutAnswer(Fault):
    """
    The request is executed, and the answer ends in the middle: of its body, or *in_head* of its headers.

    Bodyless answers are always cut in the head. With *reset* the connection ends in a TCP reset, else in an orderly
    close, which a careless client takes for the end of the answer.
    """

    in_head: bool = False
    reset: bool = False

    async def act(self, exchange: ProxiedExchange) -> None:  # noqa: D102
        whole = await exchange.execute()
        head, body = whole.head, whole.body
        part = head + body[: len(body) // 2] if body and not self.in_head else head[: 2 * len(head) // 3]
        await exchange.send(part)
        if self.reset:
            exchange.reset()
        else:
            exchange.close()


@dataclass(frozen=True)
class Trickle(Fault):
    """The answer comes a byte every *pause_s* seconds, so it is never idle; its head at once if *body_only*."""

    pause_s: float = 0.1
    body_only: bool = False

    async def act(self, exchange: ProxiedExchange) -> None:  # noqa: D102
        whole = await exchange.execute()
        if self.body_only:
            await exchange.send(whole.head)
        for byte in whole.body if self.body_only else whole.head + whole.body:
            await exchange.send(bytes([byte]))
            await asyncio.sleep(self.pause_s)


@dataclass(frozen=True)
class Delay(Fault):
    """The answer comes late, by a time between *least_s* and *most_s* that differs from request to request."""

    least_s: float = 0.0
    most_s: float = 0.1

    async def act(self, exchange: ProxiedExchange) -> None:  # noqa: D102
        whole = await exchange.execute()
        await asyncio.sleep(self.least_s + (self.most_s - self.least_s) * exchange.chance)
        await exchange.send(whole)


@dataclass(frozen=True)
class SentTwice(Fault):
    """The answer comes twice in a row on one connection."""

    async def act(self, exchange: ProxiedExchange) -> None:  # noqa: D102
        whole = await exchange.execute()
        await exchange.send((whole.head + whole.body) * 2)


@dataclass(frozen=True)
class ConnectionFault:
    """Base of what happens to a new connection, before anything is read from it."""

    @property
    def name(self) -> str:
        """Under which `FaultProxy.injected` counts it."""
        return type(self).__name__

    async def meet(self, connection: ProxiedConnection) -> None:
        """Do it to *connection*, which is closed afterwards; runs in the proxy's event loop, and must not block it."""
        raise NotImplementedError


@dataclass(frozen=True)
class RefusedConnection(ConnectionFault):
    """The connection is reset as soon as it stands."""

    async def meet(self, connection: ProxiedConnection) -> None:  # noqa: D102
        connection.reset()


@dataclass(frozen=True)
class HalfOpen(ConnectionFault):
    """The connection stands, and nothing is ever read from it or written to it."""

    async def meet(self, connection: ProxiedConnection) -> None:  # noqa: D102
        await connection.hang()


@dataclass(frozen=True)
class CutHandshake(ConnectionFault):
    """The client's first bytes are read (a TLS hello, if the proxy speaks TLS), and the connection is closed."""

    reading: ClassVar[int] = 5

    async def meet(self, connection: ProxiedConnection) -> None:  # noqa: D102
        await connection.reader.read(self.reading)
        connection.close()


def _answer(status: int, body: bytes, *, is_head: bool = False) -> bytes:
    date = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    head = f"HTTP/1.1 {status} Injected\r\nDate: {date}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}"
    return head.encode() + END_OF_HEAD + (b"" if is_head else body)


def as_bytes(data: Message | bytes) -> bytes:
    """Return what goes over the wire."""
    return data if isinstance(data, bytes) else data.head + data.body
