"""`make demo` and `make demo-ui`."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from airflow_s3batch.testing import ServerMissingError, ministack
from demo.airflow_api import AirflowApiError
from demo.airflow_stack import USER, AirflowStack
from demo.processes import ComponentError, adopt_orphans, end_children
from demo.show import Screen
from demo.single import LOCK, only_one
from demo.story import DAG_ID, DemoError, tell

HERE = Path(__file__).parent
FOLDER = HERE.parent / ".demo"
DAGS = HERE / "dags"
BUSY = "`make demo` or `make demo-ui` is running here already; end it first (Ctrl-C)."
RUN = "run.json"
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
USAGE = "python -m demo      run the demo\npython -m demo ui   open Airflow's UI on the last run of it"


def main(arguments: Sequence[str]) -> int:
    """Run the command, end everything that it has started, and return its exit code."""
    commands: dict[tuple[str, ...], Callable[[Screen], None]] = {(): demo, ("ui",): show_ui}
    command = commands.get(tuple(arguments))
    if command is None:
        print(USAGE, file=sys.stderr)
        return 2
    for number in INTERRUPTS:
        signal.signal(number, _interrupt)
    adopt_orphans()
    screen = Screen()
    try:
        with only_one(FOLDER, DemoError(BUSY)):
            command(screen)
    except KeyboardInterrupt:
        screen.line("\nEnded; nothing is left running.")
        return 0 if command is show_ui else 130
    except (ComponentError, ServerMissingError, AirflowApiError, DemoError) as error:
        screen.line(f"\n{error}")
        return 1
    finally:
        end_children()
    return 0


def demo(screen: Screen) -> None:
    """Wipe what an earlier demo has left, and run."""
    for path in FOLDER.iterdir():
        if path.name != LOCK:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    run_id = tell(screen, FOLDER, DAGS)
    (FOLDER / RUN).write_text(json.dumps({"dag_id": DAG_ID, "run_id": run_id}))


def show_ui(screen: Screen) -> None:
    """
    Start S3 and Airflow on what the last demo has left; wait for Ctrl-C.

    Raises:
        DemoError: there was no demo yet.
    """
    path = FOLDER / RUN
    if not path.exists():
        raise DemoError("There is no finished demo to show; run `make demo` first.")
    run: dict[str, Any] = json.loads(path.read_text())
    with contextlib.ExitStack() as running:
        with screen.step("S3 with what the demo has left"):
            server = running.enter_context(ministack(data=FOLDER / "s3"))
        with screen.step("Airflow: api-server, scheduler, dag-processor, triggerer"):
            connection = {"AIRFLOW_CONN_AWS_DEFAULT": server.airflow_connection_uri()}
            stack = running.enter_context(AirflowStack(FOLDER / "airflow", dags=DAGS, settings=connection))
        screen.heading("Airflow's UI on the demo's run")
        screen.line(f"  {stack.run_page(run['dag_id'], run['run_id'])}")
        screen.line(f"  user {USER}, password {stack.password}")
        screen.line(f"  S3 for your own client: {server.endpoint_url} (any credentials)")
        screen.line("  Ctrl-C ends it.")
        while True:
            stack.check()
            time.sleep(1)


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of signal handlers
    """Begin to end. A second Ctrl-C must not keep the processes from being ended."""
    for one in INTERRUPTS:
        signal.signal(one, signal.SIG_IGN)
    raise KeyboardInterrupt
