"""The server of the benchmarks that does nothing does it as S3 would."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from airflow_s3batch.engine import run_batch
from benchmarks.contenders import access
from benchmarks.jobs import JOBS, Job
from benchmarks.objects import objects
from benchmarks.servers import NullServer, null_server

PUT = b"PUT /b/k?tagging HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n<a/>\n"
DELETE = b"DELETE /b/k HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.fixture(scope="module")
def null() -> Iterator[NullServer]:
    with null_server() as running:
        yield running


def statuses(null: NullServer, packets: list[bytes], answers: int) -> list[bytes]:
    """Send *packets* over one connection; return the status of as many *answers*."""
    with socket.create_connection(("127.0.0.1", null.port), timeout=20) as connection:
        for packet in packets:
            connection.sendall(packet)
        told = b""
        while told.count(b"\r\n\r\n") < answers:
            told += connection.recv(65_536)
    return [line.split(b" ")[1] for line in told.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


def test_requests_in_one_packet_are_answered_in_their_order(null: NullServer) -> None:
    """Bodies are skipped, not taken for requests."""
    assert statuses(null, [PUT + DELETE + PUT], 3) == [b"200", b"204", b"200"]


def test_a_request_in_pieces_is_answered_once_it_is_whole(null: NullServer) -> None:
    """Headers and body may come in any pieces."""
    assert statuses(null, [PUT[:20], PUT[20:-3], PUT[-3:] + DELETE], 2) == [b"200", b"204"]


@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_every_job_passes_its_preflight_and_succeeds(null: NullServer, job: Job) -> None:
    """The preflight looks at what became of its scratch objects, so those are really kept."""
    reached = access(null.endpoint)
    null.sight()
    operation = job.operation("prefix")
    summary = run_batch(objects(2_500), operation, session=reached.session, endpoint_url=reached.endpoint_url)
    assert (summary.succeeded, summary.failed) == (2_500, 0)
    assert null.sight().requests == -(-2_500 // operation.batch_size)


def test_first_and_last_request_are_remembered_until_asked(null: NullServer) -> None:
    """Start-up and rates are seen from outside the engine."""
    null.sight()
    statuses(null, [DELETE], 1)
    statuses(null, [DELETE], 1)
    seen = null.sight()
    assert seen.requests == 2
    assert 0 < seen.first < seen.last
    assert null.sight().requests == 0


@pytest.mark.parametrize(("prefix", "more"), [("", True), ("data/", True), ("data/year=2026/object-00001", False)])
def test_its_listing_has_what_is_under_the_prefix(null: NullServer, prefix: str, *, more: bool) -> None:
    """A page of a thousand at most, in order."""
    page = access(null.endpoint).client().list_objects_v2(Bucket="any", Prefix=prefix)
    keys = [entry["Key"] for entry in page["Contents"]]
    assert keys == sorted(keys)
    assert all(key.startswith(prefix) for key in keys)
    assert (page["KeyCount"], page["IsTruncated"]) == (1_000, more)


def test_its_listing_of_what_is_not_there_is_empty(null: NullServer) -> None:
    """A preflight looks for what others have left, and would parse a page of strangers for each task."""
    for prefix in (".s3batch-scratch/", "data0", "z/"):
        page = access(null.endpoint).client().list_objects_v2(Bucket="any", Prefix=prefix)
        assert (page["KeyCount"], page["IsTruncated"], page.get("Contents", [])) == (0, False, [])
