"""
An HTTP proxy on the loopback interface that stands in front of a real S3 server and lets things go wrong on purpose.

Requests are forwarded byte for byte, the client's ``Host`` included, so that signatures stay valid: SeaweedFS and
MiniStack verify against the header, whoever delivers it.

A test of a Dag whose store is overloaded, and answers that get lost after the work was done:

```python
from airflow.models import DagBag
from airflow_s3batch.testing import FaultProxy, ResetAfter, SlowDown, every, is_api, is_try, seaweedfs

def test_every_object_is_tagged_though_the_store_is_overloaded(monkeypatch):
    with seaweedfs() as server, FaultProxy(server) as proxy:
        client = server.client()                      # past the proxy: to prepare, and to look at what came of it
        client.create_bucket(Bucket="lake")
        client.put_object(Bucket="lake", Key="a.csv", Body=b"a")
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", proxy.server.airflow_connection_uri())

        storm = proxy.inject(SlowDown(), share=0.3, when=is_api("PutObjectTagging"), count=200, seed=7)
        proxy.inject(ResetAfter(), when=every(is_api("PutObjectTagging"), is_try(1)), share=0.1)
        run = DagBag("dags").get_dag("compliance_tagging").test()

        assert run.state == "success"
        assert proxy.injected["SlowDown"] == storm.happened > 0
        assert client.get_object_tagging(Bucket="lake", Key="a.csv")["TagSet"]
```
"""

from __future__ import annotations

import asyncio
import ssl
import tempfile
import threading
from collections import Counter
from collections.abc import Coroutine
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from airflow_s3batch.testing.fault_exchange import ProxiedConnection, ProxiedExchange
from airflow_s3batch.testing.fault_requests import ProxiedRequest, When
from airflow_s3batch.testing.fault_rules import Injection
from airflow_s3batch.testing.faults import ConnectionFault, Fault
from airflow_s3batch.testing.http_wire import HEAD_BYTES, Message, read_body, read_head
from airflow_s3batch.testing.servers import Server

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_LOST = (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ssl.SSLError)


