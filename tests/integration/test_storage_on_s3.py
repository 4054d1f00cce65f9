"""What goes wrong only with a real store: each is one sentence that names the place and the next step."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Literal, TypeVar

import boto3
import pytest
from botocore.config import Config
from loopback import QuietHandler, serving

from airflow_s3batch.core.errors import AccessError, InfrastructureError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.access import S3Access
from airflow_s3batch.engine.files import timely_answers
from airflow_s3batch.engine.files.storage import S3Storage
from airflow_s3batch.engine.wire import dubious_answers
from airflow_s3batch.testing import FaultProxy, Trickle, is_api

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from server_users import BucketFactory

    from airflow_s3batch.testing import Server

T = TypeVar("T")


def test_a_store_that_refuses_names_the_file_and_the_code(seaweedfs: Server, bucket: BucketFactory) -> None:
    url = S3Url(bucket(seaweedfs), "job.json")
    S3Storage(seaweedfs.access()).write(url, b"{}")
    stranger = S3Storage(seaweedfs.as_identity("stranger").access())
    with pytest.raises(AccessError, match=f"can't read {url}: the store refuses with AccessDenied .* s3:GetObject"):
        stranger.read(url)
    with pytest.raises(AccessError, match=f"can't write {url}: the store refuses with AccessDenied"):
        stranger.write(url, b"changed")
    assert S3Storage(seaweedfs.access()).read(url) == b"{}"


def test_reader_reads_and_lists_but_does_not_write(seaweedfs: Server, bucket: BucketFactory) -> None:
    url = S3Url(bucket(seaweedfs), "job.json")
    S3Storage(seaweedfs.access()).write(url, b"{}")
    reader = S3Storage(seaweedfs.as_identity("reader").access())
    assert reader.read(url) == b"{}"
    assert [file.url for file in reader.list(url)] == [url]
    with pytest.raises(AccessError, match="AccessDenied"):
        reader.delete(url)
    assert reader.read(url) == b"{}"


def test_a_wrong_secret_is_refused(seaweedfs: Server, bucket: BucketFactory) -> None:
    from dataclasses import replace

    url = S3Url(bucket(seaweedfs), "a")
    impostor = replace(seaweedfs, secret_key="wrong")
    with pytest.raises(AccessError, match="SignatureDoesNotMatch"):
        S3Storage(impostor.access()).write(url, b"")


def test_a_missing_bucket_is_named(seaweedfs: Server) -> None:
    storage = S3Storage(seaweedfs.access())
    with pytest.raises(AccessError, match="bucket 'no-such-bucket' does not exist"):
        list(storage.list(S3Url("no-such-bucket", "a")))


def test_a_store_that_is_away_is_worth_a_retry() -> None:
    from airflow_s3batch.testing.process import free_ports
    from airflow_s3batch.testing.servers import Server

    (port,) = free_ports(1)
    away = Server(f"http://127.0.0.1:{port}", "a", "b", "us-east-1", 0, {})
    storage = S3Storage(away.access(Config(retries={"total_max_attempts": 1})))
    with pytest.raises(InfrastructureError, match="can't read s3://bucket/a") as caught:
        storage.read(S3Url("bucket", "a"))
    assert caught.value.is_retryable


def test_a_store_that_keeps_no_e_tags_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As JuiceFS does unless it is asked to."""
    monkeypatch.setattr(dubious_answers, "_PAUSE_S", 0.01)

    class Handler(QuietHandler):
        def do_PUT(self) -> None:  # noqa: N802 - the base class's name
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.do_HEAD()

        def do_HEAD(self) -> None:  # noqa: N802
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    local, url = tmp_path / "job.json", S3Url("ops", "job.json")
    local.touch()
    with serving(Handler) as endpoint_url:
        storage = S3Storage(S3Access(boto3.session.Session("key", "secret", region_name="us-east-1"), endpoint_url))
        with pytest.raises(AccessError, match=r"s3://ops/job\.json is written, but the store tells no ETag of it"):
            storage.write(url, b"{}")
        with pytest.raises(AccessError, match="tells no ETag"):
            storage.upload(local, url)


@pytest.mark.parametrize("body_only", [False, True])
def test_an_answer_that_comes_byte_by_byte_is_given_up_and_asked_for_again(
    seaweedfs: Server, proxy: FaultProxy, bucket: BucketFactory, tmp_path: Path, body_only: bool
) -> None:
    """boto3's own limits are for silence: it would wait for half a minute here, and for days elsewhere."""
    url, local = S3Url(bucket(seaweedfs), "job.json"), tmp_path / "job.json"
    body = b"{" + 500 * b" " + b"}"
    trickling = Trickle(0.05, body_only=body_only)
    config = Config(connect_timeout=0.3, read_timeout=0.3, retries={"total_max_attempts": 2})
    storage = S3Storage(S3Access(proxy.server.session(), proxy.server.endpoint_url, "us-east-1", config=config))
    S3Storage(seaweedfs.access()).write(url, body)

    def again(api: str, work: Callable[[], T], requests: int = 2) -> T:
        before = proxy.requests
        proxy.inject(trickling, when=is_api(api), count=1)
        done = work()
        assert proxy.requests >= before + requests
        return done

    assert again("GetObject", lambda: storage.read(url)) == body
    assert again("GetObject", lambda: storage.read_part(url, 7, 100)) == body[7:107]
    assert [file.url for file in again("ListObjectsV2", lambda: list(storage.list(url)))] == [url]
    again("GetObject", lambda: storage.download(url, local), requests=3)  # and HEAD
    assert local.read_bytes() == body
    if not body_only:
        assert again("PutObject", lambda: storage.write(url, body))
        assert again("PutObject", lambda: storage.upload(local, url), requests=3)
        proxy.inject(trickling)
        with pytest.raises(InfrastructureError, match=f"can't write {url}: Read timeout: .* in full; .*read_timeout"):
            storage.write(url, body)


