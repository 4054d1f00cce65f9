"""A request that found no server was not executed, whatever a later try is told."""

from __future__ import annotations

import contextlib

import boto3
from loopback import QuietHandler, serving

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.engine import Policy, S3Access
from airflow_s3batch.engine.loop.executor import Executor
from airflow_s3batch.engine.wire.exchange import Work
from airflow_s3batch.operations import DeleteObject
from airflow_s3batch.operations.requests import RunContext
from airflow_s3batch.testing.process import free_ports

GONE = b"<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>"
SENT_ALONE = "a key with a control character \x01"


class EmptyStore(QuietHandler):
    """Has no object at all."""

    def do_DELETE(self) -> None:  # noqa: N802 - the base class asks for this name
        self._answer(GONE)

    def do_HEAD(self) -> None:  # noqa: N802 - see do_DELETE
        self._answer(b"")

    do_GET = do_DELETE  # noqa: N815 - see do_DELETE

    def _answer(self, body: bytes) -> None:
        self.send_response(404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_an_object_is_not_gone_by_our_own_hand_if_the_first_try_found_no_server() -> None:
    (port,) = free_ports(1)
    access = S3Access(boto3.session.Session("k", "s", region_name="us-east-1"), f"http://127.0.0.1:{port}")
    outcomes: list[Outcome] = []
    with Executor(access, Policy()) as executor, contextlib.ExitStack() as later:

        def keep_going() -> bool:
            if executor.retries == 1 and executor.requests == 1:  # the first try was refused: now there is a server
                executor.requests += 1
                later.enter_context(serving(EmptyStore, port))
            return True

        works = iter([Work(0, S3Object("lake", SENT_ALONE, e_tag="0" * 32))])
        executor.run(
            DeleteObject(), works, RunContext(), lambda _, outcome: outcomes.append(outcome), keep_going=keep_going
        )
    assert [outcome.error_code for outcome in outcomes] == ["NoSuchKey"]
