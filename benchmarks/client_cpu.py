"""
Client CPU per object: `run_batch` against boto3 with 64 threads and a bare libcurl loop, on one local server.

Run: python -m benchmarks.client_cpu [objects]. Each contender runs in a process of its own, in turn, several rounds;
what counts is its user and system time, and of the rounds the best. The bare loop sends the same requests, signed
beforehand, and looks at nothing but the status.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config

from airflow_s3batch import S3Object
from airflow_s3batch.engine import Policy, S3Access, run_batch
from airflow_s3batch.operations import PutObjectTagging
from airflow_s3batch.testing.servers import seaweedfs

BUCKET = "bench-bucket"
THREADS = 64
TAGS = {"quarantine": "true", "team": "blue"}
ROUNDS = 3


def key(number: int) -> str:
    """Return the key of object *number*: a few characters that need quoting, like real ones."""
    return f"data/year=2026/part {number % 16:02d}/object+{number:08d}.parquet"


def session() -> boto3.session.Session:
    """Return the session of the server under test, whose credentials came by argument."""
    return boto3.session.Session(sys.argv[3], sys.argv[4], region_name="us-east-1")


def ours(endpoint_url: str, objects: int) -> None:
    """Tag all objects with this package's engine."""
    source = (S3Object(BUCKET, key(number)) for number in range(objects))
    summary = run_batch(
        source, PutObjectTagging(TAGS), session=session(), endpoint_url=endpoint_url, policy=Policy(max_concurrency=64)
    )
    check(summary.succeeded, objects)


def with_boto3(endpoint_url: str, objects: int) -> None:
    """Tag all objects with boto3 and a thread pool."""
    client = session().client("s3", endpoint_url=endpoint_url, config=Config(max_pool_connections=THREADS))
    tagging: Any = {"TagSet": [{"Key": name, "Value": value} for name, value in TAGS.items()]}

    def tag(number: int) -> int:
        client.put_object_tagging(Bucket=BUCKET, Key=key(number), Tagging=tagging)
        return 1

    with ThreadPoolExecutor(THREADS) as pool:
        check(sum(pool.map(tag, range(objects))), objects)


def bare(endpoint_url: str, objects: int) -> None:
    """Send the same requests through libcurl's multi interface and look at nothing but the status."""
    import pycurl

    from airflow_s3batch.engine.prepared import Preparer
    from airflow_s3batch.engine.signing import Signer
    from airflow_s3batch.operations.requests import Call, Request

    tag_set = [{"Key": name, "Value": value} for name, value in TAGS.items()]
    call = Call("PutObjectTagging", {"Tagging": {"TagSet": tag_set}})
    template = Preparer(S3Access(session(), endpoint_url)).template(call, BUCKET)
    credentials: Any = session().get_credentials()
    signer = Signer(credentials.get_frozen_credentials)
    numbers = iter(range(objects))
    multi = pycurl.CurlMulti()
    multi.setopt(pycurl.M_MAXCONNECTS, 2 * THREADS)
    answered = 0

    def start(curl: pycurl.Curl) -> bool:
        number = next(numbers, None)
        if number is None:
            return False
        url, headers, _ = template.fill(Request(call, BUCKET, key(number)), signer)
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.HTTPHEADER, headers)
        multi.add_handle(curl)
        return True

    for _ in range(THREADS):
        curl = pycurl.Curl()
        curl.setopt(pycurl.CUSTOMREQUEST, "PUT")
        curl.setopt(pycurl.POSTFIELDS, template.body)
        curl.setopt(pycurl.WRITEFUNCTION, len)
        start(curl)
    while answered < objects:
        multi.perform()
        _, done, failed = multi.info_read()
        for curl in done:
            answered += curl.getinfo(pycurl.RESPONSE_CODE) == 200
            multi.remove_handle(curl)
            start(curl)
        if failed:
            raise SystemExit(f"bare loop: {failed[0][2]}")
        multi.select(0.5)


CONTENDERS: dict[str, Callable[[str, int], None]] = {
    "airflow_s3batch": ours,
    "bare libcurl": bare,
    f"boto3 ×{THREADS} threads": with_boto3,
}


def check(done: int, objects: int) -> None:
    """Stop if not all objects were done: a figure for half the work is worth nothing."""
    if done != objects:
        raise SystemExit(f"only {done} of {objects} objects were done")


def measured(name: str, endpoint_url: str, objects: int, keys: tuple[str, str]) -> float:
    """Return the CPU seconds of one contender in a process of its own, start-up left out."""
    command = [sys.executable, "-m", "benchmarks.client_cpu", f"--run={name}", f"{endpoint_url},{objects}", *keys]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(json.loads(output.splitlines()[-1]))


def cpu_s() -> float:
    """Return the CPU seconds that this process has used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main(objects: int) -> None:
    """Measure all contenders in turn and print a table."""
    with seaweedfs() as server:
        client = server.client()
        client.create_bucket(Bucket=BUCKET)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: client.put_object(Bucket=BUCKET, Key=key(n), Body=b""), range(objects)))
        keys = (server.access_key, server.secret_key)
        best = {
            name: min(measured(name, server.endpoint_url, objects, keys) for _ in range(ROUNDS)) for name in CONTENDERS
        }
    own = best["airflow_s3batch"]
    print(f"put_object_tagging, {objects:,} objects, SeaweedFS, client CPU, best of {ROUNDS} rounds")
    for name, seconds in best.items():
        print(f"{name:22} {1e6 * seconds / objects:9.1f} µs/object   {seconds / own:6.2f} × ours")


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1].startswith("--run="):
        contender = CONTENDERS[sys.argv[1].removeprefix("--run=")]
        url, _, count = sys.argv[2].partition(",")
        before = cpu_s()
        contender(url, int(count))
        print(json.dumps(cpu_s() - before))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
