"""Runs one contender at a time in a process of its own and returns what it cost."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.servers import Endpoint


class Spec(NamedTuple):
    """
    What a contender is to do.

    Attributes:
        contender: a name in `benchmarks.contenders`.
        job: a name in `benchmarks.jobs`.
        endpoint: where the objects are.
        storage: where the job's files are; only `run_shard` has such.
        window: requests in flight.
        job_url: of the published job, likewise.
        run: unique to this run: names the job's folder and the prefix of copies.
        profile: path that a cProfile of the run is written to; empty for none.
    """

    contender: str
    job: str
    endpoint: Endpoint
    storage: Endpoint
    objects: int
    window: int
    job_url: str
    run: str
    profile: str = ""

    @classmethod
    def from_json(cls, text: str) -> Spec:
        """Return the spec that was dumped as JSON."""
        contender, job, endpoint, storage, *rest = json.loads(text)
        return cls(contender, job, Endpoint(*endpoint), Endpoint(*storage), *rest)


class Cost(NamedTuple):
    """
    What a run cost.

    Attributes:
        cpu_s: user and system time of the process during the run, all threads.
        peak_mb: the most memory that it ever held (VmHWM), 0 where the kernel does not tell.
        began: monotonic time at which the run began, start-up and imports done.
    """

    objects: int
    cpu_s: float
    wall_s: float
    peak_mb: float = 0.0
    began: float = 0.0

    @property
    def us_per_object(self) -> float:
        """CPU microseconds per object."""
        return 1e6 * self.cpu_s / self.objects

    @property
    def rate(self) -> float:
        """Objects a second."""
        return self.objects / self.wall_s

    @property
    def cores(self) -> float:
        """CPU time by wall time."""
        return self.cpu_s / self.wall_s


def measured_here(objects: int, work: Callable[[], object]) -> Cost:
    """Do *work* and return what it cost this process."""
    began, before = time.monotonic(), _cpu_s(resource.RUSAGE_SELF)
    work()
    return Cost(objects, _cpu_s(resource.RUSAGE_SELF) - before, time.monotonic() - began, _peak_mb(), began)


def measured(spec: Spec) -> Cost:
    """
    Run *spec* in a Python process of its own; start-up and imports don't count.

    Raises:
        RuntimeError: it failed; the message is the end of what it wrote.
    """
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.contenders", json.dumps(spec)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{spec.contender}, {spec.job}: {done.stderr.strip()[-2_000:]}")
    return Cost(*json.loads(done.stdout.splitlines()[-1]))


def measured_program(objects: int, command: Sequence[str], env: dict[str, str], log: Path) -> Cost:
    """
    Run a program and return what its whole process cost, start-up included; its output goes to *log*.

    Raises:
        RuntimeError: it failed; the message is the end of its log.
    """
    began = time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **env})
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command[0]} failed: {log.read_text(errors='replace')[-2_000:]}")
    return Cost(objects, usage.ru_utime + usage.ru_stime, time.monotonic() - began, usage.ru_maxrss / 1024, began)


def _cpu_s(who: int) -> float:
    usage: Any = resource.getrusage(who)
    return float(usage.ru_utime + usage.ru_stime)


def _peak_mb() -> float:
    """Return VmHWM in MB: unlike ru_maxrss, it does not begin with what the parent held."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0
