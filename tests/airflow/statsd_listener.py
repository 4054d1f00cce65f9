"""A StatsD server on the loopback interface that remembers what it was told."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any, NamedTuple


class Metric(NamedTuple):
    """One metric as it came over the wire; *kind* is ``c``, ``g`` or ``ms``."""

    name: str
    tags: dict[str, str]
    value: float
    kind: str


class StatsdListener:
    """Takes datagrams on a port of its own."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def close(self) -> None:
        self._socket.close()

    def metrics(self) -> list[Metric]:
        """Return what came since the last call; the loopback interface delivers before ``sendto`` returns."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                found.extend(_parsed(line) for line in self._socket.recv(65_535).decode().splitlines())
        return found


def _parsed(line: str) -> Metric:
    head, _, rest = line.rpartition(":")
    value, _, kind = rest.partition("|")
    name, *tags = head.split(",")
    return Metric(name, dict(tag.split("=", 1) for tag in tags), float(value), kind.partition("|")[0])


@contextlib.contextmanager
def airflow_tells(listener: StatsdListener, monkeypatch: Any) -> Iterator[None]:
    """Let the tasks of this process tell their metrics to *listener*, with tags, as ``[metrics]`` would."""
    settings = {"STATSD_ON": "True", "STATSD_HOST": "127.0.0.1", "STATSD_PORT": str(listener.port)}
    settings |= {"STATSD_PREFIX": "airflow", "STATSD_INFLUXDB_ENABLED": "True"}
    for name, value in settings.items():
        monkeypatch.setenv(f"AIRFLOW__METRICS__{name}", value)
    try:
        from airflow.sdk._shared.observability.metrics import stats
        from airflow.sdk.observability.metrics.stats_utils import get_stats_factory
    except ImportError:  # Airflow 3.1 decides when the module is imported
        from airflow.metrics.statsd_logger import get_statsd_logger
        from airflow.stats import Stats

        monkeypatch.setattr(type(Stats), "factory", classmethod(get_statsd_logger), raising=False)
        monkeypatch.setattr(Stats, "instance", get_statsd_logger(type(Stats)))
        yield
        return
    monkeypatch.setattr(stats, "_factory", get_stats_factory())
    monkeypatch.setattr(stats, "_backend", None)
    yield
