"""What the demo's S3 holds, what its inventory says, and what the job should make of it. Knows nothing of the job."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_s3batch.testing import Server, write_inventory

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LAKE, INVENTORIES, OPS = "lake", "inventories", "ops"
OBJECTS = 5_000
ENCRYPTED, VANISHED, HELD, UNFIT = 700, 60, 37, 12
LATECOMERS = 25
USER = "airflow"
WRITERS = 12
TEAMS = ("analytics", "billing", "mobile", "search", "web")

NASTY_KEYS = (
    "web/a b c.html",
    "web/1+1=2.txt",
    "web/100%.csv",
    "web/%2Fnot-a-slash%20.txt",
    'web/"quoted".json',
    "web/it's.txt",
    "web/a,b,,c.csv",
    "web/two\nlines.log",
    "web/tab\tand\rreturn",
    "web/Zürich/見積書🙂.pdf",
    "web/cafe\u0301.txt",
    "web/../../etc/passwd",
    "web/./dot",
    "/web/leading-slash.txt",
    "web//double//slash",
    "web/trailing/",
    "web/back\\slash",
    "web/?query=1&a;b#fragment",
    "web/*[a-z]{x}|~^`$",
    "web/<b>&amp;</b>",
    "web/" + "k" * 1_020,
)


class Fate(enum.Enum):
    """What the job should do with an object."""

    TAGGED = "succeeds"
    LEFT = "is encrypted, so the filter leaves it alone"
    VANISHED = "was deleted after the inventory was made"
    HELD = "is under a bucket policy that denies tagging"
    UNFIT = "has a team whose name can't be a tag value"


@dataclass(frozen=True, slots=True)
class Item:
    """
    One object of the inventory.

    Attributes:
        tags: what it carries before the job.
    """

    key: str
    size: int
    fate: Fate
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def is_encrypted(self) -> bool:
        """Whether it was stored with encryption."""
        return self.fate is Fate.LEFT

    @property
    def wanted_tags(self) -> dict[str, str]:
        """What it should carry once it was tagged."""
        return {"quarantine": "true", "team": self.key.partition("/")[0]}


def items() -> list[Item]:
    """Return the objects of the inventory, in its order."""
    nasty = [Item(key, 10 + number, Fate.TAGGED) for number, key in enumerate(NASTY_KEYS)]
    encrypted = [Item(f"{_team(n)}/secret/{n:05d}.bin", 64, Fate.LEFT, _old_tags(n)) for n in range(ENCRYPTED)]
    vanished = [Item(f"{_team(n)}/tmp/{n:05d}.tmp", 16, Fate.VANISHED) for n in range(VANISHED)]
    held = [Item(f"legal/case-{n // 10}/exhibit {n}.pdf", 128, Fate.HELD) for n in range(HELD)]
    unfit = [Item(f"r&d/prototype-{n}.cad", 128, Fate.UNFIT) for n in range(UNFIT)]
    special = [*encrypted, *vanished, *nasty, *unfit, *held]
    plain = [
        Item(f"{_team(n)}/2026/{1 + n % 12:02d}/part-{n:05d}.parquet", n % 256, Fate.TAGGED, _old_tags(n))
        for n in range(OBJECTS - len(special))
    ]
    return [*plain, *special]


def _team(number: int) -> str:
    return TEAMS[number % len(TEAMS)]


def _old_tags(number: int) -> tuple[tuple[str, str], ...]:
    """Every seventh object carries tags already."""
    return (("owner", f"{_team(number)}-{number % 3}"),) if number % 7 == 0 else ()


@dataclass(frozen=True, slots=True)
class World:
    """
    The S3 of the demo.

    Attributes:
        server: as the account's root reaches it.
        user: as Airflow's user reaches it, whom the bucket policy denies something.
        inventory: URL of the delivery's ``manifest.json``.
    """

    server: Server
    user: Server
    items: Sequence[Item]
    inventory: str

    @property
    def latecomers(self) -> list[str]:
        """Keys of objects that came after the inventory."""
        return [f"web/new/{number}.txt" for number in range(LATECOMERS)]

    def lift_the_hold(self) -> None:
        """Remove the bucket policy, as its owner would."""
        self.server.client().delete_bucket_policy(Bucket=LAKE)


def fill(server: Server) -> World:
    """Make buckets, objects, inventory, Airflow's user, and the policy that is in its way."""
    client = server.client(max_pool_connections=WRITERS)
    for bucket in (LAKE, INVENTORIES, OPS):
        client.create_bucket(Bucket=bucket)
    user = make_user(server)
    contents = items()
    e_tags = _in_parallel(lambda item: _put(client, item), contents)
    created = datetime.now(UTC) - timedelta(hours=6)
    rows = [_inventory_row(item, e_tag, created) for item, e_tag in zip(contents, e_tags, strict=True)]
    inventory = write_inventory(client, f"s3://{INVENTORIES}", LAKE, rows, created=created, files=3)
    world = World(server, user, contents, inventory)
    _let_time_pass(client, world)
    return world


def _put(client: S3Client, item: Item) -> str:
    more: dict[str, Any] = {"ServerSideEncryption": "AES256"} if item.is_encrypted else {}
    if item.tags:
        more["Tagging"] = "&".join(f"{key}={value}" for key, value in item.tags)
    return client.put_object(Bucket=LAKE, Key=item.key, Body=b"x" * item.size, **more)["ETag"].strip('"')


def _inventory_row(item: Item, e_tag: str, created: datetime) -> dict[str, Any]:
    return {
        "key": item.key,
        "size": item.size,
        "last_modified_date": created - timedelta(days=1),
        "e_tag": e_tag,
        "storage_class": "STANDARD",
        "encryption_status": "SSE-S3" if item.is_encrypted else "NOT-SSE",
    }


def _let_time_pass(client: S3Client, world: World) -> None:
    """Do what happens between an inventory and a job: objects go, objects come, a policy is set."""
    gone = [{"Key": item.key} for item in world.items if item.fate is Fate.VANISHED]
    client.delete_objects(Bucket=LAKE, Delete={"Objects": gone})  # type: ignore[typeddict-item]
    for key in world.latecomers:
        client.put_object(Bucket=LAKE, Key=key, Body=b"new")
    forbid_tagging(client, LAKE, "legal/*")


def forbid_tagging(client: S3Client, bucket: str, keys: str) -> None:
    """Set a bucket policy that denies `make_user`'s user to tag *keys*."""
    statement = {
        "Sid": "LegalHold",
        "Effect": "Deny",
        "Principal": {"AWS": f"arn:aws:iam::000000000000:user/{USER}"},
        "Action": "s3:PutObjectTagging",
        "Resource": f"arn:aws:s3:::{bucket}/{keys}",
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))


def make_user(server: Server) -> Server:
    """Make an IAM user that may do everything with S3; return *server* as that user reaches it."""
    iam = server.session().client("iam", endpoint_url=server.endpoint_url)
    iam.create_user(UserName=USER)
    allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    iam.put_user_policy(UserName=USER, PolicyName="s3", PolicyDocument=json.dumps(allowed))
    key = iam.create_access_key(UserName=USER)["AccessKey"]
    return replace(server, access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])


def _in_parallel(work: Callable[[Item], str], things: Iterable[Item]) -> list[str]:
    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(work, things))
