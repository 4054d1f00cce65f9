"""Errands on threads and in processes."""

from __future__ import annotations

import itertools
import os
import queue
import select
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import errand_functions as functions
import psutil
import pytest

from airflow_s3batch.core.errors import InfrastructureError
from airflow_s3batch.engine.loop import errands as module
from airflow_s3batch.engine.loop.errands import LOST, NOT_CALLED, TIMED_OUT, UNCLEAR, Errands
from airflow_s3batch.operations.requests import Errand, Response

HANG_S = 60.0
BOTH = pytest.mark.parametrize("in_processes", [False, True], ids=["threads", "processes"])


class Loop:
    """What the executor is to errands: it sleeps until the bell rings. Time passes when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self.descriptors: list[int] = []
        self.errands = Errands(self.descriptors.append, lambda: self.now)
        self._tags = itertools.count()

    def start(self, function: Callable[..., Any], *args: Any, **options: Any) -> int:
        tag = next(self._tags)
        self.errands.start(tag, Errand(function, args, **options))
        return tag

    def hear(self) -> dict[int, Response]:
        """Return the responses of all errands under way."""
        found: dict[int, Response] = {}
        while len(self.errands):
            assert select.select(self.descriptors, [], [], HANG_S)[0], "nobody rings"
            found |= dict(self.errands.finished())
        return found


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.errands.close()


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What functions on threads wait for; opened at last."""
    event = threading.Event()
    yield event
    event.set()


@BOTH
def test_results_come_back_under_their_tags(loop: Loop, in_processes: bool) -> None:
    tags = [loop.start(functions.add, n, 1, in_processes=in_processes, workers=2) for n in range(20)]
    found = loop.hear()
    assert [found[tag].value for tag in tags] == [n + 1 for n in range(20)]
    assert all(response.is_success for response in found.values())


@BOTH
def test_what_a_function_raises_is_its_answer(loop: Loop, in_processes: bool) -> None:
    tag = loop.start(functions.refuse, "not today", in_processes=in_processes)
    response = loop.hear()[tag]
    assert (response.error_code, response.message) == ("ValueError", "ValueError: not today")


def test_nothing_is_made_before_the_first_errand(loop: Loop) -> None:
    """Airflow forks; an operation that has none pays nothing."""
    before = made()
    assert loop.errands.finished() == []
    assert made() <= before  # what other tests have begun may end meanwhile
    assert loop.descriptors == []


def made() -> set[str]:
    """Return the threads and descriptors of this process."""
    descriptors = {f"descriptor {path.name}" for path in Path("/dev/fd").iterdir()}
    return {f"thread {thread.ident}" for thread in threading.enumerate()} | descriptors


def test_no_more_work_at_a_time_than_there_are_workers(loop: Loop, gate: threading.Event) -> None:
    begun = threading.Semaphore(0)
    at_once, most, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        begun.release()
        gate.wait(HANG_S)
        with lock:
            at_once -= 1

    for _ in range(9):
        loop.start(work, workers=3)
    for _ in range(3):
        assert begun.acquire(timeout=HANG_S)
    gate.set()
    assert len(loop.hear()) == 9
    assert most == 3


def test_errands_that_nobody_has_begun_can_be_withdrawn(loop: Loop, gate: threading.Event) -> None:
    begun = threading.Event()

    def work() -> None:
        begun.set()
        gate.wait(HANG_S)

    first = loop.start(work, workers=1)
    assert begun.wait(HANG_S)
    rest = [loop.start(work, workers=1) for _ in range(3)]
    assert sorted(loop.errands.withdraw()) == rest
    gate.set()
    assert list(loop.hear()) == [first]


def test_nobody_listens_to_errands_that_were_abandoned(loop: Loop, gate: threading.Event) -> None:
    """The next run of the same executor must not be told of what the last one gave up."""
    begun = threading.Event()

    def work() -> None:
        begun.set()
        gate.wait(HANG_S)

    first = loop.start(work, workers=1)
    assert begun.wait(HANG_S)
    loop.start(work, workers=1)
    assert loop.errands.abandon() == [first]
    assert len(loop.errands) == 0
    gate.set()
    later = loop.start(functions.add, 1, 1, workers=1)
    assert list(loop.hear()) == [later]


