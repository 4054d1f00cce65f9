"""The engine over TLS, through a proxy in front of a real server."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from airflow_s3batch import S3Object
from airflow_s3batch.core.errors import AccessError
from airflow_s3batch.engine import run_batch
from airflow_s3batch.operations import PutObjectTagging
from airflow_s3batch.testing import Server

if TYPE_CHECKING:
    from .conftest import BucketFactory

pytestmark = pytest.mark.integration
TAG = PutObjectTagging({"over": "tls"})


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with the key and the self-signed certificate of 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture(scope="module")
def tls_url(seaweedfs: Server, certificate: Path) -> Iterator[str]:
    """Return the URL of a TLS proxy in front of the server; it ends with the tests."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    target = urlsplit(seaweedfs.endpoint_url)
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(65536):
                sink.sendall(chunk)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def serve(plain: socket.socket) -> None:
        with suppress(OSError):
            client = context.wrap_socket(plain, server_side=True)
            server = socket.create_connection((target.hostname or "", target.port or 0))
            threading.Thread(target=pump, args=(client, server), daemon=True).start()
            pump(server, client)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()


def test_objects_are_tagged_over_tls(seaweedfs: Server, bucket: BucketFactory, tls_url: str, certificate: Path) -> None:
    """The preflight's scratch object included, whose body botocore would stream over TLS."""
    name, client = bucket(seaweedfs, "tls"), seaweedfs.client()
    for number in range(20):
        client.put_object(Bucket=name, Key=f"k{number}")
    objects = [S3Object(name, f"k{number}") for number in range(20)]
    summary = run_batch(objects, TAG, session=seaweedfs.session(), endpoint_url=tls_url, verify=str(certificate))
    assert (summary.succeeded, summary.failed) == (20, 0)
    assert client.get_object_tagging(Bucket=name, Key="k7")["TagSet"] == [{"Key": "over", "Value": "tls"}]


def test_a_certificate_that_nobody_signed_stops_the_run_at_once(
    seaweedfs: Server, bucket: BucketFactory, tls_url: str
) -> None:
    """One sentence, no object after object."""
    name = bucket(seaweedfs, "tls")
    with pytest.raises(AccessError, match="TlsVerificationFailed"):
        run_batch([S3Object(name, "k")], TAG, session=seaweedfs.session(), endpoint_url=tls_url)


def test_verification_can_be_turned_off(seaweedfs: Server, bucket: BucketFactory, tls_url: str) -> None:
    """By verify=False, as in boto3."""
    name = bucket(seaweedfs, "tls")
    seaweedfs.client().put_object(Bucket=name, Key="k")
    summary = run_batch([S3Object(name, "k")], TAG, session=seaweedfs.session(), endpoint_url=tls_url, verify=False)
    assert summary.succeeded == 1
