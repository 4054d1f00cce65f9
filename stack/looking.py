"""`ps` and `logs`: what a running stack shows."""

from __future__ import annotations

import json
import time
from pathlib import Path

from stack.errors import StackError
from stack.state import ServiceState, StackState, read_state

POLL_S = 0.3
CHUNK_BYTES = 1_000_000


def running_stack(folder: Path) -> StackState:
    """
    Return the state of the stack in *folder*.

    Raises:
        StackError: none runs there.
    """
    state = read_state(folder)
    if state is None:
        raise StackError(f"No stack runs in {folder}; `make stack` starts one, or `python -m stack up --detach`.")
    return state


def service_of(folder: Path, name: str) -> ServiceState:
    """
    Return one service of the stack in *folder*.

    Raises:
        StackError: no stack runs there, or it has no such service.
    """
    state = running_stack(folder)
    found = state.service(name)
    if found is None:
        names = ", ".join(one.service for one in state.services)
        raise StackError(f"There is no service {name!r}; there are {names}.")
    return found


def print_services(folder: Path, *, as_json: bool) -> int:
    """Print all services."""
    state = running_stack(folder)
    if as_json:
        print(json.dumps([one.as_json() for one in state.services], indent=1))
        return 0
    print(f"{'SERVICE':15}{'PID':>8}  {'STATE':12}{'HEALTH':11}{'RESTARTS':>8}{'PROCESSES':>11}  PORTS")
    for one in state.services:
        processes = (one.pid is not None) + len(one.children())
        ports = ", ".join(f"{inside} at {outside}" for inside, outside in one.ports.items())
        ended = f"exited ({one.exit_code})" if one.state == "exited" else one.state
        print(f"{one.service:15}{one.pid or '':>8}  {ended:12}{one.health:11}{one.restarts:>8}{processes:>11}  {ports}")
    return 0


def print_log(folder: Path, name: str, *, follow: bool) -> int:
    """Print what a service has written; the logs of stacks that don't run any more are there, too."""
    path = folder / "logs" / f"{name}.log"
    if not path.exists():
        path = Path(service_of(folder, name).log)
    try:
        with path.open(errors="replace") as log:
            while True:
                text = log.read(CHUNK_BYTES)
                print(text, end="", flush=True)
                if not text:
                    if not follow:
                        return 0
                    time.sleep(POLL_S)
    except KeyboardInterrupt:
        return 0
