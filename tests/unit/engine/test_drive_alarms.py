"""What is no connection wakes the loop, too."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pycurl
import pytest

from airflow_s3batch.engine.wire.drive import Drive, Sweep, Watch

LONG_S = 3_600.0


@pytest.fixture(params=[Sweep, Watch])
def drive(request: pytest.FixtureRequest) -> Iterator[Drive]:
    """A drive of one transfer, from a server that says nothing."""
    multi, curl = pycurl.CurlMulti(), pycurl.Curl()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        made: Drive = request.param(multi)
        curl.setopt(pycurl.URL, f"http://127.0.0.1:{silent.getsockname()[1]}/")
        curl.setopt(pycurl.PROXY, "")
        multi.add_handle(curl)
        for _ in range(20):
            made.push()
            made.wait(0.001)
        yield made
        multi.remove_handle(curl)
        curl.close()
        multi.close()
        made.close()


@pytest.fixture
def alarm() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_waiting_ends_as_long_as_the_alarm_rings(drive: Drive, alarm: tuple[int, int]) -> None:
    """Else it would take an hour, but for libcurl's own few timers."""
    listening, ringing = alarm
    drive.wake_on(listening)
    os.write(ringing, b"!!")
    for _ in range(50):
        drive.push()
        drive.wait(LONG_S)
    os.read(listening, 1)
    for _ in range(50):
        drive.push()
        drive.wait(LONG_S)


def test_an_alarm_that_was_heard_rings_again(drive: Drive, alarm: tuple[int, int]) -> None:
    """It is watched for good, and not taken for a connection of libcurl's."""
    listening, ringing = alarm
    drive.wake_on(listening)
    for _ in range(20):
        os.write(ringing, b"!")
        drive.push()
        drive.wait(LONG_S)
        os.read(listening, 1)
        drive.wait(0.0)
