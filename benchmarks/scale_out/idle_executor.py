"""
An executor whose tasks need no time: what is left is what Airflow itself costs.

It tells the API server of each task that it began and succeeded, as a worker does, from a process of its own (this
module, run as a program), so that the scheduler's CPU time is the scheduler's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import Any
from uuid import UUID

from airflow.configuration import conf
from airflow.executors.base_executor import BaseExecutor

THREADS = 4


class IdleExecutor(BaseExecutor):
    """Takes any number of tasks, and never runs them."""

    is_local = True

    def start(self) -> None:
        """Start the process that tells the API server."""
        self._told: SimpleQueue[tuple[int, str]] = SimpleQueue()
        self._keys: dict[int, Any] = {}
        self._teller = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def _process_workloads(self, workload_items: Any) -> None:
        assert self._teller.stdin is not None
        for workload in workload_items:
            number = len(self._keys)
            self._keys[number] = workload.ti.key
            del self.queued_tasks[workload.ti.key]
            self.running.add(workload.ti.key)
            print(json.dumps([number, str(workload.ti.id), workload.token]), file=self._teller.stdin, flush=True)

    def _listen(self) -> None:
        assert self._teller.stdout is not None
        for line in self._teller.stdout:
            number, error = json.loads(line)
            self._told.put((number, error))

    def sync(self) -> None:
        """Tell the scheduler which tasks are over."""
        while not self._told.empty():
            number, error = self._told.get()
            if error:
                self.log.error("The API server was not told of %s: %s", self._keys[number], error)
            end = self.fail if error else self.success
            end(self._keys[number])

    def end(self) -> None:
        """End the process."""
        self._teller.kill()

    terminate = end


def tell(url: str, task_instance: str, token: str) -> None:
    """Tell the API server at *url* that a task began, and that it succeeded."""
    from airflow.sdk.api.client import Client

    with Client(base_url=url, token=token) as client:
        client.task_instances.start(UUID(task_instance), 1, datetime.now(UTC))
        client.task_instances.succeed(UUID(task_instance), datetime.now(UTC), [], [], None)


def main() -> None:
    """Tell of each task that a line of standard input names."""
    url = conf.get("core", "execution_api_server_url")
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # Airflow's client logs there

    def work(line: str) -> None:
        number, task_instance, token = json.loads(line)
        error = ""
        try:
            tell(url, task_instance, token)
        except Exception as problem:  # noqa: BLE001 - told by the executor
            error = str(problem)
        print(json.dumps([number, error]), file=answers, flush=True)

    with ThreadPoolExecutor(THREADS) as pool:
        for line in sys.stdin:
            pool.submit(work, line)


if __name__ == "__main__":
    main()
