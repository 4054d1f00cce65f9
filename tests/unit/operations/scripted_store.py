"""A scripted store: answers an operation's requests one by one, and remembers them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from airflow_s3batch.operations.requests import Request, Response, Steps

T = TypeVar("T")


def answer(status: int = 200, code: str = "", body: bytes = b"", **headers: str) -> Response:
    """Return a response; header names are given with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, named, body, code, code and f"the store says {code}")


def drive(steps: Steps[T], answers: Sequence[Response] | Callable[[Request], Response]) -> tuple[T, list[Request]]:
    """Run *steps* against *answers*; return its result and the requests it made. Unused answers are an error."""
    requests: list[Request] = []
    script = iter(answers) if not callable(answers) else None
    try:
        request = next(steps)
        while True:
            requests.append(request)
            response = next(script) if script is not None else answers(request)  # type: ignore[operator]
            request = steps.send(response)
    except StopIteration as stop:
        if script is not None and next(script, None) is not None:
            raise AssertionError(f"fewer requests than answers: {requests}") from None
        return stop.value, requests


def headers_of(request: Request) -> Mapping[str, Any]:
    """Return the request's own headers."""
    return dict(request.headers)