def test_a_large_body_that_comes_piece_by_piece_is_given_up_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each piece that boto3 reads comes soon enough: their times add up."""
    monkeypatch.setattr(timely_answers, "_SLOWEST_BYTES_PER_S", 10**9)
    whole = b"".join(b"%015d\n" % number for number in range(400_000))
    got = []

    class Handler(QuietHandler):
        def do_HEAD(self) -> None:  # noqa: N802 - the base class's name
            self.send_response(200)
            self.send_header("ETag", '"e"')
            self.send_header("Content-Length", str(len(whole)))
            self.end_headers()

        def do_GET(self) -> None:  # noqa: N802
            got.append(self.path)
            self.do_HEAD()
            for start in range(0, len(whole), 262_144):
                self.wfile.write(whole[start : start + 262_144])
                if len(got) == 1:
                    is_over.wait(0.2)

    is_over = threading.Event()
    session = boto3.session.Session("key", "secret", region_name="us-east-1")
    with serving(Handler) as endpoint_url:
        storage = S3Storage(S3Access(session, endpoint_url, config=Config(connect_timeout=0.5, read_timeout=0.5)))
        storage.download(S3Url("ops", "shard.parquet"), tmp_path / "shard.parquet")
        is_over.set()
    assert len(got) == 2
    assert (tmp_path / "shard.parquet").read_bytes() == whole


def test_a_try_that_was_given_up_while_it_was_sent_does_not_mix_with_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both read one stream: the first may send nothing more once the second has begun."""
    monkeypatch.setattr(timely_answers, "_SLOWEST_BYTES_PER_S", 10**9)
    numbers, bodies = iter(range(9)), {}
    is_half, is_read = threading.Event(), threading.Event()

    class Handler(QuietHandler):
        def do_PUT(self) -> None:  # noqa: N802 - the base class's name
            number, length = next(numbers), int(self.headers["Content-Length"])
            if not number:
                bodies[0] = b""
                while not is_half.wait(0.1):
                    bodies[0] += self.rfile.read(500_000)  # never silent for long
                bodies[0] += self.rfile.read(length)
                is_read.set()
                return
            half = self.rfile.read(length // 2)
            is_half.set()
            is_read.wait(0.3)
            bodies[number] = half + self.rfile.read(length - len(half))
            self.do_HEAD()

        def do_HEAD(self) -> None:  # noqa: N802
            self.send_response(200)
            self.send_header("ETag", '"e"')
            self.send_header("Content-Length", "0")
            self.end_headers()

    whole = b"".join(b"%015d\n" % number for number in range(2_000_000))  # more than sockets hold
    session = boto3.session.Session("key", "secret", region_name="us-east-1")
    config = Config(connect_timeout=0.5, read_timeout=0.5)
    with serving(Handler) as endpoint_url:
        S3Storage(S3Access(session, endpoint_url, config=config)).write(S3Url("ops", "shard.csv"), whole)
        assert is_read.wait(30)
    assert bodies[1] == whole
    assert len(bodies[0]) < len(whole)
    assert whole.startswith(bodies[0])


def test_a_store_that_knows_no_expect_is_not_waited_for() -> None:
    """A second for each file would be too long for what has to be written between SIGTERM and SIGKILL."""
    asked: list[str | None] = []

    class Handler(QuietHandler):
        def handle_expect_100(self) -> bool:
            return True

        def do_PUT(self) -> None:  # noqa: N802 - the base class's name
            asked.append(self.headers.get("Expect"))
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("ETag", '"e"')
            self.send_header("Content-Length", "0")
            self.end_headers()

    session = boto3.session.Session("key", "secret", region_name="us-east-1")
    with serving(Handler) as endpoint_url:
        assert S3Storage(S3Access(session, endpoint_url)).write(S3Url("ops", "commit.json"), b"{}") == "e"
    assert asked == [None]


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
def test_an_answer_that_no_store_gives_is_asked_for_again_in_each_of_boto3s_ways_to_retry(
    mode: Literal["legacy", "standard", "adaptive"], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dubious_answers, "_PAUSE_S", 0.01)
    answers = iter([404, 404, 200])

    class Handler(QuietHandler):
        def do_GET(self) -> None:  # noqa: N802 - the base class's name
            status = next(answers)
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

    session, config = boto3.session.Session("key", "secret", region_name="us-east-1"), Config(retries={"mode": mode})
    with serving(Handler) as endpoint_url:
        assert S3Storage(S3Access(session, endpoint_url, config=config)).read(S3Url("ops", "job.json")) == b"{}"
