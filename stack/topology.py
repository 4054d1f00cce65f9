"""What a compose file says of its services, as far as plain processes can heed it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from stack.errors import StackError
from stack.interpolation import interpolated

COMPOSE_FILE = Path(__file__).parent.parent / "docker" / "compose.yaml"
HEALTHY = "service_healthy"
COMPLETED = "service_completed_successfully"
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """
    A command that ends with 0 if the service is well.

    Attributes:
        test: the words of the command; a shell's are ``/bin/sh -c TEXT``.
        interval_s: from the end of a check to the start of the next one; *start_interval_s* until the service has been
            healthy once or *start_period_s* is over, in which failures don't count.
        retries: failures in a row that make it unhealthy.
    """

    test: tuple[str, ...]
    interval_s: float
    timeout_s: float
    retries: int
    start_period_s: float
    start_interval_s: float


@dataclass(frozen=True, slots=True)
class Service:
    """
    One service.

    Attributes:
        image: without its tag.
        mounts: path in the container → path on the host, or name of a volume of the compose file.
        configs: path in the container → content.
        needs: service → condition; they are looked at when the service is started for the first time.
        restart: ``no``, ``always``, ``unless-stopped``, or ``on-failure``; *most_restarts* of the last one.
        published: ports that people reach, the same outside as inside.
    """

    name: str
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    mounts: Mapping[str, str]
    configs: Mapping[str, str]
    needs: Mapping[str, str]
    health: HealthCheck | None
    restart: str
    most_restarts: int
    stop_signal: str
    stop_grace_s: float
    published: tuple[int, ...] = field(default=())

    def restarts_after(self, code: int, restarts: int) -> bool:
        """Return whether it is started again after it has ended by itself with *code*, for the *restarts*-th time."""
        if self.restart == "on-failure":
            return code != 0 and restarts < self.most_restarts
        return self.restart in ("always", "unless-stopped")


def read_topology(variables: Mapping[str, str], path: Path = COMPOSE_FILE) -> dict[str, Service]:
    """
    Return the services of the compose file, each after those that it needs.

    Args:
        variables: what ``${NAME}`` stands for.
        path: the compose file.

    Raises:
        StackError: the file can't be read, has something that this reader does not know, or services that wait for
            one another.
    """
    document = interpolated(_document(path), variables)
    configs = {name: entry["content"] for name, entry in document.get("configs", {}).items()}
    volumes = document.get("volumes", {})
    found = {name: _service(name, entry, configs, volumes, path.parent) for name, entry in document["services"].items()}
    return _in_order(found)


def _document(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise StackError(f"compose file {path} can't be read: {error}") from None
    if not isinstance(found, dict) or not isinstance(found.get("services"), dict):
        raise StackError(f"compose file {path} has no services; write them as docker/compose.yaml does")
    return found


def seconds(text: str | None, default: float) -> float:
    """
    Return a duration as compose files write them: ``1m30s``.

    Raises:
        StackError: it is none.
    """
    if text is None:
        return default
    parts = _DURATION.findall(text)
    if "".join(number + unit for number, unit in parts) != text:
        raise StackError(f"compose file: {text!r} is no duration; write it like 90s or 1m30s")
    return sum(float(number) * _UNIT_S[unit] for number, unit in parts)


def _service(
    name: str, entry: Mapping[str, Any], configs: Mapping[str, str], volumes: Collection[str], folder: Path
) -> Service:
    restart, _, most = str(entry.get("restart", "no")).partition(":")
    needs = entry.get("depends_on", {})
    return Service(
        name=name,
        image=entry["image"].partition(":")[0],
        command=_words(entry.get("command", ())),
        environment={key: str(value) for key, value in entry.get("environment", {}).items()},
        mounts=dict(_mount(text, volumes, folder) for text in entry.get("volumes", ())),
        configs={one["target"]: configs[one["source"]] for one in entry.get("configs", ())},
        needs={other: condition["condition"] for other, condition in needs.items()},
        health=_health(entry.get("healthcheck")),
        restart=restart,
        most_restarts=int(most or 1_000_000),
        stop_signal=entry.get("stop_signal", "SIGTERM"),
        stop_grace_s=seconds(entry.get("stop_grace_period"), 10.0),
        published=tuple(int(text.rpartition(":")[2]) for text in entry.get("ports", ())),
    )


def _words(command: str | Sequence[str]) -> tuple[str, ...]:
    return tuple(shlex.split(command)) if isinstance(command, str) else tuple(command)


def _mount(text: str, volumes: Collection[str], folder: Path) -> tuple[str, str]:
    source, target = text.split(":")[:2]
    if source.startswith((".", "/")):
        return target, str((folder / source).resolve())
    if source not in volumes:
        raise StackError(
            f"compose file: {source!r}, mounted at {target}, is none of its volumes; write a folder as /{source}, or "
            f"as ./{source} if it lies in {folder}"
        )
    return target, source


def _health(entry: Mapping[str, Any] | None) -> HealthCheck | None:
    if entry is None:
        return None
    how, *words = entry["test"]
    if how not in ("CMD", "CMD-SHELL"):
        raise StackError(f"compose file: a health check begins with CMD or CMD-SHELL, not with {how!r}")
    interval_s = seconds(entry.get("interval"), 30.0)
    return HealthCheck(
        test=tuple(words) if how == "CMD" else ("/bin/sh", "-c", words[0]),
        interval_s=interval_s,
        timeout_s=seconds(entry.get("timeout"), 30.0),
        retries=int(entry.get("retries", 3)),
        start_period_s=seconds(entry.get("start_period"), 0.0),
        start_interval_s=seconds(entry.get("start_interval"), interval_s),
    )


def _in_order(services: Mapping[str, Service]) -> dict[str, Service]:
    ordered: dict[str, Service] = {}
    while len(ordered) < len(services):
        ready = [one for one in services.values() if one.name not in ordered and one.needs.keys() <= ordered.keys()]
        if not ready:
            waiting = ", ".join(sorted(services.keys() - ordered.keys()))
            raise StackError(f"compose file: the services {waiting} wait for one another, or for one that is not there")
        ordered.update((one.name, one) for one in ready)
    return ordered
