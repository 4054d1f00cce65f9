"""
What differs between containers and processes of one machine: host names, ports and paths. Nothing else does.

| in the compose file | here |
|---|---|
| ``service:port``, and a service's own ``127.0.0.1:port`` | 127.0.0.1 and the port that the service got |
| ``--port N``, ``-x.port=N``, a variable ``…_PORT`` | the service's own port of that number |
| ``0.0.0.0`` | 127.0.0.1 |
| a path below a mount, a volume or a config | its place on this machine |
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

from airflow_s3batch.testing.process import free_ports
from stack.topology import Service

_PORT_OPTION = re.compile(r"(?<=port=)[1-9]\d*$")


class Places:
    """
    Ports and paths of all *services*.

    Args:
        folder: holds volumes, configs and homes.
        volumes: volume → folder, for those that don't lie in *folder*.
        any_ports: published ports, too, become free ones; else they stay what they are unless somebody has them.
    """

    def __init__(
        self, services: Mapping[str, Service], folder: Path, volumes: Mapping[str, Path], *, any_ports: bool
    ) -> None:
        self._services = services
        self._folder = folder
        self._volumes = volumes
        self._any_ports = any_ports
        self._ports: dict[tuple[str, int], int] = {}
        names = "|".join(map(re.escape, services))
        self._address = re.compile(rf"(?<![\w.-])({names}|127\.0\.0\.1):(\d+)\b")

    def port(self, service: str, number: int) -> int:
        """Return the loopback port for the service's *number*; the same one each time."""
        if (service, number) not in self._ports:
            published = number in self._services[service].published
            keeps = published and not self._any_ports and _is_free(number)
            self._ports[service, number] = number if keeps else self._free_port()
        return self._ports[service, number]

    def ports_of(self, service: str) -> dict[str, int]:
        """Return the service's ports so far: its number in the compose file, as text, and the one on 127.0.0.1."""
        return {str(number): port for (name, number), port in self._ports.items() if name == service}

    def home(self, service: str) -> Path:
        """Return the folder that is the service's alone; what is in it is lost with it."""
        return self._made(self._folder / "homes" / service)

    def volume(self, name: str) -> Path:
        """Return the folder of a volume, which outlives the stack."""
        return self._made(self._volumes.get(name, self._folder / "volumes" / name))

    def text(self, service: Service, text: str) -> str:
        """Return *text* of the compose file as it is for *service* here."""
        text = self._address.sub(lambda found: self._reachable(service, found), text.replace("0.0.0.0", "127.0.0.1"))
        for target, place in sorted(self._paths(service).items(), key=lambda one: -len(one[0])):
            text = re.sub(rf"(?<![\w/]){re.escape(target)}(?![\w-])", lambda _, place=place: str(place), text)  # type: ignore[misc]
        return text

    def words(self, service: Service, words: Iterable[str]) -> list[str]:
        """Return a command's *words* as they are for *service* here."""
        found: list[str] = []
        for word in words:
            if found and found[-1] == "--port":
                found.append(str(self.port(service.name, int(word))))
                continue
            own = _PORT_OPTION.sub(lambda number: str(self.port(service.name, int(number[0]))), word)
            found.append(self.text(service, own))
        return found

    def environment(self, service: Service) -> dict[str, str]:
        """Return the service's variables."""
        return {
            name: str(self.port(service.name, int(value))) if name.endswith("_PORT") else self.text(service, value)
            for name, value in service.environment.items()
        }

    def write_configs(self, service: Service) -> None:
        """Write the service's configs, readable by this user alone."""
        for target, content in service.configs.items():
            path = self._config(service, target)
            path.touch(mode=0o600)
            path.write_text(content)

    def _free_port(self) -> int:
        while True:
            (port,) = free_ports(1, with_grpc=True)  # SeaweedFS takes two
            if port not in self._ports.values():
                return port

    def _reachable(self, service: Service, found: re.Match[str]) -> str:
        host = service.name if found[1] == "127.0.0.1" else found[1]
        return f"127.0.0.1:{self.port(host, int(found[2]))}"

    def _paths(self, service: Service) -> dict[str, Path]:
        configs = {target: self._config(service, target) for target in service.configs}
        mounts = {
            target: Path(source) if source.startswith("/") else self.volume(source)
            for target, source in service.mounts.items()
        }
        return {**mounts, **configs}

    def _config(self, service: Service, target: str) -> Path:
        return self.home(service.name) / Path(target).name

    @staticmethod
    def _made(folder: Path) -> Path:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
