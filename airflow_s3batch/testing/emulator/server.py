"""The HTTP side of the emulator: one thread per connection, requests and answers as S3's control API has them."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from airflow_s3batch.testing.emulator.answers import Refusal
from airflow_s3batch.testing.emulator.identity import asks_who_it_is, identity_body
from airflow_s3batch.testing.emulator.mishaps import Mishaps
from airflow_s3batch.testing.emulator.wire import answer_body, call_of, received, refusal_body

log = logging.getLogger(__name__)

Answer = Callable[[str, dict[str, Any]], dict[str, Any]]


class ControlServer:
    """
    Serves the control API on a free loopback port, and STS's GetCallerIdentity.

    Args:
        account_id: of whoever asks.
        answer: executes a call that the model allows; returns the members of its answer, or raises `Refusal`.
        mishaps: what goes wrong on purpose.
    """

    def __init__(self, account_id: str, answer: Answer, mishaps: Mishaps) -> None:
        members = {"account_id": account_id, "execute": staticmethod(answer), "mishaps": mishaps}
        handler = type("ControlHandler", (_Handler,), members)
        self._server = _Server(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.05},
            name="s3batch-emulator",
            daemon=True,
        )

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about clients that hang up."""


class _Handler(BaseHTTPRequestHandler):
    """Reads one request and answers it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    account_id: str
    execute: Answer
    mishaps: Mishaps

    def do_GET(self) -> None:
        """Answer a request of any method."""
        self._serve()

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Write no log."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request_id = uuid.uuid4().hex[:16].upper()
        try:
            status = 200
            content = self._answer(body)
        except Refusal as refusal:
            status = refusal.status
            content = refusal_body(refusal, request_id)
        except Exception as error:
            log.exception("%s %s", self.command, self.path)
            status = 500
            content = refusal_body(
                Refusal(500, "InternalServiceException", f"The emulator failed: {error!r}"), request_id
            )
        if content is None:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("x-amz-request-id", request_id)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _answer(self, body: bytes) -> bytes | None:
        """Return the body of the answer, ``None`` if it gets lost."""
        if asks_who_it_is(self.command, self.path, body):
            return identity_body(self.account_id)
        mishap = self.mishaps.next_for(call_of(self.command, self.path)[0])
        if mishap is not None and not mishap.is_executed:
            mishap.happen()
            return None
        if "Authorization" not in self.headers:
            raise Refusal(403, "AccessDenied", "Access Denied: the request is not signed")
        call = received(self.command, self.path, dict(self.headers.items()), body)
        answer = answer_body(call.api, self.execute(call.api, call.params))
        if mishap is None:
            return answer
        mishap.happen()
        return None