class FaultProxy:
    """
    A proxy in front of *server*; without an injection it changes nothing. A context manager.

    It runs in a thread of its own, keeps connections alive, and carries a few thousand requests a second. Requests and
    answers are held in memory whole: it is made for many small ones. Addresses have to be path-style, as they are by
    default for an IP address.

    Args:
        server: what is behind it; reached over plain HTTP.
        tls: speak TLS, with a certificate for 127.0.0.1 that nobody signed but itself.

    Attributes:
        server: as clients reach it through the proxy; all users of the one behind it are known.
        ca_bundle: with *tls* the file that ``verify=`` takes to trust the certificate; else ``None``.
    """

    def __init__(self, server: Server, *, tls: bool = False) -> None:
        parts = urlsplit(server.endpoint_url)
        self.server = server
        self.ca_bundle: str | None = None
        self._behind = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._has_tls = tls
        self._tls: ssl.SSLContext | None = None
        self._injections: tuple[Injection, ...] = ()
        self._seen: Counter[tuple[str, str, str]] = Counter()
        self._requests = 0
        self._connections = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="s3batch-fault-proxy", daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()
        self._opened = ExitStack()
        self._listener: asyncio.Server | None = None

    def __enter__(self) -> Self:
        if self._has_tls:
            from airflow_s3batch.testing.certificates import write_certificate

            folder = self._opened.enter_context(tempfile.TemporaryDirectory(prefix="s3batch-"))
            self.ca_bundle = str(write_certificate(Path(folder) / "127.0.0.1.pem"))
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(self.ca_bundle)
        self._thread.start()
        port = self._in_loop(self._listen())
        scheme = "https" if self._has_tls else "http"
        self.server = replace(self.server, endpoint_url=f"{scheme}://127.0.0.1:{port}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._in_loop(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._opened.close()

    def inject(
        self,
        fault: Fault | ConnectionFault,
        *,
        share: float = 1.0,
        when: When | None = None,
        count: int | None = None,
        for_s: float = float("inf"),
        seed: int = 0,
    ) -> Injection:
        """
        Let *fault* happen from now on; return the switch to turn it off and on. May be called in mid-run.

        Where several injections would strike, the first one that was made does.

        Args:
            fault: what happens.
            share: of the requests (or connections) for which *when* holds. Which ones they are depends on *seed*,
                method, path and on which try it is, and not on the order in which they arrive.
            when: which requests; all if left out. See `is_api`, `is_below`, `is_key`, `is_try`, `is_signed_by` and
                `every`.
            count: at most so often; which ones do depends on their order of arrival.
            for_s: for so many seconds from now on.
            seed: any number; another one strikes other requests.

        Raises:
            ArgumentError: lists all that is wrong.
        """
        injection = Injection(fault, share, when, count, seed)
        injection.on(for_s=for_s)
        self._injections = (*self._injections, injection)
        return injection

    def calm(self) -> None:
        """Turn all injections off and forget them, what they counted, and how often each request has come."""
        for injection in self._injections:
            injection.off()
        self._injections = ()
        self._seen = Counter()

    @property
    def injected(self) -> Counter[str]:
        """How often each fault has happened since the last `calm`, by its name."""
        found: Counter[str] = Counter()
        for injection in self._injections:
            found[injection.fault.name] += injection.happened
        return found

    @property
    def requests(self) -> int:
        """How many requests have come so far."""
        return self._requests

    @property
    def connections(self) -> int:
        """How many connections have been made so far."""
        return self._connections

    async def _listen(self) -> int:
        self._listener = await asyncio.start_server(self._accepted, "127.0.0.1", 0, limit=HEAD_BYTES, backlog=1024)
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    async def _end(self) -> None:
        if self._listener is not None:
            self._listener.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # closed transports tell their protocols in the next round

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._serve(ProxiedConnection(reader, writer, self._behind)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: ProxiedConnection) -> None:
        """Carry one connection to its end; the world's trouble ends it, as it would end the server's own."""
        self._connections += 1
        number = self._connections
        try:
            with suppress(*_LOST):
                for injection in self._injections:
                    if injection.strikes_connection(number) and isinstance(injection.fault, ConnectionFault):
                        await injection.fault.meet(connection)
                        return
                if self._tls is not None:
                    await connection.writer.start_tls(self._tls)
                while not connection.is_over and await self._carried_one(connection):
                    pass
        finally:
            connection.end()

    async def _carried_one(self, connection: ProxiedConnection) -> bool:
        """Carry one request and its answer; return whether the client may send another one."""
        head = await read_head(connection.reader)
        if head is None:
            return False
        if b"100-continue" in head:
            connection.writer.write(_CONTINUE)
        message = Message(head, await read_body(connection.reader, head))
        self._requests += 1
        if not self._injections:
            method = head[: head.index(b" ")].decode("latin-1")
            answer = await connection.forward(message, method)
            connection.writer.write(answer.head + answer.body)
            await connection.writer.drain()
        else:
            await self._carry_in_danger(connection, message)
        return b"connection: close" not in head.lower()

    async def _carry_in_danger(self, connection: ProxiedConnection, message: Message) -> None:
        request = ProxiedRequest(message)
        place = request.method, request.target, message.header("x-amz-copy-source")
        self._seen[place] += 1
        request.number = self._seen[place]
        for injection in self._injections:
            if injection.strikes(request) and isinstance(injection.fault, Fault):
                chance = injection.chance(f"of {request.method} {request.target} {request.number}")
                await injection.fault.act(ProxiedExchange(connection, request, chance))
                return
        exchange = ProxiedExchange(connection, request, 0.0)
        await exchange.send(await exchange.execute())

    def _in_loop(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)
