"""The topology of the compose file as plain processes: started, killed in parts, and asked how it is."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from airflow_s3batch.testing import Server
from demo.airflow_api import AirflowApi, AirflowApiError
from stack.images import volumes_elsewhere
from stack.state import ServiceState, StackState, read_state

REPOSITORY = Path(__file__).parents[2]
TIMEOUT_S = 900.0
WORKERS = ("worker-1", "worker-2")


class Fleet:
    """A stack with *variables* of the compose file, whose files lie in *folder*."""

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        self.folder = folder
        self._environment = {**os.environ, **variables, "S3BATCH_STACK": str(folder)}

    def command(self, *words: str) -> str:
        """Run ``python -m stack`` with *words*; return what it prints."""
        whole = [sys.executable, "-m", "stack", *words]
        done = subprocess.run(whole, cwd=REPOSITORY, env=self._environment, check=False, capture_output=True, text=True)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def start(self) -> subprocess.Popen[str]:
        """Begin to start it; what it prints goes into a pipe."""
        whole = [sys.executable, "-m", "stack", "up", "--any-ports"]
        return subprocess.Popen(
            whole, cwd=REPOSITORY, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def state(self) -> StackState:
        """Return what the stack says of itself now."""
        found = read_state(self.folder)
        assert found is not None, "the stack does not run"
        return found

    def service(self, name: str) -> ServiceState:
        """Return what it says of one service."""
        return next(one for one in self.state().services if one.service == name)

    def worker_of(self, pid: int) -> str:
        """Return which worker the process belongs to; empty if to none."""
        return next((name for name in WORKERS if pid in [one["pid"] for one in self.service(name).children()]), "")

    def port(self, service: str, port: int) -> int:
        """Return where the service's *port* is on 127.0.0.1."""
        return self.service(service).ports[str(port)]

    @property
    def api(self) -> AirflowApi:
        """Airflow's API, with a new login."""
        return AirflowApi(f"http://127.0.0.1:{self.port('api-server', 8080)}")

    @property
    def s3(self) -> Server:
        """The S3 server as the connection ``aws_default`` reaches it."""
        url = f"http://127.0.0.1:{self.port('s3', 8333)}"
        return Server(url, "s3batch", "s3batch-secret", "us-east-1", self.service("s3").pid or 0, {})

    def is_healthy(self, *names: str) -> bool:
        """Return whether the services are running and well."""
        return all(self.service(name).health == "healthy" for name in names)


@contextlib.contextmanager
def running_fleet(folder: Path, variables: Mapping[str, str]) -> Iterator[tuple[Fleet, Callable[[], None]]]:
    """Begin to start a stack; give it as soon as its S3 server is well, and what waits for the rest. It ends here."""
    fleet = Fleet(folder, variables)
    fleet.command("down", "--volumes")  # a database of a test that was killed
    process = fleet.start()
    try:
        wait_for(lambda: read_state(folder) and fleet.is_healthy("s3"), "the S3 server", process)
        yield fleet, lambda: wait_for(lambda: fleet.state().phase == "up", "all services", process)
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=200)
        sys.stdout.write(output)
        for volume in volumes_elsewhere(folder).values():
            shutil.rmtree(volume, ignore_errors=True)


def wait_for(is_there: Callable[[], Any], what: str, process: subprocess.Popen[str] | None = None) -> None:
    """Wait until *is_there*; a part of the stack that is away for a moment is no reason to give up."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        with contextlib.suppress(AirflowApiError, OSError):
            if is_there():
                return
        assert process is None or process.poll() is None, f"the stack has ended while waiting for {what}"
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.5)
