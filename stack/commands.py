"""The commands of `python -m stack`: what they take, and what they print."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from airflow_s3batch.testing import ServerMissingError
from demo.processes import ComponentError
from stack.container import DEATH
from stack.errors import StackError
from stack.looking import print_log, print_services
from stack.stopping import kill_service, restart_service, stop_stack
from stack.topology import COMPOSE_FILE
from stack.upping import detach, run

FOLDER = Path(__file__).parent.parent / ".stack"
Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    asked = parser().parse_args(arguments)
    command: Command = asked.run
    try:
        return command(asked)
    except (StackError, ServerMissingError, ComponentError) as error:
        print(error, file=sys.stderr)
        return 1
    except PermissionError as error:
        print(
            f"{error.filename}: {error.strerror}; it belongs to another user, who may have run a stack here before. "
            f"Give `--folder` another folder than {asked.folder}, or delete that one as its owner.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        return DEATH + signal.SIGINT


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    whole = argparse.ArgumentParser(prog="python -m stack", description=sys.modules["stack"].__doc__)
    whole.add_argument(
        "--folder", type=_path, default=os.environ.get("S3BATCH_STACK", str(FOLDER)), help="of the stack's files"
    )
    commands = whole.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Command, text: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=text, description=text)
        one.set_defaults(run=run)
        return one

    up = add("up", lambda asked: (detach if asked.detach else run)(asked), "start all services; Ctrl-C stops them")
    up.add_argument("--file", type=_path, default=COMPOSE_FILE, help="compose file; docker/compose.yaml")
    up.add_argument("--detach", action="store_true", help="go on in the background once all services are up")
    up.add_argument("--any-ports", action="store_true", help="free ports instead of 8080 and 8333")
    up.add_argument("--timeout", type=float, default=600.0, help="seconds that --detach waits; %(default)g")
    ps = add("ps", lambda asked: print_services(asked.folder, as_json=asked.json), "show services, processes, health")
    ps.add_argument("--json", action="store_true", help="for programs, with the ids of all processes")
    logs = add(
        "logs", lambda asked: print_log(asked.folder, asked.service, follow=asked.follow), "show a service's log"
    )
    logs.add_argument("service")
    logs.add_argument("--follow", action="store_true", help="until Ctrl-C")
    kill = add(
        "kill", lambda asked: kill_service(asked.folder, asked.service, asked.signal), "send a signal to a service"
    )
    kill.add_argument("service")
    kill.add_argument("--signal", default="SIGKILL", help="%(default)s")
    restart = add(
        "restart",
        lambda asked: restart_service(asked.folder, asked.service),
        "stop a service in order; it starts again",
    )
    restart.add_argument("service")
    down = add("down", lambda asked: stop_stack(asked.folder, with_volumes=asked.volumes), "stop all services")
    down.add_argument("--volumes", action="store_true", help="delete databases, objects and logs, too")
    return whole


def _path(text: str) -> Path:
    return Path(text).resolve()
