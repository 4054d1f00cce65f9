"""Checksums of what real servers hold, compared with their own."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from server_jobs import client_of, outcomes_of

from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.operations import Column, ComputeObjectChecksum
from airflow_s3batch.operations import checksums as module
from airflow_s3batch.testing import Server

if TYPE_CHECKING:
    from server_users import BucketFactory

MIB = 1024**2
STORED = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256")
"""Algorithms that both servers know."""


@pytest.fixture(params=["seaweedfs", "ministack"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RANGE_BYTES", MIB)


def told(outcomes: dict[tuple[str, str | None], Outcome]) -> dict[str, dict[str, str]]:
    """Return what the report's messages say, by key."""
    assert all(outcome.is_success for outcome in outcomes.values()), outcomes
    return {key: json.loads(outcome.message) for (key, _), outcome in outcomes.items()}


@pytest.mark.usefixtures("small_ranges")
def test_checksums_of_whole_objects_are_the_servers_own(server: Server, bucket: BucketFactory) -> None:
    """Over one range, several, and none; the algorithm may be a column."""
    name, client = bucket(server), client_of(server)
    objects = []
    for size in (0, 9, MIB, 2 * MIB + 7):
        for algorithm in STORED:
            key = f"{algorithm} {size}+ü"
            body = random.Random(size).randbytes(size)
            client.put_object(Bucket=name, Key=key, Body=body, ChecksumAlgorithm=algorithm)
            objects.append(S3Object(name, key, columns={"algorithm": algorithm}))
    found = told(outcomes_of(server, objects, ComputeObjectChecksum(Column("algorithm"))))
    for obj in objects:
        algorithm, result = obj.columns["algorithm"], found[obj.key]
        head = client.head_object(Bucket=name, Key=obj.key, ChecksumMode="ENABLED")
        assert result["checksum_base64"] == head[f"Checksum{algorithm}"]
        assert (result["etag"], result["checksumAlgorithm"]) == (head["ETag"].strip('"'), algorithm)


@pytest.mark.usefixtures("small_ranges")
@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "SHA1", "SHA256"])
def test_composite_checksums_are_the_servers_own(server: Server, bucket: BucketFactory, algorithm: str) -> None:
    name, client = bucket(server), client_of(server)
    begun = {"Bucket": name, "Key": "in parts"}
    upload = client.create_multipart_upload(**begun, ChecksumAlgorithm=algorithm, ChecksumType="COMPOSITE")["UploadId"]
    parts = []
    for number, body in enumerate((b"a" * 5 * MIB, b"b" * 5 * MIB, b"the rest"), 1):
        reply = client.upload_part(**begun, UploadId=upload, PartNumber=number, Body=body, ChecksumAlgorithm=algorithm)
        checksum = {name: value for name, value in reply.items() if name == f"Checksum{algorithm}"}
        parts.append({"PartNumber": number, "ETag": reply["ETag"], **checksum})
    client.complete_multipart_upload(**begun, UploadId=upload, MultipartUpload={"Parts": parts})
    own = client.head_object(**begun, ChecksumMode="ENABLED")[f"Checksum{algorithm}"]
    assert own.endswith("-3")
    operation = ComputeObjectChecksum(algorithm, "COMPOSITE")
    assert told(outcomes_of(server, [S3Object(name, "in parts")], operation))["in parts"]["checksum_base64"] == own


def test_objects_that_were_not_uploaded_in_parts_have_no_composite_checksum(
    server: Server, bucket: BucketFactory
) -> None:
    name = bucket(server)
    client_of(server).put_object(Bucket=name, Key="k", Body=b"abc")
    (outcome,) = outcomes_of(server, [S3Object(name, "k")], ComputeObjectChecksum("SHA256", "COMPOSITE")).values()
    assert (outcome.http_status, outcome.error_code) == (400, "NotMultipart")


def test_each_version_has_its_own(server: Server, bucket: BucketFactory) -> None:
    name, client = bucket(server), client_of(server)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    bodies = [b"one", b"two"]
    ids = [client.put_object(Bucket=name, Key="v", Body=body)["VersionId"] for body in bodies]
    objects = [S3Object(name, "v", version_id) for version_id in ids]
    found = outcomes_of(server, [*objects, S3Object(name, "gone")], ComputeObjectChecksum("MD5"))
    assert found.pop(("gone", None)).error_code == "NoSuchKey"
    hexes = [json.loads(found["v", version_id].message)["checksum_hex"] for version_id in ids]
    assert hexes == [hashlib.md5(body).hexdigest() for body in bodies]


def test_somebody_who_may_only_read_needs_no_more(seaweedfs: Server, bucket: BucketFactory) -> None:
    """Nothing is tried on a scratch object first."""
    name = bucket(seaweedfs)
    client_of(seaweedfs).put_object(Bucket=name, Key="k", Body=b"abc")
    reader = seaweedfs.as_identity("reader")
    assert told(outcomes_of(reader, [S3Object(name, "k")], ComputeObjectChecksum("SHA512")))


def test_archived_objects_fail_with_the_way_out(ministack: Server, bucket: BucketFactory) -> None:
    name = bucket(ministack)
    client_of(ministack).put_object(Bucket=name, Key="k", Body=b"abc", StorageClass="DEEP_ARCHIVE")
    (outcome,) = outcomes_of(ministack, [S3Object(name, "k")], ComputeObjectChecksum("SHA256")).values()
    assert outcome.error_code == "InvalidObjectState"
    assert "restore it first" in outcome.message


MANY_AT_ONCE = """
import resource, sys
sys.path[:0] = sys.argv[1:]
import boto3
from loopback import QuietHandler, serving
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.engine import Policy, run_batch
from airflow_s3batch.operations import ComputeObjectChecksum

PIECE, PIECES = bytes(1024 * 1024), 8

class Handler(QuietHandler):
    def do_GET(self):
        if not self.path.startswith("/data/k"):
            return self.send_error(404)
        size = len(PIECE) * PIECES
        self.send_response(206)
        self.send_header("ETag", '"e"')
        self.send_header("Content-Range", f"bytes 0-{size - 1}/{size}")
        self.send_header("Content-Length", str(size))
        self.end_headers()
        for _ in range(PIECES):
            self.wfile.write(PIECE)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

def run(url, rows):
    summary = run_batch(
        (S3Object("data", f"k{n}") for n in range(rows)), ComputeObjectChecksum("CRC32"),
        session=boto3.session.Session("k", "s", region_name="us-east-1"), endpoint_url=url,
        policy=Policy(max_concurrency=100),
    )
    assert summary.succeeded == rows, summary

with serving(Handler) as url:
    run(url, 1)
    before = peak()
    run(url, 100)
    print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has another unit elsewhere")
def test_memory_does_not_grow_with_what_is_in_flight() -> None:
    """A hundred objects of 8 MiB at once: kept, they would be 800 MiB; the server's threads are in the same process."""
    here = Path(__file__).parent
    arguments = [sys.executable, "-c", MANY_AT_ONCE, str(here), str(here.parents[1])]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    grown_kib = int(done.stdout)
    assert grown_kib < 150 * 1024


def test_ranges_are_small_enough_to_be_read_in_time() -> None:
    """A tenth of a mebibyte a second will do."""
    needed: Any = module.RANGE_BYTES / (0.11 * MIB)
    assert needed < module.RANGE_TIMEOUT_S