def test_a_thread_that_hangs_is_given_up_and_another_takes_its_place(loop: Loop, gate: threading.Event) -> None:
    begun = threading.Event()

    def work() -> str:
        begun.set()
        gate.wait(HANG_S)
        return "too late"

    hanging = loop.start(work, workers=1, timeout_s=5.0)
    assert begun.wait(HANG_S)
    next_one = loop.start(functions.add, 1, 1, workers=1, timeout_s=5.0)
    loop.now = 4.9
    assert loop.errands.finished() == []
    loop.now = 5.1
    ((tag, response),) = loop.errands.finished()
    assert (tag, response.error_code, response.message) == (hanging, TIMED_OUT, "not done after 5 s")
    assert loop.hear()[next_one].value == 2
    gate.set()
    last = loop.start(functions.add, 2, 2, workers=1, timeout_s=5.0)
    assert {tag: response.value for tag, response in loop.hear().items()} == {last: 4}


def test_a_worker_that_has_just_taken_an_errand_is_not_free(
    loop: Loop, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the queue and the function it looks idle; an errand that comes then gets a worker of its own."""
    taken = threading.Semaphore(0)

    class SlowQueue(queue.SimpleQueue[Any]):
        def get(self, block: bool = True, timeout: float | None = None) -> Any:
            job = super().get(block, timeout)
            taken.release()
            gate.wait(HANG_S)
            return job

    monkeypatch.setattr(module, "SimpleQueue", SlowQueue)
    for _ in range(2):
        loop.start(functions.add, 1, 1, workers=2)
        assert taken.acquire(timeout=HANG_S), "nobody takes it as long as the first one is under way"
    gate.set()
    assert len(loop.hear()) == 2


def test_too_many_threads_that_hang_end_the_run(
    loop: Loop, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each keeps its memory for as long as the process lives."""
    monkeypatch.setattr(module, "_MOST_HANGING", 1)
    begun = threading.Semaphore(0)

    def work() -> None:
        begun.release()
        gate.wait(HANG_S)

    for _ in range(2):
        loop.start(work, workers=2, timeout_s=5.0)
    for _ in range(2):
        assert begun.acquire(timeout=HANG_S)
    loop.now = 6.0
    with pytest.raises(InfrastructureError, match="in_processes=True"):
        loop.errands.finished()


def test_closing_does_not_wait_for_a_thread_that_hangs(gate: threading.Event) -> None:
    """Nor does the interpreter at its end: such threads are daemons."""
    loop, begun = Loop(), threading.Event()
    threads: list[threading.Thread] = []

    def work() -> None:
        threads.append(threading.current_thread())
        begun.set()
        gate.wait(HANG_S)

    loop.start(work)
    assert begun.wait(HANG_S)
    loop.errands.close()
    assert threads[0].is_alive()
    assert threads[0].daemon
    gate.set()
    threads[0].join(HANG_S)
    assert loop.errands.finished() == []


@pytest.mark.parametrize(
    ("function", "number", "told"),
    [(functions.leave, 3, "ended with status 3"), (functions.signal_itself, 9, "was killed by signal 9")],
)
def test_a_process_that_ends_fails_its_errand_alone(loop: Loop, function: Any, number: int, told: str) -> None:
    """Another one does those that come after."""
    lost = loop.start(function, number, in_processes=True, workers=1)
    fine = loop.start(functions.add, 1, 1, in_processes=True, workers=1)
    found = loop.hear()
    assert (found[lost].error_code, found[lost].message) == (LOST, f"its process {told}")
    assert found[fine].value == 2


@BOTH
def test_a_function_that_wants_to_exit_does_not(loop: Loop, in_processes: bool) -> None:
    first = loop.start(functions.resign, 3, in_processes=in_processes, workers=1)
    fine = loop.start(functions.add, 1, 1, in_processes=in_processes, workers=1)
    found = loop.hear()
    assert found[first].message == "SystemExit: 3"
    assert found[fine].value == 2


@BOTH
@pytest.mark.parametrize(
    ("function", "told"), [(functions.panic, "Fatal: at the disco"), (functions.mumble, "UntellableError")]
)
def test_whatever_is_raised_is_told(loop: Loop, function: Any, told: str, in_processes: bool) -> None:
    """Nobody waits for ever, and the worker does what comes next."""
    first = loop.start(function, in_processes=in_processes, workers=1)
    fine = loop.start(functions.add, 1, 1, in_processes=in_processes, workers=1)
    found = loop.hear()
    assert (found[first].error_code, found[first].message) == (told.partition(":")[0], told)
    assert found[fine].value == 2


def test_an_errand_whose_process_died_before_the_call_is_not_in_doubt(loop: Loop, tmp_path: Path) -> None:
    """It is begun once more; where that is no use, the failure is a clear one."""
    marker = str(tmp_path / "died")
    once = loop.start(functions.DiesBeforeItIsCalled(marker), in_processes=True, workers=1)
    always = loop.start(functions.DiesBeforeItIsCalled(marker, always=True), in_processes=True, workers=1)
    found = loop.hear()
    assert found[once].value == "called"
    assert (found[always].error_code, found[always].message) == (NOT_CALLED, "its process ended with status 3")
    assert NOT_CALLED not in UNCLEAR


def test_a_process_that_dies_is_missed_even_if_its_children_live_on(loop: Loop, tmp_path: Path) -> None:
    """As those of a pool do, where their parent is killed for want of memory."""
    lost = loop.start(functions.leave_a_child, str(tmp_path), in_processes=True, workers=1)
    found = loop.hear()
    (orphan,) = (psutil.Process(int(path.name)) for path in tmp_path.iterdir())
    orphan.kill()
    assert (found[lost].error_code, found[lost].message) == (LOST, "its process ended with status 3")


def test_modules_of_the_working_directory_are_not_taken_for_python_s_own(
    loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise RuntimeError('was run')")
    monkeypatch.chdir(tmp_path)
    tag = loop.start(functions.add, 1, 1, in_processes=True)
    assert loop.hear()[tag].value == 2


def test_a_process_that_hangs_is_killed_when_its_time_is_over(loop: Loop) -> None:
    pid = loop.start(functions.own_pid, in_processes=True, workers=1)
    process = psutil.Process(loop.hear()[pid].value)
    hanging = loop.start(functions.wait_for_signal, in_processes=True, workers=1, timeout_s=5.0)
    found: list[Any] = []
    while not found:
        loop.now += 6.0  # it is not late before it was begun
        found = loop.errands.finished()
    assert (found[0][0], found[0][1].error_code) == (hanging, TIMED_OUT)
    assert process.wait(HANG_S) != 0
    again = loop.start(functions.add, 1, 1, in_processes=True, workers=1, timeout_s=5.0)
    assert loop.hear()[again].value == 2


def test_processes_end_with_the_run(loop: Loop) -> None:
    """Also in the midst of a function."""
    pid = loop.start(functions.own_pid, in_processes=True, workers=1)
    process = psutil.Process(loop.hear()[pid].value)
    loop.start(functions.wait_for_signal, in_processes=True, workers=1)
    loop.errands.close()
    process.wait(HANG_S)


def test_a_process_serves_many_errands(loop: Loop) -> None:
    """It is a whole interpreter: starting one takes a tenth of a second."""
    for _ in range(5):
        loop.start(functions.own_pid, in_processes=True, workers=1)
    pids = {response.value for response in loop.hear().values()}
    assert len(pids) == 1
    assert os.getpid() not in pids


def test_what_functions_print_does_not_disturb(loop: Loop, capfd: pytest.CaptureFixture[str]) -> None:
    """It goes where the task's log comes from."""
    tag = loop.start(functions.say, "words", in_processes=True)
    assert loop.hear()[tag].value == "words"
    assert capfd.readouterr().err == "words\nwords"


def test_what_can_not_be_pickled_is_told(loop: Loop) -> None:
    tag = loop.start(functions.unpicklable, in_processes=True)
    assert loop.hear()[tag].message.startswith("PicklingError: what the function returned can't be pickled (")
    lost = loop.start(lambda: None, in_processes=True)
    assert loop.hear()[lost].message.startswith("PicklingError: the function, or its argument, can't be pickled (")
